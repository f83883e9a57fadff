"""Results as Markdown tables and plots. The same results always give the same characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from decoupled_ner.comparison.published import find_published, published, rank
from decoupled_ner.comparison.results import Result
from decoupled_ner.inference.svg import Bar, Point, bar_plot, line_plot
from decoupled_ner.metrics import Interval, paired_test, t_interval
from decoupled_ner.types import InputError

#: What tells the rows of a score table apart beside the system: field and heading.
_SETUP = {
    "dataset": "data set",
    "split": "split",
    "train_sentences": "training sentences",
    "encoder": "encoder",
}


@dataclass(frozen=True)
class Row:
    """The runs of one system in one setup, by seed."""

    system: str
    setup: tuple[Any, ...]
    runs: tuple[Result, ...]

    @property
    def data(self) -> tuple[Any, ...]:
        """The setup but for the encoder."""
        return tuple(v for field, v in zip(_SETUP, self.setup, strict=True) if field != "encoder")

    def mean(self, field: str) -> float | None:
        """Over the runs; None where no run has it."""
        values = [run[field] for run in self.runs if run.get(field) is not None]
        return fmean(values) if values else None

    @property
    def f1(self) -> float:
        return fmean(run["f1"] for run in self.runs)

    @property
    def interval(self) -> Interval | None:
        """Student's t over seeds; of a single run the bootstrap interval that it brought."""
        if len(self.runs) > 1:
            return t_interval([run["f1"] for run in self.runs])
        bounds = self.runs[0].get("intervals", {}).get("f1")
        return Interval(*bounds) if bounds else None

    @property
    def published_name(self) -> str:
        """The row of ``published.yaml`` that this one is like."""
        first = self.runs[0]
        name = str(first.get("published", self.system))
        size = first.get("train_sentences")
        return f"{name}@{size}" if size and "@" not in name else name


def score_table(results: Sequence[Result]) -> str:
    """One row a system and setup: means over seeds, and what others report beside F1."""
    rows = _rows(results)
    varying, caption = _setup(rows)
    published_rows = [find_published(row.runs[0]["dataset"], row.published_name) for row in rows]
    columns = ["system", *(_SETUP[field] for field in varying), "seeds", "P", "R", "F1"]
    columns += ["candidate recall", "seconds a run"]
    timed = any(row.mean("seconds_a_sentence") is not None for row in rows)
    columns += ["ms a sentence"] * timed
    compared = any("against" in row.runs[0] for row in rows)
    columns += ["against, paired"] * compared + ["published F1 †"] * any(published_rows)
    cells = []
    for row, theirs in zip(rows, published_rows, strict=True):
        line = _score_cells(row, varying)
        if timed:
            line.append(_milliseconds(row))
        if compared:
            line.append(_compared(row, rows))
        if any(published_rows):
            line.append(f"{theirs.f1:.2f} ({theirs.encoder})" if theirs else "")
        cells.append(line)
    notes = [_interval_note(rows)]
    if timed:
        notes.append("ms a sentence: prediction on the split, candidates included.")
    if compared:
        notes.append(
            "Paired: difference in mean F1 over common seeds, a paired t-test over several."
        )
    if any(published_rows):
        sources = sorted({theirs.source for theirs in published_rows if theirs})
        notes.append(f"† Not ours: reported with the encoder named, in {'; '.join(sources)}.")
    written = table(columns, cells, text_columns=1 + len(varying))
    return f"{caption}\n\n{written}\n\n{' '.join(notes)}"


def speed_table(results: Sequence[Result]) -> str:
    """How many times as fast each system is as what it is compared with."""
    groups: dict[tuple[str, ...], list[float]] = {}
    named = [field for field in ("case", "device") if any(field in result for result in results)]
    for result in results:
        key = tuple(_name(result.get(field)) for field in ("system", "against", *named))
        groups.setdefault(key, []).append(result["ratio"])
    cells = [
        [*key, f"{fmean(ratios):.2f}", f"{min(ratios):.2f} to {max(ratios):.2f}", str(len(ratios))]
        for key, ratios in sorted(groups.items())
    ]
    columns = ("system", "against", *named, "times as fast", "range", "runs")
    return table(columns, cells, text_columns=2 + len(named))


def plain_table(results: Sequence[Result]) -> str:
    """Table results as they are, one below the other; columns from the first number on stand
    right."""
    parts = []
    for result in results:
        rows, columns = result["rows"], result["columns"]
        text_columns = next(
            (i for i, cells in enumerate(zip(*rows, strict=True)) if not any(map(_is_text, cells))),
            len(columns),
        )
        cells = [[_cell(value) for value in row] for row in rows]
        parts.append(table(columns, cells, text_columns=text_columns))
        parts += [result["note"]] * bool(result.get("note"))
    return "\n\n".join(parts)


def published_table(dataset: str) -> str:
    """All that others report on a data set.

    Raises:
        InputError: nothing.
    """
    rows = [row for row in published() if row.dataset == dataset]
    if not rows:
        raise InputError(f"published.yaml has nothing on {dataset!r}")
    columns = ("source", "system", "encoder", "P", "R", "F1")
    figures = ([row.precision, row.recall, row.f1] for row in rows)
    cells = [
        [row.source, row.system, row.encoder, *("" if f is None else f"{f:.2f}" for f in three)]
        for row, three in zip(rows, figures, strict=True)
    ]
    return table(columns, cells, text_columns=3)


def plot(experiment: str, results: Sequence[Result]) -> str:
    """F1 by system, or, where training sets of several sizes were taken, F1 by their size."""
    rows = _rows(results)
    varying, _ = _setup(rows)
    if "train_sentences" in varying and all(row.runs[0].get("train_sentences") for row in rows):
        names = [field for field in varying if field != "train_sentences"]
        series: dict[str, list[Point]] = {}
        for row in rows:
            size = row.runs[0]["train_sentences"]
            series.setdefault(_label(row, names), []).append(Point(size, row.f1, row.interval))
        return line_plot(series, title=f"{experiment}: F1", x_label="training sentences")
    bars = [
        Bar(_label(row, varying), row.f1, row.interval, row.mean("candidate_recall"))
        for row in rows
    ]
    limited = any(bar.limit is not None for bar in bars)
    title = f"{experiment}: F1{'; red: candidate recall' if limited else ''}"
    return bar_plot(bars, title=title, from_zero=False)


def cost_plot(experiment: str, results: Sequence[Result]) -> str:
    """F1 against what prediction costs a sentence; systems whose time is unknown are left out."""
    rows = _rows(results)
    varying, _ = _setup(rows)
    series = {
        _label(row, varying): [Point(1000 * cost, row.f1, row.interval)]
        for row in rows
        if (cost := row.mean("seconds_a_sentence"))
    }
    title = f"{experiment}: F1 against cost"
    return line_plot(series, title=title, x_label="ms a sentence", round_ticks=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, text_columns: int) -> str:
    """A pipe table; the first ``text_columns`` stand left, numbers right."""
    rule = [":---" if place < text_columns else "---:" for place in range(len(columns))]
    lines = [columns, rule, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rows(results: Iterable[Result]) -> list[Row]:
    groups: dict[tuple[str, tuple[Any, ...]], list[Result]] = {}
    for result in results:
        setup = tuple(result.get(field) for field in _SETUP)
        groups.setdefault((result["system"], setup), []).append(result)
    rows = [
        Row(system, setup, tuple(sorted(runs, key=lambda run: run["seed"])))
        for (system, setup), runs in groups.items()
    ]

    def order(row: Row) -> tuple[Any, ...]:
        dataset, split, size, encoder = row.setup
        place = min(rank(dataset, row.published_name), rank(dataset, row.system))
        return dataset, split, size or 0, encoder or "", place, row.system

    return sorted(rows, key=order)


def _setup(rows: Sequence[Row]) -> tuple[list[str], str]:
    """The fields that differ between rows, and a line on those that do not."""
    varying, fixed = [], []
    for place, (field, heading) in enumerate(_SETUP.items()):
        values = {row.setup[place] for row in rows}
        if len(values) > 1:
            varying.append(field)
        elif (value := values.pop()) is not None:
            fixed.append(f"{heading} {_name(value)}")
    devices = sorted({run["device"] for row in rows for run in row.runs})
    types = sorted({run["dtype"] for row in rows for run in row.runs if run.get("dtype")})
    computed = [f"computed in {' and '.join(types)}"] if types else []
    caption = "; ".join([*fixed, f"run on {', '.join(devices)}", *computed]) + "."
    return varying, caption[:1].upper() + caption[1:]


def _score_cells(row: Row, varying: Sequence[str]) -> list[str]:
    return [
        row.system,
        *(_name(row.runs[0].get(field)) for field in varying),
        str(len(row.runs)),
        _percent(row.mean("precision")),
        _percent(row.mean("recall")),
        _f1(row),
        _percent(row.mean("candidate_recall")),
        f"{row.mean('seconds'):,.0f}",
    ]


def _label(row: Row, fields: Sequence[str]) -> str:
    return ", ".join([row.system, *(_name(row.runs[0].get(field)) for field in fields)])


def _name(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != "–"


def _cell(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else _name(value)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f}"


def _milliseconds(row: Row) -> str:
    seconds = row.mean("seconds_a_sentence")
    return "–" if seconds is None else f"{1000 * seconds:.1f}"


def _f1(row: Row) -> str:
    mean, interval = f"**{100 * row.f1:.2f}**", row.interval
    if interval is None:
        return mean
    if len(row.runs) > 1:
        return f"{mean} ± {50 * (interval.high - interval.low):.2f}"
    return f"{mean} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def _interval_note(rows: Sequence[Row]) -> str:
    notes = []
    if any(len(row.runs) > 1 for row in rows):
        notes.append("±: half of Student's 95% t-interval of the mean over seeds.")
    if any(len(row.runs) == 1 and row.interval for row in rows):
        notes.append("In brackets, for a single run: 95% bootstrap interval over sentences.")
    return " ".join(["All in percent, on whole entities.", *notes])


def _compared(row: Row, rows: Sequence[Row]) -> str:
    """This row less the one that it names as ``against``, seed by seed: on the same data, with the
    same encoder or, where that has none such, the only other."""
    against = row.runs[0].get("against")
    others = [other for other in rows if (other.system, other.data) == (against, row.data)]
    others = [other for other in others if other.setup == row.setup] or others
    if len(others) != 1 or others[0].system == row.system:
        return "" if against is None else f"no {against}"
    ours, theirs = ({run["seed"]: run["f1"] for run in r.runs} for r in (row, others[0]))
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return f"{against}: no common seed"
    if len(seeds) == 1:
        return f"{against}: {100 * (ours[seeds[0]] - theirs[seeds[0]]):+.2f}, one seed"
    test = paired_test([ours[seed] for seed in seeds], [theirs[seed] for seed in seeds])
    bounds = f"{100 * test.low:+.2f} to {100 * test.high:+.2f}"
    p = f"p = {test.p:.3f}" if test.p >= 0.0005 else "p < 0.001"
    return f"{against}: {100 * test.difference:+.2f} ({bounds}), {p}"
