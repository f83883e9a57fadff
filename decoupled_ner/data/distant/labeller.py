"""Which regions a gazetteer labels, in many sentences at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from daachorse import CharwiseDoubleArrayAhoCorasick
from numpy.typing import NDArray

from decoupled_ner.data.distant.settings import Crossing, DistantSettings
from decoupled_ner.gazetteer import UNTYPED, Gazetteer, Matcher, MatchMode
from decoupled_ner.gazetteer.storage import Table
from decoupled_ner.labels import OUTSIDE
from decoupled_ner.types import InputError

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

# No mention holds it, so none is found across two sentences that it joins.
_BETWEEN = "\0"


class Fate(IntEnum):
    """What becomes of a match. Those above `WORD` may be entities all the same, so their regions
    are written down as doubtful."""

    LABELLED = 0
    WORD = 1  # only ever a common word
    UNTYPED = 2
    SHORT = 3
    BLACKLISTED = 4
    AMBIGUOUS = 5
    WEAK = 6
    CROSSING = 7
    CAPPED = 8


@dataclass(frozen=True, slots=True)
class Matches:
    """Regions of sentences as arrays of one length, sorted by sentence, then start."""

    sentence: Ints  # the sentence's index
    start: Ints  # in characters of the sentence
    end: Ints
    mention: Ints  # the number of the mention in the `Labeller`
    fate: Ints

    def select(self, chosen: Mask) -> Matches:
        """The chosen ones of the matches."""
        return Matches(*(column[chosen] for column in self.columns()))

    def columns(self) -> tuple[Ints, ...]:
        """The five arrays, in the order of the fields."""
        return self.sentence, self.start, self.end, self.mention, self.fate


@dataclass(frozen=True)
class Labeller:
    """A gazetteer under the rules of some settings; can be sent to other processes.

    ``mentions`` are those of the gazetteer that compete and, behind them, those of the blacklist
    that it lacks; the automaton finds their numbers. Arrays have one item a mention (of the
    gazetteer alone but for ``fate``): ``fate`` before anything is known of the text, ``label`` and
    ``score`` of its most probable type. ``source[first_source[i] : first_source[i + 1]]`` are the
    sources that give mention ``i`` this type.
    """

    automaton: CharwiseDoubleArrayAhoCorasick
    crossing: Crossing
    whole_words: bool
    mentions: Sequence[str]
    labels: Sequence[str]
    sources: Sequence[str]
    fate: NDArray[np.uint8]
    label: NDArray[np.uint16]
    score: NDArray[np.float32]
    first_source: NDArray[np.int64]
    source: NDArray[np.uint16]

    @classmethod
    def build(cls, gazetteer: Gazetteer, settings: DistantSettings) -> Labeller:
        """Apply the rules that need no text.

        Raises:
            InputError: no mention can ever be labelled.
        """
        table = gazetteer.table
        fate = _fates(table, settings)
        if not np.any(fate == Fate.LABELLED):
            raise InputError(
                "no mention of the gazetteer passes the rules: give its entries types, or lower"
                " min_share, min_weight or min_length"
            )
        known = table.mentions if settings.words else gazetteer.mentions
        unknown = sorted({*settings.blacklist}.difference(known))
        mentions = [*known, *unknown]
        never = np.full(len(unknown), Fate.BLACKLISTED, np.uint8)
        return cls(
            CharwiseDoubleArrayAhoCorasick(mentions),
            settings.crossing,
            settings.whole_words,
            mentions,
            table.labels,
            table.sources,
            np.concatenate([fate[: len(known)], never]),
            table.best,
            table.support.share.astype(np.float32),
            np.concatenate([[0], np.cumsum(table.backs)])[table.first],
            table.source_ids[table.backs],
        )

    @cached_property
    def _matcher(self) -> Matcher:
        return Matcher(self.automaton, ())

    def find(self, sentences: Sequence[str]) -> Matches:
        """The matches in some sentences, those of common words left out.

        All sentences are searched together, so hand over some ten thousand characters at once.
        """
        mode: MatchMode = "overlapping" if self.crossing == "drop" else "longest"
        joined = _BETWEEN.join(sentences)
        hits = self._matcher.find_entries(joined, mode, whole_words=self.whole_words)
        numbers = np.fromiter(chain.from_iterable(hits), np.int64, 3 * len(hits))
        start, end, mention = numbers.reshape(-1, 3).T
        fate = self.fate[mention].astype(np.int64)
        fate[_crossing(start, end) & (fate == Fate.LABELLED)] = Fate.CROSSING
        lengths = np.fromiter(map(len, sentences), np.int64, len(sentences))
        begins = np.cumsum(lengths + len(_BETWEEN)) - lengths - len(_BETWEEN)
        sentence = np.searchsorted(begins, start, side="right") - 1
        begin = begins[sentence]
        matches = Matches(sentence, start - begin, end - begin, mention, fate)
        return matches.select(fate != Fate.WORD)


def _crossing(start: Ints, end: Ints) -> Mask:
    """Which of some regions, none inside another, cross a neighbour. Sorted by start."""
    crosses = np.zeros(len(start), dtype=np.bool_)
    with_next = start[1:] < end[:-1]
    crosses[1:] |= with_next
    crosses[:-1] |= with_next
    return crosses


def _fates(table: Table, rules: DistantSettings) -> NDArray[np.uint8]:
    """The fate of each mention as far as the gazetteer decides it; the first rule that applies."""
    mentions = table.mentions
    length = np.fromiter(map(len, mentions), np.int64, len(mentions))
    listed = set(rules.blacklist)
    blacklisted = np.fromiter((mention in listed for mention in mentions), np.bool_, len(mentions))
    name_of: Any = np.array(table.labels, dtype=object)
    is_word = name_of[table.best] == OUTSIDE
    support = table.support
    conditions = [
        (support.words, Fate.WORD),
        (name_of[table.best] == UNTYPED, Fate.UNTYPED),
        (length < rules.min_length, Fate.SHORT),
        (blacklisted, Fate.BLACKLISTED),
        (is_word | (support.share < rules.min_share), Fate.AMBIGUOUS),
        (support.weight < rules.min_weight, Fate.WEAK),
    ]
    tests, fates = zip(*conditions, strict=True)
    return np.select(tests, [np.uint8(fate) for fate in fates], np.uint8(Fate.LABELLED))
