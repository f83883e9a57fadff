"""Static embeddings: vocabularies, and vectors read from GloVe and word2vec files.

Text files are read with or without word2vec's header line (GloVe has none); binary ones are
word2vec's. Both may be compressed (.gz, .bz2, .xz). Nothing is unpickled, so gensim's own files
are refused: write them with ``save_word2vec_format``.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from decoupled_ner.types import InputError

PADDING, UNKNOWN = 0, 1

#: What a folder of static embeddings holds: vectors by what they are of, and SoftLexicon's words.
VECTOR_FILES = {kind: f"{kind}.bin" for kind in ("characters", "bigrams", "words")}
LEXICON_FILE = "lexicon.tsv"

_OPENERS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
_BOM = "\ufeff".encode()
#: A longer word is none: files of vectors that are damaged have such.
MAX_WORD_BYTES = 4096
_MAX_DIM = 65_536


class Vectors(NamedTuple):
    """V words, each once, with their vectors."""

    words: tuple[str, ...]
    matrix: npt.NDArray[np.float32]  # (V, D)

    def rows_for(
        self, items: Sequence[str], generator: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        """(len(items), D): each item's vector, a lower-cased item's where there is no other, else
        a random one, uniform in ±√(3/D). The vectors are scaled to a mean length of 1, which the
        random ones have, so that neither drowns the other (Zhang and Yang 2018 scale each)."""
        dim = self.matrix.shape[1]
        bound = np.sqrt(3 / dim)
        rows = generator.uniform(-bound, bound, (len(items), dim)).astype(np.float32)
        index = {word: i for i, word in enumerate(self.words)}
        scale = np.float32(np.linalg.norm(self.matrix, axis=1).mean()) or np.float32(1)
        for row, item in enumerate(items):
            found = index.get(item, index.get(item.lower()))
            if found is not None:
                rows[row] = self.matrix[found] / scale
        return rows


class Vocabulary:
    """Items by id; id 0 is padding and id 1 whatever the vocabulary lacks."""

    def __init__(self, items: Iterable[str]) -> None:
        self.items = tuple(dict.fromkeys(items))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {item: id for id, item in enumerate(self.items, start=2)}

    @classmethod
    def of(cls, items: Iterable[str], min_count: int = 1) -> Vocabulary:
        """The items that occur at least ``min_count`` times, the most frequent first. Those that
        don't are what trains the vector of the unknown."""
        counts = Counter(items)
        frequent = [item for item, count in counts.items() if count >= min_count]
        return cls(sorted(frequent, key=lambda item: (-counts[item], item)))

    def id(self, item: str) -> int:
        """The item's id, else its lower-case form's, else that of the unknown."""
        found = self._ids.get(item)
        return found if found is not None else self._ids.get(item.lower(), UNKNOWN)

    def __len__(self) -> int:
        """How many ids there are."""
        return len(self.items) + 2

    def save(self, path: Path) -> None:
        """Write the items as a JSON list."""
        # In ASCII, since a text may hold half of a surrogate pair.
        path.write_text(json.dumps(self.items, indent=0), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what `save` wrote.

        Raises:
            InputError: there is no such file, or it holds no JSON list of strings.
        """
        try:
            items = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: no readable vocabulary ({error}); save the model again"
            ) from error
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise InputError(f"{path}: not a JSON list of strings; save the model again")
        return cls(items)


# Rows in which more numbers than the first line tells are a mistake, and no word such as "1 800".
_CHECKED_ROWS = 3


def load_vectors(path: str | Path, limit: int | None = None) -> Vectors:
    """Read vectors; the first of a repeated word counts.

    Args:
        path: ``.bin`` (also ``.bin.gz`` …) is word2vec's binary format, anything else text.
        limit: read only so many, the first ones; files list frequent words first.

    Raises:
        InputError: the file is missing, damaged or of another format; the message says where.
    """
    path = Path(path)
    if limit is not None and limit < 1:
        raise InputError(f"limit={limit}: read at least one vector of {path}")
    if not path.is_file():
        raise InputError(f"{path}: no such file of vectors")
    suffixes = path.suffixes[-2:]
    opener = _OPENERS.get(path.suffix, partial(open, mode="rb"))
    is_binary = ".bin" in (suffixes if path.suffix in _OPENERS else suffixes[-1:])
    try:
        with opener(path) as file:
            read = _read_binary if is_binary else _read_text
            return _gather(path, islice(read(path, file), limit))
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise InputError(f"{path}: can't be read ({error})") from error


def _gather(path: Path, rows: Iterable[tuple[str, npt.NDArray[np.float32]]]) -> Vectors:
    found: dict[str, npt.NDArray[np.float32]] = {}
    for word, vector in rows:
        if not np.isfinite(vector).all():
            raise InputError(f"{path}: the vector of {word!r} is not finite")
        found.setdefault(word, vector)
    if not found:
        raise InputError(f"{path}: holds no vectors")
    return Vectors(tuple(found), np.stack(list(found.values())))


def _read_text(path: Path, file: BinaryIO) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    dim, count, read = 0, None, 0
    for number, line in enumerate(file, start=1):
        fields = line.removeprefix(_BOM if number == 1 else b"").rstrip().split(b" ")
        if number == 1:
            dim = _dim_of(path, fields)
            if len(fields) == 2:  # word2vec's header
                count = int(fields[0])
                continue
        if len(fields) == 1 and not fields[0]:
            continue
        # From the right: some words of published files hold spaces themselves.
        word = b" ".join(fields[:-dim])
        if read < _CHECKED_ROWS and len(fields) - 1 > dim and all(map(_is_number, fields[1:])):
            raise InputError(f"{path}:{number}: {len(fields) - 1} values, not {dim}")
        if not word or b"\t" in word:
            raise InputError(f"{path}:{number}: not a word and {dim} numbers with spaces between")
        try:
            vector = np.array(fields[-dim:], np.float32)
        except ValueError as error:
            raise InputError(f"{path}:{number}: a value is no number") from error
        read += 1
        yield _decode(word), vector
    if count is not None and read < count:
        raise InputError(f"{path}: ends after {read} of {count} vectors")


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _dim_of(path: Path, fields: list[bytes]) -> int:
    """The number of values a line from the file's first line."""
    header = len(fields) == 2 and all(field.isdigit() and len(field) < 19 for field in fields)
    dim = int(fields[1]) if header else len(fields) - 1
    if not 1 < dim <= _MAX_DIM:
        raise InputError(f"{path}: neither GloVe nor word2vec text (name binary files .bin)")
    return dim


def _read_binary(path: Path, file: BinaryIO) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    header = file.readline(100).split()
    if len(header) != 2 or not all(field.isdigit() for field in header):
        raise InputError(f"{path}: no word2vec header")
    count, dim = int(header[0]), int(header[1])
    if not 0 < dim <= _MAX_DIM:
        raise InputError(f"{path}: vectors of {dim} values can't be")
    for number in range(1, count + 1):
        word = _read_word(path, file, number)
        values = file.read(4 * dim)
        if len(values) < 4 * dim:
            raise InputError(f"{path}: ends inside vector {number} of {count}")
        yield _decode(word), np.frombuffer(values, "<f4")


def _read_word(path: Path, file: BinaryIO, number: int) -> bytes:
    word = bytearray()
    while (byte := file.read(1)) != b" ":
        if not byte or len(word) > MAX_WORD_BYTES:
            raise InputError(f"{path}: no word before vector {number}")
        word += byte
    return bytes(word.lstrip(b"\n"))  # some writers end each vector with a line feed


def _decode(word: bytes) -> str:
    # Published files hold words cut inside a character; as they match no text, they do no harm.
    return word.decode(errors="replace")
