"""Which entries of a gazetteer train the Mention stage: their types, common words as ``O``, and how
many of each an epoch draws. Entries are rows of its columns; texts are read a few at a time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.data.files import is_held_out
from decoupled_ner.gazetteer import UNTYPED, Columns, Gazetteer, load_gazetteer
from decoupled_ner.gazetteer.build import build_entries
from decoupled_ner.gazetteer.sources import load_sources
from decoupled_ner.labels import OUTSIDE, LabelSet
from decoupled_ner.locations import find_recipe
from decoupled_ner.types import InputError, Region

#: The gazetteer of the dictionaries that the project ships.
SEED = "seed"

#: Numbers of rows of a gazetteer's columns.
Rows = NDArray[np.intp]

_TEXTS_TOGETHER = 16_384
_NO_LABEL = -1


class MentionLabel(NamedTuple):
    """A mention and its label id."""

    mention: str
    label: int


@dataclass(frozen=True)
class TypedEntries:
    """A gazetteer's rows with their labels.

    Attributes:
        columns: the gazetteer.
        labels: names of the labels, ``O`` first.
        label_ids: [mentions] int32; -1 where a mention has no label.
    """

    columns: Columns
    labels: list[str]
    label_ids: NDArray[np.int32]

    def rows(self, label: int) -> Rows:
        """The rows with a label."""
        return np.flatnonzero(self.label_ids == label)

    def read(self, rows: Rows) -> list[MentionLabel]:
        """What stands in some rows."""
        labels: list[int] = self.label_ids[rows].tolist()
        return [MentionLabel(*pair) for pair in zip(self.columns.read(rows), labels, strict=True)]

    def with_outside(self, rows: Rows) -> Self:
        """The same with these rows labelled ``O``."""
        label_ids = self.label_ids.copy()
        label_ids[rows] = 0
        return replace(self, label_ids=label_ids)


def named_gazetteer(name: str) -> Gazetteer:
    """A compiled folder or a dictionary file, or the project's own dictionaries (`SEED`).

    Raises:
        InputError: nothing is there, it is malformed, or it has no entries.
    """
    found = seed_gazetteer() if name == SEED else load_gazetteer(name)
    if not found.labels:
        raise InputError(f"gazetteer {name!r} has no entries")
    return found


def seed_gazetteer() -> Gazetteer:
    """The project's own dictionaries, built in memory."""
    plan = load_sources(find_recipe("gazetteers", "sources"))
    return Gazetteer.from_entries(build_entries(plan, []))


def typed_entries(
    columns: Columns, min_weight: float = 0.0, min_share: float = 0.0
) -> TypedEntries:
    """The entity mentions with their most probable types; none is ``O`` yet.

    Args:
        min_weight, min_share: of that type, as in :class:`DistantSettings`; what has less has no
            label.

    Raises:
        InputError: no entry has a type, or none is so sure.
    """
    support = columns.support
    sure = (support.weight >= min_weight) & (support.share >= min_share)
    occurring = {columns.labels[i] for i in np.unique(columns.best[sure])}
    types = LabelSet.of(occurring - {OUTSIDE, UNTYPED})
    if not types.types:
        raise InputError(
            "no entry of the gazetteer has a type that is sure: name types in its build, or lower"
            " min_weight or min_share"
        )
    known = [types.id(name) if name in types.types else _NO_LABEL for name in columns.labels]
    label_ids = np.array(known, np.int32)[columns.best]
    return TypedEntries(columns, list(types.names), np.where(sure, label_ids, _NO_LABEL))


def training_mentions(dataset: str) -> set[str]:
    """The mentions of a data set's training split. Dev and test are never looked at."""
    return {e.text for s in load_dataset(dataset).split("train") for e in s.entities}


def common_words(
    columns: Columns,
    mentions: set[str],
    possible_names: CandidateGenerator | None,
    min_weight: float = 0.0,
) -> Rows:
    """The rows of words that are no mention and do not look like a name, and that no sources call
    an entity, or none whose weights have the sum ``min_weight``."""
    is_word = np.array([label == OUTSIDE for label in columns.labels], np.bool_)[columns.best]
    doubtful = np.round(columns.support.entity, 9) < min_weight
    words = np.flatnonzero(is_word & (columns.support.words | doubtful))
    words = _where(lambda texts: (text not in mentions for text in texts), columns, words)
    if possible_names is None:
        return words

    def no_names(texts: Sequence[str]) -> list[bool]:
        proposed = possible_names.propose_batch(texts)
        return [Region(0, len(t)) not in found for t, found in zip(texts, proposed, strict=True)]

    return _where(no_names, columns, words)


def held_out_rows(columns: Columns, rows: Rows, share: float) -> Rows:
    """Those of some rows whose texts are kept for validation, by `is_held_out`."""
    return _where(lambda texts: (is_held_out(text, share) for text in texts), columns, rows)


def _where(test: Callable[[list[str]], Iterable[bool]], columns: Columns, rows: Rows) -> Rows:
    """The rows whose texts pass a test."""
    starts = range(0, len(rows), _TEXTS_TOGETHER)
    parts = (columns.read(rows[start : start + _TEXTS_TOGETHER]) for start in starts)
    return rows[np.fromiter(chain.from_iterable(map(test, parts)), np.bool_, len(rows))]


def quotas(counts: Sequence[int], temperature: float, total: int) -> list[int]:
    """How many of ``total`` items each group gives, in proportion to its ``count ** (1 /
    temperature)``; at least one where it has any."""
    weights = [count ** (1 / temperature) if count else 0.0 for count in counts]
    return [
        max(1, round(total * weight / sum(weights))) if count else 0
        for count, weight in zip(counts, weights, strict=True)
    ]


def draw(group: Rows, start: int, stop: int, seed: str) -> Rows:
    """Numbers ``start`` to ``stop`` of an endless stream in which a group comes pass by pass, each
    time in another order."""
    if not len(group):
        return group
    passes = range(start // len(group), -(-stop // len(group)))
    orders = [
        np.random.default_rng(random.Random(f"{seed}-{number}").getrandbits(64)).permutation(group)
        for number in passes
    ]
    before = passes.start * len(group)
    return np.concatenate([group[:0], *orders])[start - before : stop - before]
