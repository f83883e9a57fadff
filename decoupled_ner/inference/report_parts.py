"""The sections of an evaluation's page, each a piece of HTML."""

from __future__ import annotations

from collections.abc import Iterable

from decoupled_ner.inference.evaluation import ErrorExample, Evaluation, Row
from decoupled_ner.inference.highlight import colours_of, mark_html, safe_html
from decoupled_ner.inference.svg import Bar, bar_plot
from decoupled_ner.metrics import Confusion, ErrorKind, Interval, SpanError
from decoupled_ner.types import Entity

#: A page with more sentences than this is slow to open and read by nobody; the JSON has all.
EXAMPLES_SHOWN = 300


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f}"


def _range(interval: Interval | None) -> str:
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}" if interval else ""


def cards(overall: Row) -> str:
    """The four figures that matter most, with their intervals."""
    intervals = overall.intervals or (None, None, None)
    shown = [
        ("F1", overall.scores.f1, _range(intervals[2])),
        ("Precision", overall.scores.precision, _range(intervals[0])),
        ("Recall", overall.scores.recall, _range(intervals[1])),
    ]
    if overall.candidate_recall is not None:
        ceiling = 2 * overall.candidate_recall / (1 + overall.candidate_recall)
        shown.append(
            ("Candidate recall", overall.candidate_recall, f"F1 at most {_percent(ceiling)}")
        )
    boxes = (
        f'<div class="card"><span>{name}</span><b>{_percent(value)}</b><small>{under}</small></div>'
        for name, value, under in shown
    )
    return f'<div class="cards">{"".join(boxes)}</div>'


def losses(evaluation: Evaluation) -> str:
    """How many gold entities are right, lost by the candidates, and lost by the model."""
    overall, errors = evaluation.overall, evaluation.errors
    counts = overall.counts
    split = [("right", "right", counts.correct)]
    if overall.proposed is None:
        split.append(("missed", "not found", counts.gold - counts.correct))
    else:
        # Predictions come from the candidates, but nothing forces a caller to pass the same ones.
        proposed = max(overall.proposed - counts.correct, 0)
        split.append(("proposed", "a candidate, but wrongly labelled", proposed))
        split.append(("missed", "never a candidate", counts.gold - counts.correct - proposed))
    whole = max(counts.gold, 1)
    bar = "".join(
        f'<i class="{name}-key" style="width:{100 * n / whole:.2f}%"></i>' for name, _, n in split
    )
    legend = "".join(
        f'<span><span class="key {name}-key"></span>{n:,} {text} ({100 * n / whole:.1f}%)</span>'
        for name, text, n in split
    )
    kinds = ", ".join(f"{errors[kind]:,} {kind}" for kind in ErrorKind)
    return (
        f"<section><h2>Where entities are lost</h2>\n<p>{counts.gold:,} gold entities:</p>\n"
        f'<div class="split">{bar}</div>\n<p class="legend">{legend}</p>\n'
        f"<p>Errors: {kinds}.</p>\n"
        '<p class="note">Each wrong entity counts once. <b>Type</b>: right region, wrong label. '
        "<b>Boundary</b>: a gold and a predicted entity that overlap. <b>Missed</b> and "
        "<b>spurious</b>: the gold and the predicted entities left over.</p></section>"
    )


def score_table(evaluation: Evaluation) -> str:
    """Scores of every group with intervals, and F1 by type as a plot."""
    groups = [
        ("", [evaluation.overall]),
        ("by type", evaluation.by_type),
        ("mentions in training data", evaluation.mentions),
        ("sentences in training data", evaluation.sentences),
    ]
    rows = []
    for name, members in groups:
        if name and members:
            rows.append(f'<tr class="group"><td colspan="8">{name}</td></tr>')
        rows += [_score_row(row) for row in members]
    columns = ("", "precision", "recall", "F1", "cand. recall", "gold", "predicted", "right")
    head = "".join(f"<th>{column}</th>" for column in columns)
    bars = [
        Bar(row.name, row.scores.f1, row.intervals[2] if row.intervals else None,
            row.candidate_recall)
        for row in evaluation.by_type
    ]  # fmt: skip
    notes = []
    if evaluation.overall.intervals:
        notes.append(
            f"Small figures and thin lines: 95% intervals, {evaluation.resamples:,} bootstrap "
            "resamples of the sentences."
        )
    if evaluation.overall.proposed is not None:
        notes.append("Red tick: candidate recall, which recall can't exceed.")
    if evaluation.mentions:
        notes.append(
            "Seen: the mention's text is an entity of the training data. Leaked: the whole "
            "sentence stands in the training data."
        )
    plot = bar_plot(bars, title="F1 by type") if bars else ""
    return (
        f"<section><h2>Scores</h2>\n<table><thead><tr>{head}</tr></thead>\n"
        f'<tbody>{"".join(rows)}</tbody></table>\n<p class="note">{" ".join(notes)}</p>\n'
        f"{plot}</section>"
    )


def _score_row(row: Row) -> str:
    values = (row.scores.precision, row.scores.recall, row.scores.f1)
    intervals = row.intervals or (None, None, None)
    scores = "".join(
        f"<td>{_percent(value)}<small>{_range(interval)}</small></td>"
        for value, interval in zip(values, intervals, strict=True)
    )
    counts = (row.counts.gold, row.counts.predicted, row.counts.correct)
    numbers = "".join(f"<td>{count:,}</td>" for count in counts)
    recall = f"<td>{_percent(row.candidate_recall)}</td>"
    return f"<tr><td>{safe_html(row.name)}</td>{scores}{recall}{numbers}</tr>\n"


def confusion_table(confusion: Confusion) -> str:
    """Gold labels as rows, predicted labels as columns; a cell's tint is its share of its row."""
    if confusion.counts.sum() == 0:
        return ""
    head = "".join(f"<th>{safe_html(label)}</th>" for label in confusion.labels)
    rows = []
    for place, (label, counts) in enumerate(
        zip(confusion.labels, confusion.counts.tolist(), strict=True)
    ):
        total = sum(counts)
        cells = "".join(
            f'<td style="background:rgb(var(--{"heat" if place == column else "cold"})'
            f' / {0.75 * (count / total) ** 0.5:.2f})">{count:,}</td>'
            if count
            else "<td></td>"
            for column, count in enumerate(counts)
        )
        rows.append(f"<tr><th>{safe_html(label)}</th>{cells}</tr>")
    return (
        f'<section><h2>Confusion</h2>\n<table class="heat"><thead><tr><th>gold ↓ predicted →</th>'
        f"{head}</tr></thead>\n<tbody>{''.join(rows)}</tbody></table>\n"
        '<p class="note">At the very same region. O: no entity there, boundary errors included.'
        "</p></section>"
    )


def examples(evaluation: Evaluation) -> str:
    """Sentences with errors, gold above predicted, to be filtered by the kind of error."""
    shown = evaluation.examples[:EXAMPLES_SHOWN]
    if not shown:
        return "<section><h2>Errors</h2><p>None.</p></section>"
    labels = (e.label for x in shown for e in (*x.sentence.entities, *x.predicted))
    colours = colours_of(labels)
    kinds = ["all", *ErrorKind]
    filters = "".join(
        f'<input class="filter" type="radio" name="show" id="show-{kind}"'
        f'{" checked" if kind == "all" else ""}><label for="show-{kind}">{kind}</label>'
        for kind in kinds
    )
    left_out = len(evaluation.examples) - len(shown)
    note = f"<p>{left_out:,} more sentences have errors.</p>" if left_out else ""
    body = "\n".join(_example(example, colours) for example in shown)
    return f"<section><h2>Errors</h2>\n{filters}\n{body}\n{note}</section>"


def _example(example: ErrorExample, colours: dict[str, int]) -> str:
    wrong = {e for error in example.errors for e in (error.gold, error.predicted) if e}

    def style(entity: Entity) -> str:
        return "wrong" if entity in wrong else "right"

    def line(side: str, entities: Iterable[Entity]) -> str:
        marked = mark_html(example.sentence.text, tuple(entities), colours, style)
        return f'<span class="side">{side}</span><div class="text">{marked}</div>'

    kinds = " ".join(sorted({error.kind for error in example.errors}))
    chips = "".join(f"<span>{_chip(error)}</span>" for error in example.errors)
    return (
        f'<div class="example {kinds}">{line("gold", example.sentence.entities)}'
        f'{line("predicted", example.predicted)}<div class="chips">{chips}</div></div>'
    )


def _chip(error: SpanError) -> str:
    sides = [f"{e.text} {e.label}" for e in (error.gold, error.predicted) if e]
    return f"<em>{error.kind}</em>{safe_html(' → '.join(sides))}"
