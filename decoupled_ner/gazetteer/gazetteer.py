"""The gazetteer: mentions, their types, and who says so."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from daachorse import CharwiseDoubleArrayAhoCorasick

from decoupled_ner.gazetteer.entries import Entry
from decoupled_ner.gazetteer.matcher import Matcher
from decoupled_ner.gazetteer.storage import Table, load_table, save_table, table_of, weigh


class Gazetteer:
    """Mentions → types, each with its weight by source. Immutable, so threads may share it.

    A mention whose most probable type is `OUTSIDE` stays in the gazetteer, and `types` shows it,
    but it is no entity: `mentions` leaves it out and the matcher does not look for it.
    """

    def __init__(self, table: Table, automaton: bytes | None = None) -> None:
        self.table = table  # the content as arrays
        self._automaton = automaton

    @classmethod
    def from_entries(cls, entries: Iterable[Entry]) -> Self:
        """Gather entries; the same claim made twice by one source adds its weights.

        Raises:
            InputError: a mention is empty or holds a null character or a lone surrogate, or a
                weight is below `LEAST_WEIGHT`.
        """
        return cls(table_of(entries))

    @classmethod
    def from_mentions(cls, mentions: Mapping[str, Sequence[str]], source: str = "") -> Self:
        """A gazetteer of ``{mention: [type, ...]}``, e.g. the mentions of a training split."""
        return cls.from_entries(
            Entry(mention, label, source)
            for mention, labels in mentions.items()
            for label in labels
        )

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: there is no gazetteer, or it is damaged.
        """
        return cls(*load_table(Path(directory)))

    def save(self, directory: str | Path) -> Path:
        """Write the mentions and the compiled matcher into ``directory``; returns the file.

        The file is written beside and renamed, so that a reader never sees half of it.
        """
        return save_table(Path(directory), self.table, self._compiled.serialize())

    def __len__(self) -> int:
        """The number of entity mentions."""
        return self.table.entity_count

    def __contains__(self, mention: str) -> bool:
        """Whether ``mention`` is an entity mention."""
        index = self._find(mention)
        return index is not None and index < len(self)

    @cached_property
    def mentions(self) -> list[str]:
        """The entity mentions, sorted by code points."""
        return self.table.mentions[: len(self)]

    @cached_property
    def words(self) -> list[str]:
        """The mentions that no source calls anything but `OUTSIDE`, sorted."""
        mentions = self.table.mentions
        return [mentions[i] for i in np.flatnonzero(self.table.support.words)]

    @property
    def labels(self) -> tuple[str, ...]:
        """Every type that an entry has, sorted, `OUTSIDE` included where it occurs."""
        return self.table.labels

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, sorted."""
        return self.table.sources

    @property
    def best_labels(self) -> Sequence[str]:
        """The most probable type of each of `mentions`."""
        return self._best[: len(self)]

    def label(self, mention: str) -> str | None:
        """The type with the greatest weight, `OUTSIDE` included; None when ``mention`` is unknown.

        Among equal weights the first in alphabetical order wins, so a build is reproducible.
        """
        index = self._find(mention)
        return None if index is None else self._best[index]

    def types(self, mention: str) -> dict[str, float]:
        """Every type of ``mention`` with its summed weight, heaviest first; {} when unknown."""
        return weigh((entry.label, entry.weight) for entry in self.entries(mention))

    def entries(self, mention: str) -> list[Entry]:
        """What each source says of ``mention``."""
        index = self._find(mention)
        return [] if index is None else list(self.table.entries(index))

    def __iter__(self) -> Iterator[Entry]:
        """Every entry, mention by mention, words last."""
        return self.table.entries()

    @cached_property
    def matcher(self) -> Matcher:
        """Finds the entity mentions in texts; compiled once."""
        return Matcher(self._compiled, self._best)

    @property
    def digest(self) -> str:
        """A checksum of the content, 64 hexadecimal digits."""
        return self.table.digest

    @cached_property
    def _compiled(self) -> CharwiseDoubleArrayAhoCorasick:
        serialised, self._automaton = self._automaton, None  # its bytes are not needed again
        if serialised is not None:
            with suppress(ValueError):  # written by another version of daachorse: compile it anew
                return CharwiseDoubleArrayAhoCorasick.deserialize(serialised)
        return CharwiseDoubleArrayAhoCorasick(self.mentions)

    @cached_property
    def _best(self) -> list[str]:
        names = self.table.labels
        return [names[i] for i in self.table.best.tolist()]

    def _find(self, mention: str) -> int | None:
        """The index of ``mention``: entities and words are two sorted runs."""
        mentions = self.table.mentions
        for low, high in ((0, len(self)), (len(self), len(mentions))):
            index = bisect_left(mentions, mention, low, high)
            if index < high and mentions[index] == mention:
                return index
        return None
