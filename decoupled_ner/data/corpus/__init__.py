"""Raw text as token ids in memory-mapped files, read as packed blocks or single lines and masked
anew each time: what masked language modelling trains on."""

from decoupled_ner.data.corpus.blocks import PackedBlocks, SingleLines
from decoupled_ner.data.corpus.build import CorpusSettings, prepare_corpus
from decoupled_ner.data.corpus.masks import BlockMasker, MaskedBlocks
from decoupled_ner.data.corpus.store import TokenCorpus, TokenStream
from decoupled_ner.data.corpus.vocabulary import prepare_vocabulary

__all__ = [
    "BlockMasker",
    "CorpusSettings",
    "MaskedBlocks",
    "PackedBlocks",
    "SingleLines",
    "TokenCorpus",
    "TokenStream",
    "prepare_corpus",
    "prepare_vocabulary",
]
