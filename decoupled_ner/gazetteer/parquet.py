"""A gazetteer as Parquet, for programs that read its columns."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from decoupled_ner.gazetteer.columns import Columns, pyarrow, texts_of
from decoupled_ner.gazetteer.storage import Table
from decoupled_ner.labels import OUTSIDE
from decoupled_ner.types import InputError

PARQUET = "entries.parquet"
#: In the file's metadata: the digest of the gazetteer whose mentions these are.
_DIGEST = b"digest"


def write_parquet(table: Table, path: Path) -> None:
    """One row a mention, entities first, words (type ``O``) last; written beside, then renamed.

    Columns: ``mention``, ``type`` (the most probable), and three lists of equal length, ``types``,
    ``sources`` and ``weights``: who says what.

    Raises:
        InputError: pyarrow is not installed.
    """
    pa = pyarrow()
    import pyarrow.parquet as pq

    def named(ids: object, names: tuple[str, ...]) -> Any:
        return pa.array(names, pa.string()).take(pa.array(ids))

    def lists(values: Any) -> Any:  # no dictionaries: in lists, not every reader can join them
        return pa.ListArray.from_arrays(pa.array(table.first.astype("int32")), values)

    columns = {
        "mention": texts_of(table),
        "type": named(table.best, table.labels).dictionary_encode(),
        "types": lists(named(table.label_ids, table.labels)),
        "sources": lists(named(table.source_ids, table.sources)),
        "weights": lists(pa.array(table.weights)),
    }
    content = pa.table(columns).replace_schema_metadata({_DIGEST: table.digest})
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(content, beside, compression="zstd", row_group_size=65_536)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read_parquet(path: Path, digest: str) -> Columns | None:
    """The columns that `write_parquet` wrote of the gazetteer with this digest; None where the
    file is of another one.

    Raises:
        InputError: the file is damaged, or pyarrow is not installed.
    """
    pa = pyarrow()
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            if (file.schema_arrow.metadata or {}).get(_DIGEST) != digest.encode():
                return None
            texts, best = (
                file.read([name], use_threads=False)[name].combine_chunks()
                for name in ("mention", "type")
            )
            batches = file.iter_batches(columns=["types"], use_threads=False)
            words = [_only_outside(batch["types"]) for batch in batches]
        texts.validate(full=True)  # UTF-8 too
        pa.default_memory_pool().release_unused()  # else it keeps thrice what the columns take
    except (OSError, ValueError, LookupError) as error:
        raise InputError(f"{path}: damaged ({error}); build the gazetteer again") from error
    return Columns(
        texts,
        tuple(best.dictionary.to_pylist()),
        best.indices.to_numpy(),
        np.concatenate([np.zeros(0, np.bool_), *words]),  # a gazetteer may be empty
        digest,
    )


def _only_outside(claims: Any) -> npt.NDArray[np.bool_]:
    """Whether each of some lists of types has nothing but `OUTSIDE`; none is empty."""
    import pyarrow.compute as pc

    first = claims.offsets.to_numpy()
    outside = pc.equal(claims.values, OUTSIDE).to_numpy(zero_copy_only=False)
    return np.logical_and.reduceat(outside[: first[-1]], first[:-1])
