"""Recall of trained proposers by candidates a sentence: ``python benchmarks/proposer.py RUN …``.

RUN is the folder of ``decoupled-ner proposer DATASET``. Thresholds are those that each budget has
on dev; ``decoupled-ner candidates report --proposer RUN/model --curve FILE`` draws the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from results import write_result

BUDGETS = (1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0)
COLUMNS = ["data set", "trained on", *(f"{budget:g}" for budget in BUDGETS)]
NOTE = (
    "Share of the test set's entities, in percent, among so many candidates a sentence on average"
    " on dev; in brackets the average on test."
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
        rows.append([run["dataset"], run["train_sentences"], *cells])
        kept = ("dataset", "split", "encoder", "seed", "epochs", "train_sentences", "checksums")
        facts.append({name: run[name] for name in (*kept, "machine", "versions", "commit")})
    result = {"experiment": "proposer-recall", "columns": COLUMNS, "rows": rows, "note": NOTE}
    print(write_result("table", {**result, "settings": {"runs": facts}}))


if __name__ == "__main__":
    main()
