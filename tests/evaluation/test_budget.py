"""Thresholds for a budget of regions a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoupled_ner.metrics.budget import HIGHEST, budget_threshold, operating_points
from decoupled_ner.types import InputError


def test_a_budget_by_hand():
    # Two sentences; gold regions score 5, 2 and -1, and a fourth entity was not scored.
    scores = np.array([5.0, 1.0, -3.0, 2.0, 0.5, -1.0, -4.0])
    gold = np.array([5.0, 2.0, -1.0])
    points = operating_points(scores, gold, sentences=2, entities=4, budgets=[0.5, 1, 1.5, 2.5, 9])
    assert [point.threshold for point in points] == [3.5, 1.5, 0.75, -2.0, -HIGHEST]
    assert [point.recall for point in points] == [0.25, 0.5, 0.5, 0.75, 0.75]


def test_equal_scores_stay_together():
    scores = np.array([3.0, 2.0, 2.0, 1.0])
    assert budget_threshold(scores, 1, 2) == 2.5  # both regions of 2.0 would be one too many
    assert budget_threshold(scores, 1, 3) == 1.5
    next_to = np.array([np.nextafter(np.float32(1), np.float32(2)), 1], np.float32)
    assert (next_to >= budget_threshold(next_to, 1, 1)).sum() == 1
    assert budget_threshold(np.array([1.0, 1.0]), 1, 1) == HIGHEST


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30), st.integers(1, 4), st.floats(0.1, 9))
def test_as_many_as_the_budget_allows(values: list[int], sentences: int, budget: float):
    scores = np.array(values, np.float32)
    threshold = budget_threshold(scores, sentences, budget)
    assert (scores >= threshold).sum() <= budget * sentences
    below = scores[scores < threshold]
    if len(below):
        assert (scores >= below.max()).sum() > int(budget * sentences)


@pytest.mark.parametrize("budget", [0.0, -1.0, float("nan")])
def test_a_budget_is_above_zero(budget: float):
    with pytest.raises(InputError, match="above 0"):
        budget_threshold(np.array([1.0]), 1, budget)
