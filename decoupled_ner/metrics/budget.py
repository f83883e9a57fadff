"""Which scored regions to keep: thresholds for a budget of regions a sentence, and their recall."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoupled_ner.types import InputError

FloatArray = NDArray[np.floating]

#: A finite number, since JSON has no infinity.
HIGHEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The regions that score ``threshold`` or more are at most ``budget`` a sentence on average,
    and hold this share of the gold entities (``recall``, in [0, 1])."""

    budget: float
    threshold: float
    recall: float


def budget_threshold(scores: FloatArray, sentences: int, budget: float) -> float:
    """A score that at most ``budget`` regions a sentence reach, on average: the lowest such.

    Args:
        scores: of all regions of the sentences.
        sentences: how many they are.
        budget: regions a sentence, above 0.

    Returns:
        Halfway between the scores of the last region that fits and the first that does not, so
        that another batch's rounding moves neither across; where all fit, or not even those that
        share the best score, the lowest or the highest number there is.

    Raises:
        InputError: the budget is not above 0.
    """
    if not 0 < budget < math.inf:
        raise InputError(
            f"a budget of candidates a sentence must be above 0 and finite, not {budget}"
        )
    kept = int(budget * sentences)
    if kept >= len(scores):
        return -HIGHEST
    first_out = float(np.partition(scores, len(scores) - kept - 1)[len(scores) - kept - 1])
    above = scores[scores > first_out]  # fewer than would fit where scores are equal
    if not len(above):
        return HIGHEST
    last_in = float(above.min())
    halfway = last_in + (first_out - last_in) / 2
    return halfway if np.float32(halfway) > first_out else last_in


def operating_points(
    scores: FloatArray,
    gold_scores: FloatArray,
    sentences: int,
    entities: int,
    budgets: Sequence[float],
) -> list[OperatingPoint]:
    """The threshold and the recall of each budget.

    Args:
        scores: of all regions of the sentences.
        gold_scores: of those that are gold entities; an entity that was not scored is not found.
        sentences, entities: how many there are.

    Raises:
        InputError: a budget is not above 0.
    """
    points = []
    for budget in budgets:
        threshold = budget_threshold(scores, sentences, budget)
        found = int((gold_scores >= threshold).sum())
        points.append(OperatingPoint(budget, threshold, found / entities if entities else 0.0))
    return points
