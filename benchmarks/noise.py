"""How far the labels of distant supervision agree with annotated training sets:
``python benchmarks/noise.py GAZETTEER``.

For one's own gazetteer and data ``decoupled-ner distant audit`` has the same figures.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from results import write_result

from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.data.distant import DistantSettings
from decoupled_ner.data.distant.audit import agreement
from decoupled_ner.data.distant.labeller import Labeller
from decoupled_ner.gazetteer import load_gazetteer
from decoupled_ner.types import InputError

#: `DistantSettings.min_share` in the runs of stage 1 on each set.
SHARES = {"weibo": (0.75, 0.9), "msra": (0.75,)}
#: MSRA has no GPE.
FOLDS = {"msra": {"GPE": "LOC"}}
COLUMNS = ["data set", "least share", "type", "gold", "noisy", "precision", "recall", "F1"]
NOTE = (
    "In percent, on whole entities of the training split. Least share: of a mention's weight, that"
    " its best type must have to be labelled (`--min-share`). MSRA with GPE folded into LOC."
)


def rows_of(gazetteer: Any, dataset: str, share: float) -> list[list[str | int | float]]:
    """A row for each type and one for all."""
    labeller = Labeller.build(gazetteer, DistantSettings(min_share=share))
    found = agreement(labeller, load_dataset(dataset).split("train"), FOLDS.get(dataset))
    return [
        [dataset, share, label, row["gold"], row["noisy"]]
        + [100 * row[name] for name in ("precision", "recall", "f1")]
        for label, row in [*found["by_type"].items(), ("all", found["overall"])]
    ]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gazetteer", type=Path, help="a compiled folder")
    options = parser.parse_args()
    try:
        gazetteer = load_gazetteer(str(options.gazetteer))
        rows = [
            row
            for dataset, shares in SHARES.items()
            for share in shares
            for row in rows_of(gazetteer, dataset, share)
        ]
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    settings = {"gazetteer": gazetteer.digest, "mentions": len(gazetteer)}
    result = {"experiment": "noise", "columns": COLUMNS, "rows": rows, "note": NOTE}
    print(write_result("table", {**result, "settings": settings}))


if __name__ == "__main__":
    main()
