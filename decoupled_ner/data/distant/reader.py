"""Reading the labelled sentences back for training: shuffled, as a stream, from any place on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from decoupled_ner.data.distant.labeller import Ints
from decoupled_ner.data.distant.manifest import read_manifest
from decoupled_ner.data.distant.shards import read_shard
from decoupled_ner.types import Entity, InputError, NoisySentence, Region

# Shards that are mixed and held together, and rows that are made Python objects together.
_SHARDS_TOGETHER = 8
_ROWS_TOGETHER = 256
_COLUMNS = ("id", "text", "entities", "doubtful")
_COLUMNS_OF_WANTED = ("text", "entities")

#: Tells by the columns ``text`` and ``entities`` of an Arrow table which of its rows to read.
Wanted = Callable[[Any], NDArray[np.bool_]]


class DistantReader(Iterator[NoisySentence]):
    """Goes once through the sentences of a folder; `read_distant` makes one."""

    def __init__(self, folder: Path, seed: int | None, wanted: Wanted | None) -> None:
        manifest = read_manifest(folder)
        shards = [shard for shard in manifest["shards"] if shard["sentences"]]
        self._length: int = sum(shard["sentences"] for shard in shards)
        self._paths = [folder / shard["name"] for shard in shards]
        if missing := [path for path in self._paths if not path.is_file()]:
            raise InputError(f"{missing[0]}: missing shard; make the folder anew")
        if seed is not None:
            order = np.random.default_rng(seed).permutation(len(shards))
            self._paths = [self._paths[i] for i in order]
        # Groups of shards that are read, and rows of the next one.
        self._group = self._row = 0
        self._seed, self._wanted = seed, wanted
        self._stream = self._sentences()

    def __len__(self) -> int:
        """The sentences of the whole folder, those that were read or aren't wanted included."""
        return self._length

    def __next__(self) -> NoisySentence:
        return next(self._stream)

    def skip(self, count: int) -> int:
        """Pass over ``count`` sentences without making them, which takes an eighth of the time;
        by how many the folder ended before."""
        while count and self._unread():
            left = len(self._rows(_COLUMNS_OF_WANTED)[1]) - self._row
            if count < left:
                self._row += count
                count = 0
            else:
                self._group, self._row = self._group + 1, 0
                count -= left
        self._stream = self._sentences()
        return count

    def _sentences(self) -> Iterator[NoisySentence]:
        """Counts a sentence before it gives it, so that `skip` passes over those behind it."""
        while self._unread():
            table, order = self._rows(_COLUMNS)
            for row in range(self._row, len(order), _ROWS_TOGETHER):
                for record in table.take(pa.array(order[row : row + _ROWS_TOGETHER])).to_pylist():
                    self._row += 1
                    yield _sentence(record)
            self._group, self._row = self._group + 1, 0

    def _unread(self) -> list[Path]:
        """The shards of the group that is next, or being read."""
        return self._paths[self._group * _SHARDS_TOGETHER :][:_SHARDS_TOGETHER]

    def _rows(self, columns: Sequence[str]) -> tuple[Any, Ints]:
        """The table of this group, and its wanted rows in their order."""
        table = pa.concat_tables([read_shard(path, columns) for path in self._unread()])
        table = table.combine_chunks()
        order = self._order(table.num_rows)
        return table, order if self._wanted is None else order[self._wanted(table)[order]]

    def _order(self, rows: int) -> Ints:
        """The order of the rows of a group."""
        if self._seed is None:
            return np.arange(rows)
        return np.random.default_rng([self._seed, self._group]).permutation(rows)


def read_distant(
    directory: str | Path,
    *,
    seed: int | None = None,
    wanted: Wanted | None = None,
) -> DistantReader:
    """The sentences that `label_texts` wrote to ``directory``, once through.

    Args:
        seed: shuffles the shards, and the sentences of each eight shards that are read together;
            without one they come in the order of the text. Vary it from epoch to epoch.
        wanted: tells of a table's rows which to read; by default all.

    Raises:
        InputError: the folder is missing or not finished, or it lacks a shard.
    """
    return DistantReader(Path(directory), seed, wanted)


def _sentence(record: dict[str, Any]) -> NoisySentence:
    entities, doubtful = record["entities"], record["doubtful"]
    return NoisySentence(
        record["text"],
        tuple(Entity(e["start"], e["end"], e["text"], e["type"], e["score"]) for e in entities),
        record["id"],
        tuple(tuple(e["sources"]) for e in entities),
        tuple(Region(d["start"], d["end"]) for d in doubtful),
    )
