"""What `evaluate` finds: scores of groups, errors, examples; all of it as JSON values too."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoupled_ner.metrics import Confusion, Counts, ErrorKind, Interval, Scores, SpanError
from decoupled_ner.types import Entity, Sentence


@dataclass(frozen=True, slots=True)
class Row:
    """The scores of one group: all entities, a type, seen mentions, leaked sentences, ...

    ``intervals`` (precision, recall, F1) is ``None`` where no bootstrap was asked for; ``proposed``
    is the number of gold entities among the candidates, ``None`` where no candidates were given.
    """

    name: str
    sentences: int
    counts: Counts
    scores: Scores
    intervals: tuple[Interval, Interval, Interval] | None
    proposed: int | None

    @property
    def candidate_recall(self) -> float | None:
        """Share of the gold entities that were proposed; 0 where there is no gold entity."""
        if self.proposed is None:
            return None
        return self.proposed / self.counts.gold if self.counts.gold else 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        row: dict[str, Any] = {"sentences": self.sentences}
        row |= asdict(self.counts) | asdict(self.scores)
        row |= {"candidate_recall": self.candidate_recall, "proposed": self.proposed}
        if self.intervals:
            names = ("precision", "recall", "f1")
            both = zip(names, self.intervals, strict=True)
            row["intervals"] = {name: [interval.low, interval.high] for name, interval in both}
        return row


@dataclass(frozen=True, slots=True)
class ErrorExample:
    """A sentence with at least one error; ``index`` is its place in the evaluated sentences."""

    index: int
    sentence: Sentence
    predicted: tuple[Entity, ...]
    errors: tuple[SpanError, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "index": self.index,
            "id": self.sentence.id,
            "text": self.sentence.text,
            "gold": [asdict(entity) for entity in self.sentence.entities],
            "predicted": [asdict(entity) for entity in self.predicted],
            "errors": [asdict(error) for error in self.errors],
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Made by `evaluate`.

    ``mentions`` are the rows *seen* and *unseen*, ``sentences`` the rows *leaked* and *new*; both
    are empty where no training sentences were given. ``sentence_counts`` has one (correct,
    predicted, gold) a sentence, in order, which `decoupled_ner.metrics.paired_bootstrap` compares.
    """

    overall: Row
    by_type: tuple[Row, ...]
    mentions: tuple[Row, ...]
    sentences: tuple[Row, ...]
    errors: dict[ErrorKind, int]
    confusion: Confusion
    examples: tuple[ErrorExample, ...]
    candidates_a_sentence: float | None
    sentence_counts: NDArray[np.int64]
    resamples: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; scores are fractions in [0, 1]."""
        return {
            "overall": self.overall.to_dict(),
            "by_type": {row.name: row.to_dict() for row in self.by_type},
            "mentions": {row.name: row.to_dict() for row in self.mentions},
            "sentences": {row.name: row.to_dict() for row in self.sentences},
            "errors": {str(kind): count for kind, count in self.errors.items()},
            "confusion": {
                "labels": list(self.confusion.labels),
                "counts": self.confusion.counts.tolist(),
            },
            "candidates_a_sentence": self.candidates_a_sentence,
            "bootstrap": {"resamples": self.resamples, "seed": self.seed, "confidence": 0.95},
            "examples": [example.to_dict() for example in self.examples],
            "sentence_counts": self.sentence_counts.tolist(),
        }
