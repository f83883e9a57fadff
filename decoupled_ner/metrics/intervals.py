"""How sure a score is: bootstrap over sentences, Student's t over seeds, paired comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoupled_ner.metrics.spans import score_array
from decoupled_ner.types import InputError

#: Resample weights held in memory at once, so that a large corpus does not need gigabytes.
_WEIGHTS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval ``[low, high]``."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PairedTest:
    """``difference`` is the first system's score less the second's, with its interval; ``p`` is
    two-sided, for the hypothesis that there is none; ``pairs`` seeds or sentences were compared.
    """

    difference: float
    low: float
    high: float
    p: float
    pairs: int


def bootstrap_scores(
    counts: NDArray[np.int64],
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> NDArray[np.float64]:
    """Percentile intervals of precision, recall and F1 when whole sentences are resampled.

    Args:
        counts: ``[sentence, ..., (correct, predicted, gold)]``. All groups of ``...`` see the same
            resampled sentences.

    Returns:
        ``[..., (precision, recall, f1), (low, high)]``.

    Raises:
        InputError: there is no sentence, or ``resamples`` is not positive.
    """
    sampled = score_array(_resample(counts, resamples, seed))  # [resample, ..., 3]
    return np.moveaxis(np.quantile(sampled, _tails(confidence), axis=0), 0, -1)


def paired_bootstrap(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> PairedTest:
    """The difference in F1 of two systems on the same sentences, by resampling sentences.

    ``p`` is twice the smaller share of resamples on one side of zero, counted with one added to
    each (so it is never 0). It says nothing of the variation between training runs: see
    `paired_test`.

    Args:
        first, second: ``[sentence, (correct, predicted, gold)]``, in the same order.

    Raises:
        InputError: the systems were not scored on the same number of sentences, or on one alone.
    """
    if len(first) < 2:
        raise InputError("one sentence tells nothing of others: compare systems on two or more")
    if first.shape != second.shape:
        raise InputError(
            f"{len(first)} and {len(second)} sentences: compare systems on the same test set"
        )
    both = np.stack([first, second], axis=1)  # [sentence, system, 3]
    f1 = score_array(_resample(both, resamples, seed))[..., 2]  # [resample, system]
    sampled = f1[:, 0] - f1[:, 1]
    smaller = min(int((sampled <= 0).sum()), int((sampled >= 0).sum()))
    observed = score_array(both.sum(axis=0))[:, 2]
    low, high = np.quantile(sampled, _tails(confidence))
    p = min(1.0, 2 * (smaller + 1) / (resamples + 1))
    return PairedTest(float(observed[0] - observed[1]), float(low), float(high), p, len(first))


def paired_test(
    first: Sequence[float], second: Sequence[float], *, confidence: float = 0.95
) -> PairedTest:
    """Student's paired t-test between two systems' scores, the same seeds in the same order.

    Raises:
        InputError: the numbers of seeds differ, or there are fewer than two.
    """
    if len(first) != len(second):
        raise InputError(f"{len(first)} and {len(second)} scores: pair the systems seed by seed")
    differences = np.subtract(first, second)
    interval = t_interval(differences.tolist(), confidence=confidence)
    mean = float(differences.mean())
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences))
    if error == 0:
        p = 1.0 if mean == 0 else 0.0
    else:
        p = max(0.0, 1 - _t_within(abs(mean) / error, len(differences) - 1))
    return PairedTest(mean, interval.low, interval.high, p, len(differences))


def t_interval(values: Sequence[float], *, confidence: float = 0.95) -> Interval:
    """Student's t-interval of the mean over runs (seeds).

    Raises:
        InputError: fewer than two values.
    """
    if len(values) < 2:
        raise InputError(f"an interval over runs needs two or more, got {len(values)}")
    half = _t_quantile(confidence, len(values) - 1)
    half *= float(np.std(values, ddof=1)) / math.sqrt(len(values))
    mean = float(np.mean(values))
    return Interval(mean - half, mean + half)


def _resample(counts: NDArray[np.int64], resamples: int, seed: int) -> NDArray[np.int64]:
    """``[sentence, ...]`` → ``[resample, ...]``: sums over sentences drawn with replacement."""
    sentences = len(counts)
    if sentences == 0 or resamples < 1:
        raise InputError(
            f"a bootstrap needs sentences and resamples, got {sentences} and {resamples}"
        )
    rng = np.random.default_rng(seed)
    flat = counts.reshape(sentences, -1)
    sums = np.empty((resamples, flat.shape[1]), dtype=np.int64)
    step = max(1, _WEIGHTS_AT_ONCE // sentences)
    uniform = np.full(sentences, 1 / sentences)
    for start in range(0, resamples, step):
        weights = rng.multinomial(sentences, uniform, size=min(step, resamples - start))
        sums[start : start + step] = weights @ flat
    return sums.reshape(resamples, *counts.shape[1:])


def _tails(confidence: float) -> tuple[float, float]:
    return (1 - confidence) / 2, (1 + confidence) / 2


def _t_within(t: float, freedom: int) -> float:
    """P(\\|T\\| <= t) for whole degrees of freedom (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    term = math.cos(angle) if freedom % 2 else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(3 if freedom % 2 else 2, freedom - 1, 2):
        term *= math.cos(angle) ** 2 * (k - 1) / k
        total += term
    total *= math.sin(angle)
    return (angle + total) * 2 / math.pi if freedom % 2 else total


def _t_quantile(confidence: float, freedom: int) -> float:
    """The ``t`` with ``_t_within(t) == confidence``, by bisection."""
    low, high = 0.0, 1.0
    while _t_within(high, freedom) < confidence:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_within(middle, freedom) < confidence else (low, middle)
    return high
