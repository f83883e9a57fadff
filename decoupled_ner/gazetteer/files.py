"""A gazetteer, or its columns, from what a path names: a compiled folder or a dictionary file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from decoupled_ner.gazetteer.columns import Columns
from decoupled_ner.gazetteer.entries import UNTYPED, Entry
from decoupled_ner.gazetteer.gazetteer import Gazetteer
from decoupled_ner.gazetteer.parquet import PARQUET, read_parquet
from decoupled_ner.gazetteer.readers import read_rows
from decoupled_ner.gazetteer.storage import stored_digest
from decoupled_ner.types import InputError, well_formed


def load_gazetteer(paths: str | Path | Sequence[str | Path]) -> Gazetteer:
    """One gazetteer of compiled folders and dictionary files (see `readers.FORMATS`).

    A file's own types are kept as they are, counts are not read as weights: every entry of a
    dictionary file weighs 1, however often it stands there, and `UNTYPED` is its type where the
    file names none.

    Raises:
        InputError: nothing is there, or it is malformed.
    """
    listed = [paths] if isinstance(paths, str | Path) else list(paths)
    if not listed:
        raise InputError("no gazetteer is named: give a folder or dictionary files")
    if len(listed) == 1 and Path(listed[0]).is_dir():
        return Gazetteer.load(listed[0])
    files = [Path(path) for path in listed]
    stems = Counter(path.stem for path in files)
    return Gazetteer.from_entries(
        entry
        for path in files
        for entry in _entries(path, well_formed(path.stem if stems[path.stem] == 1 else str(path)))
    )


def load_columns(path: str | Path) -> Columns:
    """The mentions of a compiled folder or a dictionary file with their types.

    Of a folder only the Parquet is read, and that column by column; where there is none, or it is
    not that of the folder's gazetteer, the gazetteer.

    Raises:
        InputError: as `load_gazetteer`; or pyarrow is not installed.
    """
    parquet = Path(path) / PARQUET
    if parquet.is_file():
        columns = read_parquet(parquet, stored_digest(parquet.parent))
        if columns is not None:
            return columns
    return Columns.of(load_gazetteer(path).table)


def _entries(path: Path, source: str) -> Iterator[Entry]:
    if not path.exists():
        raise InputError(f"{path}: no such file or folder: build a gazetteer or name a dictionary")
    if path.is_dir():
        yield from Gazetteer.load(path)
    else:
        rows = dict.fromkeys((row.mention, row.tag or UNTYPED) for row in read_rows(path))
        if not rows:
            raise InputError(f"{path}: holds no mention: give a dictionary that does")
        yield from (Entry(mention, label, source) for mention, label in rows)
