"""Words, parts of speech and entity types of jieba's bundled LAC tagger."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from decoupled_ner.candidates.lac_network import LacNetwork
from decoupled_ner.candidates.words import Segmenter, Word, Words
from decoupled_ner.types import InputError

_WINDOW = 256  # characters that the network reads at once
_MARGIN = 32  # of them, at an inner edge, read as context; the neighbouring window tags them
_BATCH = 4096  # characters; larger batches are slower, they leave the processor's cache

# The network was trained on text with half-width, mostly ASCII punctuation; what it never saw it
# tags at random and, worse, glues to the names beside it. Lower case finds a few more names.
_FOLD = str.maketrans(
    {chr(code): chr(code - 0xFEE0).lower() for code in range(0xFF01, 0xFF5F)}
    | {chr(code): chr(code).lower() for code in range(ord("A"), ord("Z") + 1)}
    | dict(zip("。、“”‘’【】—～「」『』", '.,""\'\'[]-~""""', strict=True))
)


class LacWords(Segmenter):
    """LAC's words; its tags are parts of speech, ``PER``, ``LOC``, ``ORG`` and ``TIME``."""

    def __init__(self, network: LacNetwork) -> None:
        super().__init__()
        self._network = network

    def _segment(self, texts: Sequence[str]) -> list[Words]:
        """Windows of all texts, batched by length, so that padding costs little."""
        windows = [(row, start) for row, text in enumerate(texts) for start in _starts(len(text))]
        pieces = [texts[row][start : start + _WINDOW].translate(_FOLD) for row, start in windows]
        tags: list[list[str]] = [["O"] * len(text) for text in texts]
        order = sorted(range(len(pieces)), key=lambda number: len(pieces[number]))
        for numbers in _batches(order, [len(piece) for piece in pieces]):
            tagged = self._network.tag([pieces[number] for number in numbers])
            for number, window_tags in zip(numbers, tagged, strict=True):
                row, start = windows[number]
                first = _MARGIN if start else 0
                end = len(window_tags)
                if start + end < len(texts[row]):  # what is behind it another window tags
                    end -= _MARGIN
                tags[row][start + first : start + end] = window_tags[first:end]
        return [_words(row) for row in tags]


def _starts(length: int) -> range:
    """Where windows start: each but the last shares two margins with its follower. Both read
    both, the first of them tags the first, the follower the second."""
    return range(0, max(length - 2 * _MARGIN, 1), _WINDOW - 2 * _MARGIN)


def _batches(order: list[int], lengths: list[int]) -> list[list[int]]:
    """Runs of ``order``, shortest first, of at most ``_BATCH`` characters with padding."""
    batches: list[list[int]] = []
    for number in order:
        if not batches or (len(batches[-1]) + 1) * lengths[number] > _BATCH:
            batches.append([])
        batches[-1].append(number)
    return batches


def _words(tags: Sequence[str]) -> Words:
    """Words from tags: one goes on where a tag is ``-I`` of the same kind."""
    starts: list[tuple[int, str]] = []
    for index, tag in enumerate(tags):
        kind, _, place = tag.partition("-")
        if place != "I" or not starts or starts[-1][1] != kind:
            starts.append((index, kind))
    ends = [start for start, _ in starts[1:]] + [len(tags)]
    return tuple(Word(start, end, kind) for (start, kind), end in zip(starts, ends, strict=True))


_building = threading.Lock()


@cache
def _build() -> LacWords:
    # find_spec, and not an import: the package's modules import paddle.
    spec = importlib.util.find_spec("jieba")
    if spec is None or spec.origin is None:
        raise InputError("jieba is not installed: pip install jieba")
    return LacWords(LacNetwork(Path(spec.origin).parent / "lac_small"))


def lac_words() -> LacWords:
    """The process's one LAC segmenter, built on first use (a tenth of a second, 15 MB)."""
    with _building:
        return _build()
