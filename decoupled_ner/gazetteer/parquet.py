"""A gazetteer as Parquet, for programs that stream it."""

from __future__ import annotations

import os
from pathlib import Path

from decoupled_ner.gazetteer.storage import Table
from decoupled_ner.types import InputError


def write_parquet(table: Table, path: Path) -> None:
    """One row a mention, entities first, words (type ``O``) last; written beside, then renamed.

    Columns: ``mention``, ``type`` (the most probable), and three lists of equal length, ``types``,
    ``sources`` and ``weights``: who says what.

    Raises:
        InputError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise InputError(
            "writing Parquet needs pyarrow: pip install 'decoupled-ner[train]'"
        ) from error

    def named(ids: object, names: tuple[str, ...]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(ids), pa.array(names, pa.string()))

    first = pa.array(table.first.astype("int32"))
    columns = {
        "mention": pa.array(table.mentions, pa.string()),
        "type": named(table.best, table.labels),
        "types": pa.ListArray.from_arrays(first, named(table.label_ids, table.labels)),
        "sources": pa.ListArray.from_arrays(first, named(table.source_ids, table.sources)),
        "weights": pa.ListArray.from_arrays(first, pa.array(table.weights)),
    }
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(pa.table(columns), beside, compression="zstd", row_group_size=65_536)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
