"""Regions with a proposer's scores, and what they say at a budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoupled_ner.metrics.budget import OperatingPoint, operating_points
from decoupled_ner.models.pieces import Piece
from decoupled_ner.types import Region, Sentence


class ScoredRegions(NamedTuple):
    """R regions of a text, sorted: (R, 2) character offsets and (R,) scores, which any real number
    may be."""

    regions: NDArray[np.int64]
    scores: NDArray[np.float32]

    def at_least(self, threshold: float) -> list[Region]:
        """Those that score this or more."""
        return [Region(*span) for span in self.regions[self.scores >= threshold].tolist()]

    def by_region(self) -> dict[tuple[int, int], float]:
        """The score of each region."""
        return dict(zip(map(tuple, self.regions.tolist()), self.scores.tolist(), strict=True))


def measured_points(
    found: Sequence[ScoredRegions], sentences: Sequence[Sentence], budgets: Sequence[float]
) -> list[OperatingPoint]:
    """The threshold and the recall of each budget on sentences with all their scored regions."""
    gold = [gold_scores(*pair) for pair in zip(found, sentences, strict=True)]
    return operating_points(
        np.concatenate([of_text.scores for of_text in found]),
        np.concatenate(gold),
        len(sentences),
        sum(len(set(sentence.entities)) for sentence in sentences),
        budgets,
    )


def gold_scores(found: ScoredRegions, sentence: Sentence) -> NDArray[np.float32]:
    """The scores of a sentence's entities; those without one are left out."""
    by_region = found.by_region()
    spans = [(entity.start, entity.end) for entity in dict.fromkeys(sentence.entities)]
    return np.array([by_region[span] for span in spans if span in by_region], np.float32)


def owned_regions(piece: Piece, scores: NDArray[np.float32], min_score: float) -> ScoredRegions:
    """The regions that begin in the units that a window owns, from its scores (N, W)."""
    first_owned, last_owned = piece.owned
    own = scores[first_owned:last_owned]
    first, more = np.nonzero((own >= min_score) & np.isfinite(own))
    starts = first + first_owned
    regions = np.stack([piece.units[starts, 0], piece.units[starts + more, 1]], axis=1)
    return ScoredRegions(regions, own[first, more])


def joined(parts: Sequence[ScoredRegions]) -> ScoredRegions:
    """The regions of a text from those of its windows, in order."""
    if not parts:
        return ScoredRegions(np.zeros((0, 2), np.int64), np.zeros(0, np.float32))
    return ScoredRegions(
        np.concatenate([part.regions for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )
