"""What a gazetteer holds, what two differ in, and how one agrees with annotated data.

Every function returns plain JSON values; `render` has what shows them to people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from decoupled_ner.gazetteer.gazetteer import Gazetteer
from decoupled_ner.gazetteer.storage import weigh
from decoupled_ner.labels import OUTSIDE
from decoupled_ner.types import Sentence

#: How many examples a report shows of a kind.
EXAMPLES = 10


@dataclass(slots=True)
class _Tally:
    entities: int = 0
    held: int = 0
    differing: int = 0
    foreign: int = 0

    def add(self, held: bool, differs: bool, foreign: bool) -> None:
        self.entities += 1
        self.held += held
        self.differing += differs
        self.foreign += foreign

    def rates(self) -> dict[str, float]:
        """Counts, and rates in [0, 1]; a rate of nothing is 0."""
        return {
            "entities": self.entities,
            "held": self.held,
            "coverage": self.held / max(1, self.entities),
            "conflict": self.differing / max(1, self.held),
            "conflict_any_type": self.foreign / max(1, self.held),
        }


def report(gazetteer: Gazetteer, examples: int = EXAMPLES) -> dict[str, Any]:
    """Counts by most probable type and by source, and mentions with several entity types.

    A conflict is a mention that sources give different entity types; those that are an entity to
    one source and a common word to another are counted under pairs with ``O``.
    """
    pairs: Counter[str] = Counter()
    shown: dict[str, list[str]] = {}
    sources: dict[str, Counter[str]] = {name: Counter() for name in gazetteer.sources}
    conflicts = 0
    for mention, group in groupby(gazetteer, key=lambda entry: entry.mention):
        entries = list(group)
        for entry in entries:
            sources[entry.source][entry.label] += 1
        labels = sorted({entry.label for entry in entries})
        conflicts += len(set(labels) - {OUTSIDE}) > 1
        for i, first in enumerate(labels):
            for second in labels[i + 1 :]:
                pair = f"{first} / {second}"
                pairs[pair] += 1
                if len(shown.setdefault(pair, [])) < examples:
                    shown[pair].append(f"{mention} → {gazetteer.label(mention)}")
    return {
        "mentions": len(gazetteer),
        "words": len(gazetteer.words),
        "types": dict(Counter(gazetteer.best_labels).most_common()),
        "sources": {name: dict(counts.most_common()) for name, counts in sources.items()},
        "conflicts": conflicts,
        "conflict_pairs": dict(pairs.most_common()),
        "examples": shown,
    }


def lookup(gazetteer: Gazetteer, mention: str) -> dict[str, Any]:
    """What each source says of a mention; ``type`` is None when none knows it."""
    return {
        "mention": mention,
        "type": gazetteer.label(mention),
        "types": gazetteer.types(mention),
        "claims": [
            {"type": entry.label, "source": entry.source, "weight": entry.weight}
            for entry in gazetteer.entries(mention)
        ],
    }


def diff(old: Gazetteer, new: Gazetteer, examples: int = EXAMPLES) -> dict[str, Any]:
    """Entity mentions that were added or removed and those whose most probable type changed."""
    before = dict(zip(old.mentions, old.best_labels, strict=True))
    after = dict(zip(new.mentions, new.best_labels, strict=True))
    added = [mention for mention in after if mention not in before]
    removed = [mention for mention in before if mention not in after]
    changed = [m for m, label in after.items() if m in before and before[m] != label]
    return {
        "added": dict(Counter(after[mention] for mention in added).most_common()),
        "removed": dict(Counter(before[mention] for mention in removed).most_common()),
        "changed": dict(Counter(f"{before[m]} → {after[m]}" for m in changed).most_common()),
        "examples": {
            "added": [f"{m} {after[m]}" for m in added[:examples]],
            "removed": [f"{m} {before[m]}" for m in removed[:examples]],
            "changed": [f"{m} {before[m]} → {after[m]}" for m in changed[:examples]],
        },
    }


def agreement(
    gazetteer: Gazetteer,
    sentences: Iterable[Sentence],
    fold: Mapping[str, str] | None = None,
    examples: int = EXAMPLES,
) -> dict[str, Any]:
    """Coverage and conflict of the gazetteer against annotated sentences, overall and by type.

    Every annotated entity counts, repeated ones again. Coverage: those whose text the gazetteer
    holds / all. Conflict: those of them that it gives another type / those that it holds. Two
    readings of "another type" are given: the most probable type differs (``conflict``), and no
    type that any source gives agrees (``conflict_any_type``).

    ``fold`` renames types on both sides first, e.g. ``{"GPE": "LOC"}`` for data without GPE.

    Source: Findings of ACL 2021, decoupled NER, appendix.
    """
    fold = fold or {}

    def folded(label: str) -> str:
        return fold.get(label, label)

    total = _Tally()
    by_type: dict[str, _Tally] = {}
    shown: Counter[str] = Counter()
    for entity in (entity for sentence in sentences for entity in sentence.entities):
        gold = folded(entity.label)
        held = entity.text in gazetteer
        types = gazetteer.types(entity.text) if held else {}
        known = weigh((folded(label), weight) for label, weight in types.items())
        best = next(iter(known), None)
        for tally in (total, by_type.setdefault(gold, _Tally())):
            tally.add(held, held and best != gold, held and gold not in known)
        if held and best != gold:
            shown[f"{entity.text} {gold}, gazetteer {best}"] += 1
    return {
        "fold": dict(fold),
        **total.rates(),
        "by_type": {label: tally.rates() for label, tally in sorted(by_type.items())},
        "examples": dict(shown.most_common(examples)),
    }
