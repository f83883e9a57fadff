"""Models under two overlap policies: ``python benchmarks/overlap.py DATASET NAME=MODEL …``.

``best`` keeps those without overlaps that score highest together; ``outermost`` is the rule of the
paper's authors, under which crossing entities stay. MODEL is the folder of a decoupled model; of
several, with commas, the mean is taken. What one that reads a proposer takes from dev, its outside
bias too, is fitted anew under each. Rows of other systems that the result has stay.
"""

from __future__ import annotations

import argparse
import sys
from statistics import mean
from typing import Any

from results import named_model, write_rows

from decoupled_ner import DecoupledNER
from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.inference.measure import measure
from decoupled_ner.types import InputError

POLICIES = ("best", "outermost")
COLUMNS = [
    "system",
    "models",
    *(f"{name}: {score}" for name in POLICIES for score in ("P", "R", "F1")),
]
NOTE = "In percent, on whole entities of test; means over models of several seeds."


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("models", nargs="+", metavar="NAME=MODEL,…")
    parser.add_argument("--dtype", default="bfloat16")
    options = parser.parse_args()
    try:
        data = load_dataset(options.dataset)
        rows: list[list[Any]] = []
        for given in options.models:
            name, folders = named_model(given)
            cells: list[Any] = [name, len(folders.split(","))]
            for policy in POLICIES:
                scores = []
                for folder in folders.split(","):
                    model = DecoupledNER.from_pretrained(
                        folder, overlap=policy, dtype=options.dtype
                    )
                    if model.config.proposer_reading:
                        model.read_proposer(data.split("dev"))
                    found = measure(model, data, bootstrap=0)[0].overall.scores
                    scores.append((found.precision, found.recall, found.f1))
                cells += [100 * mean(column) for column in zip(*scores, strict=True)]
            rows.append(cells)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    table = {"experiment": "overlap", "columns": COLUMNS, "note": NOTE}
    facts = [{"dataset": data.name, "dtype": options.dtype} for _ in rows]
    print(write_rows(table, 1, rows, facts))


if __name__ == "__main__":
    main()
