"""Text files as every reader and writer here treats them: UTF-8, plain or .xz or .gz."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from decoupled_ner.disk import beside, told_of_writing
from decoupled_ner.types import InputError, Sentence

#: Endings of the files that are unpacked.
PACKED = (".xz", ".gz")
_PACKED_OTHERWISE = (".7z", ".bz2", ".lz4", ".rar", ".tar", ".tgz", ".txz", ".zip", ".zst")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a reader found.

    ``repairs`` counts tags that were rewritten; ``dropped`` counts annotations that are lost, by
    reason; ``noted`` counts what was kept but is unusual, by kind.
    """

    sentences: tuple[Sentence, ...]
    repairs: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    noted: Mapping[str, int] = field(default_factory=dict)


def ending(path: Path) -> str:
    """What a file's name ends in, as ``.txt``, in lower case and ``.xz`` and ``.gz`` aside; ``""``
    for none."""
    suffixes = [suffix for suffix in map(str.lower, path.suffixes) if suffix not in PACKED]
    return suffixes[-1] if suffixes else ""


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """A file's bytes as they lie on disk, and unpacked when its name ends in .xz or .gz.

    Raises:
        InputError: the file is missing, unreadable or damaged, or packed in another way.
    """
    if ending(path) in _PACKED_OTHERWISE:
        raise InputError(f"{path}: only .xz and .gz are unpacked here: unpack it first")
    try:
        with path.open("rb") as raw:
            yield raw, _unpacked(raw, path.suffix.lower())
    except OSError as error:  # gzip.BadGzipFile too
        raise InputError(f"{path}: can't be read ({error.strerror or error})") from error
    except (EOFError, lzma.LZMAError, zlib.error) as error:
        raise InputError(f"{path}: damaged {path.suffix} file ({error})") from error


def _unpacked(raw: BinaryIO, suffix: str) -> BinaryIO:
    if suffix == ".xz":
        return cast(BinaryIO, lzma.LZMAFile(raw))
    if suffix == ".gz":
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    return raw


def read_bytes(path: Path) -> bytes:
    """A file's content, unpacked when its name ends in .xz or .gz.

    Raises:
        InputError: the file is missing, unreadable or damaged.
    """
    with opened(path) as (_, file):
        return file.read()


def decode_text(content: bytes, path: Path | str) -> str:
    """UTF-8 bytes as text, with every character kept, a byte order mark and CR included.

    Raises:
        InputError: the bytes are not UTF-8; names the line.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}: not UTF-8; convert the file first") from error


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """``(number from 1, line)``; only LF and CR LF end a line, so that U+2028 or U+0085 stay text.

    Raises:
        InputError: as `read_bytes` and `decode_text`.
    """
    text = decode_text(read_bytes(path), path).removeprefix("\ufeff")
    for number, line in enumerate(text.split("\n"), start=1):
        yield number, line.removesuffix("\r")


@contextmanager
def located(path: Path | str, line: int) -> Iterator[None]:
    """Put ``file:line`` before an `InputError` that is raised inside."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}:{line}: {error}") from error


@contextmanager
def of_sentence(sentence: Sentence, index: int) -> Iterator[None]:
    """Put the sentence's id (or its index) before an `InputError` that is raised inside."""
    try:
        yield
    except InputError as error:
        raise InputError(f"sentence {sentence.id or index}: {error}") from error


def make_room(path: Path) -> None:
    """Make the folder that a file is to lie in: before long work that ends with writing it.

    Raises:
        InputError: it can't be made, or the path is itself a folder.
    """
    _check_no_folder(path)
    with told_of_writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)


def _check_no_folder(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file")


def write_lines(lines: Iterable[str], path: Path) -> None:
    """Write lines beside ``path``, then rename; packed when the name ends in .xz or .gz. A link
    stays one; what is no file (``/dev/stdout``) is written to as it is.

    Raises:
        InputError: a line has a lone surrogate, which UTF-8 can't hold, or the folder is missing.
    """
    with told_of_writing(path):
        _check_no_folder(path)
        if path.exists() and not path.is_file():
            _write(lines, path, path.suffix.lower())
            return
        target = path.resolve() if path.is_symlink() else path
        with beside(target) as fresh:
            _write(lines, fresh, path.suffix.lower())


def _write(lines: Iterable[str], path: Path, suffix: str) -> None:
    with path.open("wb") as raw, _packed(raw, suffix) as file:
        for line in lines:
            file.write(f"{line}\n".encode())


def _packed(raw: BinaryIO, suffix: str) -> BinaryIO:
    if suffix == ".xz":
        return cast(BinaryIO, lzma.open(raw, "wb"))
    if suffix == ".gz":
        return cast(BinaryIO, gzip.GzipFile("", "wb", fileobj=raw, mtime=0))
    return raw


def text_digest(text: str) -> int:
    """A fixed pseudo-random integer below 2**64."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8])


def is_held_out(text: str, share: float) -> bool:
    """Whether a text is kept for validation: by its hash, so that equal texts fall on one side."""
    return text_digest(text) < share * 2**64
