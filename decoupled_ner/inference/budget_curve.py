"""What more candidates buy: a proposer's recall at each of its budgets, as a table and a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from decoupled_ner.candidates.report import render
from decoupled_ner.candidates.union import Union
from decoupled_ner.data.files import write_lines
from decoupled_ner.inference.proposer import BestRegions, Proposer, proposers_in
from decoupled_ner.inference.svg import Point, line_plot
from decoupled_ner.metrics import candidate_recall
from decoupled_ner.types import InputError, Sentence


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """With the threshold that was chosen on dev for ``budget`` regions a sentence: how many are
    proposed on these sentences (``candidates`` a sentence) and what they hold (``recall``)."""

    budget: float
    threshold: float
    candidates: float
    recall: float


def budget_curve(proposer: Proposer, sentences: Sequence[Sentence]) -> list[CurvePoint]:
    """Recall and candidates at each budget that the proposer has a threshold for.

    Nothing is chosen on these sentences, so they may be those of test.

    Raises:
        InputError: there are no sentences, or the proposer has no thresholds.
    """
    points = proposer.operating_points
    if not sentences or not points:
        raise InputError("a curve needs sentences, and a proposer with thresholds")
    lowest = min(point.threshold for point in points)
    texts = [sentence.text for sentence in sentences]
    found = proposer.scored(texts, lowest, progress="recall by candidates")
    curve = []
    for point in points:
        proposed = [of_text.at_least(point.threshold) for of_text in found]
        candidates = sum(map(len, proposed)) / len(sentences)
        recall = candidate_recall(sentences, proposed)
        curve.append(CurvePoint(point.budget, point.threshold, candidates, recall))
    return curve


def proposer_to_draw(union: Union) -> BestRegions:
    """The proposer that a curve is of.

    Raises:
        InputError: there is none among the generators.
    """
    if found := proposers_in(union):
        return found[0]
    raise InputError("a curve needs a proposer among the generators: give --proposer DIR")


def add_curve(
    report: dict[str, Any], union: Union, sentences: Sequence[Sentence], path: Path
) -> None:
    """Put the curve of the union's proposer into a report of `candidate_report` (``curve``, and
    ``budget``, the one that is used), and draw it with the other generators as SVG.

    Raises:
        InputError: there is no proposer among the generators, or the file can't be written.
    """
    found = proposer_to_draw(union)
    curve = budget_curve(found.proposer, sentences)
    report |= {"budget": found.budget, "curve": [asdict(point) for point in curve]}
    others = {
        row["name"]: (row["candidates_per_sentence"], row["recall"])
        for row in [*report["generators"], report["union"]]
        if row["name"] != found.name
    }
    write_lines([curve_svg(curve, others).rstrip("\n")], path)


def render_report(report: dict[str, Any]) -> Group:
    """A candidate report for people, with the curve where it has one."""
    points = [CurvePoint(**point) for point in report.get("curve", ())]
    return Group(render(report), *([render_curve(points, report["budget"])] if points else []))


def render_curve(curve: Sequence[CurvePoint], chosen: float) -> Table:
    """The curve as a table for people, the chosen budget in bold."""
    table = Table(title="The proposer's budgets", caption="Thresholds were chosen on dev.")
    for column in ("budget on dev", "candidates a sentence", "recall", "F1 ceiling"):
        table.add_column(column, justify="right")
    for point in curve:
        ceiling = 2 * point.recall / (1 + point.recall)
        table.add_row(
            f"{point.budget:g}",
            f"{point.candidates:.2f}",
            f"{point.recall:.1%}",
            f"{ceiling:.1%}",
            style="bold" if point.budget == chosen else None,
        )
    return table


def curve_svg(curve: Sequence[CurvePoint], others: Mapping[str, tuple[float, float]]) -> str:
    """Recall against candidates a sentence: the proposer as a line, each of ``others`` (candidates
    a sentence and recall, by name) as a dot."""
    line = [Point(point.candidates, point.recall) for point in curve if point.candidates]
    dots = {name: [Point(x, y)] for name, (x, y) in others.items() if x}
    return line_plot(
        {"proposer": line, **dots},
        title="candidate recall",
        x_label="candidates a sentence",
        round_ticks=True,
    )
