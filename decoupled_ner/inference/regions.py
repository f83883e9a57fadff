"""Regions with a proposer's scores, and what they say at a budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoupled_ner.metrics.budget import OperatingPoint, operating_points
from decoupled_ner.models.pieces import Piece
from decoupled_ner.types import Region, Sentence

#: A region as one number: no text has so many characters that two regions share it.
_ORDER = np.array([1 << 32, 1])


class ScoredRegions(NamedTuple):
    """R regions of a text, sorted: (R, 2) character offsets and (R,) scores, which any real number
    may be."""

    regions: NDArray[np.int64]
    scores: NDArray[np.float32]

    def at_least(self, threshold: float) -> list[Region]:
        """Those that score this or more."""
        return [Region(*span) for span in self.regions[self.scores >= threshold].tolist()]

    def scores_of(self, spans: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
        """(K,) the scores of K spans; NaN for one that is none of the regions."""
        if not (len(self.regions) and spans):
            return np.full(len(spans), np.nan, np.float32)
        own, wanted = (np.array(pairs, np.int64) @ _ORDER for pairs in (self.regions, spans))
        places = np.searchsorted(own, wanted).clip(max=len(own) - 1)
        return np.where(own[places] == wanted, self.scores[places], np.float32(np.nan))


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
    scores = found.scores_of([(e.start, e.end) for e in dict.fromkeys(sentence.entities)])
    return scores[~np.isnan(scores)]


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
