"""Coverage and conflict of a gazetteer against annotated test sets:
``python benchmarks/coverage.py GAZETTEER``.

Data sets that are not there are left out and named. What the paper's appendix has stands beside.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from results import write_result

from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.gazetteer import load_gazetteer
from decoupled_ner.gazetteer.report import agreement
from decoupled_ner.types import InputError

#: Coverage and conflict in percent: Findings of ACL 2021, decoupled NER, appendix.
PAPER = {"weibo": (61.95, 83.63), "msra": (78.81, 93.13), "ontonotes4": (71.49, 85.35)}
#: MSRA has no GPE: with it folded into LOC on both sides as well.
FOLDS: dict[str, list[dict[str, str]]] = {"msra": [{}, {"GPE": "LOC"}]}
COLUMNS = [
    "data set", "types folded", "entities", "coverage", "coverage †", "conflict",
    "conflict of all types", "conflict †",
]  # fmt: skip
NOTE = (
    "In percent. Coverage: entities of the test set that the gazetteer holds. Conflict: those of"
    " them whose most probable type differs; of all types: those whose type no source gives."
    " † Not ours: Decoupled NER (Findings of ACL 2021), with its own dictionaries."
)


def rows_of(gazetteer: Any, dataset: str) -> list[list[str | int | float]]:
    """A row for each way to fold types."""
    sentences = load_dataset(dataset).split("test")
    found = []
    for fold in FOLDS.get(dataset, [{}]):
        rates = agreement(gazetteer, sentences, fold)
        ours = [100 * rates[name] for name in ("coverage", "conflict", "conflict_any_type")]
        coverage, conflict = PAPER[dataset]
        folded = ", ".join(f"{old} as {new}" for old, new in fold.items())
        found.append([dataset, folded, rates["entities"], ours[0], coverage, *ours[1:], conflict])
    return found


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gazetteer", type=Path, help="a compiled folder")
    options = parser.parse_args()
    try:
        gazetteer = load_gazetteer(str(options.gazetteer))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    rows: list[list[str | int | float]] = []
    for dataset in PAPER:
        try:
            rows += rows_of(gazetteer, dataset)
        except InputError as error:
            print(f"left out: {error}", file=sys.stderr)
    settings = {"gazetteer": gazetteer.digest, "mentions": len(gazetteer)}
    result = {"experiment": "gazetteer-coverage", "columns": COLUMNS, "rows": rows, "note": NOTE}
    print(write_result("table", {**result, "settings": settings}))


if __name__ == "__main__":
    main()
