"""Which entries of a gazetteer train the Mention stage: their types, common words as ``O``, and how
many of each an epoch draws."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.gazetteer import UNTYPED, Gazetteer
from decoupled_ner.gazetteer.build import build_entries
from decoupled_ner.gazetteer.sources import load_sources
from decoupled_ner.labels import LabelSet
from decoupled_ner.locations import find_recipe
from decoupled_ner.types import InputError, Region


def seed_gazetteer() -> Gazetteer:
    """The project's own dictionaries, built in memory."""
    plan = load_sources(find_recipe("gazetteers", "sources"))
    return Gazetteer.from_entries(build_entries(plan, []))


def typed_entries(gazetteer: Gazetteer) -> tuple[list[str], list[list[str]]]:
    """The labels, ``O`` first, and the mentions of each; none yet for ``O``.

    Raises:
        InputError: no entry has a type.
    """
    types = LabelSet.of(set(gazetteer.best_labels) - {UNTYPED})
    if not types.types:
        raise InputError("no entry of the gazetteer has a type: name them in its build")
    groups: list[list[str]] = [[] for _ in types.names]
    for mention, label in zip(gazetteer.mentions, gazetteer.best_labels, strict=True):
        if label != UNTYPED:
            groups[types.id(label)].append(mention)
    return list(types.names), groups


def training_mentions(dataset: str) -> set[str]:
    """The mentions of a data set's training split. Dev and test are never looked at."""
    return {e.text for s in load_dataset(dataset).split("train") for e in s.entities}


def common_words(
    words: Sequence[str], mentions: set[str], possible_names: CandidateGenerator | None
) -> list[str]:
    """The words that are no mention and do not look like a name."""
    kept = [word for word in words if word not in mentions]
    if possible_names is None:
        return kept
    proposed = possible_names.propose_batch(kept)
    whole = (Region(0, len(word)) for word in kept)
    return [
        w for w, region, found in zip(kept, whole, proposed, strict=True) if region not in found
    ]


def quotas(counts: Sequence[int], temperature: float, total: int) -> list[int]:
    """How many of ``total`` items each group gives, in proportion to its ``count ** (1 /
    temperature)``; at least one where it has any."""
    weights = [count ** (1 / temperature) if count else 0.0 for count in counts]
    return [
        max(1, round(total * weight / sum(weights))) if count else 0
        for count, weight in zip(counts, weights, strict=True)
    ]


def draw(group: Sequence[str], count: int, rng: random.Random) -> list[str]:
    """``count`` of a group: all of it as often as that goes, and of the rest each at most once."""
    if not group:
        return []
    times, rest = divmod(count, len(group))
    return [*group] * times + rng.sample(group, rest)


def is_held_out(text: str, share: float) -> bool:
    """Whether a text is kept for validation: by its hash, so that equal texts fall on one side."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) < share * 2**64
