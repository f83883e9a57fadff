"""Static embeddings: vectors of characters, bigrams and words, and SoftLexicon's lexicon."""

from decoupled_ner.data.embeddings.run import Progress, train_embeddings
from decoupled_ner.data.embeddings.settings import EmbeddingSettings

__all__ = ["EmbeddingSettings", "Progress", "train_embeddings"]
