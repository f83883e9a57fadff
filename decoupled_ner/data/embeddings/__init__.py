"""Static embeddings: vectors of characters, bigrams and words, and SoftLexicon's lexicon."""

from decoupled_ner.data.embeddings.run import train_embeddings
from decoupled_ner.data.embeddings.settings import EmbeddingSettings

__all__ = ["EmbeddingSettings", "train_embeddings"]
