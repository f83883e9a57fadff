"""Recall of trained proposers by candidates a sentence: ``python benchmarks/proposer.py RUN …``.

RUN is the folder of ``decoupled-ner proposer DATASET``. Rows of other runs that the result has
stay. Thresholds are those that each budget has on dev; ``decoupled-ner candidates report --proposer
RUN/model --curve FILE`` draws the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from results import RESULTS, write_result

from decoupled_ner.comparison.results import read_results

EXPERIMENT = "proposer-recall"
KEPT = (
    "dataset split encoder seed epochs train_sentences extra_sentences checksums machine versions"
    " commit"
)
Row = list[Any]
Facts = dict[str, Any]
BUDGETS = (1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0)
COLUMNS = ["data set", "trained on", "added", *(f"{budget:g}" for budget in BUDGETS)]
NOTE = (
    "Share of the test set's entities, in percent, among so many candidates a sentence on average"
    " on dev; in brackets the average on test. Added: sentences by `data.extra`."
)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    options = parser.parse_args()
    rows, facts = [], []
    for folder in options.runs:
        try:
            run = json.loads((folder / "result.json").read_text(encoding="utf-8"))
            points = {point["budget"]: point for point in run["curve"]}
        except (OSError, ValueError, KeyError) as error:
            print(f"error: {folder}: no finished run of a proposer ({error})", file=sys.stderr)
            sys.exit(2)
        cells = [
            f"{100 * points[b]['recall']:.1f} ({points[b]['candidates']:.1f})" for b in BUDGETS
        ]
        rows.append([run["dataset"], run["train_sentences"], run["extra_sentences"], *cells])
        facts.append({name: run[name] for name in KEPT.split()})
    rows, facts = with_others(rows, facts)
    result = {"experiment": EXPERIMENT, "columns": COLUMNS, "rows": rows, "note": NOTE}
    print(write_result("table", {**result, "settings": {"runs": facts}}))


def with_others(rows: list[Row], facts: list[Facts]) -> tuple[list[Row], list[Facts]]:
    """These, then what the result has of other runs."""
    mine = [row[:3] for row in rows]
    for found in read_results(RESULTS):
        if found["experiment"] == EXPERIMENT:
            for row, fact in zip(found["rows"], found["settings"]["runs"], strict=True):
                if row[:3] not in mine:
                    rows, facts = [*rows, row], [*facts, fact]
    return rows, facts


if __name__ == "__main__":
    main()
