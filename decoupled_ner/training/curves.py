"""A run's course as a picture: dev precision, recall and F1 after each epoch."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from decoupled_ner.inference.svg import Point, line_plot

_CURVES = ("precision", "recall", "f1")


def write_curves(folder: Path) -> Path | None:
    """Draw ``curves.svg`` from the CSV logs of all parts of a run; None where dev was not scored.

    A part that resumed an earlier one may have scored an epoch again: the later score counts.
    """
    rows = {int(row["epoch"]) + 1: row for row in _logged(folder) if row.get("dev/f1")}
    if not rows:
        return None
    series = {
        name: [Point(epoch, float(row[f"dev/{name}"])) for epoch, row in sorted(rows.items())]
        for name in _CURVES
    }
    path = folder / "curves.svg"
    plot = line_plot(series, title="dev by epoch", x_label="epoch", log=False)
    path.write_text(plot + "\n", encoding="utf-8")
    return path


def _logged(folder: Path) -> Iterator[dict[str, str]]:
    parts = folder.glob("logs/part-*/metrics.csv")
    for path in sorted(parts, key=lambda path: int(path.parent.name.rpartition("-")[2])):
        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)
