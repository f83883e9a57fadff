"""How noisy the labels are: what to read, and how far they agree with gold ones."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from decoupled_ner.data.distant.labeller import Fate, Labeller
from decoupled_ner.data.distant.manifest import read_manifest
from decoupled_ner.data.distant.settings import DistantSettings
from decoupled_ner.data.distant.shards import read_shard
from decoupled_ner.gazetteer import Gazetteer
from decoupled_ner.metrics import Counts, scores, span_counts
from decoupled_ner.types import Entity, InputError, Sentence, entity_at

# Samples come from so many shards at most, and have so many characters on either side.
_SHARDS = 32
_AROUND = 40
_COMMON = 20
_GROUPS = ("entities", "doubtful")


def noise_audit(
    directory: str | Path,
    *,
    samples: int = 40,
    seed: int = 0,
    gazetteer: Gazetteer | None = None,
    gold: Sequence[Sentence] = (),
    fold: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Plain JSON values about the folder that `label_texts` wrote.

    ``counts`` are the manifest's. ``types`` has for each type how
    many different mentions there are, the most common ones with their numbers, and some
    occurrences to read, drawn at random; ``doubtful`` has such occurrences for each reason. Where
    gold sentences are given with the gazetteer, ``agreement`` compares the labels that the same
    rules give to their text.

    Args:
        samples: at most so many occurrences of each type and reason.
        fold: renames types on both sides first, e.g. ``{"GPE": "LOC"}`` for data without GPE.

    Raises:
        InputError: the folder is not finished or damaged, or was made with another gazetteer; or
            ``samples`` is below 0.
    """
    if samples < 0:
        raise InputError(f"samples={samples}: use 0 or more")
    folder = Path(directory)
    manifest = read_manifest(folder)
    paths = [folder / shard["name"] for shard in manifest["shards"] if shard["sentences"]]
    if not paths:
        raise InputError(f"{folder}: no sentence has a label: nothing to audit")
    drawn = _samples(paths, samples, seed)
    counts: dict[str, Counter[str]] = {}
    for path in paths:
        for label, found in _mention_counts(path):
            counts.setdefault(label, Counter()).update(found)
    totals = ("sentences_read", "characters_read", "sentences", "characters", "labelled", *_GROUPS)
    report: dict[str, Any] = {
        "counts": {key: manifest[key] for key in totals},
        "types": {
            label: {
                "mentions": len(found),
                "common": found.most_common(_COMMON),
                "samples": drawn["entities"].get(label, []),
            }
            for label, found in sorted(counts.items())
        },
        "doubtful": dict(sorted(drawn["doubtful"].items())),
    }
    if gold:
        if gazetteer is None or gazetteer.digest != manifest["gazetteer"]["digest"]:
            raise InputError(f"{folder}: agreement needs the gazetteer that made this folder")
        report["agreement"] = agreement(
            Labeller.build(gazetteer, DistantSettings(**manifest["settings"])), gold, fold
        )
    return report


def agreement(
    labeller: Labeller, gold: Sequence[Sentence], fold: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Precision, recall and F1 of the noisy labels on gold sentences, overall and by type.

    Caps are not applied, and the sentences are taken as they are.
    """
    names = fold or {}

    def folded(sentence: Sentence) -> Sentence:
        entities = (
            entity_at(sentence.text, e.start, e.end, names.get(e.label, e.label))
            for e in sentence.entities
        )
        return Sentence(sentence.text, tuple(entities), sentence.id)

    noisy = [Sentence(s.text, tuple(_labels(labeller, s.text))) for s in gold]
    by_type = span_counts([folded(s) for s in gold], [folded(s).entities for s in noisy])
    overall = sum(by_type.values(), Counts())
    return {
        "fold": dict(names),
        "sentences": len(gold),
        "overall": _row(overall),
        "by_type": {label: _row(counts) for label, counts in by_type.items()},
    }


def _labels(labeller: Labeller, text: str) -> Iterator[Entity]:
    found = labeller.find([text])
    found = found.select(found.fate == Fate.LABELLED)
    columns = (found.start.tolist(), found.end.tolist(), labeller.label[found.mention].tolist())
    for start, end, label in zip(*columns, strict=True):
        yield entity_at(text, start, end, labeller.labels[label])


def _row(counts: Counts) -> dict[str, float]:
    values = scores(counts)
    return {
        "noisy": counts.predicted,
        "gold": counts.gold,
        "precision": values.precision,
        "recall": values.recall,
        "f1": values.f1,
    }


def _mention_counts(path: Path) -> Iterator[tuple[str, Counter[str]]]:
    entities = read_shard(path, ["entities"])["entities"]
    values = entities.combine_chunks().flatten()
    labels = np.asarray(values.field("type").to_pylist(), dtype=object)
    texts = np.asarray(values.field("text").to_pylist(), dtype=object)
    for label in sorted(set(labels.tolist())):
        yield label, Counter(texts[labels == label].tolist())


def _samples(
    paths: Sequence[Path], samples: int, seed: int
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Occurrences by type and by reason, from a few shards drawn at random."""
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(paths))[:_SHARDS].tolist()
    share = math.ceil(samples / len(chosen))
    drawn: dict[str, dict[str, list[dict[str, Any]]]] = {group: {} for group in _GROUPS}
    for shard in chosen:
        table = read_shard(paths[shard])
        for group, key in zip(_GROUPS, ("type", "reason"), strict=True):
            lists = table[group].combine_chunks()
            row_of = np.repeat(np.arange(len(lists)), lists.value_lengths().to_numpy())
            values = lists.flatten()
            names = np.asarray(values.field(key).to_pylist(), dtype=object)
            for name in sorted(set(names.tolist())):
                places = random.permutation(np.flatnonzero(names == name))[:share]
                shown = drawn[group].setdefault(name, [])
                for place in sorted(places.tolist())[: samples - len(shown)]:
                    row = table.slice(int(row_of[place]), 1).to_pylist()[0]
                    shown.append(_occurrence(row, values[place].as_py()))
    return drawn


def _occurrence(row: dict[str, Any], region: dict[str, Any]) -> dict[str, Any]:
    """A region with the text around it."""
    text, start, end = row["text"], region["start"], region["end"]
    return {
        "id": row["id"],
        "left": text[max(0, start - _AROUND) : start],
        "mention": text[start:end],
        "right": text[end : end + _AROUND],
        "score": region.get("score", 0.0),
        "sources": region.get("sources", []),
    }
