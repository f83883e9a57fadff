"""What a data set holds and where its scores may deceive: counts, lengths, duplicates, leakage."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from decoupled_ner.data.catalog import Dataset
from decoupled_ner.types import Sentence

_TRAIN = "train"


def dataset_report(dataset: Dataset) -> dict[str, Any]:
    """Plain JSON values about a data set.

    Lengths are in characters. ``duplicates`` are sentences whose text stands earlier in the same
    split, ``overlapping`` entities that begin inside an earlier one. For each split but train,
    ``leaked`` counts sentences whose text is verbatim in train, with any and with the same
    entities, and ``seen_mentions`` is the share of mentions that train has with the same type.
    """
    has_train = _TRAIN in dataset.splits
    splits = {}
    for name, sentences in dataset.splits.items():
        splits[name] = _split_report(sentences, dataset.labels.types)
        if has_train and name != _TRAIN:
            splits[name] |= _against_train(dataset, name)
    return {
        "name": dataset.name,
        "labels": list(dataset.labels.types),
        "splits": splits,
        "repairs": dataset.repairs,
        "dropped": dict(dataset.dropped),
        "noted": dict(dataset.noted),
        "checksums": dict(dataset.checksums),
    }


def leaked_sentences(dataset: Dataset, split: str) -> set[int]:
    """The indices of a split's sentences whose text is verbatim in train; none without a train.

    Raises:
        InputError: there is no such split.
    """
    known = {sentence.text for sentence in dataset.splits.get(_TRAIN, ())}
    return {i for i, sentence in enumerate(dataset.split(split)) if sentence.text in known}


def _split_report(sentences: Sequence[Sentence], types: Sequence[str]) -> dict[str, Any]:
    entities = [entity for sentence in sentences for entity in sentence.entities]
    counts = Counter(entity.label for entity in entities)
    return {
        "sentences": len(sentences),
        "characters": sum(len(sentence.text) for sentence in sentences),
        "entities": len(entities),
        "entities_by_type": {label: counts[label] for label in types},
        "sentence_length": _lengths(len(sentence.text) for sentence in sentences),
        "mention_length": _lengths(len(entity.text) for entity in entities),
        "duplicates": len(sentences) - len({sentence.text for sentence in sentences}),
        "overlapping": sum(_overlapping(sentence) for sentence in sentences),
    }


def _lengths(values: Iterable[int]) -> dict[str, int]:
    """Nearest-rank median and 95th percentile, and the maximum; zeros for no values."""
    ordered = sorted(values) or [0]

    def rank(share: float) -> int:
        return ordered[math.ceil(share * len(ordered)) - 1]

    return {"median": rank(0.5), "p95": rank(0.95), "max": ordered[-1]}


def _overlapping(sentence: Sentence) -> int:
    count = reach = 0
    for entity in sentence.entities:
        count += entity.start < reach
        reach = max(reach, entity.end)
    return count


def _against_train(dataset: Dataset, split: str) -> dict[str, Any]:
    train, sentences = dataset.splits[_TRAIN], dataset.splits[split]
    annotated = {(sentence.text, sentence.entities) for sentence in train}
    mentions = {(e.text, e.label) for sentence in train for e in sentence.entities}
    total: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for entity in (e for sentence in sentences for e in sentence.entities):
        total[entity.label] += 1
        seen[entity.label] += (entity.text, entity.label) in mentions
    return {
        "leaked": {
            "text": len(leaked_sentences(dataset, split)),
            "text_and_entities": sum((s.text, s.entities) in annotated for s in sentences),
        },
        "seen_mentions": {
            "all": _share(seen.total(), total.total()),
            **{label: _share(seen[label], total[label]) for label in dataset.labels.types},
        },
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def render(report: Mapping[str, Any]) -> RenderableType:
    """`dataset_report`'s answer for people, to be printed by a rich console."""
    facts = [
        f"{report['repairs']} tags repaired",
        *(f"{count} entities dropped: {reason}" for reason, count in report["dropped"].items()),
        *(f"{count} entities {kind}" for kind, count in report["noted"].items()),
        *(f"sha256 {digest}  {file}" for file, digest in report["checksums"].items()),
    ]
    return Group(
        Text(f"{report['name']}: splits"),
        _splits_table(report),
        Text("entities by type (share of mentions that train has with the same type)"),
        _types_table(report),
        Text("\n".join(facts)),
    )


def _splits_table(report: Mapping[str, Any]) -> Table:
    table = Table()
    table.add_column("")
    for name in report["splits"]:
        table.add_column(name, justify="right")
    splits = report["splits"].values()

    def row(title: str, values: Iterable[Any]) -> None:
        table.add_row(title, *(f"{v:,}" if isinstance(v, int) else str(v) for v in values))

    row("sentences", (split["sentences"] for split in splits))
    row("characters", (split["characters"] for split in splits))
    row("entities", (split["entities"] for split in splits))
    for kind in ("sentence_length", "mention_length"):
        title = f"{kind.replace('_', ' ')}: median / p95 / max"
        row(title, (" / ".join(map(str, split[kind].values())) for split in splits))
    row("duplicates inside the split", (split["duplicates"] for split in splits))
    row("overlapping entities", (split["overlapping"] for split in splits))
    for key, title in (("text", "verbatim in train"), ("text_and_entities", "… same entities")):
        row(title, (split["leaked"][key] if "leaked" in split else "–" for split in splits))
    return table


def _types_table(report: Mapping[str, Any]) -> Table:
    """Counts by type, and beside those of dev and test the share of mentions that train has."""
    table = Table()
    table.add_column("")
    for name in report["splits"]:
        table.add_column(name, justify="right")
    for label in ("all", *report["labels"]):
        cells = []
        for split in report["splits"].values():
            count = split["entities"] if label == "all" else split["entities_by_type"][label]
            share = split.get("seen_mentions", {}).get(label)
            cells.append(f"{count:,}" if share is None else f"{count:,} ({share:.0%})")
        table.add_row(Text(label), *cells)
    return table
