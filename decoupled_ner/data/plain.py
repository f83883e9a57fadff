"""Plain text to predict on: files and standard input, a sentence a line, read as a stream."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

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
    """The lines of a UTF-8 file, or of standard input, without their ends and a byte order mark.

    Raises:
        InputError: it can't be read, or is not UTF-8; names the line.
    """
    name = "standard input" if path == STANDARD_INPUT else str(path)
    try:
        with nullcontext(sys.stdin.buffer) if path == STANDARD_INPUT else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                text = line.decode("utf-8").rstrip("\r\n")
                yield text.removeprefix("\ufeff") if number == 1 else text
    except UnicodeDecodeError as error:
        raise InputError(f"{name}:{number}: not UTF-8; convert the file first") from error
    except OSError as error:
        raise InputError(f"{name}: can't be read ({error.strerror or error})") from error


def count_lines(paths: Sequence[Path]) -> int | None:
    """How many lines `read_lines` will give of all; None where only reading tells."""
    if not all(path != STANDARD_INPUT and path.is_file() for path in paths):
        return None
    try:
        return sum(_lines_in(path) for path in paths)
    except OSError:  # reading tells why
        return None


def _lines_in(path: Path) -> int:
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            count, last = count + block.count(b"\n"), block
    return count + (not last.endswith(b"\n"))
