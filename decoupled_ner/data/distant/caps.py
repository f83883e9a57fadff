"""How often one mention may be labelled in all the text, whoever works on which part of it.

A first pass finds everything and is staged on disk. Then the occurrences of a mention are numbered
through all the text, ``0 … n - 1``, and of more than ``cap`` those stay at which ``(i + 1) * cap //
n`` takes a step: exactly ``cap``, at even distances, the same ones in however many processes. What
is held meanwhile is two numbers a mention of the gazetteer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from decoupled_ner.data.distant.labeller import Ints, Mask
from decoupled_ner.data.distant.shards import staged_mentions


@dataclass(frozen=True, slots=True)
class Thin:
    """A staged shard to finish. Of its mentions those that occur too often, sorted: how often each
    occurs in the shards ``before`` and ``in_all``."""

    staged: Path
    too_often: Ints
    before: Ints
    in_all: Ints
    position: int  # how many shards are done with this one, for progress


def plan_thinning(staged: Sequence[Path], mentions: int, cap: int) -> Iterator[Thin]:
    """What to do with each staged shard, in the order of the text. ``mentions`` is how many the
    `Labeller` has."""
    in_all = np.zeros(mentions, dtype=np.int64)
    for path in staged:
        in_all += np.bincount(staged_mentions(path), minlength=mentions)
    seen = np.zeros(mentions, dtype=np.int64)
    for position, path in enumerate(staged, start=1):
        found = staged_mentions(path)
        here = np.unique(found)
        often = here[in_all[here] > cap]
        yield Thin(path, often, seen[often], in_all[often], position)
        seen += np.bincount(found, minlength=mentions)


def beyond_cap(found: Ints, thin: Thin, cap: int) -> Mask:
    """Which of a shard's labelled mentions, in the order of the text, are too many."""
    beyond = np.zeros(len(found), dtype=np.bool_)
    often = np.isin(found, thin.too_often)
    mention = np.searchsorted(thin.too_often, found[often])
    number = thin.before[mention] + _running_number(mention)
    in_all = thin.in_all[mention]
    beyond[often] = (number + 1) * cap // in_all == number * cap // in_all
    return beyond


def _running_number(values: Ints) -> Ints:
    """How many equal values stand before each."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.searchsorted(ordered, ordered, side="left")
    number = np.empty(len(values), dtype=np.int64)
    number[order] = np.arange(len(values)) - first
    return number
