"""What ``decoupled-ner predict`` writes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from decoupled_ner.types import InputError, Sentence

if TYPE_CHECKING:
    from decoupled_ner.labels import Scheme


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
    from decoupled_ner.data.formats import format_of

    if output is None:
        return chosen or Output.jsonl
    if chosen is Output.terminal:
        raise InputError("--format terminal writes to the terminal; for a file take html")
    if chosen is not None:
        return chosen
    if _extension(output) in ("html", "htm"):
        return Output.html
    try:
        return Output(format_of(output))
    except ValueError as error:  # no such output, or the extension says nothing
        raise InputError(
            f"{output}: the extension doesn't tell the format; give --format jsonl, conll or html"
        ) from error


def _extension(output: Path) -> str:
    """What a file's name ends in, without the dot, ``.xz`` and ``.gz`` aside."""
    return re.sub(r"\.(xz|gz)$", "", output.name).rpartition(".")[2]


def lines_to_write(
    sentences: Iterable[Sentence], form: Output, output: Path | None
) -> Iterator[str]:
    """The lines of an output in any format but ``terminal``. CoNLL has BIO tags, but those of the
    scheme that the output's extension names (``.bmes``), and leaves empty texts out."""
    if form is Output.html:
        from decoupled_ner.inference.html import highlight_html

        yield highlight_html(list(sentences)).removesuffix("\n")
    elif form is Output.conll:
        from decoupled_ner.labels import SCHEMES

        named = _extension(output or Path()).upper()
        yield from _conll(sentences, next((s for s in SCHEMES if s == named), "BIO"))
    else:
        from decoupled_ner.data.jsonl import sentence_to_json

        for sentence in sentences:
            yield json.dumps(sentence_to_json(sentence), ensure_ascii=False)


def _conll(sentences: Iterable[Sentence], scheme: Scheme) -> Iterator[str]:
    """CoNLL of the sentences that have a text; says how many have none."""
    from decoupled_ner.data.conll import conll_lines

    empty = 0
    for number, sentence in enumerate(sentences, start=1):
        if sentence.text:
            yield from conll_lines([replace(sentence, id=str(number))], scheme)
        else:
            empty += 1
    if empty:
        print(f"empty texts left out, which CoNLL can't hold: {empty}", file=sys.stderr)
