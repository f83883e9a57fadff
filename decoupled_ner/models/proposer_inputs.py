"""Texts → a proposer's batches, and gold entities → the regions that it must score highest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from decoupled_ner.models.encoder import encoder_settings, load_encoder, load_tokenizer
from decoupled_ner.models.pieces import (
    Piece,
    collate_pieces,
    cut_for_encoder,
    units_of,
    whole_piece,
)
from decoupled_ner.models.proposer import ProposerConfig, ProposerModel
from decoupled_ner.models.units import UnitTokenizer
from decoupled_ner.models.words import WordTags
from decoupled_ner.types import Entity, Region

#: Units [first, last) of a text.
UnitSpan = tuple[int, int]


class GoldSpans(NamedTuple):
    """The entities of a text as spans of its units, those that can't be proposed, and the numbers
    of the units that nobody knows to be none's."""

    spans: list[UnitSpan]
    lost: tuple[Entity, ...]
    unknown: list[int]


@dataclass(frozen=True)
class ProposerInputs:
    """All that a proposer needs beside its weights: how texts become features. Thread-safe."""

    config: ProposerConfig
    tokenizer: PreTrainedTokenizerBase
    words: WordTags
    _split: UnitTokenizer = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_split", UnitTokenizer(self.tokenizer, self.config.units))

    def encode_batch(self, texts: Sequence[str]) -> list[list[Piece]]:
        """Each text as windows of at most ``max_tokens``, in order; ``[]`` where it is empty."""
        tokenized = [self._split(text) for text in texts]
        tags = self.words(texts, [found.units for found in tokenized])
        encoded: list[list[Piece]] = []
        for text, found, word_tags in zip(texts, tokenized, tags, strict=True):
            if not len(found.units):
                encoded.append([])
                continue
            whole = replace(whole_piece(text, found, {}, None), word_tags=word_tags)
            encoded.append(cut_for_encoder(whole, found, self.config, self.tokenizer))
        return encoded

    def gold(
        self, text: str, entities: Iterable[Entity], unknown: Iterable[Region] = ()
    ) -> GoldSpans:
        """The entities as spans of units. One that does not begin and end with a unit, or that is
        wider than ``max_width``, is lost. ``unknown`` are regions that might be entities."""
        units = self._split(text).units
        starts = {int(start): unit for unit, start in enumerate(units[:, 0])}
        ends = {int(end): unit + 1 for unit, end in enumerate(units[:, 1])}
        spans, lost = [], []
        for entity in entities:
            first, last = starts.get(entity.start), ends.get(entity.end)
            if first is None or last is None or last - first > self.config.max_width:
                lost.append(entity)
            else:
                spans.append((first, last))
        return GoldSpans(spans, tuple(lost), units_of(units, unknown))

    def collate(
        self,
        pieces: Sequence[Piece],
        spans: Sequence[Sequence[UnitSpan]] | None = None,
        unknown: Sequence[Sequence[int]] | None = None,
    ) -> dict[str, Tensor]:
        """One padded batch (`proposer.Batch` says what is in it).

        Args:
            pieces: windows of one text or many.
            spans: the gold spans of each piece's whole text, of which the piece takes its own.
            unknown: likewise, the numbers of the units that might be some entity's.
        """
        batch = collate_pieces(pieces, int(self.tokenizer.pad_token_id), unknown)
        if spans is not None:
            units = batch["unit_mask"].shape[1]
            gold = torch.zeros(
                len(pieces), units, min(units, self.config.max_width), dtype=torch.bool
            )
            for row, (piece, of_text) in enumerate(zip(pieces, spans, strict=True)):
                for first, last in of_text:
                    if piece.offset <= first and last <= piece.offset + len(piece):
                        gold[row, first - piece.offset, last - first - 1] = True
            batch["gold"] = gold
        return batch

    def save(self, directory: Path) -> None:
        """Write tokenizer and vocabularies."""
        self.tokenizer.save_pretrained(directory)
        self.words.save(directory)

    @classmethod
    def load(cls, config: ProposerConfig, directory: Path) -> ProposerInputs:
        """Read what `save` wrote.

        Raises:
            InputError: a file is missing or damaged.
        """
        words = WordTags.load(list(config.segmenters or ()), directory)
        return cls(config, load_tokenizer(str(directory)), words)


def build_proposer(
    encoder: str,
    config: ProposerConfig,
    segmenters: Sequence[str],
    texts: Sequence[str],
    seed: int = 1,
    encoder_dropout: float | None = None,
) -> tuple[ProposerModel, ProposerInputs]:
    """An untrained proposer in eval mode.

    Args:
        encoder: hub id, directory or bundled name.
        config: all settings but those of the encoder and the segmenters, which are filled in.
        segmenters: whose words the model sees, of `words.SEGMENTERS`; none is fine.
        texts: the training texts, never dev or test: the vocabulary of word tags comes from them.
        seed: of the random weights; the global generators are left alone.
        encoder_dropout: inside the encoder; None keeps the encoder's own setting.

    Raises:
        InputError: the encoder can't be loaded, or there is no such segmenter.
    """
    words = WordTags.of(segmenters, texts, config.units)
    config.encoder = encoder_settings(encoder, encoder_dropout)
    config.segmenters = {name: len(tags) for name, tags in words.vocabularies.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ProposerModel.from_encoder(config, load_encoder(encoder))
    return model.train(False), ProposerInputs(config, load_tokenizer(encoder), words)
