"""Everything that is worth knowing about predictions whose gold annotation is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from decoupled_ner.inference.evaluation import ErrorExample, Evaluation, Row
from decoupled_ner.inference.highlight import printable
from decoupled_ner.metrics import (
    Counts,
    ErrorKind,
    Interval,
    bootstrap_scores,
    confusion,
    count_array,
    labels_of,
    proposed_array,
    scores,
    span_errors,
)
from decoupled_ner.types import Entity, InputError, Region, Sentence

__all__ = ["Evaluation", "evaluate", "render"]


def evaluate(
    gold: Sequence[Sentence],
    predicted: Sequence[Sequence[Entity]],
    *,
    candidates: Sequence[Sequence[Region]] | None = None,
    train: Sequence[Sentence] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Score predictions against gold annotation, one list of entities a sentence.

    Args:
        candidates: the regions that were proposed in each sentence, for candidate recall.
        train: the training sentences. A mention is *seen* if its text is the text of an entity in
            them, whatever the type (predictions are divided the same way, so that the two halves
            add up); a sentence is *leaked* if its text stands among them character by character.
        bootstrap: how often the sentences are resampled for 95% intervals; 0 for none.
        seed: of the resampling.

    Raises:
        InputError: no sentences, numbers of sentences that differ, or a predicted entity that does
            not lie in its sentence.
    """
    if not gold:
        raise InputError("there is no sentence to evaluate")
    slicer = _Slicer(gold, predicted, candidates, bootstrap, seed)
    types = labels_of(gold, predicted)
    [overall] = slicer.rows(["all"], lambda _: "all")
    mentions, sentences = _against_train(slicer, train) if train is not None else ((), ())
    examples = _examples(gold, predicted)
    kinds = [error.kind for example in examples for error in example.errors]
    return Evaluation(
        overall=overall,
        by_type=slicer.rows(types, lambda entity: entity.label),
        mentions=mentions,
        sentences=sentences,
        errors={kind: kinds.count(kind) for kind in ErrorKind},
        confusion=confusion(gold, predicted),
        examples=examples,
        candidates_a_sentence=_mean_length(candidates),
        sentence_counts=count_array(gold, predicted, ["all"], lambda _: "all")[:, 0],
        resamples=bootstrap,
        seed=seed,
    )


def render(evaluation: Evaluation) -> Table:
    """The scores as a table for people, in percent, to be printed by a rich console."""
    errors = ", ".join(f"{count:,} {kind}" for kind, count in evaluation.errors.items())
    notes = [f"Errors: {errors}."]
    if evaluation.overall.intervals:
        notes.append("Beside F1: 95% bootstrap interval over the sentences.")
    if evaluation.mentions:
        notes.append("Seen: mentions of train. Leaked: sentences of train.")
    table = Table(
        title=f"Scores on {evaluation.overall.sentences:,} sentences", caption=" ".join(notes)
    )
    table.add_column("", overflow="fold")  # a name is never cut
    for column in ("P", "R", "F1", "", "cand.\nrecall", "gold", "found", "right"):
        table.add_column(column, justify="right", no_wrap=True)
    groups = [(evaluation.overall,), evaluation.by_type, evaluation.mentions, evaluation.sentences]
    for group in groups:
        for row in group:
            table.add_row(Text(printable(row.name)), *_cells(row))
        table.add_section()
    return table


def _cells(row: Row) -> list[str]:
    f1 = row.intervals[2] if row.intervals else None
    recall = row.candidate_recall
    return [
        *(f"{100 * s:.2f}" for s in (row.scores.precision, row.scores.recall, row.scores.f1)),
        f"{100 * f1.low:.1f}–{100 * f1.high:.1f}" if f1 else "",
        "" if recall is None else f"{100 * recall:.2f}",
        *(f"{n:,}" for n in (row.counts.gold, row.counts.predicted, row.counts.correct)),
    ]


@dataclass(frozen=True, slots=True)
class _Slicer:
    """Makes rows of groups of entities, or of part of the sentences."""

    gold: Sequence[Sentence]
    predicted: Sequence[Sequence[Entity]]
    candidates: Sequence[Sequence[Region]] | None
    bootstrap: int
    seed: int

    def rows(self, names: Sequence[str], key: Callable[[Entity], str]) -> tuple[Row, ...]:
        """One row a group; ``key`` names the group of an entity."""
        counts = count_array(self.gold, self.predicted, names, key)  # [sentence, group, 3]
        proposed: list[int] | None = None
        if self.candidates is not None:
            proposed = proposed_array(self.gold, self.candidates, names, key).sum(0).tolist()
        bounds: list[Any] | None = None
        if self.bootstrap and len(self.gold) and names:
            sampled = bootstrap_scores(counts, resamples=self.bootstrap, seed=self.seed)
            bounds = sampled.tolist()  # [group, (precision, recall, f1), (low, high)]
        totals = [Counts(*row) for row in counts.sum(axis=0).tolist()]
        return tuple(
            Row(
                name=name,
                sentences=len(self.gold),
                counts=total,
                scores=scores(total),
                intervals=_intervals(bounds[i]) if bounds else None,
                proposed=proposed[i] if proposed else None,
            )
            for i, (name, total) in enumerate(zip(names, totals, strict=True))
        )

    def part(self, name: str, keep: Sequence[bool]) -> Row:
        """All entities of the sentences to keep."""
        chosen = [i for i, kept in enumerate(keep) if kept]
        part = _Slicer(
            [self.gold[i] for i in chosen],
            [self.predicted[i] for i in chosen],
            None if self.candidates is None else [self.candidates[i] for i in chosen],
            self.bootstrap,
            self.seed,
        )
        return part.rows([name], lambda _: name)[0]


def _intervals(bounds: list[list[float]]) -> tuple[Interval, Interval, Interval]:
    precision, recall, f1 = (Interval(low, high) for low, high in bounds)
    return precision, recall, f1


def _against_train(
    slicer: _Slicer, train: Sequence[Sentence]
) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    known = {entity.text for sentence in train for entity in sentence.entities}
    texts = {sentence.text for sentence in train}
    leaked = [sentence.text in texts for sentence in slicer.gold]
    mentions = slicer.rows(
        ["seen", "unseen"], lambda entity: "seen" if entity.text in known else "unseen"
    )
    new = [not leak for leak in leaked]
    return mentions, (slicer.part("leaked", leaked), slicer.part("new", new))


def _examples(
    gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]
) -> tuple[ErrorExample, ...]:
    examples = []
    for index, (sentence, entities) in enumerate(zip(gold, predicted, strict=True)):
        # A Sentence checks that the entities lie in the text, and sorts them.
        checked = Sentence(sentence.text, tuple(entities), sentence.id).entities
        if errors := span_errors(sentence.entities, checked):
            examples.append(ErrorExample(index, sentence, checked, tuple(errors)))
    return tuple(examples)


def _mean_length(candidates: Sequence[Sequence[Region]] | None) -> float | None:
    if candidates is None:
        return None
    return sum(len(set(regions)) for regions in candidates) / len(candidates)
