"""Recall of trained proposers and taggers by candidates a sentence.

    python benchmarks/proposer.py RUN … [--tagger RUN …]

RUN is the folder of ``decoupled-ner proposer DATASET``, or of ``decoupled-ner tagger MODEL``. A
tagger proposes what its k best tag sequences hold, or the regions that it finds probable. The
threshold, or k, of each budget is the one that fits dev. Rows of other runs that the result has
stay. ``decoupled-ner candidates report --proposer RUN/model --curve FILE`` draws a proposer's.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from results import write_rows

from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.inference.tagger import Tagger
from decoupled_ner.metrics import candidate_recall
from decoupled_ner.metrics.budget import budget_threshold
from decoupled_ner.types import InputError, Region, Sentence, unique_regions

KEPT = (
    "dataset encoder seed epochs train_sentences extra_sentences checksums machine versions commit"
)
BUDGETS = (1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0)
COLUMNS = ["data set", "trained on", "added", "by", *(f"{budget:g}" for budget in BUDGETS)]
#: Sequences that are tried: more of them hold few regions more.
K_BEST = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
#: Regions less probable are not looked at.
LEAST_PROBABLE = 1e-5
NOTE = (
    "Share of the test set's entities, in percent, among so many candidates a sentence on average"
    " on dev; in brackets the average on test. Added: sentences by `data.extra`. –: one sequence"
    " holds more already."
)

Points = list[tuple[float, float] | None]  # recall and candidates a sentence, for each budget


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN")
    parser.add_argument("--tagger", nargs="+", type=Path, default=[], metavar="RUN")
    options = parser.parse_args()
    rows: list[list[Any]] = []
    facts: list[dict[str, Any]] = []
    try:
        for folder in [*options.runs, *options.tagger]:
            run = _result(folder)
            if folder in options.tagger:
                every = by_tagger(folder / "model", run["dataset"], run["system"])
            else:
                curve = {p["budget"]: (p["recall"], p["candidates"]) for p in run["curve"]}
                every = {"proposer": [curve[budget] for budget in BUDGETS]}
            for name, points in every.items():
                cells = [run["dataset"], run["train_sentences"], run["extra_sentences"], name]
                rows.append(cells + [_cell(point) for point in points])
                facts.append({key: run[key] for key in KEPT.split()})
    except (InputError, KeyError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    table = {"experiment": "proposer-recall", "columns": COLUMNS, "note": NOTE}
    print(write_rows(table, 4, rows, facts))


def by_tagger(model: Path, dataset: str, name: str) -> dict[str, Points]:
    """What a tagger proposes on test at each budget, in both ways."""
    tagger = Tagger.from_pretrained(model)
    data = load_dataset(dataset)
    dev, test = data.split("dev"), data.split("test")
    averages = {k: _average(_k_best(tagger, dev, k)) for k in K_BEST}
    best: Points = []
    for budget in BUDGETS:
        fitting = [k for k, average in averages.items() if average <= budget]
        best.append(_point(test, _k_best(tagger, test, max(fitting))) if fitting else None)
    scores, _ = _probable(tagger, dev)
    flat = np.array([score for of_text in scores for score in of_text])
    scores, regions = _probable(tagger, test)
    probable: Points = []
    for budget in BUDGETS:
        least = budget_threshold(flat, len(dev), budget)
        kept = [
            [region for region, score in zip(*both, strict=True) if score >= least]
            for both in zip(regions, scores, strict=True)
        ]
        probable.append(_point(test, kept))
    return {f"{name}, k best": best, f"{name}, probable regions": probable}


def _k_best(tagger: Tagger, sentences: Sequence[Sentence], k: int) -> list[list[Region]]:
    return tagger.propose_regions([sentence.text for sentence in sentences], k)


def _probable(
    tagger: Tagger, sentences: Sequence[Sentence]
) -> tuple[list[list[float]], list[list[Region]]]:
    """The scores and regions of each sentence; of a region in two windows, the higher score."""
    texts = [sentence.text for sentence in sentences]
    scores, regions = [], []
    for entities in tagger.probable_regions(texts, LEAST_PROBABLE):
        by_region: dict[Region, float] = {}
        for entity in entities:
            score = entity.score or 0.0
            by_region[entity.region] = max(score, by_region.get(entity.region, 0.0))
        regions.append(unique_regions(list(by_region)))
        scores.append([by_region[region] for region in regions[-1]])
    return scores, regions


def _average(regions: Sequence[Sequence[Region]]) -> float:
    return sum(map(len, regions)) / len(regions)


def _point(sentences: Sequence[Sentence], regions: list[list[Region]]) -> tuple[float, float]:
    return candidate_recall(sentences, regions), _average(regions)


def _cell(point: tuple[float, float] | None) -> str:
    return "–" if point is None else f"{100 * point[0]:.1f} ({point[1]:.1f})"


def _result(folder: Path) -> dict[str, Any]:
    try:
        run: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: no finished run of a proposer or tagger ({error})") from error
    return run


if __name__ == "__main__":
    main()
