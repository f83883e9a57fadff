"""Labelled sentences as Arrow tables and Parquet files."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from decoupled_ner.data.distant.labeller import Fate, Ints, Labeller, Matches
from decoupled_ner.disk import beside, told_of_writing
from decoupled_ner.types import InputError, one_line

_ENTITY = pa.struct(
    [
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("text", pa.string()),
        ("type", pa.string()),
        ("score", pa.float32()),
        ("sources", pa.list_(pa.string())),
    ]
)
_DOUBTFUL = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("reason", pa.string())])

#: One row a sentence. ``source`` is the text file; the sentence begins at character ``offset`` of
#: its ``line`` (from 1; of JSON lines, of the line's text), so its ``id`` is
#: ``source:line:offset``. Regions are in characters of ``text``. An entity's ``sources`` are the
#: gazetteer's, ``score`` is the part of its mention's weight that its type has. ``doubtful`` are
#: regions that the gazetteer knows and that some rule, the ``reason``, kept from being labelled.
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("line", pa.int64()),
        ("offset", pa.int64()),
        ("text", pa.string()),
        ("entities", pa.list_(_ENTITY)),
        ("doubtful", pa.list_(_DOUBTFUL)),
    ]
)

# Before the caps are applied a shard has the gazetteer's numbers instead.
_MATCH = pa.struct([(name, pa.int32()) for name in ("start", "end", "mention", "fate")])
_COUNTS = b"decoupled-ner"


@dataclass(slots=True)
class Counts:
    """What was read and what was written, of that the sentences with a label; lengths in
    characters."""

    sentences_read: int = 0
    characters_read: int = 0
    sentences: int = 0
    characters: int = 0
    labelled: int = 0
    entities: Counter[str] = field(default_factory=Counter)
    doubtful: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; `dataclasses.asdict` garbles counters."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {k: dict(v) if isinstance(v, Counter) else v for k, v in values.items()}

    def __iadd__(self, other: Counts) -> Counts:
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))
        return self


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sentences of one file and what was found in them; ``read`` of them were looked at."""

    source: str
    lines: Sequence[int]
    offsets: Sequence[int]
    texts: Sequence[str]
    matches: Matches
    sentences_read: int
    characters_read: int

    def with_labels(self) -> Sentences:
        """Those that have a label."""
        labelled = self.matches.sentence[self.matches.fate == Fate.LABELLED]
        keep = np.zeros(len(self.texts), dtype=np.bool_)
        keep[labelled] = True
        kept = np.flatnonzero(keep).tolist()
        moved = np.cumsum(keep) - 1  # where each sentence goes
        matches = self.matches.select(keep[self.matches.sentence])
        return replace(
            self,
            lines=[self.lines[i] for i in kept],
            offsets=[self.offsets[i] for i in kept],
            texts=[self.texts[i] for i in kept],
            matches=replace(matches, sentence=moved[matches.sentence]),
        )


def write_shard(sentences: Sentences, labeller: Labeller, path: Path) -> None:
    """Write a finished shard, with its counts in the file's metadata."""
    matches = sentences.matches
    labelled = matches.select(matches.fate == Fate.LABELLED)
    doubtful = matches.select(matches.fate > Fate.WORD)
    places = list(zip(sentences.lines, sentences.offsets, strict=True))
    labels = _take(labeller.labels, labeller.label[labelled.mention])
    reasons = _take([fate.name.lower() for fate in Fate], doubtful.fate)
    columns = [
        pa.array([f"{sentences.source}:{line}:{offset}" for line, offset in places], pa.string()),
        pa.array([sentences.source] * len(places), pa.string()),
        pa.array(sentences.lines, pa.int64()),
        pa.array(sentences.offsets, pa.int64()),
        pa.array(sentences.texts, pa.string()),
        _lists(
            labelled,
            len(places),
            _ENTITY,
            [
                _take_few(labeller.mentions, labelled.mention),
                labels,
                pa.array(labeller.score[labelled.mention]),
                _sources(labeller, labelled.mention),
            ],
        ),
        _lists(doubtful, len(places), _DOUBTFUL, [reasons]),
    ]
    counts = Counts(
        sentences.sentences_read,
        sentences.characters_read,
        len(places),
        sum(map(len, sentences.texts)),
        len(np.unique(labelled.sentence)),
        Counter(labels.to_pylist()),
        Counter(reasons.to_pylist()),
    )
    _write(pa.Table.from_arrays(columns, schema=SCHEMA), path, counts.as_dict())


def write_staged(sentences: Sentences, path: Path) -> None:
    """Write what was found as it is, for `read_staged`."""
    matches = sentences.matches
    numbers = [pa.array(column, pa.int32()) for column in (matches.mention, matches.fate)]
    columns = {
        "line": pa.array(sentences.lines, pa.int64()),
        "offset": pa.array(sentences.offsets, pa.int64()),
        "text": pa.array(sentences.texts, pa.string()),
        "matches": _lists(matches, len(sentences.texts), _MATCH, numbers),
    }
    rest = {
        "source": sentences.source,
        "sentences_read": sentences.sentences_read,
        "characters_read": sentences.characters_read,
    }
    _write(pa.table(columns), path, rest)


def read_shard(path: Path, columns: Sequence[str] | None = None) -> Any:
    """A shard as an Arrow table of one chunk.

    Raises:
        InputError: it is missing or damaged.
    """
    try:
        chosen = None if columns is None else list(columns)
        return pq.read_table(path, columns=chosen, use_threads=False).combine_chunks()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: damaged or missing shard ({one_line(error)}): delete it and label again"
        ) from error


def read_staged(path: Path) -> Sentences:
    """What `write_staged` wrote."""
    table = read_shard(path)
    rest = json.loads(table.schema.metadata[_COUNTS])
    lines, offsets, texts = (table[name].to_pylist() for name in ("line", "offset", "text"))
    return Sentences(lines=lines, offsets=offsets, texts=texts, matches=_matches(table), **rest)


def staged_mentions(path: Path) -> Ints:
    """The mentions that are labelled in a staged shard, in the order of the text."""
    matches = _matches(read_shard(path, ["matches"]))
    return matches.select(matches.fate == Fate.LABELLED).mention


def read_counts(path: Path) -> Counts:
    """The counts of a finished shard, from its metadata.

    Raises:
        InputError: it is not a shard, or damaged.
    """
    try:
        counts = json.loads(pq.read_schema(path).metadata[_COUNTS])
        for name in ("entities", "doubtful"):
            counts[name] = Counter(counts[name])
        return Counts(**counts)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        reason = one_line(error)
        raise InputError(f"{path}: damaged shard ({reason}): delete it and run again") from error


def _write(table: Any, path: Path, metadata: dict[str, Any]) -> None:
    """Write beside, then rename: a shard that has its name is whole."""
    table = table.replace_schema_metadata({_COUNTS: json.dumps(metadata, ensure_ascii=False)})
    with told_of_writing(path), beside(path) as fresh, fresh.open("wb") as file:
        pq.write_table(table, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())  # or a power cut could leave an empty file under the name


def _lists(matches: Matches, sentences: int, kind: Any, further: list[Any]) -> Any:
    """One list of structs a sentence: start, end and what is ``further`` in ``kind``."""
    starts = pa.array(matches.start, pa.int32()), pa.array(matches.end, pa.int32())
    values = pa.StructArray.from_arrays([*starts, *further], fields=list(kind))
    counts = np.bincount(matches.sentence, minlength=sentences)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def _matches(table: Any) -> Matches:
    """The matches of a staged table; the inverse of `_lists`."""
    lists = table["matches"].combine_chunks()
    sentence = np.repeat(np.arange(len(lists)), lists.value_lengths().to_numpy())
    fields = (field.to_numpy().astype(np.int64) for field in lists.flatten().flatten())
    return Matches(sentence, *fields)


def _take(names: Sequence[str], indices: Any) -> Any:
    """``names[i]`` for each index, as an Arrow array of strings."""
    return pa.array(names, pa.string()).take(pa.array(indices))


def _take_few(names: Sequence[str], indices: Ints) -> Any:
    """`_take` of few out of a million names, without making all of them Arrow's."""
    distinct, places = np.unique(indices, return_inverse=True)
    return _take([names[i] for i in distinct.tolist()], places)


def _sources(labeller: Labeller, mentions: Ints) -> Any:
    """The names of the sources that stand behind each mention, as lists."""
    first = labeller.first_source[mentions]
    counts = labeller.first_source[mentions + 1] - first
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
    ids = labeller.source[np.repeat(first, counts) + within]
    return pa.ListArray.from_arrays(pa.array(offsets), _take(labeller.sources, ids))
