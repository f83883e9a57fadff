"""Plain text to predict on: files and standard input, a sentence a line, read as a stream."""

from __future__ import annotations

import codecs
import stat
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from decoupled_ner.data.files import PACKED, opened
from decoupled_ner.types import InputError

#: In place of a file's path.
STANDARD_INPUT = Path("-")


def check_inputs(paths: Sequence[Path]) -> None:
    """Find mistakes before anything is read.

    Raises:
        InputError: there is no such file, it is a folder, or it can't be reached.
    """
    for path in paths:
        if path == STANDARD_INPUT:
            continue
        try:
            mode = path.stat().st_mode
        except FileNotFoundError as error:
            raise InputError(f"{path}: no such file") from error
        except OSError as error:
            raise InputError(f"{path}: can't be read ({error.strerror or error})") from error
        if stat.S_ISDIR(mode):  # all else that can be opened is read, pipes too
            raise InputError(f"{path}: a folder; name the files in it, e.g. {path}/*.txt")


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file (plain, .xz or .gz), or of standard input, without their ends and a
    byte order mark.

    Raises:
        InputError: it can't be read, is damaged, or is not UTF-8; names the line.
    """
    if path == STANDARD_INPUT:
        try:
            yield from _decoded(sys.stdin.buffer, "standard input")
        except OSError as error:
            raise InputError(f"standard input: can't be read ({error.strerror})") from error
    else:
        with opened(path) as (_, file):
            yield from _decoded(file, str(path))


def _decoded(file: BinaryIO, name: str) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        try:
            text = line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(f"{name}:{number}: not UTF-8; convert the file first") from error
        yield text.removeprefix("\ufeff") if number == 1 else text


def count_lines(paths: Sequence[Path], *, check: bool = False) -> int | None:
    """How many lines `read_lines` will give of all; None where only reading tells.

    Args:
        check: whether to see to it that all of them can be read.

    Raises:
        InputError: one can't, and is to be.
    """
    countable = (
        p != STANDARD_INPUT and p.is_file() and p.suffix.lower() not in PACKED for p in paths
    )
    if not all(countable):
        return None
    try:
        return sum(_lines_in(path, check) for path in paths)
    except OSError:  # reading tells why
        return None


def _lines_in(path: Path, check: bool) -> int:
    count, last = 0, b"\n"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                count, last = count + block.count(b"\n"), block
                if check:
                    decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        deque(read_lines(path), 0)  # says where
    return count + (not last.endswith(b"\n"))
