"""Words with part-of-speech tags: what nouns, merged neighbours and name variants are made of.

A `Segmenter` cuts a text into words that tile it without gaps, so a word's offsets are exact for
any text. It remembers the texts that it saw last: generators over the same words share one
segmenter and pay for one segmentation.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import accumulate
from typing import NamedTuple
from weakref import WeakSet

from decoupled_ner.types import InputError, Region

_REMEMBERED_CHARACTERS = 200_000
SEGMENTERS = ("jieba", "lac", "ltp")
_segmenters: WeakSet[Segmenter] = WeakSet()


class Word(NamedTuple):
    """A word's range ``[start, end)`` in characters and its part-of-speech tag."""

    start: int
    end: int
    tag: str


Words = tuple[Word, ...]


class Segmenter(ABC):
    """Cuts texts into tagged words. Thread-safe."""

    def __init__(self) -> None:
        _segmenters.add(self)
        self._memory: OrderedDict[str, Words] = OrderedDict()
        self._remembered = 0
        self._lock = threading.Lock()

    @abstractmethod
    def _segment(self, texts: Sequence[str]) -> list[Words]:
        """The words of each text; the texts are not empty and differ from each other."""

    def words(self, text: str) -> Words:
        """The words of ``text``, in order, tiling it; none for an empty text."""
        return self.words_batch([text])[0]

    def words_batch(self, texts: Sequence[str]) -> list[Words]:
        """`words` for many texts, N in, N out."""
        with self._lock:
            known = {text: self._memory[text] for text in texts if text in self._memory}
        known[""] = ()
        unknown = list(dict.fromkeys(text for text in texts if text not in known))
        if unknown:
            segmented = dict(zip(unknown, self._segment(unknown), strict=True))
            known |= segmented
            self._remember(segmented)
        return [known[text] for text in texts]

    def _remember(self, segmented: dict[str, Words]) -> None:
        """Keep the latest texts, bounded by their characters and not by their number."""
        with self._lock:
            for text, words in segmented.items():
                if text not in self._memory:
                    self._memory[text] = words
                    self._remembered += len(text)
            while self._remembered > _REMEMBERED_CHARACTERS:
                text, _ = self._memory.popitem(last=False)
                self._remembered -= len(text)

    def forget(self) -> None:
        """Forget all texts, so that a measurement segments anew."""
        with self._lock:
            self._memory.clear()
            self._remembered = 0


def check_segmenter(name: str, model: str | None) -> None:
    """Raise an InputError unless the name is known and ``ltp``, and no other, has a model."""
    if name not in SEGMENTERS:
        raise InputError(f"no segmenter {name!r}; choose one of {', '.join(SEGMENTERS)}")
    if (name == "ltp") != bool(model):
        raise InputError("`model`, a folder or a hub id, goes with the segmenter ltp and no other")


def segmenter_named(name: str, model: str | None = None) -> Segmenter:
    """The process's shared segmenter of that name, built on first use.

    Args:
        name: one of ``SEGMENTERS``.
        model: a folder or a hub id, for ``ltp``.

    Raises:
        InputError: see `check_segmenter`; or the model can't be loaded.
    """
    check_segmenter(name, model)
    if name == "jieba":
        from decoupled_ner.candidates.jieba_words import jieba_words

        return jieba_words()
    if name == "lac":
        from decoupled_ner.candidates.lac_words import lac_words

        return lac_words()
    from decoupled_ner.candidates.ltp_words import ltp_words

    return ltp_words(str(model))


def forget_words() -> None:
    """Let every segmenter of the process forget its texts."""
    for segmenter in list(_segmenters):
        segmenter.forget()


def tile(pieces: Iterable[tuple[str, str]]) -> Words:
    """Words from (text, tag) pieces that follow each other without gaps."""
    kept = [(piece, tag) for piece, tag in pieces if piece]
    ends = accumulate(len(piece) for piece, _ in kept)
    return tuple(
        Word(end - len(piece), end, tag) for end, (piece, tag) in zip(ends, kept, strict=True)
    )


class TagFilter:
    """Whether a tag matches one of the patterns (``n*`` is every tag that starts with n)."""

    def __init__(self, patterns: Sequence[str]) -> None:
        if isinstance(patterns, str) or not patterns:
            raise InputError(f"tags must be a list of patterns such as ['n*'], got {patterns!r}")
        self.patterns = tuple(patterns)
        self._known: dict[str, bool] = {}  # a tag set is small

    def __call__(self, tag: str) -> bool:
        if tag not in self._known:
            self._known[tag] = any(fnmatchcase(tag, pattern) for pattern in self.patterns)
        return self._known[tag]


def trimmed(text: str, start: int, end: int) -> Region | None:
    """The range without whitespace at its ends; ``None`` where nothing remains."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Region(start, end) if start < end else None
