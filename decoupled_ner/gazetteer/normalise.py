"""From a line of a dictionary to a mention, or to the reason why it is none."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from decoupled_ner.gazetteer.readers import read_rows
from decoupled_ner.types import InputError

#: Which Chinese script mentions are converted to; None leaves them as they are.
Script = Literal["simplified", "traditional"]

_OPENCC_CONFIG = {"simplified": "t2s", "traditional": "s2t"}
_NOTE = re.compile(r"\s*[(（][^()（）]*[)）]$")
_SPACES = re.compile(r"\s+")
_INVISIBLE = re.compile("[\ufeff\u200b\u2060]")  # joined files and web pages bring them in
_LETTER = re.compile(r"[^\W\d_]")
_UNFIT = re.compile("[\0\ud800-\udfff]")  # what a gazetteer cannot hold


@dataclass(frozen=True, slots=True)
class Rules:
    """What a build does to every mention; ``stop_words`` and ``place_suffixes`` are files.

    Lengths are in characters, after normalising.
    """

    nfkc: bool = True
    script: Script | None = None
    min_length: int = 2
    max_length: int = 40
    stop_words: Path | None = None
    place_suffixes: Path | None = None


class Normaliser:
    """Applies `Rules` to one mention after the other.

    Raises:
        InputError: the stop words cannot be read, or OpenCC is needed and not installed.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._convert = _converter(rules.script)
        self._stop_words = frozenset(
            self.form(row.mention)
            for row in (read_rows(rules.stop_words, "txt") if rules.stop_words else ())
        )

    def form(self, text: str, notes: bool = False) -> str:
        """``text`` in the form in which mentions are kept: single spaces, nothing invisible, and no
        note in brackets unless ``notes`` are kept."""
        if self._rules.nfkc:
            text = unicodedata.normalize("NFKC", text)
        text = _SPACES.sub(" ", _INVISIBLE.sub("", text)).strip()
        text = text if notes else _NOTE.sub("", text)
        return text if _UNFIT.search(text) else self._convert(text)  # which would raise

    def endings(self, endings: Iterable[str]) -> tuple[str, ...]:
        """Endings of names as they are, and in the form in which mentions are kept: one character
        by itself may be converted to another than in a name."""
        return tuple(dict.fromkeys(e for raw in endings for e in (raw, self.form(raw, notes=True))))

    def fault(self, mention: str) -> str | None:
        """Why ``mention``, already in its form, is left out; None when it is kept."""
        if len(mention) < self._rules.min_length:
            return "too short"
        if len(mention) > self._rules.max_length:
            return "too long"
        if mention in self._stop_words:
            return "stop word"
        if not _LETTER.search(mention):
            return "no letter"
        if _UNFIT.search(mention):
            return "not a character"
        return None


def _converter(script: Script | None) -> Callable[[str], str]:
    if script is None:
        return str
    try:
        from opencc import OpenCC
    except ImportError as error:
        raise InputError(
            "converting scripts needs OpenCC: pip install 'decoupled-ner[gazetteer]', "
            "or leave `script` out"
        ) from error
    convert: Callable[[str], str] = OpenCC(_OPENCC_CONFIG[script]).convert
    return convert
