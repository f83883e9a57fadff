"""Exact-match precision, recall and F1: an entity is right when its region and its label are.

Everything is counted a sentence at a time into one integer array, from which totals, scores by
type, bootstrap intervals and sums over processes all follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from decoupled_ner.labels import LabelSet
from decoupled_ner.types import Entity, InputError, Region, Sentence

Key = Callable[[Entity], str]
Span = tuple[int, int, str]

_label: Key = attrgetter("label")


@dataclass(frozen=True, slots=True)
class Counts:
    """How many entities are right, how many were predicted, and how many there are."""

    correct: int = 0
    predicted: int = 0
    gold: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.correct + other.correct, self.predicted + other.predicted, self.gold + other.gold
        )


@dataclass(frozen=True, slots=True)
class Scores:
    """Fractions in [0, 1]."""

    precision: float
    recall: float
    f1: float


def scores(counts: Counts) -> Scores:
    """Precision, recall and F1; a score without a denominator is 0, as in conlleval."""
    row = np.array([counts.correct, counts.predicted, counts.gold])
    return Scores(*(float(value) for value in score_array(row)))


def score_array(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """``[..., (correct, predicted, gold)]`` → ``[..., (precision, recall, f1)]``."""
    correct, predicted, gold = np.moveaxis(counts.astype(np.float64), -1, 0)
    numerators = np.stack([correct, correct, 2 * correct], axis=-1)
    denominators = np.stack([predicted, gold, predicted + gold], axis=-1)
    result = np.zeros_like(numerators)
    np.divide(numerators, denominators, out=result, where=denominators > 0)
    return result


def span_counts(
    gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]
) -> dict[str, Counts]:
    """Counts by type over a corpus, in the order of `labels_of`.

    Their sum, ``sum(counts.values(), Counts())``, gives the micro-averaged scores.

    Raises:
        InputError: the numbers of sentences differ.
    """
    labels = labels_of(gold, predicted)
    totals = count_array(gold, predicted, labels).sum(axis=0).tolist()  # [label, 3]
    return {label: Counts(*row) for label, row in zip(labels, totals, strict=True)}


def labels_of(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> tuple[str, ...]:
    """The types that occur in either, in the order of `LabelSet.of`."""
    groups = chain((sentence.entities for sentence in gold), predicted)
    return LabelSet.of(entity.label for entities in groups for entity in entities).types


def count_array(
    gold: Sequence[Sentence],
    predicted: Sequence[Sequence[Entity]],
    groups: Sequence[str],
    key: Key = _label,
) -> NDArray[np.int64]:
    """``[sentence, group, (correct, predicted, gold)]``; a repeated entity counts once.

    ``key`` names an entity's group, its label by default. It must follow from the entity's text
    and label, so that a right prediction falls into the group of its gold entity.

    Raises:
        InputError: the numbers of sentences differ, or an entity's group is not in ``groups``.
    """
    check_lengths(gold, predicted, "predictions")
    index = {group: position for position, group in enumerate(groups)}
    counts = np.zeros((len(gold), len(groups), 3), dtype=np.int64)
    for row, sentence, entities in zip(counts, gold, predicted, strict=True):
        want, have = _spans(sentence.entities, key), _spans(entities, key)
        group_of = want | have
        for column, spans in enumerate((want.keys() & have.keys(), have, want)):
            for span in spans:
                row[_position(index, group_of[span]), column] += 1
    return counts


def proposed_array(
    gold: Sequence[Sentence],
    candidates: Sequence[Sequence[Region]],
    groups: Sequence[str],
    key: Key = _label,
) -> NDArray[np.int64]:
    """``[sentence, group]``: how many gold entities are among the candidate regions.

    Raises:
        InputError: the numbers of sentences differ, or an entity's group is not in ``groups``.
    """
    check_lengths(gold, candidates, "candidate lists")
    index = {group: position for position, group in enumerate(groups)}
    counts = np.zeros((len(gold), len(groups)), dtype=np.int64)
    for row, sentence, regions in zip(counts, gold, candidates, strict=True):
        proposed = {(region.start, region.end) for region in regions}
        for (start, end, _), group in _spans(sentence.entities, key).items():
            row[_position(index, group)] += (start, end) in proposed
    return counts


def candidate_recall(gold: Sequence[Sentence], candidates: Sequence[Sequence[Region]]) -> float:
    """Share of the gold entities whose region is a candidate: no model that only labels
    candidates can have a higher recall. 0 where there is no gold entity.

    Raises:
        InputError: the numbers of sentences differ.
    """
    labels = labels_of(gold, ())
    total = sum(len(_spans(sentence.entities, _label)) for sentence in gold)
    return int(proposed_array(gold, candidates, labels).sum()) / total if total else 0.0


def check_lengths(gold: Sequence[object], other: Sequence[object], name: str) -> None:
    """Raise an InputError unless both hold one item a sentence."""
    if len(gold) != len(other):
        raise InputError(
            f"{len(gold)} gold sentences but {len(other)} {name}: give one for each sentence"
        )


def _spans(entities: Iterable[Entity], key: Key) -> dict[Span, str]:
    return {(entity.start, entity.end, entity.label): key(entity) for entity in entities}


def _position(index: dict[str, int], group: str) -> int:
    if group not in index:
        raise InputError(f"unknown entity type {group!r}: expected one of {', '.join(index)}")
    return index[group]
