"""What word segmenters say of a text's units, as a model's input.

A small encoder knows few words, and annotated sentences are few: where the words of a segmenter
begin and end, and their parts of speech, is what tells most about where entities may lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from decoupled_ner.candidates.words import Words, segmenter_named
from decoupled_ner.models.embeddings import Vocabulary
from decoupled_ner.models.units import IntArray, UnitKind, split_units
from decoupled_ner.types import InputError

#: Those that need no model of their own.
SEGMENTERS = ("jieba", "lac")


class WordTags:
    """Gives each unit an id for each segmenter: the tag of the word that it begins in, and whether
    it begins or ends that word. Thread-safe.

    Args:
        vocabularies: what occurs in training, for each segmenter.

    Raises:
        InputError: there is no such segmenter.
    """

    def __init__(self, vocabularies: Mapping[str, Vocabulary]) -> None:
        for name in vocabularies:
            check_known(name)
        self.vocabularies = dict(vocabularies)

    @classmethod
    def of(cls, segmenters: Sequence[str], texts: Sequence[str], units: UnitKind) -> WordTags:
        """With the tags that some texts have."""
        found = {}
        spans = [split_units(text, units) for text in texts]
        for name in segmenters:
            check_known(name)
            words = segmenter_named(name).words_batch(texts)
            every = (key for pair in zip(words, spans, strict=True) for key in _keys(*pair))
            found[name] = Vocabulary.of(every)
        return cls(found)

    def __call__(self, texts: Sequence[str], units: Sequence[IntArray]) -> list[IntArray]:
        """For each text (N, S) ids of its N units, given as (N, 2) character offsets."""
        columns = []
        for name, vocabulary in self.vocabularies.items():
            words = segmenter_named(name).words_batch(texts)
            keys = (_keys(*pair) for pair in zip(words, units, strict=True))
            columns.append([[vocabulary.id(key) for key in of_text] for of_text in keys])
        rows = zip(*columns, strict=True) if columns else ((),) * len(units)
        return [
            np.array(row, np.int64).reshape(len(columns), len(spans)).T
            for row, spans in zip(rows, units, strict=True)
        ]

    def save(self, directory: Path) -> None:
        """Write a vocabulary for each segmenter."""
        for name, vocabulary in self.vocabularies.items():
            vocabulary.save(_file(directory, name))

    @classmethod
    def load(cls, segmenters: Sequence[str], directory: Path) -> WordTags:
        """Read what `save` wrote.

        Raises:
            InputError: a file is missing or damaged.
        """
        return cls({name: Vocabulary.load(_file(directory, name)) for name in segmenters})


def check_known(name: str) -> None:
    """Raise an InputError unless there is such a segmenter and it needs no model."""
    if name not in SEGMENTERS:
        raise InputError(f"no segmenter {name!r} for word tags: use {' or '.join(SEGMENTERS)}")


def _file(directory: Path, segmenter: str) -> Path:
    return directory / f"words-{segmenter}.json"


def _keys(words: Words, units: IntArray) -> Iterator[str]:
    """``B-nr`` for a unit that begins a word tagged nr; ``E`` ends it, ``S`` does both."""
    number = 0
    for start, end in units.tolist():
        while words[number].end <= start:
            number += 1
        word = words[number]
        place = "SBEI"[2 * (word.start != start) + (word.end != end)]
        yield f"{place}-{word.tag}"
