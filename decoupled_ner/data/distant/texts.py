"""Text files of any size, read as a stream of blocks that do not depend on who reads them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decoupled_ner.data.files import ending, opened
from decoupled_ner.disk import sha256_of
from decoupled_ner.types import InputError, well_formed

#: ``(line from 1, offset, text)``: a text, and where its first character stands in its line (of
#: JSON lines: in the line's text).
Paragraph = tuple[int, int, str]

_BYTE_ORDER_MARK = "\ufeff".encode()
_SENTENCE_ENDS = tuple(mark.encode() for mark in "。！？")
_LONGEST_JSON_LINE = 256 << 20
_MOST_FILES = 10_000  # whose shards' names sort in the order of the text


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file to read: its number among the files, the name that sentences carry, its absolute path
    (who reads it may work in another folder), and where the files before it end (bytes as they lie
    on disk, for progress)."""

    number: int
    name: str
    path: Path
    before: int

    @property
    def is_jsonl(self) -> bool:
        return ending(self.path) in (".jsonl", ".ndjson", ".json")

    @property
    def digest(self) -> str:
        """SHA-256 of what lies on disk; of JSON lines it says so, which read otherwise as text."""
        return sha256_of(self.path) + (" of JSON lines" if self.is_jsonl else "")


@dataclass(frozen=True, slots=True)
class Block:
    """Some lines of a file: UTF-8, unpacked.

    ``line`` and ``offset`` say where ``data`` begins; ``offset`` is above 0 where a very long line
    was cut. ``position`` is how far the files are read behind it, in bytes on disk.
    """

    file: TextFile
    number: int
    line: int
    offset: int
    data: bytes
    position: int

    @property
    def shard(self) -> str:
        """The name of the shard that is made of this block; names sort in the order of the text."""
        return f"part-{self.file.number:04}-{self.number:06}.parquet"


def text_files(paths: Sequence[str | Path]) -> list[TextFile]:
    """The files to read, called by their names, or by their paths where two names are the same.

    Raises:
        InputError: there is none, one does not exist, or one is given twice.
    """
    listed = [Path(path) for path in paths]
    if not listed:
        raise InputError("no text to read: name one or more files")
    for path in listed:
        if not path.is_file():
            raise InputError(f"{path}: no such text file")
    names = [well_formed(path.name) for path in listed]
    if len(set(names)) < len(names):
        names = [well_formed(str(path)) for path in listed]
    paths_of = Counter(path.resolve() for path in listed)
    if repeated := [
        name for name, path in zip(names, listed, strict=True) if paths_of[path.resolve()] > 1
    ]:
        raise InputError(f"{min(repeated)}: given twice")
    if len(listed) > _MOST_FILES:
        raise InputError(f"{len(listed)} text files are more than {_MOST_FILES}: join some")
    files, before = [], 0
    for number, (name, path) in enumerate(zip(names, listed, strict=True)):
        files.append(TextFile(number, name, path.absolute(), before))
        before += path.stat().st_size
    return files


def read_blocks(file: TextFile, size: int) -> Iterator[Block]:
    """The blocks of a file, each of about ``size`` bytes and cut at the end of a line.

    A longer line of plain text is cut behind a sentence, or anywhere where none ends. A JSON line
    is never cut, so that it is held as a whole.

    Raises:
        InputError: the file can't be read or is damaged.
    """
    line, offset, number, rest = 1, 0, 0, b""
    for data, position in _pieces(file, size):
        rest += data
        cut = _cut(rest, file.is_jsonl) if data else len(rest)
        if len(rest) - cut > _LONGEST_JSON_LINE:
            raise InputError(f"{file.path}:{line}: this JSON line has more than 256 MiB")
        if not cut:
            continue
        block, rest = rest[:cut], rest[cut:]
        yield Block(file, number, line, offset, block, file.before + position)
        number += 1
        last = block.rfind(b"\n") + 1
        line += block.count(b"\n")
        offset = (0 if last else offset) + len(block[last:].decode(errors="replace"))


def _pieces(file: TextFile, size: int) -> Iterator[tuple[bytes, int]]:
    """Unpacked bytes with the position behind them on disk; the last piece is empty."""
    with opened(file.path) as (raw, unpacked):
        first = unpacked.read(size)
        yield first.removeprefix(_BYTE_ORDER_MARK), raw.tell()
        while first and (data := unpacked.read(size)):
            yield data, raw.tell()
        yield b"", raw.tell()


def _cut(data: bytes, is_jsonl: bool) -> int:
    """Where to cut ``data`` so that nothing is torn: behind a line, a sentence or a character."""
    cut = data.rfind(b"\n") + 1
    if cut or is_jsonl:
        return cut
    ends = [data.rfind(mark) for mark in _SENTENCE_ENDS]
    if max(ends) >= 0:
        return max(ends) + len(_SENTENCE_ENDS[0])
    for cut in range(len(data) - 1, max(0, len(data) - 4), -1):
        if data[cut] & 0xC0 != 0x80:  # a character begins here; it may not be whole
            return cut
    return len(data) if len(data) >= 4 else 0


def paragraphs(block: Block) -> Iterator[Paragraph]:
    """The lines of a block, or their ``text`` field where the file has JSON lines.

    Raises:
        InputError: not UTF-8, or not a JSON object with a text; names file and line.
    """
    try:
        text = block.data.decode()
    except UnicodeDecodeError as error:
        line = block.line + block.data.count(b"\n", 0, error.start)
        raise InputError(f"{block.file.path}:{line}: not UTF-8; convert the file first") from error
    lines = enumerate(text.split("\n"), start=block.line)
    if block.file.is_jsonl:
        for number, line_text in lines:
            if line_text.strip():
                yield number, 0, _json_text(line_text, block.file.path, number)
    else:
        for number, line_text in lines:
            yield number, block.offset if number == block.line else 0, line_text


def _json_text(line: str, path: Path, number: int) -> str:
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}:{number}: not JSON ({error})") from error
    text = record.get("text") if isinstance(record, dict) else None
    if not isinstance(text, str):
        raise InputError(f"{path}:{number}: expected a JSON object with a 'text', a string")
    return well_formed(text)
