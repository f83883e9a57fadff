"""CoNLL column files: a token a line, its tag in the last column, a blank line between sentences.

Columns are separated by tabs or, where a line has none, by spaces. Two kinds of text:

- ``joiner=""`` (Chinese): the text is the tokens put together, and a written token is a character.
- ``joiner=" "`` (English): the text is the tokens with a space between each two.

Four characters would break the layout and are escaped as whole tokens when written: line feed,
carriage return, tab and U+FEFF as ``\\n``, ``\\r``, ``\\t`` and ``\\ufeff``. Everything else, with
spaces and backslashes, is written as it is. What the format can't hold (overlapping entities, an
empty text, entity borders inside a token, a label with a tab, a line break or white space around
it) is an error; only scores and sentence ids are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from decoupled_ner.data.files import Parsed, located, numbered_lines, of_sentence, write_lines
from decoupled_ner.labels import (
    OUTSIDE,
    SCHEMES,
    Scheme,
    Span,
    checked_type,
    decode_tags,
    encode_tags,
    guess_scheme,
)
from decoupled_ner.types import InputError, Sentence, entity_at, well_formed

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\ufeff": "\\ufeff"}
_UNESCAPES = {escape: char for char, escape in _ESCAPES.items()}

#: Weibo NER writes each character with its place in a segmented word: 科0 技1, or 10 for the
#: character 1 in place 0. Emoji beyond the basic plane are two replacement characters in one token.
_SEGMENT_INDEX = re.compile(r"(.+?)\d{1,2}", re.DOTALL)


def read_conll(
    path: str | Path,
    scheme: Scheme | Literal["auto"] = "auto",
    *,
    joiner: Literal["", " "] = "",
    segment_index: bool = False,
    prefix: str = "",
) -> Parsed:
    """Read a column file (.xz and .gz too). ``-DOCSTART-`` lines are skipped.

    Args:
        path: the file.
        scheme: how tags are written; ``auto`` guesses it from all tags of the file.
        joiner: what stands between two tokens in the text.
        segment_index: drop the digits after each token's character (Weibo NER).
        prefix: sentences get the ids ``prefix/0``, ``prefix/1`` …; the file's stem by default.

    Raises:
        InputError: names file, line and what is wrong.
    """
    path = Path(path)
    blocks = list(_blocks(path))
    if scheme == "auto":
        scheme = _guess(path, blocks)
    prefix = prefix or path.name.split(".")[0]
    known: set[str] = set()  # tags already found legal
    sentences, repairs = [], 0
    for index, (line, tokens, tags) in enumerate(blocks):
        for number, tag in enumerate(tags, start=line):
            if tag not in known:
                with located(path, number):
                    decode_tags([tag], scheme)
                known.add(tag)
        spans, changed = _decode(tags, scheme)
        repairs += changed
        bare = _without_indices(path, line, tokens) if segment_index else tokens
        sentences.append(_sentence(bare, spans, joiner, f"{prefix}/{index}"))
    return Parsed(tuple(sentences), repairs)


#: First line number, tokens and tags of a sentence.
_Block = tuple[int, list[str], list[str]]


def _blocks(path: Path) -> Iterator[_Block]:
    tokens: list[str] = []
    tags: list[str] = []
    width = first = 0
    for number, line in numbered_lines(path):
        if not line.strip(" \t") or line.startswith("-DOCSTART-"):
            if tokens:
                yield first, tokens, tags
            tokens, tags = [], []
            continue
        columns = _columns(line)
        width = width or len(columns)
        if len(columns) < 2 or len(columns) != width or not columns[0]:
            expected = f"{max(width, 2)} columns, a token first and a tag last"
            raise InputError(f"{path}:{number}: expected {expected}, found {line!r}")
        if columns[-1] != OUTSIDE and not re.match(r"\w-.", columns[-1]):
            raise InputError(
                f"{path}:{number}: expected a tag such as O or B-PER, found {columns[-1]!r}"
            )
        first = first if tokens else number
        tokens.append(_UNESCAPES.get(columns[0], columns[0]))
        tags.append(columns[-1])
    if tokens:
        yield first, tokens, tags


def _columns(line: str) -> list[str]:
    if "\t" in line:
        return line.rstrip(" ").split("\t")
    columns = line.split(" ")
    if "" in columns:  # several spaces in a row, one at the end, or a token that is itself a space
        token = line[0] + line[1:].partition(" ")[0]
        columns = [token, *(c for c in line[len(token) :].split(" ") if c)]
    return columns


def _without_indices(path: Path, first: int, tokens: list[str]) -> list[str]:
    bare = []
    for number, token in enumerate(tokens, start=first):
        match = _SEGMENT_INDEX.fullmatch(token)
        if match is None:
            raise InputError(
                f"{path}:{number}: expected a character and its segment index, such as 科0, found"
                f" {token!r}"
            )
        bare.append(match[1])
    return bare


def _guess(path: Path, blocks: list[_Block]) -> Scheme:
    possible, known = list(SCHEMES), set()
    for line, _, tags in blocks:
        for number, tag in enumerate(tags, start=line):
            if tag in known:
                continue
            known.add(tag)
            fitting = [scheme for scheme in possible if _has(scheme, tag)]
            if not fitting:
                raise InputError(
                    f"{path}:{number}: {tag!r} is no tag of {', '.join(possible)}, and the tags"
                    " before it fit nothing else; write the file in one scheme"
                )
            possible = fitting
    return guess_scheme([tags for _, _, tags in blocks])


def _has(scheme: Scheme, tag: str) -> bool:
    try:
        decode_tags([tag], scheme)
    except InputError:
        return False
    return True


def _decode(tags: list[str], scheme: Scheme) -> tuple[list[Span], int]:
    spans = decode_tags(tags, scheme)
    legal = encode_tags(spans, len(tags), scheme)
    return spans, sum(a != b for a, b in zip(tags, legal, strict=True))


def _sentence(tokens: list[str], spans: list[Span], joiner: str, id: str) -> Sentence:
    text = joiner.join(tokens)
    starts, position = [], 0
    for token in tokens:
        starts.append(position)
        position += len(token) + len(joiner)
    ends = [start + len(token) for start, token in zip(starts, tokens, strict=True)]
    entities = (entity_at(text, starts[first], ends[end - 1], name) for first, end, name in spans)
    return Sentence(text, tuple(entities), id)


def write_conll(
    sentences: Iterable[Sentence],
    path: str | Path,
    scheme: Scheme = "BIO",
    *,
    joiner: Literal["", " "] = "",
) -> None:
    """Write ``token TAB tag`` lines; `read_conll` with the same scheme and joiner gives the same
    texts and entities back. Written beside the file, then renamed.

    Raises:
        InputError: a sentence that the format can't hold (see the module), named by its id.
    """
    write_lines(conll_lines(sentences, scheme, joiner=joiner), Path(path))


def conll_lines(
    sentences: Iterable[Sentence], scheme: Scheme = "BIO", *, joiner: Literal["", " "] = ""
) -> Iterator[str]:
    """The lines that `write_conll` writes."""
    for index, sentence in enumerate(sentences):
        with of_sentence(sentence, index):
            lines = _sentence_lines(sentence, scheme, joiner)
        yield from lines
        yield ""


def _sentence_lines(sentence: Sentence, scheme: Scheme, joiner: str) -> list[str]:
    tokens = sentence.text.split(joiner) if joiner else list(sentence.text)
    if not sentence.text:
        raise InputError("CoNLL can't hold an empty text")
    if well_formed(sentence.text) != sentence.text:
        raise InputError("CoNLL can't hold half of a surrogate pair; JSONL can")
    starts, ends, position = {}, {}, 0
    for index, token in enumerate(tokens):
        _check_token(token)
        starts[position] = index
        position += len(token)
        ends[position] = index + 1
        position += len(joiner)
    spans: list[Span] = []
    for entity in sentence.entities:
        _check_label(entity.label)
        if entity.start not in starts or entity.end not in ends:
            raise InputError(f"entity {entity.text!r} begins or ends inside a token")
        spans.append((starts[entity.start], ends[entity.end], entity.label))
    tags = encode_tags(spans, len(tokens), scheme)
    return [f"{_ESCAPES.get(t, t)}\t{tag}" for t, tag in zip(tokens, tags, strict=True)]


def _check_label(label: str) -> None:
    checked_type(label)
    if label != label.strip() or any(char in label for char in "\t\n\r"):
        raise InputError(
            f"CoNLL can't hold the label {label!r}: a tab, a line break or white space around it"
        )


def _check_token(token: str) -> None:
    if len(token) == 1:
        return
    if not token:
        raise InputError("two joiners in a row, or one at an end: CoNLL can't hold an empty token")
    if (
        token in _UNESCAPES
        or token.startswith("-DOCSTART-")
        or any(char in token for char in _ESCAPES)
    ):
        raise InputError(f"CoNLL can't hold the token {token!r}")
