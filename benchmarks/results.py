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


def write_rows(
    record: Mapping[str, Any], keys: int, rows: list[list[Any]], facts: list[dict[str, Any]]
) -> Path:
    """Write a table of these rows, then of those that it has of others.

    Args:
        record: of the table, but for rows and settings.
        keys: how many columns tell rows apart.
        facts: of the run behind each row; machine, versions and commit are by default this one's.
    """
    here = results.run_facts()
    facts = [{**here, **fact} for fact in facts]
    mine = [row[:keys] for row in rows]
    for found in results.read_results(RESULTS):
        if found["experiment"] == record["experiment"]:
            for row, fact in zip(found["rows"], found["settings"]["runs"], strict=True):
                if row[:keys] not in mine:
                    rows, facts = [*rows, row], [*facts, fact]
    return write_result("table", {**record, "rows": rows, "settings": {"runs": facts}})


def named_model(given: str) -> tuple[str, str]:
    """The two parts of an argument ``NAME=MODEL``.

    Raises:
        InputError: it has not both.
    """
    name, _, model = given.partition("=")
    if not (name and model):
        raise InputError(f"{given!r} is not NAME=MODEL: name the folder of a model")
    return name, model
