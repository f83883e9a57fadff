"""Texts → a tagger's batches, and its tags → spans of characters of the text as given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from decoupled_ner.labels import Span
from decoupled_ner.models.embeddings import Vocabulary
from decoupled_ner.models.encoder import load_tokenizer
from decoupled_ner.models.lexicon import Lexicon
from decoupled_ner.models.pieces import (
    Piece,
    collate_pieces,
    cut_for_encoder,
    pad,
    units_of,
    whole_piece,
)
from decoupled_ner.models.tagger import IGNORED, TaggerConfig
from decoupled_ner.models.tags import TagSet
from decoupled_ner.models.units import (
    IntArray,
    TokenizedUnits,
    UnitTokenizer,
    split_units,
    windows,
)
from decoupled_ner.types import Entity, Region

_VOCABULARIES = ("units", "bigrams", "characters")
_LEXICON = "lexicon.tsv"


class TaggedUnits(NamedTuple):
    """Gold tags of a text's units, the entities that the units can't express, and the numbers of
    the units whose tag nobody knows."""

    tags: list[int]
    lost: tuple[Entity, ...]
    unknown: list[int]


@dataclass(frozen=True)
class TaggerInputs:
    """All that a tagger needs beside its weights: how texts become features. Thread-safe.

    Each input of ``config`` has its source here: the encoder its tokenizer, the embeddings of
    units, bigrams and characters their vocabularies by those names, SoftLexicon its lexicon.
    """

    config: TaggerConfig
    tokenizer: PreTrainedTokenizerBase | None = None
    vocabularies: dict[str, Vocabulary] = field(default_factory=dict)
    lexicon: Lexicon | None = None
    _split: UnitTokenizer | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        split = None
        if self.tokenizer is not None:
            split = UnitTokenizer(self.tokenizer, self.config.units)
        object.__setattr__(self, "_split", split)

    @property
    def tags(self) -> TagSet:
        """The tags that are predicted."""
        return self.config.tag_set

    def encode(self, text: str) -> list[Piece]:
        """The text as windows of at most ``max_tokens``, in order; ``[]`` where it has no units."""
        tokenized = self._tokenize(text)
        if not len(tokenized.units):
            return []
        whole = whole_piece(text, tokenized, self.vocabularies, self.lexicon)
        if self.tokenizer is None:
            ones = np.ones(len(whole), np.int64)
            return [whole.cut(window) for window in windows(ones, self.config.max_tokens)]
        return cut_for_encoder(whole, tokenized, self.config, self.tokenizer)

    def encode_batch(self, texts: Sequence[str]) -> list[list[Piece]]:
        """`encode` for many texts, N in, N out."""
        return [self.encode(text) for text in texts]

    def gold(
        self, text: str, entities: Iterable[Entity], unknown: Iterable[Region] = ()
    ) -> TaggedUnits:
        """Gold tags of the text's units. An entity that does not begin and end with a unit, or that
        overlaps one before it, is lost; of two that begin together the longer one stays.

        Args:
            unknown: regions that might be entities; what an entity has of them is known.

        Raises:
            InputError: an entity's type is not among the labels.
        """
        units = self._tokenize(text).units
        starts = {int(start): unit for unit, start in enumerate(units[:, 0])}
        ends = {int(end): unit + 1 for unit, end in enumerate(units[:, 1])}
        spans: list[Span] = []
        lost = []
        for entity in sorted(entities, key=lambda e: (e.start, -e.end)):
            first, last = starts.get(entity.start), ends.get(entity.end)
            taken = spans[-1][1] if spans else 0
            if first is None or last is None or first < taken:
                lost.append(entity)
            else:
                spans.append((first, last, entity.label))
        known = {unit for first, last, _ in spans for unit in range(first, last)}
        open_units = [unit for unit in units_of(units, unknown) if unit not in known]
        return TaggedUnits(self.tags.encode(spans, len(units)), tuple(lost), open_units)

    def collate(
        self,
        pieces: Sequence[Piece],
        tags: Sequence[Sequence[int]] | None = None,
        unknown: Sequence[Sequence[int]] | None = None,
    ) -> dict[str, Tensor]:
        """One padded batch (`tagger.Batch` says what is in it).

        Args:
            pieces: windows of one text or many.
            tags: the tags of each piece's whole text, of which the piece takes its own; what it has
                of an entity that its border cuts counts as one, so that the tags stay legal.
            unknown: numbers of the units of each whole text whose tag nobody knows.
        """
        padding = int(self.tokenizer.pad_token_id) if self.tokenizer is not None else 0
        batch = collate_pieces(pieces, padding, unknown)
        if tags is not None:
            own = [self._own_tags(p, t) for p, t in zip(pieces, tags, strict=True)]
            batch["tags"] = pad(own, IGNORED)
        return batch

    def save(self, directory: Path) -> None:
        """Write tokenizer, vocabularies and lexicon."""
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(directory)
        for name, vocabulary in self.vocabularies.items():
            vocabulary.save(directory / f"{name}.json")
        if self.lexicon is not None:
            self.lexicon.save(directory / _LEXICON)

    @classmethod
    def load(cls, config: TaggerConfig, directory: Path) -> TaggerInputs:
        """Read what `save` wrote.

        Raises:
            InputError: a file that the config asks for is missing or damaged.
        """
        dims = (config.unit_dim, config.bigram_dim, config.character_dim)
        used = [name for name, dim in zip(_VOCABULARIES, dims, strict=True) if dim]
        return cls(
            config,
            load_tokenizer(str(directory)) if config.encoder else None,
            {name: Vocabulary.load(directory / f"{name}.json") for name in used},
            Lexicon.load(directory / _LEXICON) if config.lexicon_dim else None,
        )

    def _own_tags(self, piece: Piece, tags: Sequence[int]) -> IntArray:
        own = tags[piece.part]
        if len(own) < len(tags):
            own = self.tags.encode(self.tags.decode(own), len(own))
        return np.array(own, np.int64)

    def _tokenize(self, text: str) -> TokenizedUnits:
        if self._split is not None:
            return self._split(text)
        nothing = np.zeros(0, np.int64)
        return TokenizedUnits(split_units(text, self.config.units), nothing, nothing)
