"""Finding every mention of a gazetteer in a text: Aho-Corasick by `daachorse`.

Offsets are characters (code points) of the text as given, astral ones counted once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, cast, get_args

from daachorse import CharwiseDoubleArrayAhoCorasick

from decoupled_ner.types import InputError, is_mark

#: ``(start, end, entry)``: the region and the number of the mention that matched.
Hit = tuple[int, int, int]

#: ``(start, end, label)``. A plain tuple: building an object a match would halve the speed.
Match = tuple[int, int, str]

#: ``all``: every occurrence, nested ones too, by end, then start.
#: ``longest``: from left to right the longest occurrence, no two overlapping.
#: ``overlapping``: every occurrence that lies in no other; two may cross.
MatchMode = Literal["all", "longest", "overlapping"]

#: One letter or digit of a script that is written with spaces: not Thai, Lao, Burmese, Khmer, CJK,
#: kana, their half-width forms and extensions.
_SPACED = re.compile(
    "[^\\W_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff66-\uff9d"
    "\U00020000-\U0003ffff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")


class Matcher:
    """Finds the mentions of a list in texts. Immutable, so any number of threads may share it.

    ``labels[i]`` is the type of the mention that the automaton calls ``i``.
    """

    def __init__(self, automaton: CharwiseDoubleArrayAhoCorasick, labels: Sequence[str]) -> None:
        self._find_overlapping = automaton.find_overlapping
        self._labels = labels

    def find(
        self,
        text: str,
        mode: MatchMode = "all",
        *,
        min_length: int = 1,
        whole_words: bool = False,
    ) -> list[Match]:
        """The matches in ``text`` with their types; see `MatchMode` for which and in what order.

        ``min_length`` is in characters. ``whole_words`` drops matches that begin or end inside a
        word of a spaced script (*art* in *party*); dropped matches hide no others.
        """
        labels = self._labels
        if mode == "all" and min_length <= 1 and not whole_words:  # the usual case: one call less
            hits = self._occurrences(text)
        else:
            hits = self.find_entries(text, mode, min_length=min_length, whole_words=whole_words)
        return [(start, end, labels[entry]) for start, end, entry in hits]

    def find_entries(
        self,
        text: str,
        mode: MatchMode = "all",
        *,
        min_length: int = 1,
        whole_words: bool = False,
    ) -> list[Hit]:
        """Like `find`, with the number of the mention in place of its type."""
        hits = self._occurrences(text)
        if min_length > 1:
            hits = [hit for hit in hits if hit[1] - hit[0] >= min_length]
        if whole_words and hits:
            hits = _on_word_boundaries(hits, text)
        if mode == "all":
            return hits
        return longest(hits) if mode == "longest" else maximal(hits)

    def _occurrences(self, text: str) -> list[Hit]:
        try:
            hits: list[Hit] = self._find_overlapping(text)
        except UnicodeEncodeError:  # a lone surrogate, which no mention holds, nor its stand-in
            hits = self._find_overlapping(_SURROGATE.sub("\0", text))
        return hits


def check_mode(mode: str) -> MatchMode:
    """``mode`` if it is one.

    Raises:
        InputError: it is not.
    """
    if mode not in get_args(MatchMode):
        raise InputError(f"no matching mode {mode!r}: use one of {', '.join(get_args(MatchMode))}")
    return cast(MatchMode, mode)


def longest(hits: Sequence[Hit]) -> list[Hit]:
    """From left to right the longest hit, none overlapping. ``hits`` are by end, then start."""
    kept: list[Hit] = []
    for hit in hits:
        start = hit[0]
        keep = len(kept)
        while keep and kept[keep - 1][0] >= start:
            keep -= 1  # begins further right and ends no later: `hit` would have come first
        if not keep or kept[keep - 1][1] <= start:
            del kept[keep:]
            kept.append(hit)
    return kept


def maximal(hits: Sequence[Hit]) -> list[Hit]:
    """The hits that lie in no other. ``hits`` are by end, then start."""
    kept: list[Hit] = []
    for hit in hits:
        if kept and kept[-1][1] == hit[1]:
            continue  # inside the hit before it, which ends here too and begins further left
        while kept and kept[-1][0] >= hit[0]:
            kept.pop()
        kept.append(hit)
    return kept


def _on_word_boundaries(hits: list[Hit], text: str) -> list[Hit]:
    """The hits that neither begin nor end inside a word of a spaced script."""
    return [
        hit
        for hit in hits
        # nearly all hits of Chinese text are decided by these comparisons
        if ("\u2e80" <= text[hit[0]] <= "\u9fff" and "\u2e80" <= text[hit[1] - 1] <= "\u9fff")
        or not (_inside_word(text, hit[0]) or _inside_word(text, hit[1]))
    ]


def _inside_word(text: str, place: int) -> bool:
    """Whether both characters beside ``place`` belong to a spaced script, or the one behind it is a
    mark that stands on the one before."""
    if not 0 < place < len(text):
        return False
    if is_mark(text[place]):
        return True
    before = place - 1
    while before and is_mark(text[before]):
        before -= 1
    return _SPACED.match(text, before) is not None and _SPACED.match(text, place) is not None
