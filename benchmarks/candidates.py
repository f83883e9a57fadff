"""Recall and cost of candidate generators, alone and together, on a data set.

    python benchmarks/candidates.py weibo --split dev [--ltp MODEL] [--save]

Prints the report on all generators and a line for each union that recipes may use. ``--save``
writes each union's ceiling, the scores of a classifier that never errs, as a result. Unions are
chosen on train and dev; test is for the final table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from results import write_result
from rich.console import Console
from rich.table import Table

from decoupled_ner.candidates import (
    CandidateGenerator,
    DictionaryNames,
    GazetteerMatches,
    JiebaNouns,
    LacEntities,
    LtpNouns,
    MergedNeighbours,
    NameVariants,
    Union,
    candidate_report,
    to_config,
)
from decoupled_ner.candidates.report import measure, render
from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.types import InputError, Sentence

NOUNS = ("jieba", "lac")
MERGED = (*NOUNS, "merged", "merged-lac")
WIDE = (*MERGED, "dictionary", "variants", "variants-lac")
UNIONS = {
    "jieba": ("jieba",),
    "LTP": ("ltp",),
    "jieba + LAC": NOUNS,
    "nouns + merged": MERGED,
    "nouns + merged + variants": (*MERGED, "variants"),
    "wide": WIDE,
    "nouns + merged, LTP": (*MERGED, "ltp", "merged-ltp"),
    "wide, LTP": (*WIDE, "ltp", "merged-ltp"),
}


def generators(train: Sequence[Sentence], ltp: str | None) -> dict[str, CandidateGenerator]:
    """All generators by name; ``gazetteer`` holds the mentions of the training split."""
    mentions: dict[str, set[str]] = {}
    for sentence in train:
        for entity in sentence.entities:
            mentions.setdefault(entity.text, set()).add(entity.label)
    every: list[CandidateGenerator] = [
        JiebaNouns(),
        LacEntities(),
        MergedNeighbours(),
        MergedNeighbours("lac"),
        DictionaryNames(),
        NameVariants(),
        NameVariants("lac"),
        GazetteerMatches(mentions={m: sorted(t) for m, t in mentions.items()}, min_length=1),
    ]
    if ltp is not None:
        every += [LtpNouns(ltp), MergedNeighbours("ltp", model=ltp)]
    return {generator.name: generator for generator in every}


def unions(known: dict[str, CandidateGenerator]) -> dict[str, Union]:
    """Those that can be made of the known generators, without and with training mentions."""
    made = {}
    for name, parts in UNIONS.items():
        if set(parts) <= known.keys():
            chosen = [known[part] for part in parts]
            made[name] = Union(chosen)
            made[f"{name}, train mentions"] = Union([*chosen, known["gazetteer"]])
    return made


def save(dataset: str, split: str, name: str, union: Union, figures: dict[str, Any]) -> None:
    """Write the scores of a classifier that never errs on the union's candidates."""
    config = to_config(union)
    for part in config["init_args"]["generators"]:
        for key in {"mentions", "model"} & part["init_args"].keys():
            part["init_args"][key] = f"<{key}>"  # large, or a path of this machine
    extra = ("recall_by_type", "candidates_per_sentence", "characters_per_second")
    record = {
        "experiment": f"candidates-{split}",
        "system": name,
        "dataset": dataset,
        "split": split,
        "encoder": None,
        "seed": 0,
        "precision": 1.0,
        "recall": figures["recall"],
        "f1": figures["f1_ceiling"],
        "candidate_recall": figures["recall"],
        "seconds": figures["seconds"],
        "device": "cpu",
        "settings": {"candidates": config},
    }
    write_result("scores", record | {key: figures[key] for key in extra})


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", help="a name of the catalog, or a path")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--ltp", help="an LTP model: a folder or a hub id")
    parser.add_argument("--save", action="store_true", help="write results")
    options = parser.parse_args(arguments)
    try:
        dataset = load_dataset(options.dataset)
        sentences = dataset.split(options.split)
        known = generators(dataset.split("train"), options.ltp)
        console = Console()
        console.print(render(candidate_report(sentences, list(known.values()), progress=True)))
        table = Table("union", "recall", "a sentence", title=f"{dataset.name} {options.split}")
        for name, union in unions(known).items():
            figures = measure(union, sentences)
            table.add_row(
                name, f"{figures['recall']:.1%}", f"{figures['candidates_per_sentence']:.1f}"
            )
            if options.save:
                save(dataset.name, options.split, name, union, figures)
        console.print(table)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
