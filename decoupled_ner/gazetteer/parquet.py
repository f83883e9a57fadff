"""A gazetteer as Parquet, for programs that read its columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from decoupled_ner.disk import beside
from decoupled_ner.gazetteer.columns import Columns, pyarrow, texts_of
from decoupled_ner.gazetteer.storage import Support, Table
from decoupled_ner.labels import OUTSIDE
from decoupled_ner.types import InputError, one_line

PARQUET = "entries.parquet"
#: In the file's metadata: the digest of the gazetteer whose mentions these are.
_DIGEST = b"digest"

_NONE = Support(*[np.zeros(0)] * 3)


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
    with beside(path) as fresh:
        pq.write_table(content, fresh, compression="zstd", row_group_size=65_536)


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
            batches = file.iter_batches(columns=["type", "types", "weights"], use_threads=False)
            parts = [_support(batch) for batch in batches]
        texts.validate(full=True)  # UTF-8 too
        pa.default_memory_pool().release_unused()  # else it keeps thrice what the columns take
    except (OSError, ValueError, LookupError, AttributeError, pa.ArrowException) as error:
        reason = one_line(error)
        raise InputError(f"{path}: damaged ({reason}); build the gazetteer again") from error
    return Columns(
        texts,
        tuple(best.dictionary.to_pylist()),
        best.indices.to_numpy(),
        Support(*map(np.concatenate, zip(_NONE, *parts, strict=True))),  # there may be no parts
        digest,
    )


def _support(rows: Any) -> Support:
    """Of some rows; none is without claims."""
    import pyarrow.compute as pc

    types, weights = (rows[name] for name in ("types", "weights"))
    mine = rows["type"].cast("string").take(pc.list_parent_indices(types))
    backs, outside = (
        pc.equal(types.flatten(), other).to_numpy(zero_copy_only=False) for other in (mine, OUTSIDE)
    )
    offsets = types.offsets.to_numpy()
    return Support.of(weights.flatten().to_numpy(), backs, outside, offsets[:-1] - offsets[0])
