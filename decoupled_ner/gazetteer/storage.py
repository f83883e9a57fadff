"""How a gazetteer lies in memory and in its one file.

The file is safetensors: arrays and a JSON header, nothing that is executed. Checksums catch damage,
not malice: whoever can write the file can write them too. Against malice every index is checked to
be in bounds, and daachorse (0.5) validates the compiled automaton that it is given. The worst that
is left is an automaton that finds other mentions than the file lists, or an `IndexError`.

An automaton whose own checksum fails is compiled again from the mentions: two seconds for half a
million.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from decoupled_ner.disk import beside, told_of_writing
from decoupled_ner.gazetteer.entries import LEAST_WEIGHT, Entry
from decoupled_ner.labels import OUTSIDE
from decoupled_ner.types import InputError

FILE_NAME = "gazetteer.safetensors"
_FORMAT = "decoupled-ner gazetteer 1"
_MOST_TYPES = 1 << 16
Weights = npt.NDArray[np.float64]
AFTER = "\0"  # ends a mention; mentions of annotated data may hold line breaks


class Support(NamedTuple):
    """What speaks for each mention's most probable type, [mentions] each.

    Attributes:
        weight: of the claims for this type, summed over their sources; rounded, so that sources of
            .1 and .2 reach .3.
        share: the part of all claims' weight that this is; rounded, so that .3 of .4 is .75.
        entity: weight of the claims for any type but `OUTSIDE`.
    """

    weight: Weights
    share: Weights
    entity: Weights

    @classmethod
    def of(
        cls,
        weights: Weights,
        backs: npt.NDArray[np.bool_],
        outside: npt.NDArray[np.bool_],
        starts: npt.NDArray[np.integer[Any]],
    ) -> Self:
        """Sums over claims: their weights, whether each is for its mention's most probable type,
        and whether it is for `OUTSIDE`; a mention's begin at each of ``starts``."""
        kept = (np.where(backs, weights, 0.0), weights, np.where(outside, 0.0, weights))
        weight, total, entity = (np.add.reduceat(part, starts) for part in kept)
        return cls(weight.round(9), (weight / total).round(9), entity)

    @property
    def words(self) -> npt.NDArray[np.bool_]:
        """Whether no claim says anything but `OUTSIDE`."""
        words: npt.NDArray[np.bool_] = self.entity == 0
        return words


@dataclass(frozen=True)
class Table:
    """Mentions and their claims as arrays. Entities first, then words, each run sorted.

    ``first[i] : first[i + 1]`` are the claims about mention ``i``.
    """

    text: bytes  # the mentions, UTF-8, `AFTER` after each
    entity_count: int
    labels: tuple[str, ...]
    sources: tuple[str, ...]
    best: npt.NDArray[np.uint16]  # [mentions]
    first: npt.NDArray[np.uint32]  # [mentions + 1]
    label_ids: npt.NDArray[np.uint16]  # [claims]
    source_ids: npt.NDArray[np.uint16]  # [claims]
    weights: Weights  # [claims]

    @cached_property
    def mentions(self) -> list[str]:
        return self.text.decode().split(AFTER)[:-1]

    @cached_property
    def backs(self) -> npt.NDArray[np.bool_]:
        """[claims] whether each is for its mention's most probable type."""
        backs: npt.NDArray[np.bool_] = self.label_ids == np.repeat(self.best, np.diff(self.first))
        return backs

    @cached_property
    def support(self) -> Support:
        outside = np.array([label == OUTSIDE for label in self.labels], np.bool_)
        starts = self.first[:-1].astype(np.int64)
        return Support.of(self.weights, self.backs, outside[self.label_ids], starts)

    def rows(self, index: int) -> slice:
        """The claims about mention ``index``."""
        return slice(int(self.first[index]), int(self.first[index + 1]))

    def entries(self, index: int | None = None) -> Iterator[Entry]:
        """The claims about mention ``index``, or about all mentions in their order."""
        rows = slice(None) if index is None else self.rows(index)
        owners = self.mentions if index is None else [self.mentions[index]]
        counts = np.diff(self.first).tolist() if index is None else [rows.stop - rows.start]
        columns = zip(
            chain.from_iterable(map(repeat, owners, counts)),
            self.label_ids[rows].tolist(),
            self.source_ids[rows].tolist(),
            self.weights[rows].tolist(),
            strict=True,
        )
        for mention, label, source, weight in columns:
            yield Entry(mention, self.labels[label], self.sources[source], weight)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the content, 64 hexadecimal digits."""
        names = [self.entity_count, self.labels, self.sources]
        state = hashlib.sha256(json.dumps(names).encode())
        for array in (self.best, self.first, self.label_ids, self.source_ids, self.weights):
            state.update(array.tobytes())
        state.update(self.text)
        return state.hexdigest()


def table_of(entries: Iterable[Entry]) -> Table:
    """Gather entries into arrays; equal claims of one source add their weights."""
    claims: dict[str, dict[tuple[str, str], float]] = {}
    for entry in entries:
        _check(entry)
        of_mention = claims.setdefault(entry.mention, {})
        key = (entry.label, entry.source)
        of_mention[key] = of_mention.get(key, 0.0) + entry.weight
    best = {mention: _heaviest(of_mention) for mention, of_mention in claims.items()}
    order = sorted(claims, key=lambda mention: (best[mention] == OUTSIDE, mention))
    keys = {key for of_mention in claims.values() for key in of_mention}
    labels = tuple(sorted({label for label, _ in keys}))
    sources = tuple(sorted({source for _, source in keys}))
    if len(labels) > _MOST_TYPES:
        raise InputError(f"{len(labels):,} types, e.g. {labels[0]!r}: is another column the type?")
    label_id = {label: i for i, label in enumerate(labels)}
    source_id = {source: i for i, source in enumerate(sources)}
    flat = [(key, weight) for mention in order for key, weight in sorted(claims[mention].items())]
    counts = [len(claims[mention]) for mention in order]
    return Table(
        text="".join(mention + AFTER for mention in order).encode(),
        entity_count=sum(best[mention] != OUTSIDE for mention in order),
        labels=labels,
        sources=sources,
        best=np.array([label_id[best[mention]] for mention in order], np.uint16),
        first=np.cumsum([0, *counts], dtype=np.uint32),
        label_ids=np.array([label_id[label] for (label, _), _ in flat], np.uint16),
        source_ids=np.array([source_id[source] for (_, source), _ in flat], np.uint16),
        weights=np.array([weight for _, weight in flat], np.float64),
    )


def _check(entry: Entry) -> None:
    mention = entry.mention
    for what, name in (("", mention), ("its type ", entry.label), ("its source ", entry.source)):
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"mention {mention!r}: {what}{name!r} holds a lone surrogate: mend its source"
            ) from error
    if not mention or AFTER in mention:
        raise InputError(f"mention {mention!r} is empty or holds a null character: leave it out")
    if not entry.label:
        raise InputError(f"mention {mention!r} has an empty type: give it one")
    if not LEAST_WEIGHT <= entry.weight <= sys.float_info.max:  # an int may exceed any float
        least = f"{LEAST_WEIGHT:f}"
        raise InputError(
            f"mention {mention!r}: weight {entry.weight} must be {least} or more, and finite"
        )


def _heaviest(claims: dict[tuple[str, str], float]) -> str:
    """The first label of `weigh`."""
    if len(claims) == 1:
        return next(iter(claims))[0]
    return next(iter(weigh((label, weight) for (label, _), weight in claims.items())))


def weigh(claims: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Summed weights by label, heaviest first, equal ones in alphabetical order.

    Sums are rounded, so that the order in which sources are read never decides.
    """
    totals: dict[str, float] = {}
    for label, weight in claims:
        totals[label] = totals.get(label, 0.0) + weight
    rounded = {label: round(total, 9) for label, total in totals.items()}
    return dict(sorted(rounded.items(), key=lambda item: (-item[1], item[0])))


def save_table(directory: Path, table: Table, automaton: bytes) -> Path:
    """Write the gazetteer's file beside, then rename it.

    Raises:
        InputError: the folder can't be written.
    """
    path = directory / FILE_NAME
    header = {
        "format": _FORMAT,
        "digest": table.digest,
        "entity_count": str(table.entity_count),
        "labels": json.dumps(table.labels, ensure_ascii=False),
        "sources": json.dumps(table.sources, ensure_ascii=False),
        "automaton_sha256": hashlib.sha256(automaton).hexdigest(),
    }
    arrays: dict[str, npt.NDArray[Any]] = {
        "text": np.frombuffer(table.text, np.uint8),
        "best": table.best,
        "first": table.first,
        "label_ids": table.label_ids,
        "source_ids": table.source_ids,
        "weights": table.weights,
        "automaton": np.frombuffer(automaton, np.uint8),
    }
    with told_of_writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    with told_of_writing(path), beside(path) as fresh:
        fresh.write_bytes(to_bytes(arrays, header))
    return path


def load_table(directory: Path) -> tuple[Table, bytes | None]:
    """The table, and the automaton unless its checksum fails.

    Raises:
        InputError: the file is missing, unreadable, of another format or damaged.
    """
    with _opened(directory) as (file, header):
        arrays: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        table = _table_from(header, arrays)
        if table.digest != header["digest"]:
            raise ValueError("its content has another checksum")
        automaton = arrays["automaton"].tobytes()
    intact = hashlib.sha256(automaton).hexdigest() == header.get("automaton_sha256")
    return table, automaton if intact else None


def stored_digest(directory: Path) -> str:
    """The digest of a folder's gazetteer as its file states it, without reading the content.

    Raises:
        InputError: as `load_table`.
    """
    with _opened(directory) as (_, header):
        return header["digest"]


@contextmanager
def _opened(directory: Path) -> Iterator[tuple[Any, dict[str, str]]]:
    """A folder's file and its header; what goes wrong with them inside is an `InputError`."""
    path = directory / FILE_NAME
    try:
        if not path.is_file():
            raise InputError(
                f"{directory}: no {FILE_NAME} here; build a gazetteer or name its folder"
            )
        path.open("rb").close()  # says why it can't be read; to safetensors there is no such file
        with safe_open(path, framework="np") as file:
            header: dict[str, str] = file.metadata() or {}
            if header.get("format") != _FORMAT:
                raise InputError(f"{path}: not a gazetteer of this version; build it again")
            yield file, header
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})") from error
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: damaged gazetteer ({error}); build it again") from error


def _table_from(header: dict[str, str], arrays: dict[str, Any]) -> Table:
    """The table in a file's arrays; every index in it is checked to be in bounds."""
    table = Table(
        text=arrays["text"].tobytes(),
        entity_count=int(header["entity_count"]),
        labels=tuple(map(str, json.loads(header["labels"]))),
        sources=tuple(map(str, json.loads(header["sources"]))),
        best=arrays["best"].astype(np.uint16, copy=False).ravel(),
        first=arrays["first"].astype(np.uint32, copy=False).ravel(),
        label_ids=arrays["label_ids"].astype(np.uint16, copy=False).ravel(),
        source_ids=arrays["source_ids"].astype(np.uint16, copy=False).ravel(),
        weights=arrays["weights"].astype(np.float64, copy=False).ravel(),
    )
    count, claims = len(table.best), len(table.weights)
    sound = (
        table.text.decode().count(AFTER) == count
        and len(table.first) == count + 1
        and 0 <= table.entity_count <= count
        and int(table.first[0]) == 0
        and int(table.first[-1]) == claims
        and bool(np.all(table.first[1:] > table.first[:-1]))
        and len(table.label_ids) == len(table.source_ids) == claims
        and int(max(table.best.max(initial=0), table.label_ids.max(initial=0)))
        < max(1, len(table.labels))
        and int(table.source_ids.max(initial=0)) < max(1, len(table.sources))
    )
    if not sound:
        raise ValueError("its parts do not fit together")
    return table
