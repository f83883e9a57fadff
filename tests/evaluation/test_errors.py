"""Every wrong entity is exactly one kind of error."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given

from decoupled_ner.metrics import Counts, ErrorKind, confusion, span_counts, span_errors
from decoupled_ner.types import Entity, Sentence, entity_at

from .strategies import corpora

TEXT = "张三在北京大学读书，李四在上海"


def at(start: int, end: int, label: str) -> Entity:
    return entity_at(TEXT, start, end, label)


def test_each_kind() -> None:
    gold = [at(0, 2, "PER"), at(3, 7, "ORG"), at(10, 12, "PER"), at(13, 15, "GPE")]
    predicted = [at(0, 2, "PER"), at(3, 5, "GPE"), at(7, 9, "LOC"), at(13, 15, "LOC")]
    found = [(e.kind, e.gold, e.predicted) for e in span_errors(gold, predicted)]
    assert found == [
        (ErrorKind.BOUNDARY, gold[1], predicted[1]),
        (ErrorKind.SPURIOUS, None, predicted[2]),
        (ErrorKind.MISSED, gold[2], None),
        (ErrorKind.TYPE, gold[3], predicted[3]),
    ]


def test_one_gold_entity_cut_in_two_is_one_boundary_and_one_spurious() -> None:
    gold = [at(3, 7, "ORG")]
    predicted = [at(3, 4, "ORG"), at(4, 7, "GPE")]
    errors = span_errors(gold, predicted)
    # The larger overlap is the pair, although its type is wrong as well.
    assert [(e.kind, e.predicted) for e in errors] == [
        (ErrorKind.SPURIOUS, predicted[0]),
        (ErrorKind.BOUNDARY, predicted[1]),
    ]


def test_equal_overlaps_prefer_the_same_type() -> None:
    errors = span_errors([at(3, 7, "ORG")], [at(3, 5, "GPE"), at(5, 7, "ORG")])
    [boundary] = [e for e in errors if e.kind is ErrorKind.BOUNDARY]
    assert boundary.predicted == at(5, 7, "ORG")


def test_an_entity_already_right_takes_no_part_in_an_error() -> None:
    [error] = span_errors([at(3, 7, "ORG")], [at(3, 7, "ORG"), at(3, 5, "GPE")])
    assert error.kind is ErrorKind.SPURIOUS


@given(corpora())
def test_every_entity_counts_once(
    corpus: tuple[list[Sentence], list[tuple[Entity, ...]]],
) -> None:
    gold, predicted = corpus
    kinds = Counter(
        error.kind
        for sentence, entities in zip(gold, predicted, strict=True)
        for error in span_errors(sentence.entities, entities)
    )
    total = sum(span_counts(gold, predicted).values(), Counts())
    both = kinds[ErrorKind.TYPE] + kinds[ErrorKind.BOUNDARY]
    assert total.gold == total.correct + both + kinds[ErrorKind.MISSED]
    assert total.predicted == total.correct + both + kinds[ErrorKind.SPURIOUS]


@given(corpora())
def test_confusion_sums_to_the_counts(
    corpus: tuple[list[Sentence], list[tuple[Entity, ...]]],
) -> None:
    gold, predicted = corpus
    table = confusion(gold, predicted)
    counts = span_counts(gold, predicted)
    assert table.labels == (*counts, "O")
    assert np.diag(table.counts)[:-1].tolist() == [c.correct for c in counts.values()]
    assert table.counts.sum(axis=1)[:-1].tolist() == [c.gold for c in counts.values()]
    assert table.counts.sum(axis=0)[:-1].tolist() == [c.predicted for c in counts.values()]
    assert table.counts[-1, -1] == 0


def test_a_boundary_error_confuses_with_no_entity() -> None:
    table = confusion([Sentence(TEXT, (at(3, 7, "ORG"),))], [[at(3, 5, "GPE")]])
    assert table.labels == ("ORG", "GPE", "O")
    np.testing.assert_array_equal(table.counts, [[0, 0, 1], [0, 0, 0], [0, 1, 0]])
