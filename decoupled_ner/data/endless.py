"""Noisy sentences without end: pass after pass through a folder, each shuffled anew."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from decoupled_ner.data.distant import read_distant
from decoupled_ner.data.files import is_held_out
from decoupled_ner.types import InputError, NoisySentence

# Rows whose texts are made Python strings together.
_TEXTS_TOGETHER = 4096


class EndlessSentences:
    """The training sentences of a folder of distant supervision: those with an entity that are not
    held out. What is read is not kept, so a folder may be of any size.

    Args:
        folder: as `decoupled_ner.data.distant.label_texts` wrote it.
        held_out: share of the sentences that is kept for validation.
        seed: of the order.
    """

    def __init__(self, folder: str | Path, held_out: float, seed: int) -> None:
        self.folder, self.seed = Path(folder), seed
        self._wanted = partial(_training_rows, held_out=held_out)
        self._stream: Iterator[NoisySentence] = iter(())
        self._position: int | None = None

    def read(self, start: int, stop: int) -> list[NoisySentence]:
        """Sentences ``start`` to ``stop``. Where the last call stopped elsewhere, what lies before
        ``start`` is counted, but not made.

        Raises:
            InputError: the folder can't be read, or has no training sentence.
        """
        if start != self._position:
            self._stream = self._from(start)
        read = list(islice(self._stream, stop - start))
        self._position = stop
        return read

    def _from(self, start: int) -> Iterator[NoisySentence]:
        passes, within = divmod(start, max(1, self._pass)) if start else (0, 0)
        for number in count(passes):
            seed = self.seed * 1_000_003 + number
            reader = read_distant(self.folder, seed=seed, wanted=self._wanted)
            reader.skip(within)
            within, empty = 0, True
            for sentence in reader:
                empty = False
                yield sentence
            if empty:
                raise InputError(f"{self.folder}: no labelled sentence to train on")

    @cached_property
    def _pass(self) -> int:
        """The sentences of one pass."""
        reader = read_distant(self.folder, wanted=self._wanted)
        return len(reader) - reader.skip(len(reader))


def held_out_sentences(folder: str | Path, held_out: float, most: int) -> list[NoisySentence]:
    """The first ``most`` labelled sentences that are held out, in an order of their own."""
    wanted = partial(_held_out_rows, held_out=held_out)
    return list(islice(read_distant(folder, seed=0, wanted=wanted), most))


def _training_rows(table: Any, held_out: float) -> NDArray[np.bool_]:
    """Which rows of an Arrow table have an entity and are not held out."""
    return _labelled(table) & ~_held_out(table, held_out)


def _held_out_rows(table: Any, held_out: float) -> NDArray[np.bool_]:
    """Which rows of an Arrow table have an entity and are held out."""
    return _labelled(table) & _held_out(table, held_out)


def _labelled(table: Any) -> NDArray[np.bool_]:
    lengths: NDArray[np.int32] = pc.list_value_length(table["entities"]).to_numpy()
    return lengths > 0


def _held_out(table: Any, share: float) -> NDArray[np.bool_]:
    batches = table.select(["text"]).to_batches(_TEXTS_TOGETHER)
    texts = (text for batch in batches for text in batch["text"].to_pylist())
    return np.fromiter((is_held_out(text, share) for text in texts), np.bool_, table.num_rows)
