"""How many gold entities candidate generators propose, at what cost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.candidates.union import Union
from decoupled_ner.candidates.words import forget_words
from decoupled_ner.metrics import candidate_recall, labels_of, proposed_array
from decoupled_ner.progress import track
from decoupled_ner.types import InputError, Region, Sentence

Proposals = list[list[Region]]


def candidate_report(
    sentences: Sequence[Sentence],
    generators: Union | Sequence[CandidateGenerator],
    progress: bool = False,
) -> dict[str, Any]:
    """Recall and cost of each generator and of their union.

    The figures of each are, under ``generators`` and ``union``: ``recall``, ``recall_by_type``,
    ``candidates_per_sentence``, ``precision`` (share of the candidates that are entities),
    ``f1_ceiling`` (of a classifier that never errs and gives each region one type), ``seconds`` and
    ``characters_per_second`` (words segmented anew). Of each generator also what it adds to the
    others: ``only_recall`` and ``only_candidates_per_sentence``. All shares are in [0, 1].

    Args:
        sentences: with gold entities.
        generators: the union to report on, or its generators.
        progress: whether to show a progress bar.

    Raises:
        InputError: there are no sentences or no gold entities.
    """
    if not any(sentence.entities for sentence in sentences):
        raise InputError("a candidate report needs sentences with gold entities; these have none")
    union = generators if isinstance(generators, Union) else Union(generators)
    texts = [sentence.text for sentence in sentences]
    measured = [*union.generators, union]
    timed = [
        _timed(generator, texts)
        for generator in track(
            measured, "measuring candidates", "generators", len(measured), shown=progress
        )
    ]
    *parts, (everything, seconds) = timed
    kept = [set(regions) for regions in everything]  # a union leaves out what is too long for it
    proposers = [
        Counter(region for part, _ in parts for region in kept[row].intersection(part[row]))
        for row in range(len(texts))
    ]
    rows = []
    for generator, (proposed, part_seconds) in zip(union.generators, parts, strict=True):
        row = _figures(generator.name, sentences, proposed, part_seconds)
        alone = [
            [region for region in regions if counts[region] == 1]
            for regions, counts in zip(proposed, proposers, strict=True)
        ]
        row["only_recall"] = candidate_recall(sentences, alone)
        row["only_candidates_per_sentence"] = _mean_length(alone)
        rows.append(row)
    return {
        "sentences": len(sentences),
        "characters": sum(map(len, texts)),
        "entities": dict(Counter(e.label for s in sentences for e in s.entities).most_common()),
        "generators": rows,
        "union": _figures(union.name, sentences, everything, seconds),
    }


def measure(generator: CandidateGenerator, sentences: Sequence[Sentence]) -> dict[str, Any]:
    """The figures of one generator or union, as in `candidate_report`."""
    proposed, seconds = _timed(generator, [sentence.text for sentence in sentences])
    return _figures(generator.name, sentences, proposed, seconds)


def _timed(generator: CandidateGenerator, texts: Sequence[str]) -> tuple[Proposals, float]:
    generator.propose_batch(texts[:1])  # builds what is built on first use
    forget_words()
    start = time.perf_counter()
    proposed = generator.propose_batch(texts)
    return proposed, time.perf_counter() - start


def _figures(
    name: str, sentences: Sequence[Sentence], proposed: Proposals, seconds: float
) -> dict[str, Any]:
    recall = candidate_recall(sentences, proposed)
    labels = labels_of(sentences, ())
    hits = proposed_array(sentences, proposed, labels).sum(axis=0)
    gold = Counter(entity.label for sentence in sentences for entity in set(sentence.entities))
    candidates = sum(map(len, proposed))
    found = sum(
        len({entity.region for entity in sentence.entities} & set(regions))
        for sentence, regions in zip(sentences, proposed, strict=True)
    )
    attainable = found / sum(gold.values())
    return {
        "name": name,
        "recall": recall,
        "recall_by_type": {
            label: int(hit) / gold[label] for label, hit in zip(labels, hits, strict=True)
        },
        "candidates_per_sentence": _mean_length(proposed),
        "precision": found / candidates if candidates else 0.0,
        "f1_ceiling": 2 * attainable / (1 + attainable),
        "seconds": seconds,
        "characters_per_second": sum(len(s.text) for s in sentences) / max(seconds, 1e-9),
    }


def _mean_length(proposed: Proposals) -> float:
    return sum(map(len, proposed)) / len(proposed)


def render(report: dict[str, Any]) -> Group:
    """The report as tables for people, in percent."""
    counted = ", ".join(f"{label} {count:,}" for label, count in report["entities"].items())
    overall = Table(
        title=f"Candidates for {report['sentences']:,} sentences",
        caption=Text(
            f"Entities: {counted}. Ceiling: the F1 of a classifier that never errs. Only here: what"
            " the union would lose without the generator."
        ),
    )
    by_type = Table(title="Recall by type")
    _fill(overall, _COLUMNS, report, _cells)
    types = list(report["entities"])
    _fill(by_type, types, report, lambda row: [f"{row['recall_by_type'][t]:.1%}" for t in types])
    return Group(overall, by_type)


_COLUMNS = ("recall", "a sentence", "F1 ceiling", "only here", "characters/s")


def _fill(
    table: Table,
    columns: Sequence[str],
    report: dict[str, Any],
    cells: Callable[[dict[str, Any]], list[str]],
) -> None:
    """A row for each generator, and the union's under a line."""
    table.add_column("generator", overflow="fold")  # in a narrow terminal nothing is cut
    for column in columns:
        table.add_column(Text(column), justify="right", overflow="fold")
    for row in report["generators"]:
        table.add_row(Text(row["name"]), *cells(row))
    table.add_section()
    table.add_row(report["union"]["name"], *cells(report["union"]))


def _cells(row: dict[str, Any]) -> list[str]:
    """One for each of `_COLUMNS`."""
    alone = ""
    if "only_recall" in row:
        alone = f"{row['only_recall']:.1%} ({row['only_candidates_per_sentence']:.1f})"
    return [
        f"{row['recall']:.1%}",
        f"{row['candidates_per_sentence']:.1f}",
        f"{row['f1_ceiling']:.1%}",
        alone,
        f"{row['characters_per_second']:,.0f}",
    ]
