"""Readers of dictionaries, each an iterator of rows; nothing is held but the line at hand.

A reader gives what the file says: normalising, typing and weighing are the build's work.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from math import isfinite, nan
from pathlib import Path
from typing import Any

from decoupled_ner.gazetteer.ime import read_bdict, read_scel
from decoupled_ner.types import InputError

_MENTION_FIELDS = ("mention", "name", "word", "text")
_TAG_FIELDS = ("type", "label", "tag")
_COUNT_FIELDS = ("count", "weight", "frequency")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a dictionary: a mention, and its tag and count where the format has them."""

    mention: str
    tag: str | None = None
    count: float | None = None


#: Told of a malformed line; the line is left out if it returns.
OnError = Callable[[InputError], None]

#: Reads a file but for what stands at its top: so many lines, or rows where it has no lines.
Reader = Callable[[Path, OnError, int], Iterator[Row]]


def fail(error: InputError) -> None:
    """The strict `OnError`: a malformed line ends the reading."""
    raise error


def read_rows(
    path: Path, format: str | None = None, on_error: OnError = fail, skip: int = 0
) -> Iterator[Row]:
    """The rows of a dictionary file; blank mentions are left out, and blanks around others.

    ``format`` is a key of `FORMATS`; by default the file name's ending. ``on_error`` hears of
    malformed lines; what no further line can be read after is raised in any case. The first
    ``skip`` lines may be anything: they are not looked at. Of formats without lines (``json`` and
    input methods' files) it is the first rows that are left out.

    Raises:
        InputError: the format is unknown, or the file is missing, unreadable or malformed (with
            its line or byte).
    """
    name = format or path.suffix.removeprefix(".").lower()
    if name not in FORMATS:
        raise InputError(f"{path}: no reader for {name!r}: name one of {', '.join(FORMATS)}")
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        for row in FORMATS[name](path, on_error, skip):
            if mention := row.mention.strip():
                yield row if mention == row.mention else replace(row, mention=mention)
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})") from error


def _line_reader(parse: Callable[[str], Iterator[Row]]) -> Reader:
    """A reader of a format whose lines are read one by one. Blank lines are left out."""

    def read(path: Path, on_error: OnError, skip: int) -> Iterator[Row]:
        for number, line in enumerate(_lines(path, on_error, skip), skip + 1):
            if line.strip():
                try:
                    yield from parse(line.rstrip("\r\n"))
                except ValueError as error:
                    on_error(InputError(f"{path}:{number}: {error}"))

    return read


def _lines(path: Path, on_error: OnError, skip: int) -> Generator[str, None, None]:
    """Lines with their ends, but for the first ``skip``; one that is not UTF-8 is empty once
    ``on_error`` has heard of it. Of Unicode's many line ends only those of Unix, Windows and old
    Macs end one: real names hold U+2028. A byte order mark goes from any line: files are joined."""
    with path.open("rb") as file:
        lines = (line for part in file for line in part.splitlines(keepends=True))
        for number, raw in islice(enumerate(lines, 1), skip, None):
            try:
                yield raw.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                where = f"{path}:{number}: not UTF-8 (byte {error.start} of the line)"
                on_error(InputError(f"{where}: convert the file"))
                yield ""


def _txt(line: str) -> Iterator[Row]:
    if not line.startswith("# "):
        yield Row(line.strip())


def _word_tag_count(line: str) -> Iterator[Row]:
    word, *pairs = line.split()
    if not pairs or len(pairs) % 2:
        raise ValueError(f"expected 'word tag count', got {line!r}")
    for tag, count in zip(pairs[::2], pairs[1::2], strict=True):
        yield Row(word, tag, _count(count))


def _word_count_tag(line: str) -> Iterator[Row]:
    fields = line.split()
    if len(fields) not in (2, 3):
        raise ValueError(f"expected 'word count [tag]', got {line!r}")
    yield Row(fields[0], fields[2] if len(fields) == 3 else None, _count(fields[1]))


def _word_count(line: str) -> Iterator[Row]:
    word, tab, count = line.rpartition("\t")
    if not tab:
        raise ValueError(f"expected 'word TAB count', got {line!r}")
    yield Row(word.strip(), None, _count(count))


def _jsonl(line: str) -> Iterator[Row]:
    yield _json_row(_json(line))


def _count(text: str) -> float:
    try:
        count = float(text)
    except ValueError:
        count = nan
    if not isfinite(count):
        raise ValueError(f"expected a count, got {text!r}")
    return count


def _table(delimiter: str) -> Reader:
    """A reader of delimited files with a header; ``mention TAB type TAB weight`` needs none."""

    def read(path: Path, on_error: OnError, skip: int) -> Iterator[Row]:
        raw = _lines(path, on_error, skip)
        if delimiter == ",":  # strict, or a quote that nothing closes hides the rest of the file
            lines = csv.reader(raw, strict=True)
        else:  # quotes are characters like any other in tab-separated lists
            lines = csv.reader(raw, delimiter=delimiter, quoting=csv.QUOTE_NONE)
        columns: list[int | None] | None = None
        last = skip  # the line that the row before ends with
        try:
            for fields in lines:
                last = skip + lines.line_num
                if not fields:
                    continue
                if columns is None:
                    columns = _header(fields)
                    # One word of an entry may be what a column is called: 张三 TAB Name.
                    known = sum(column is not None for column in columns)
                    if columns[0] is not None and (delimiter == "," or known > 1 or not columns[0]):
                        continue
                    if delimiter == "," or (columns[0] is None and columns[1] == 1):
                        names = ", ".join(_MENTION_FIELDS)
                        raise InputError(f"{path}:{last}: no column is called {names}: name one so")
                    columns = [0, 1, 2]
                try:
                    yield _table_row(fields, columns)
                except ValueError as error:
                    on_error(InputError(f"{path}:{last}: {error}"))
        except csv.Error as error:
            raise InputError(f"{path}:{last + 1}: {error}: look at its quotes") from error
        finally:
            raw.close()

    return read


def _header(fields: list[str]) -> list[int | None]:
    """Where mention, tag and count stand; the first is None when ``fields`` is no header."""
    names = [field.strip().lower() for field in fields]
    return [
        next((names.index(name) for name in known if name in names), None)
        for known in (_MENTION_FIELDS, _TAG_FIELDS, _COUNT_FIELDS)
    ]


def _table_row(fields: list[str], columns: list[int | None]) -> Row:
    mention, tag, count = (
        fields[i].strip() if i is not None and i < len(fields) else "" for i in columns
    )
    return Row(mention, tag or None, _count(count) if count else None)


def _read_json(path: Path, on_error: OnError, skip: int) -> Iterator[Row]:
    """A list of names or objects, ``{mention: type, count or object}``, or nested names. Read as a
    whole.

    In nested names (``{"台湾省": {"台北市": ["大安区"]}}``) keys and listed strings are mentions.
    """
    try:
        data = _json(path.read_text(encoding="utf-8-sig"))
        yield from islice(_json_rows(data), skip, None)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _input_method(read: Callable[[Path], Iterator[str]]) -> Reader:
    """A reader of an input method's file, which is nothing but words."""
    return lambda path, _, skip: map(Row, islice(read(path), skip, None))


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON ({error})") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; json's own would keep the last value of a name that stands there twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands twice in one object: name it once")
    return found


def _json_rows(data: Any) -> Iterator[Row]:
    if isinstance(data, dict):
        for key, value in data.items():
            if isinstance(value, dict) and _tells_of_one(value):
                yield _json_row({**value, "mention": key})
            elif isinstance(value, dict) and any(
                isinstance(value.get(t), str) for t in _TAG_FIELDS
            ):
                raise ValueError(f"{key!r} has a type beside lists: are these names, or fields?")
            elif isinstance(value, dict | list):
                yield Row(key)
                yield from _json_rows(value)
            else:
                name = "type" if isinstance(value, str) else "count"
                yield _json_row({"mention": key, name: value})
    elif isinstance(data, list):
        for item in data:
            if isinstance(item, list):
                yield from _json_rows(item)
            else:
                yield _json_row(item)
    else:
        raise ValueError(f"expected a JSON list or object, got {type(data).__name__}")


def _tells_of_one(item: Mapping[str, Any]) -> bool:
    """Whether an object says of what name it is the value its type or count, and holds no names."""
    plain = not any(isinstance(value, dict | list) for value in item.values())
    return plain and not item.keys().isdisjoint(_TAG_FIELDS + _COUNT_FIELDS)


def _json_row(item: Any) -> Row:
    if isinstance(item, str):
        return Row(item)
    if not isinstance(item, dict):
        raise ValueError(f"expected a name or an object, got {item!r}")
    mention, tag, count = (
        next((item[name] for name in known if name in item), None)
        for known in (_MENTION_FIELDS, _TAG_FIELDS, _COUNT_FIELDS)
    )
    if not isinstance(mention, str):
        raise ValueError(f"the object has no text under any of {', '.join(_MENTION_FIELDS)}")
    if tag is not None and not isinstance(tag, str):
        raise ValueError(f"{mention!r}: the type must be text, got {tag!r}")
    number = isinstance(count, int | float) and not isinstance(count, bool) and isfinite(count)
    if count is not None and not number:
        raise ValueError(f"{mention!r}: the count must be a number, got {count!r}")
    return Row(mention, (tag or "").strip() or None, count)


#: ``txt``: one mention a line, lines that begin with ``# `` are comments. ``word-tag-count``: as
#: HanLP writes it, further ``tag count`` pairs are alternatives. ``word-count-tag``: as in jieba's
#: dict.txt. ``word-count``: a tab between, as THUOCL writes it. ``csv``, ``tsv``, ``json`` and
#: ``jsonl`` look for a mention under mention, name, word or text, for a tag under type, label or
#: tag, for a count under count, weight or frequency. The last three are input methods' files.
FORMATS: dict[str, Reader] = {
    "txt": _line_reader(_txt),
    "word-tag-count": _line_reader(_word_tag_count),
    "word-count-tag": _line_reader(_word_count_tag),
    "word-count": _line_reader(_word_count),
    "csv": _table(","),
    "tsv": _table("\t"),
    "json": _read_json,
    "jsonl": _line_reader(_jsonl),
    "scel": _input_method(read_scel),
    "bdict": _input_method(read_bdict),
    "bcd": _input_method(read_bdict),
}
