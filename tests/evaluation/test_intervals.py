"""Intervals and paired tests, against textbook values and brute force."""

from __future__ import annotations

import numpy as np
import pytest

from decoupled_ner.metrics import (
    bootstrap_scores,
    intervals,
    paired_bootstrap,
    paired_test,
    t_interval,
)
from decoupled_ner.metrics.spans import score_array
from decoupled_ner.types import InputError


@pytest.fixture
def counts() -> np.ndarray:
    """[sentence, (correct, predicted, gold)] of 200 sentences, F1 about .7."""
    rng = np.random.default_rng(7)
    gold, predicted = rng.integers(0, 4, (2, 200))
    correct = rng.binomial(np.minimum(gold, predicted), 0.9)
    return np.stack([correct, predicted, gold], axis=1)


def test_bootstrap_equals_a_plain_loop(counts: np.ndarray) -> None:
    """The loop draws from another generator, so the two agree up to the bootstrap's own noise."""
    rng = np.random.default_rng(1)
    sampled = []
    for _ in range(4000):
        chosen = rng.integers(0, len(counts), len(counts))
        correct, predicted, gold = counts[chosen].sum(axis=0)
        sampled.append((correct / predicted, correct / gold, 2 * correct / (predicted + gold)))
    expected = np.quantile(sampled, (0.025, 0.975), axis=0).T
    np.testing.assert_allclose(bootstrap_scores(counts, resamples=4000), expected, atol=0.006)


def test_bootstrap_is_seeded_and_holds_the_score(counts: np.ndarray) -> None:
    once, again = (bootstrap_scores(counts, seed=3) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, bootstrap_scores(counts, seed=4))
    middle = score_array(counts.sum(axis=0))
    assert (once[:, 0] < middle).all() and (middle < once[:, 1]).all()


def test_bootstrap_in_pieces_and_in_groups(
    counts: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bootstrap_scores(counts)
    monkeypatch.setattr(intervals, "_WEIGHTS_AT_ONCE", 1001)
    np.testing.assert_array_equal(bootstrap_scores(counts), whole)
    grouped = bootstrap_scores(np.stack([counts, counts], axis=1))
    np.testing.assert_array_equal(grouped, np.stack([whole, whole]))


def test_one_kind_of_sentence_has_no_spread() -> None:
    same = np.tile([1, 2, 2], (30, 1))
    np.testing.assert_array_equal(bootstrap_scores(same), np.full((3, 2), 0.5))


@pytest.mark.parametrize(
    ("runs", "t"), [(2, 12.7062), (3, 4.3027), (5, 2.7764), (10, 2.2622), (31, 2.0423)]
)
def test_t_interval_has_the_textbook_quantile(runs: int, t: float) -> None:
    values = np.linspace(0.7, 0.8, runs)
    interval = t_interval(values.tolist())
    half = t * values.std(ddof=1) / np.sqrt(runs)
    assert interval.low == pytest.approx(0.75 - half, abs=1e-4)
    assert interval.high == pytest.approx(0.75 + half, abs=1e-4)


def test_paired_t_test_of_a_textbook() -> None:
    """Student's sleep data (1908): t = -4.0621, 9 degrees of freedom, p = 0.002833."""
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    test = paired_test(first, second)
    assert test.difference == pytest.approx(-1.58)
    assert test.p == pytest.approx(0.002833, abs=1e-6)
    assert (test.low, test.high) == (pytest.approx(-2.4599, abs=1e-4), pytest.approx(-0.7001, 1e-3))
    assert test.pairs == 10


def test_paired_test_of_equal_systems() -> None:
    assert paired_test([0.5, 0.6], [0.5, 0.6]).p == 1
    assert paired_test([0.5, 0.75], [0.25, 0.5]).p == 0


def test_paired_bootstrap_sees_what_pairing_shows(counts: np.ndarray) -> None:
    worse = counts.copy()
    worse[:40, 0] = np.maximum(worse[:40, 0] - 1, 0)
    test = paired_bootstrap(counts, worse)
    assert test.difference > 0 and test.low > 0 and test.p < 0.01
    assert paired_bootstrap(worse, counts).difference == -test.difference
    same = paired_bootstrap(counts, counts)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_mistakes_are_input_errors(counts: np.ndarray) -> None:
    with pytest.raises(InputError, match="two or more, got 1"):
        t_interval([0.5])
    with pytest.raises(InputError, match="seed by seed"):
        paired_test([0.5, 0.6], [0.5])
    with pytest.raises(InputError, match="same test set"):
        paired_bootstrap(counts, counts[1:])
    with pytest.raises(InputError, match="one sentence tells nothing of others"):
        paired_bootstrap(counts[:1], counts[:1])
    with pytest.raises(InputError, match="got 0 and 1000"):
        bootstrap_scores(counts[:0])
