"""What kind of error each wrong entity is. Every gold and every predicted entity counts once.

Within a sentence, in this order:

1. *right*: same region, same label; set aside.
2. *type*: same region, other label; one gold entity with one prediction.
3. *boundary*: of what is left, one gold entity with one prediction that overlaps it, whatever
   their labels; pairs are taken greedily by the number of shared characters, then equal labels
   before unequal ones, then from left to right.
4. *missed*: each gold entity that is left. *Spurious*: each prediction that is left.

So ``gold = right + type + boundary + missed`` and ``predicted = right + type + boundary +
spurious``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from decoupled_ner.labels import OUTSIDE
from decoupled_ner.metrics.spans import check_lengths, labels_of
from decoupled_ner.types import Entity, Sentence


class ErrorKind(StrEnum):
    """See the module's text for the exact definitions."""

    TYPE = "type"
    BOUNDARY = "boundary"
    MISSED = "missed"
    SPURIOUS = "spurious"


@dataclass(frozen=True, slots=True)
class SpanError:
    """One error: ``gold`` is ``None`` where it is spurious, ``predicted`` where it is missed."""

    kind: ErrorKind
    gold: Entity | None
    predicted: Entity | None


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often a gold label (row) met a predicted label (column) at the very same region.

    The last row and column are ``O``: a gold entity without a prediction at its region (a
    boundary error is one too) stands in the last column, a prediction without a gold entity at
    its region in the last row. Rows sum to the gold, columns to the predicted entities.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]  # [label, label]


def span_errors(gold: Iterable[Entity], predicted: Iterable[Entity]) -> list[SpanError]:
    """The errors of one sentence, from left to right."""
    want = {(e.start, e.end, e.label): e for e in gold}
    have = {(e.start, e.end, e.label): e for e in predicted}
    missing = [want[span] for span in sorted(want.keys() - have.keys())]
    extra = [have[span] for span in sorted(have.keys() - want.keys())]
    errors = _take_pairs(ErrorKind.TYPE, missing, extra, same_region=True)
    errors += _take_pairs(ErrorKind.BOUNDARY, missing, extra, same_region=False)
    errors += [SpanError(ErrorKind.MISSED, entity, None) for entity in missing]
    errors += [SpanError(ErrorKind.SPURIOUS, None, entity) for entity in extra]
    return sorted(errors, key=_place)


def confusion(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> Confusion:
    """The confusion table of a corpus.

    Raises:
        InputError: the numbers of sentences differ.
    """
    check_lengths(gold, predicted, "predictions")
    labels = (*labels_of(gold, predicted), OUTSIDE)
    index = {label: position for position, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for sentence, entities in zip(gold, predicted, strict=True):
        want = {(e.start, e.end, e.label) for e in sentence.entities}
        for *_, label in want.intersection((e.start, e.end, e.label) for e in entities):
            counts[index[label], index[label]] += 1
        for error in span_errors(sentence.entities, entities):
            row = error.gold.label if error.gold else OUTSIDE
            column = error.predicted.label if error.predicted else OUTSIDE
            if error.kind is ErrorKind.BOUNDARY:
                counts[index[row], index[OUTSIDE]] += 1
                counts[index[OUTSIDE], index[column]] += 1
            else:
                counts[index[row], index[column]] += 1
    return Confusion(labels, counts)


def _take_pairs(
    kind: ErrorKind, gold: list[Entity], predicted: list[Entity], *, same_region: bool
) -> list[SpanError]:
    """Pair up what belongs together and remove it from both lists."""
    pairs = [
        (-_shared(g, p), g.label != p.label, row, column)
        for row, g in enumerate(gold)
        for column, p in enumerate(predicted)
        if (g.region == p.region if same_region else g.region.overlaps(p.region))
    ]
    errors: list[SpanError] = []
    rows: set[int] = set()
    columns: set[int] = set()
    for *_, row, column in sorted(pairs):
        if row not in rows and column not in columns:
            errors.append(SpanError(kind, gold[row], predicted[column]))
            rows.add(row)
            columns.add(column)
    gold[:] = [entity for row, entity in enumerate(gold) if row not in rows]
    predicted[:] = [entity for column, entity in enumerate(predicted) if column not in columns]
    return errors


def _shared(one: Entity, other: Entity) -> int:
    return min(one.end, other.end) - max(one.start, other.start)


def _place(error: SpanError) -> tuple[int, int]:
    entities = [entity for entity in (error.gold, error.predicted) if entity]
    return min(entity.start for entity in entities), max(entity.end for entity in entities)
