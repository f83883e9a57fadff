"""What segmenters say of units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from decoupled_ner.candidates.words import segmenter_named
from decoupled_ner.models.embeddings import UNKNOWN
from decoupled_ner.models.units import split_units
from decoupled_ner.models.words import WordTags
from decoupled_ner.types import InputError

TEXTS = ["北京大学在海淀", "iPhone6 好用\U0001f600", "", " \n"]


def units(texts: list[str]) -> list[np.ndarray]:
    return [split_units(text, "word") for text in texts]


def test_a_unit_knows_its_word():
    tags = WordTags.of(["jieba"], TEXTS, "word")
    [row] = tags([TEXTS[0]], units([TEXTS[0]]))
    keys = [tags.vocabularies["jieba"].items[id - 2] for id in row[:, 0]]
    words = segmenter_named("jieba").words(TEXTS[0])
    assert [(word.start, word.end) for word in words] == [(0, 4), (4, 5), (5, 7)]
    campus, at, place = (word.tag for word in words)
    wanted = ["B-" + campus, "I-" + campus, "I-" + campus, "E-" + campus]
    assert keys == [*wanted, "S-" + at, "B-" + place, "E-" + place]


def test_shapes_and_what_training_lacks():
    tags = WordTags.of(["jieba", "lac"], TEXTS[:1], "word")
    found = tags(TEXTS, units(TEXTS))
    assert [row.shape for row in found] == [(len(spans), 2) for spans in units(TEXTS)]
    assert (found[0] != UNKNOWN).all() and (found[1] == UNKNOWN).any()
    nothing = WordTags.of([], TEXTS, "word")(TEXTS, units(TEXTS))
    assert [row.shape for row in nothing] == [(len(spans), 0) for spans in units(TEXTS)]


def test_save_and_load(tmp_path: Path):
    tags = WordTags.of(["lac", "jieba"], TEXTS, "word")
    tags.save(tmp_path)
    loaded = WordTags.load(["lac", "jieba"], tmp_path)
    for one, two in zip(tags(TEXTS, units(TEXTS)), loaded(TEXTS, units(TEXTS)), strict=True):
        assert (one == two).all()


def test_only_segmenters_without_a_model():
    with pytest.raises(InputError, match="use jieba or lac"):
        WordTags.of(["ltp"], TEXTS, "word")
