"""Sentences beside a data set's own that training may add to them: augmented or the user's files,
dictionary entries, distantly supervised text. Dev and test stay as they are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Literal

import numpy as np

from decoupled_ner.data.formats import path_and_format, read_file
from decoupled_ner.data.mentions import typed_entries
from decoupled_ner.gazetteer import load_columns
from decoupled_ner.types import InputError, Sentence, entity_at


@dataclass(frozen=True)
class ExtraTraining:
    """What is added to the training split; nothing by default.

    Attributes:
        files: annotated sentences, e.g. what ``decoupled-ner augment`` wrote; ``path?format=NAME``
            where the extension doesn't tell the format, ``words`` for CoNLL in English. Those that
            the split has already, by text and entities, are not added again.
        gazetteer: a gazetteer's folder or a dictionary file. Each entry becomes a sentence that is
            nothing but an entity of the entry's most probable type.
        entries: so many of them, drawn at random; None for all.
        distant: a folder that ``decoupled-ner distant label`` wrote.
        sentences: so many of them, drawn at random; None for all.
        doubtful: what regions of theirs are that the gazetteer knows but that were not labelled:
            ``unknown``, so that nothing is learnt from them, or ``outside``, entities of no kind.
        rename: types by other names, e.g. ``GPE: LOC`` for MSRA.
    """

    files: list[str] = field(default_factory=list)
    gazetteer: str | None = None
    entries: int | None = None
    distant: str | None = None
    sentences: int | None = None
    doubtful: Literal["unknown", "outside"] = "unknown"
    rename: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, source, count in (
            ("entries", self.gazetteer, self.entries),
            ("sentences", self.distant, self.sentences),
        ):
            if count is not None and (count < 1 or source is None):
                raise InputError(f"extra.{name}={count}: must be above 0 and have a source")


def extra_sentences(
    extra: ExtraTraining,
    train: Sequence[Sentence],
    types: Sequence[str],
    seed: int,
    held_out: Sequence[Sentence] = (),
    unseen: Collection[str] = (),
) -> tuple[list[Sentence], Counter[str]]:
    """The sentences to add, and how many were left out and why: because the data set lacks one of
    their types, since without the entity they would teach that it is none; or because they are not
    to be seen in training.

    Args:
        train: the split that they are added to.
        types: the data set's types.
        seed: of what is drawn.
        held_out: sentences of the split that must not be trained on: neither they nor the copies
            that ``decoupled-ner augment`` makes of them are added, nor copies of copies.
        unseen: texts of other splits, dev's and test's, which are not added either.

    Raises:
        InputError: a file, gazetteer or folder can't be read.
    """
    have = {(sentence.text, sentence.entities) for sentence in train}
    own_texts = {sentence.text for sentence in train}
    unseen_texts = {*unseen, *(sentence.text for sentence in held_out)}
    given = map(path_and_format, extra.files)
    in_files = [s for path, format in given for s in read_file(path, format).sentences]
    # A file may call the split's sentences by other ids, and its copies by these.
    unseen_ids = {s.id for s in held_out} | {
        s.id for s in in_files if s.text in unseen_texts and s.text not in own_texts
    }
    unseen_ids -= {""}
    known, kept, left_out = set(types), list[Sentence](), Counter[str]()
    for sentence in chain(in_files, _drawn(extra, seed)):
        renamed = _renamed(sentence, extra.rename)
        if (renamed.text, renamed.entities) in have:
            continue
        if sentence.text in unseen_texts or not unseen_ids.isdisjoint(_copied_from(sentence.id)):
            left_out["that training must not see"] += 1
            continue
        if all(entity.label in known for entity in renamed.entities):
            kept.append(renamed)
        else:
            left_out["for types that the data set lacks"] += 1
    return kept, left_out


def _copied_from(id: str) -> Iterator[str]:
    """The ids of what a copy ``id~1`` or a copy's copy ``id~1~2`` was made of."""
    while "~" in id:
        id = id.rpartition("~")[0]
        yield id


def _drawn(extra: ExtraTraining, seed: int) -> Iterator[Sentence]:
    if extra.gazetteer is not None:
        yield from _entries(extra.gazetteer, extra.entries, seed)
    if extra.distant is not None:
        from decoupled_ner.data.distant import read_distant  # needs pyarrow

        for sentence in islice(read_distant(extra.distant, seed=seed), extra.sentences):
            yield sentence if extra.doubtful == "unknown" else replace(sentence, doubtful=())


def _entries(path: str, count: int | None, seed: int) -> Iterator[Sentence]:
    entries = typed_entries(load_columns(path))
    rows = np.concatenate([entries.rows(label) for label in range(1, len(entries.labels))])
    if count is not None and count < len(rows):
        rows = rows[random.Random(f"entries-{seed}").sample(range(len(rows)), count)]
    for mention, label in entries.read(rows):
        entity = entity_at(mention, 0, len(mention), entries.labels[label])
        yield Sentence(mention, (entity,), "gazetteer")


def _renamed(sentence: Sentence, names: Mapping[str, str]) -> Sentence:
    if not any(entity.label in names for entity in sentence.entities):
        return sentence
    entities = (replace(e, label=names.get(e.label, e.label)) for e in sentence.entities)
    return replace(sentence, entities=tuple(entities))
