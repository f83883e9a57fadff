"""Recall and cost of candidate generators, alone and together, on a data set.

    python benchmarks/candidates.py weibo --split dev [--ltp MODEL] [--proposer MODEL]
        [--tagger MODEL] [--train_sentences N] [--save]

Prints the report on all generators and a line for each union that recipes may use. ``--save``
writes some of them as rows of a table; rows of other data that it has stay. Unions are chosen on
train and dev; test is for the final table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from results import write_rows
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
)
from decoupled_ner.candidates.report import measure, render
from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.inference.proposer import ProposerCandidates
from decoupled_ner.inference.tagger import TaggerCandidates
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
    "LTP, tagger": ("ltp", "tagger"),
    "nouns + merged, proposer": (*MERGED, "proposer"),
    "nouns + merged, LTP, tagger, proposer": (*MERGED, "ltp", "tagger", "proposer"),
}
COLUMNS = ["data set", "split", "trained on", "candidates", "recall", "a sentence", "F1 ceiling"]
NOTE = (
    "Recall of gold entities and the F1 of a classifier that never errs, in percent; candidates a"
    " sentence on average. Trained on: so many sentences, by the tagger, the proposer and for the"
    " mentions."
)
#: The rows of the table, by the names of the generators and unions.
SHOWN = {
    "jieba": "jieba's nouns",
    "lac": "LAC's names",
    "ltp": "LTP's nouns",
    "gazetteer": "mentions of the training split",
    "tagger": "a tagger's predictions",
    "proposer": "a proposer's five",
    "LTP, tagger": "LTP's nouns, tagger (the paper's)",
    "nouns + merged": "jieba, LAC, merged neighbours",
    "nouns + merged, train mentions": "the same, mentions of the training split",
    "nouns + merged, proposer, train mentions": "the same, proposer",
    "nouns + merged, LTP, tagger, proposer, train mentions": "the same, LTP's nouns, tagger",
}


def generators(
    train: Sequence[Sentence], ltp: str | None, proposer: str | None, tagger: str | None
) -> dict[str, CandidateGenerator]:
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
    if proposer is not None:
        every.append(ProposerCandidates(proposer))
    if tagger is not None:
        every.append(TaggerCandidates(tagger))
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", help="a name of the catalog, or a path")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--train_sentences", type=int, help="as in training: by a hash")
    parser.add_argument("--ltp", help="an LTP model: a folder or a hub id")
    parser.add_argument("--proposer", help="a trained proposer's folder")
    parser.add_argument("--tagger", help="a trained tagger's folder")
    parser.add_argument("--save", action="store_true", help="write rows of the table")
    options = parser.parse_args(arguments)
    try:
        dataset = load_dataset(options.dataset, train_sentences=options.train_sentences)
        sentences, train = dataset.split(options.split), dataset.split("train")
        known = generators(train, options.ltp, options.proposer, options.tagger)
        console = Console()
        report = candidate_report(sentences, list(known.values()), progress=True)
        console.print(render(report))
        together = unions(known)
        if options.save:  # no more than the table shows
            together = {name: union for name, union in together.items() if name in SHOWN}
        measured = {name: measure(union, sentences) for name, union in together.items()}
        table = Table("union", "recall", "a sentence", title=f"{dataset.name} {options.split}")
        for name, row in measured.items():
            average = row["candidates_per_sentence"]
            table.add_row(name, f"{row['recall']:.1%}", f"{average:.1f}")
        console.print(table)
        if options.save:
            figures = {row["name"]: row for row in report["generators"]} | measured
            key = [dataset.name, options.split, len(train)]
            rows = [
                [
                    *(*key, SHOWN[name], 100 * found["recall"]),
                    *(found["candidates_per_sentence"], 100 * found["f1_ceiling"]),
                ]
                for name in SHOWN
                if (found := figures.get(name))
            ]
            facts = [{"dataset": dataset.name, "checksums": dict(dataset.checksums)}] * len(rows)
            written = {"experiment": "candidates", "columns": COLUMNS, "note": NOTE}
            print(write_rows(written, 4, rows, facts))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
