"""Words and parts of speech of LTP models, neural or perceptron. Needs the extra ``ltp``."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from decoupled_ner.candidates.ltp_models import load_pipeline
from decoupled_ner.candidates.words import Segmenter, Words, tile

_PIECE = 250  # characters; the neural models read at most 510 tokens and drop the rest
_BATCH = 64  # pieces

# LTP takes full-width letters and digits for rare Chinese characters, and can't encode lone
# surrogates. One character becomes one, so offsets stay.
_FOLD = {
    ord(wide): ord(wide) - 0xFEE0 for wide in map(chr, range(0xFF01, 0xFF5F)) if wide.isalnum()
}
_FOLD |= {code: ord("?") for code in range(0xD800, 0xE000)}

_SPACES = re.compile(r"\s+")
_CJK = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")
_CLAUSES = re.compile(r".*[。！？；，、.!?;,]", re.DOTALL)


class LtpWords(Segmenter):
    """Words and tags of an LTP pipeline with the tasks ``cws`` and ``pos``."""

    def __init__(self, pipeline: Any) -> None:
        super().__init__()
        self._pipeline = pipeline
        self._running = threading.Lock()  # threads can't share a fast tokenizer

    def _segment(self, texts: Sequence[str]) -> list[Words]:
        pieces = [(row, piece) for row, text in enumerate(texts) for piece in _pieces(text)]
        # LTP's neural pipeline fails on texts of which its tokenizer keeps nothing.
        wordy = [n for n, (_, piece) in enumerate(pieces) if any(c.isalnum() for c in piece)]
        wordy.sort(key=lambda number: len(pieces[number][1]))
        found: dict[int, list[tuple[str, str]]] = {}
        for first in range(0, len(wordy), _BATCH):
            numbers = wordy[first : first + _BATCH]
            found |= zip(numbers, self._tag([pieces[n][1] for n in numbers]), strict=True)
        tagged: list[list[tuple[str, str]]] = [[] for _ in texts]
        for number, (row, piece) in enumerate(pieces):
            tagged[row].extend(align(piece, found.get(number, [])))
        return [tile(row) for row in tagged]

    def _tag(self, pieces: Sequence[str]) -> list[list[tuple[str, str]]]:
        """LTP's words and tags of each piece."""
        folded = [piece.translate(_FOLD) for piece in pieces]
        with self._running:
            output = self._pipeline.pipeline(folded, tasks=["cws", "pos"])
        return [
            list(zip(words, tags, strict=True))
            for words, tags in zip(output.cws, output.pos, strict=True)
        ]


def _pieces(text: str) -> Iterator[str]:
    """Parts that tile the text: lines, what spaces part in Chinese, and no longer than
    ``_PIECE``, ending with punctuation if possible."""
    start = 0
    breaks = [space.end() for space in _SPACES.finditer(text) if _parts(text, space)]
    for end in [*breaks, len(text)]:
        while end - start > _PIECE:
            clauses = _CLAUSES.match(text, start, start + _PIECE)
            cut = clauses.end() if clauses else start + _PIECE
            yield text[start:cut]
            start = cut
        yield text[start:end]
        start = end


def _parts(text: str, space: re.Match[str]) -> bool:
    """Whether no word goes on after the whitespace: a line ends, or it touches Chinese. LTP
    itself overlooks it and makes one word of 北京 大学."""
    around = text[max(space.start() - 1, 0) : space.end() + 1]
    return "\n" in around or "\r" in around or _CJK.search(around) is not None


def align(text: str, words: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """``text`` in pieces, with the tags of the words that LTP found in it.

    What LTP drops (whitespace, control characters, the end of what is too long) has the tag
    ``""``. A word that isn't in the text is passed over.
    """
    folded = text.translate(_FOLD)
    position = 0
    for word, tag in words:
        start = folded.find(word, position)
        if start >= 0:
            yield text[position:start], ""
            position = start + len(word)
            yield text[start:position], tag
    yield text[position:], ""


_building = threading.Lock()


@cache
def _build(name: str) -> LtpWords:
    return LtpWords(load_pipeline(name))


def ltp_words(name: str) -> LtpWords:
    """The process's one segmenter of an LTP model: a folder or a hub id such as ``LTP/small``.

    Raises:
        InputError: LTP is not installed, or there is no such model.
    """
    with _building:
        return _build(name)
