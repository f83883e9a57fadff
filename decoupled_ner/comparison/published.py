"""What others report: `published.yaml`, looked up by data set and system."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from decoupled_ner.types import InputError

_FILE = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True, slots=True)
class Published:
    """Somebody else's result, in percent as printed; precision and recall may be unknown."""

    source: str
    dataset: str
    encoder: str
    system: str
    f1: float
    precision: float | None = None
    recall: float | None = None


@cache
def published() -> tuple[Published, ...]:
    """Every row of the file, in its order.

    Raises:
        InputError: a row has neither one figure nor three.
    """
    found = []
    for group in yaml.safe_load(_FILE.read_text(encoding="utf-8")):
        for system, figures in group["rows"].items():
            if len(figures) not in (1, 3):
                raise InputError(f"{_FILE}: {system} needs F1, or precision, recall and F1")
            *others, f1 = figures
            who = (group["source"], group["dataset"], group["encoder"], system)
            found.append(Published(*who, f1, *others))
    return tuple(found)


def find_published(dataset: str, system: str) -> Published | None:
    """The row of a system, or None."""
    rows = (row for row in published() if (row.dataset, row.system) == (dataset, system))
    return next(rows, None)


def rank(dataset: str, system: str) -> int:
    """The place of a system in the file, behind all where it has none."""
    row = find_published(dataset, system)
    return published().index(row) if row else len(published())
