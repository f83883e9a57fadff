"""What a tagger tags: the units of a text, and which of an encoder's tokens stands for each.

A unit is a range of characters of the text as given. White space belongs to no unit, and neither
does what an encoder's tokenizer drops (control characters, say): what can't be read isn't tagged.
"""

from __future__ import annotations

import itertools
import re
from typing import Literal, NamedTuple
from unicodedata import category

import numpy as np
import numpy.typing as npt
from tokenizers import Regex, pre_tokenizers
from transformers import PreTrainedTokenizerBase

from decoupled_ner.models.encoder import plain_tokenizer
from decoupled_ner.types import InputError, is_mark, well_formed

#: ``word``: an ideograph, a run of other letters, a run of digits, or a single other character.
#: ``character``: every character. ``whitespace``: what stands between white space (CoNLL's tokens).
UnitKind = Literal["word", "character", "whitespace"]

IntArray = npt.NDArray[np.int64]

#: BERT's ideographs and kana, which join no run.
_UNSPACED = "\u2e80-\u2fdf\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
#: Letters and digits apart, because entities end between them: this loses 1 of 1,895 entities of
#: Weibo's training set and none of 74,703 of MSRA's, BERT's own words lose 2 and 18.
_PATTERNS: dict[UnitKind, str] = {
    "word": rf"(?:(?![{_UNSPACED}])[^\W\d_])+|\d+|\S",
    "character": r"\S",
    "whitespace": r"\S+",
}


def split_units(text: str, kind: UnitKind) -> IntArray:
    """The units of ``text`` in order, (N, 2) character offsets, half-open.

    Raises:
        InputError: there is no such kind.
    """
    _check_kind(kind)
    spans = [match.span() for match in re.finditer(_PATTERNS[kind], text)]
    if kind == "word" and not text.isascii():
        spans = _with_marks(text, spans)
    return np.array(spans, np.int64).reshape(-1, 2)


def _check_kind(kind: str) -> None:
    if kind not in _PATTERNS:
        raise InputError(f"no units {kind!r}: use one of {', '.join(_PATTERNS)}")


def _with_marks(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Combining marks joined to what they stand on, and the letters behind them too: Python's
    regular expressions take them for no part of a word."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            first, _ = joined[-1]
            in_word = is_mark(text[start - 1]) and _runs(text[first]) and _runs(text[start])
            if in_word or is_mark(text[start]):
                joined[-1] = (first, end)
                continue
        joined.append((start, end))
    return joined


def _runs(character: str) -> bool:
    """Whether a run may begin with it."""
    alone = re.match(f"[{_UNSPACED}]", character)
    return is_mark(character) or (character.isalnum() and not alone)


class TokenizedUnits(NamedTuple):
    """N units over M tokens (special tokens not among them)."""

    units: IntArray  # (N, 2) character offsets
    tokens: IntArray  # (M,) ids
    first: IntArray  # (N,) the index of each unit's first token, never decreasing


class UnitTokenizer:
    """Splits texts into units and tokenises them for an encoder. Thread-safe.

    The tokenizer reads the whole text, as it did in pre-training. Where it is BERT's, it also
    splits at unit borders, so that no two units share a token; others (SentencePiece, say) may
    give several units the same one.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, kind: UnitKind) -> None:
        _check_kind(kind)
        self._kind: UnitKind = kind
        self._backend = plain_tokenizer(tokenizer)
        before = self._backend.pre_tokenizer
        self._is_bert = isinstance(before, pre_tokenizers.BertPreTokenizer)
        if self._is_bert:
            split = pre_tokenizers.Split(Regex(_PATTERNS[kind]), "isolated")
            self._backend.pre_tokenizer = pre_tokenizers.Sequence([split, before])

    def __call__(self, text: str) -> TokenizedUnits:
        """The units that have a token, with the tokens of the whole text."""
        encoding = self._backend.encode(self._readable(text), add_special_tokens=False)
        units = split_units(text, self._kind)
        if not encoding.ids:
            nothing = np.zeros(0, np.int64)
            return TokenizedUnits(units[:0], nothing, nothing)
        offsets = np.array(encoding.offsets, np.int64)
        # Tokens without characters of their own would break the order that the search relies on.
        visible = np.flatnonzero(offsets[:, 1] > offsets[:, 0])
        starts, ends = offsets[visible].T
        first = np.searchsorted(ends, units[:, 0], side="right")  # the first that ends behind it
        reaches = np.append(starts, len(text))[first] < units[:, 1]
        return TokenizedUnits(
            units[reaches], np.array(encoding.ids, np.int64), visible[first[reaches]]
        )

    def _readable(self, text: str) -> str:
        """As long as ``text``. What BERT's tokenizers drop would glue its neighbours together, so
        white space takes its place."""
        text = well_formed(text)
        if not self._is_bert or (text.isascii() and text.isprintable()):
            return text
        return "".join(" " if c == "\ufffd" or category(c).startswith("C") else c for c in text)


#: Tokens of a model's windows, special ones included: with fewer a window has hardly a unit.
LEAST_TOKENS = 8


class Window(NamedTuple):
    """Units ``[start, end)`` are read together; entities that begin in ``[owned_start, owned_end)``
    are taken from this window, so that every unit is owned by the window that sees most around."""

    start: int
    end: int
    owned_start: int
    owned_end: int


def windows(weights: IntArray, limit: int) -> list[Window]:
    """Cut N units into windows of at most ``limit`` tokens that overlap by about a quarter.

    Args:
        weights: (N,) how many tokens each unit takes.
        limit: tokens a window; a single unit that takes more gets a window of its own.
    """
    total = np.concatenate([[0], np.cumsum(weights)])
    count = len(weights)
    if not count:
        return []
    spans: list[tuple[int, int]] = []
    start = end = 0
    while True:
        end = max(start + 1, int(np.searchsorted(total, total[start] + limit, side="right")) - 1)
        spans.append((start, end))
        if end == count:
            break
        # As much of the last quarter as leaves room for at least one new unit.
        earliest = max(total[end] - limit // 4, total[end + 1] - limit)
        start = min(end, int(np.searchsorted(total, earliest, side="left")))
    middles = [(right[0] + left[1]) // 2 for left, right in itertools.pairwise(spans)]
    owned = itertools.pairwise([0, *middles, count])
    return [Window(*span, *own) for span, own in zip(spans, owned, strict=True)]
