"""Noisy sentences without end: pass after pass through a folder, each shuffled anew."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

from decoupled_ner.data.distant import NoisySentence, read_distant
from decoupled_ner.data.mentions import is_held_out
from decoupled_ner.types import InputError


class EndlessSentences:
    """The training sentences of a folder of distant supervision: those with an entity that are not
    held out. What is read is not kept, so a folder may be of any size.

    Args:
        folder: as `decoupled_ner.data.distant.label_texts` wrote it.
        held_out: share of the sentences that is kept for validation.
        seed: of the order.
    """

    def __init__(self, folder: str | Path, held_out: float, seed: int) -> None:
        self.folder, self.held_out, self.seed = Path(folder), held_out, seed
        self._stream: Iterator[NoisySentence] = iter(())
        self._position: int | None = None

    def read(self, start: int, stop: int) -> list[NoisySentence]:
        """Sentences ``start`` to ``stop``. What lies before ``start`` is read over, and begun anew
        where that is behind.

        Raises:
            InputError: the folder can't be read, or has no training sentence.
        """
        if self._position is None or start < self._position:
            self._stream, self._position = self._passes(), 0
        read = list(islice(self._stream, start - self._position, stop - self._position))
        self._position = stop
        return read

    def _passes(self) -> Iterator[NoisySentence]:
        for number in count():
            empty = True
            for sentence in read_distant(self.folder, seed=self.seed * 1_000_003 + number):
                if sentence.entities and not is_held_out(sentence.text, self.held_out):
                    empty = False
                    yield sentence
            if empty:
                raise InputError(f"{self.folder}: no labelled sentence to train on")


def held_out_sentences(folder: str | Path, held_out: float, most: int) -> list[NoisySentence]:
    """The first ``most`` labelled sentences that are held out, in an order of their own."""
    kept = (
        sentence
        for sentence in read_distant(folder, seed=0)
        if sentence.entities and is_held_out(sentence.text, held_out)
    )
    return list(islice(kept, most))
