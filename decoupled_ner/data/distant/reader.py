"""Reading the labelled sentences back for training: shuffled, as a stream, resumable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from decoupled_ner.data.distant.labeller import Ints
from decoupled_ner.data.distant.manifest import read_manifest
from decoupled_ner.data.distant.shards import read_shard
from decoupled_ner.types import Entity, InputError, Region, Sentence

# Shards that are mixed and held together, and rows that are made Python objects together.
_SHARDS_TOGETHER = 8
_ROWS_TOGETHER = 256
_COLUMNS = ("id", "text", "entities", "doubtful")


@dataclass(frozen=True, slots=True)
class NoisySentence(Sentence):
    """A sentence with the labels of a gazetteer: some are wrong, and entities are missing.

    ``sources`` has the gazetteer's sources behind each of ``entities``. ``doubtful`` are regions
    that the gazetteer knows but that were not labelled; they had better not be called ``O``.
    """

    sources: tuple[tuple[str, ...], ...] = ()
    doubtful: tuple[Region, ...] = ()


@dataclass(frozen=True, slots=True)
class ReaderState:
    """Where a reader is: groups of shards that are read, and rows of the next one."""

    seed: int | None
    group: int = 0
    row: int = 0


class DistantReader(Iterator[NoisySentence]):
    """Goes once through the sentences of a folder; `read_distant` makes one."""

    def __init__(self, folder: Path, state: ReaderState) -> None:
        manifest = read_manifest(folder)
        shards = [shard for shard in manifest["shards"] if shard["sentences"]]
        self._length: int = sum(shard["sentences"] for shard in shards)
        self._paths = [folder / shard["name"] for shard in shards]
        if state.seed is not None:
            order = np.random.default_rng(state.seed).permutation(len(shards))
            self._paths = [self._paths[i] for i in order]
        self._group, self._row, self._seed = state.group, state.row, state.seed
        self._stream = self._sentences()

    def __len__(self) -> int:
        """The sentences of the whole folder, those that were read already included."""
        return self._length

    @property
    def state(self) -> dict[str, Any]:
        """Plain JSON values: give them to `read_distant` to go on behind the last sentence."""
        return asdict(ReaderState(self._seed, self._group, self._row))

    def __next__(self) -> NoisySentence:
        return next(self._stream)

    def _sentences(self) -> Iterator[NoisySentence]:
        """Moves `state` on before it gives a sentence, so that the state is the one behind it."""
        for first in range(self._group * _SHARDS_TOGETHER, len(self._paths), _SHARDS_TOGETHER):
            paths = self._paths[first : first + _SHARDS_TOGETHER]
            table = pa.concat_tables([read_shard(path, _COLUMNS) for path in paths])
            table = table.combine_chunks()
            order = self._order(table.num_rows)
            for row in range(self._row, len(order), _ROWS_TOGETHER):
                for record in table.take(pa.array(order[row : row + _ROWS_TOGETHER])).to_pylist():
                    self._row += 1
                    yield _sentence(record)
            self._group, self._row = self._group + 1, 0

    def _order(self, rows: int) -> Ints:
        """The order of the rows of a group."""
        if self._seed is None:
            return np.arange(rows)
        return np.random.default_rng([self._seed, self._group]).permutation(rows)


def read_distant(
    directory: str | Path, *, seed: int | None = None, state: dict[str, Any] | None = None
) -> DistantReader:
    """The sentences that `label_texts` wrote to ``directory``, once through.

    Args:
        seed: shuffles the shards, and the sentences of each eight shards that are read together;
            without one they come in the order of the text. Vary it from epoch to epoch.
        state: a reader's ``state``, to go on where it was; it has its own seed.

    Raises:
        InputError: the folder is missing or not finished, or the state is none.
    """
    try:
        begin = ReaderState(**state) if state is not None else ReaderState(seed)
    except TypeError as error:
        raise InputError(f"not the state of a reader: {state!r}") from error
    return DistantReader(Path(directory), begin)


def _sentence(record: dict[str, Any]) -> NoisySentence:
    entities, doubtful = record["entities"], record["doubtful"]
    return NoisySentence(
        record["text"],
        tuple(Entity(e["start"], e["end"], e["text"], e["type"], e["score"]) for e in entities),
        record["id"],
        tuple(tuple(e["sources"]) for e in entities),
        tuple(Region(d["start"], d["end"]) for d in doubtful),
    )
