"""Regions by their surface alone: n-grams, and runs of capitalised words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.types import InputError, Region, is_mark, unique_regions

# A unit is a character of a script that doesn't space its words, or a word of one that does.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff"
_UNSPACED += "\U00020000-\U0003ffff"
_UNIT = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_IDEOGRAPH = re.compile(f"[{_UNSPACED}]")
_JOINTS = frozenset(["", " ", "·", "•", "・", "-", "'", "’", "&", ".", ". "])


def is_unspaced(character: str) -> bool:
    """Whether a character's script doesn't space its words, as Chinese doesn't."""
    return _IDEOGRAPH.match(character) is not None


class NGrams(CandidateGenerator):
    """Every run of up to ``max_units`` units without punctuation between them.

    A unit is a character in Chinese and other scripts without spaces, and a word elsewhere. Single
    spaces and what stands inside names (``·``, ``-``, ``&``…) don't end a run.

    Args:
        max_units: the longest run, in units.
        max_length: the longest run, in characters.
    """

    name = "ngrams"

    def __init__(self, max_units: int = 4, max_length: int = 32) -> None:
        if max_units < 1 or max_length < 1:
            raise InputError("max_units and max_length of n-grams must be at least 1")
        self.max_units, self.max_length = max_units, max_length

    def propose(self, text: str) -> list[Region]:
        units = _with_marks(text, [match.span() for match in _UNIT.finditer(text)])
        return [
            Region(start, end)
            for first, (start, _) in enumerate(units)
            for end in self._ends(text, units[first : first + self.max_units])
            if end - start <= self.max_length
        ]

    @staticmethod
    def _ends(text: str, units: Sequence[tuple[int, int]]) -> Iterator[int]:
        previous = units[0][0]
        for start, end in units:
            if text[previous:start] not in _JOINTS:
                return
            yield end
            previous = end

    def init_args(self) -> dict[str, Any]:
        return {"max_units": self.max_units, "max_length": self.max_length}


def _with_marks(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Units with the combining marks on their last letter, and words that only marks divide
    whole."""
    units: list[tuple[int, int]] = []
    for start, letters_end in spans:
        if units and start < units[-1][1]:
            continue  # a mark of a script that doesn't space its words, which is with its letter
        end = _behind_marks(text, letters_end)
        if units and units[-1][1] == start and is_mark(text[start - 1]):
            first = units[-1][0]
            if not (_IDEOGRAPH.match(text, first) or _IDEOGRAPH.match(text, start)):
                units[-1] = (first, end)
                continue
        units.append((start, end))
    return units


def _behind_marks(text: str, end: int) -> int:
    while end < len(text) and is_mark(text[end]):
        end += 1
    return end


_TOKEN = re.compile(r"\S+")
_CORE = re.compile(r"\w(?:.*\w)?")  # a token without the punctuation around it
_GENITIVES = ("'s", "’s")
_CONNECTORS = "of the and for in on de la del di da van von der den du al el bin ibn & - / ' 's"


class _Token:
    """A token, and the range of it that a name can have."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self.text = text[start:end]
        core = _CORE.search(self.text)
        self.is_name = core is not None and any(c.isupper() or c.isdigit() for c in core[0])
        self.start, self.end = start, end
        if core is not None:
            self.start = start + core.start()
            self.end = start + _behind_marks(self.text, core.end())


class WordNGrams(CandidateGenerator):
    """Runs of words with a capital or a digit, for English and other spaced scripts.

    ``connectors`` (of, and, ``&``…) may stand inside a run. A full stop after a run's last word is
    left out and, as in ``U.S.``, taken in: both are proposed, and so are *Peter's* and *Peter*.

    Args:
        max_words: the longest run, in words.
        max_length: the longest run, in characters.
        connectors: words that may stand inside a run, not at its ends.
    """

    name = "word-ngrams"

    def __init__(
        self,
        max_words: int = 5,
        max_length: int = 60,
        connectors: Sequence[str] = tuple(_CONNECTORS.split()),
    ) -> None:
        if max_words < 1 or max_length < 1:
            raise InputError("max_words and max_length of word n-grams must be at least 1")
        self.max_words, self.max_length = max_words, max_length
        self.connectors = tuple(connectors)

    def propose(self, text: str) -> list[Region]:
        tokens = [_Token(text, match.start(), match.end()) for match in _TOKEN.finditer(text)]
        found = (
            region
            for first, token in enumerate(tokens)
            if token.is_name
            for region in self._runs(text, token.start, tokens[first : first + self.max_words])
        )
        return unique_regions([region for region in found if len(region) <= self.max_length])

    def _runs(self, text: str, start: int, tokens: Sequence[_Token]) -> Iterator[Region]:
        for token in tokens:
            if token.is_name:
                yield Region(start, token.end)
                if text[token.end - 2 : token.end] in _GENITIVES and token.end - 2 > start:
                    yield Region(start, token.end - 2)
                if text[token.end : token.end + 1] == ".":
                    yield Region(start, token.end + 1)
            elif token.text not in self.connectors:
                return

    def init_args(self) -> dict[str, Any]:
        return {
            "max_words": self.max_words,
            "max_length": self.max_length,
            "connectors": list(self.connectors),
        }
