"""What ``decoupled-ner predict`` and ``data export`` write."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from decoupled_ner.types import InputError, Sentence

if TYPE_CHECKING:
    from decoupled_ner.labels import Scheme

#: What stands between the tokens of CoNLL.
Joiner = Literal["", " "]
WordsOption = Annotated[
    bool,
    typer.Option(
        "--words",
        help="CoNLL: a word a line, not a character, of texts with single spaces between all words"
        " and punctuation; ?format=words reads that.",
    ),
]

_LINE_BREAK = re.compile(r"\r\n|\r|\n")


class Output(StrEnum):
    """What ``predict`` writes."""

    jsonl = "jsonl"
    conll = "conll"
    html = "html"
    terminal = "terminal"


def format_to_write(chosen: Output | None, output: Path | None) -> Output:
    """``--format``; else what the output's extension tells, as it does of files that are read.

    Raises:
        InputError: the extension tells none, or the format is not one for files.
    """
    if output is None:
        return chosen or Output.jsonl
    if chosen is Output.terminal:
        raise InputError("--format terminal writes to the terminal; for a file take html")
    if chosen is not None:
        return chosen
    found = format_told(output)
    if found is None:
        raise InputError(
            f"{output}: the extension doesn't tell the format; give --format jsonl, conll or html"
        )
    return found


def check_not_read(output: Path, read: Iterable[Path]) -> None:
    """Raise an `InputError` where writing ``output`` would replace a file that is read."""
    if any(output.resolve() == path.resolve() for path in read):
        raise InputError(f"{output} is read: give --output another file, it would be replaced")


def format_told(output: Path) -> Output | None:
    """The format that a file's extension tells, as it does of files that are read."""
    from decoupled_ner.data.files import ending
    from decoupled_ner.data.formats import format_of

    if ending(output) in (".html", ".htm"):
        return Output.html
    try:
        return Output(format_of(output))
    except ValueError:  # no such output, or the extension says nothing
        return None


def joiner_to_write(words: bool, form: Output | None) -> Joiner:
    """What stands between the tokens of the CoNLL that is written.

    Raises:
        InputError: ``--words``, and another format.
    """
    if words and form is not Output.conll:
        raise InputError("--words is for CoNLL: leave it out, or name the output .conll")
    return " " if words else ""


def lines_to_write(
    sentences: Iterable[Sentence], form: Output, output: Path | None, joiner: Joiner
) -> Iterator[str]:
    """The lines of an output in any format but ``terminal``. CoNLL has BIO tags, but those of the
    scheme that the output's extension names (``.bmes``), leaves empty texts out, and has a
    character a line, or what stands between two ``joiner``."""
    if form is Output.html:
        from decoupled_ner.inference.html import highlight_html

        yield highlight_html(list(sentences)).removesuffix("\n")
    elif form is Output.conll:
        from decoupled_ner.data.files import ending
        from decoupled_ner.labels import SCHEMES

        named = ending(output or Path())[1:].upper()
        yield from _conll(sentences, next((s for s in SCHEMES if s == named), "BIO"), joiner)
    else:
        from decoupled_ner.data.jsonl import json_line

        yield from map(json_line, sentences)


def text_lines(sentences: Iterable[Sentence]) -> Iterator[str]:
    """Texts alone, a line each. Says how many had line breaks, which become spaces, and how many
    are left out, being empty."""
    empty = broken = 0
    for sentence in sentences:
        line = _LINE_BREAK.sub(" ", sentence.text)
        broken += line != sentence.text
        if line:
            yield line
        else:
            empty += 1
    _say("empty texts left out", empty)
    _say("texts whose line breaks became spaces", broken)


def _conll(sentences: Iterable[Sentence], scheme: Scheme, joiner: Joiner) -> Iterator[str]:
    """CoNLL of the sentences that have a text; says how many have none."""
    from decoupled_ner.data.conll import conll_lines

    empty = 0
    for number, sentence in enumerate(sentences, start=1):
        if sentence.text:
            named = replace(sentence, id=sentence.id or str(number))
            yield from conll_lines([named], scheme, joiner=joiner)
        else:
            empty += 1
    _say("empty texts left out, which CoNLL can't hold", empty)


def _say(what: str, count: int) -> None:
    if count:
        print(f"{what}: {count}", file=sys.stderr)
