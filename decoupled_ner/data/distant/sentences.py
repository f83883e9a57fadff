"""Sentence splitting that keeps offsets."""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

# What ends a sentence: Chinese marks; ASCII ! and ? unless they stand in an address (?q=1); a full
# stop after a word of three letters or more (so not after Mr. or U.S.) and before a space. Closing
# quotes and brackets belong to it; a straight quote closes unless a word follows.
_END = re.compile(
    r"""
    (?: [。！？…]+ [。！？!?…]*
      | (?<! [!?] ) [!?]++ (?! [A-Za-z0-9_/=&%\#-] )
      | (?<= [^\W_]{3} ) \. (?= ["'”’)\]]* \s )
    )
    (?: [”’」』）)\]】》〉] | ["'] (?!\w) )*
    | [\n\r\u2028\u2029]+
    """,
    re.VERBOSE,
)
_UP_TO_LAST_PAUSE = re.compile(r".*[，,、；;：:\s]", re.DOTALL)


def sentence_spans(text: str, max_length: int) -> Iterator[Span]:
    """The sentences of ``text`` as ``(start, end)``, in characters, from left to right.

    No sentence begins or ends with white space; every other character lies in exactly one. A
    sentence longer than ``max_length`` is cut behind its last comma or space that fits, and
    anywhere where there is none.
    """
    start = 0
    for end in (*(match.end() for match in _END.finditer(text)), len(text)):
        while end - start > max_length:
            pause = _UP_TO_LAST_PAUSE.match(text, start, start + max_length)
            cut = pause.end() if pause else start + max_length
            yield from _trimmed(text, start, cut)
            start = cut
        yield from _trimmed(text, start, end)
        start = end


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    """The span without the white space around it; nothing when there is nothing else."""
    part = text[start:end].rstrip()
    if part:
        end = start + len(part)
        yield end - len(part.lstrip()), end
