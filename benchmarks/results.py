"""Where the results lie from which `tables.py` makes docs/results.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decoupled_ner.comparison import results
from decoupled_ner.comparison.results import Kind
from decoupled_ner.types import InputError

RESULTS = Path(__file__).with_name("results")


def write_result(kind: Kind, record: Mapping[str, Any]) -> Path:
    """Write a result among the others; see `decoupled_ner.comparison.results`."""
    return results.write_result(kind, record, RESULTS)


def with_other_rows(
    experiment: str, keys: int, rows: list[list[Any]], facts: list[dict[str, Any]]
) -> tuple[list[list[Any]], list[dict[str, Any]]]:
    """These rows of a table and the facts of their runs, then those that the table has of others.

    Args:
        keys: how many columns tell rows apart.
    """
    mine = [row[:keys] for row in rows]
    for found in results.read_results(RESULTS):
        if found["experiment"] == experiment:
            for row, fact in zip(found["rows"], found["settings"]["runs"], strict=True):
                if row[:keys] not in mine:
                    rows, facts = [*rows, row], [*facts, fact]
    return rows, facts


def named_model(given: str) -> tuple[str, str]:
    """The two parts of an argument ``NAME=MODEL``.

    Raises:
        InputError: it has not both.
    """
    name, _, model = given.partition("=")
    if not (name and model):
        raise InputError(f"{given!r} is not NAME=MODEL: name the folder of a model")
    return name, model
