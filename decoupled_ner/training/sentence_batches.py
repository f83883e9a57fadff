"""Annotated sentences as batches: regions of them as pairs, and windows of them for models that
read a whole sentence."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from decoupled_ner.data.pairs import Pair, PairBatch, PairEncoder, TokenizedText, collate_pairs
from decoupled_ner.data.swaps import MentionSwaps
from decoupled_ner.models.pieces import Piece
from decoupled_ner.training.batches import EpochBatches
from decoupled_ner.types import Entity, Region, Sentence, doubtful_regions


@dataclass(frozen=True, slots=True)
class GoldWindow:
    """A window of a training sentence with what is to be learnt of the whole sentence: a proposer's
    spans (`UnitSpan`), a tagger's tags (int); and the units of it of which nothing is known."""

    piece: Piece
    gold: list[Any]
    unknown: list[int]


class WindowInputs(Protocol):
    """How texts become windows, entities what is to be learnt, and both a model's tensors."""

    def encode_batch(self, texts: Sequence[str], /) -> list[list[Piece]]:
        """The windows of each text."""

    def gold(
        self, text: str, entities: Iterable[Entity], unknown: Iterable[Region], /
    ) -> tuple[list[Any], tuple[Entity, ...], list[int]]:
        """What is to be learnt of a text, the entities that can't be expressed in it, and the units
        of which nothing is known."""

    def collate(
        self, pieces: Sequence[Piece], gold: Sequence[list[Any]], unknown: Sequence[list[int]], /
    ) -> dict[str, Tensor]:
        """One padded batch."""


def gold_windows(
    inputs: WindowInputs, sentences: Sequence[Sentence]
) -> tuple[list[GoldWindow], int]:
    """The windows of sentences, and how many of their entities can't be expressed."""
    windows, lost_entities = list[GoldWindow](), 0
    encoded = inputs.encode_batch([sentence.text for sentence in sentences])
    for sentence, pieces in zip(sentences, encoded, strict=True):
        doubtful = doubtful_regions(sentence)
        gold, lost, unknown = inputs.gold(sentence.text, sentence.entities, doubtful)
        lost_entities += len(lost)
        windows += [GoldWindow(piece, gold, unknown) for piece in pieces]
    return windows, lost_entities


class WindowBatches(EpochBatches):
    """Every training sentence once an epoch, as the tensors that a model reads."""

    def __init__(
        self, inputs: WindowInputs, windows: Sequence[GoldWindow], **settings: int
    ) -> None:
        super().__init__(**settings)
        self.inputs, self.windows = inputs, windows

    def items(self, epoch: int) -> Sequence[GoldWindow]:
        return self.windows

    def length_of(self, item: GoldWindow) -> int:
        return len(item.piece)

    def collate(self, items: Sequence[GoldWindow]) -> dict[str, Tensor]:
        pieces, gold, unknown = zip(*((i.piece, i.gold, i.unknown) for i in items), strict=True)
        return self.inputs.collate(pieces, gold, unknown)


class LabelledRegion(NamedTuple):
    """A training pair: which sentence, which region, which label id, and what is read as the
    mention in place of the region's own characters."""

    sentence: int
    region: Region
    label: int
    mention: str | None = None


class PairBatches(EpochBatches):
    """All positives, some with another mention, and, each epoch anew, ``sampled`` of the negatives,
    as :class:`PairBatch`.

    Batches of ``windows``, if there are any, go with them, one a step, and have epochs of their
    own: when all windows have been seen they begin anew, wherever the pairs are.
    """

    def __init__(
        self,
        encoder: PairEncoder,
        texts: Sequence[TokenizedText],
        positives: Sequence[LabelledRegion],
        negatives: Sequence[LabelledRegion],
        sampled: int,
        swaps: MentionSwaps,
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        windows: WindowBatches | None = None,
    ) -> None:
        super().__init__(batch_size, seed, rank, world_size)
        self.encoder, self.texts = encoder, texts
        self.positives, self.negatives, self.sampled = positives, negatives, sampled
        self.swaps, self.windows = swaps, windows

    def items_per_epoch(self) -> int:
        return len(self.positives) + min(self.sampled, len(self.negatives))

    def items(self, epoch: int) -> list[LabelledRegion]:
        rng = random.Random(f"swaps-{self.seed}-{epoch}")
        positives = [p._replace(mention=self.swaps.draw(p.label, rng)) for p in self.positives]
        if self.sampled >= len(self.negatives):
            return [*positives, *self.negatives]
        rng = random.Random(f"negatives-{self.seed}-{epoch}")
        return [*positives, *rng.sample(self.negatives, self.sampled)]

    def length_of(self, item: LabelledRegion) -> int:
        return len(self.texts[item.sentence].ids)

    def collate(self, items: Sequence[LabelledRegion]) -> PairBatch:
        pairs = [self._pair(item) for item in items]
        return collate_pairs(pairs, self.encoder.pad, [item.label for item in items])

    def _pair(self, item: LabelledRegion) -> Pair:
        text = self.texts[item.sentence]
        if item.mention is None:
            return self.encoder.encode(text, item.region)
        return self.encoder.encode_with(text, item.region, item.mention)

    def __getitem__(self, key: tuple[int, int]) -> PairBatch:
        batch: PairBatch = super().__getitem__(key)
        if self.windows is None:
            return batch
        epoch, number = key
        step = epoch * len(self) + number
        return batch._replace(windows=self.windows[divmod(step, len(self.windows))])
