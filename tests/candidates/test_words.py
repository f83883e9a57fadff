from itertools import pairwise

import pytest
from hypothesis import given, settings

from decoupled_ner.candidates.words import (
    Segmenter,
    TagFilter,
    Word,
    check_segmenter,
    forget_words,
    segmenter_named,
    trimmed,
)
from decoupled_ner.types import InputError, Region

from .strategies import NASTY, texts


class Letters(Segmenter):
    """Every character is a word; counts how often it is asked."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def _segment(self, texts):
        self.asked.extend(texts)
        return [tuple(Word(i, i + 1, "x") for i in range(len(text))) for text in texts]


@pytest.mark.parametrize("name", ["jieba", "lac"])
@settings(max_examples=150, deadline=None)
@given(text=texts)
def test_words_tile_any_text(name, text):
    words = segmenter_named(name).words(text)
    assert "".join(text[word.start : word.end] for word in words) == text
    assert all(before.end == after.start for before, after in pairwise(words))
    assert all(word.start < word.end for word in words)


@pytest.mark.parametrize("name", ["jieba", "lac"])
def test_neighbours_in_a_batch_change_nothing(name):
    segmenter = segmenter_named(name)
    batch = segmenter.words_batch([*NASTY, "李宁在北京大学参加了会议。"])
    forget_words()
    assert batch == [segmenter.words(text) for text in [*NASTY, "李宁在北京大学参加了会议。"]]


def test_texts_are_segmented_once_and_empty_ones_never():
    segmenter = Letters()
    assert [len(words) for words in segmenter.words_batch(["ab", "", "ab", "c"])] == [2, 0, 2, 1]
    segmenter.words("ab")
    assert segmenter.asked == ["ab", "c"]
    segmenter.forget()
    segmenter.words("ab")
    assert segmenter.asked == ["ab", "c", "ab"]


def test_memory_is_bounded_by_characters():
    segmenter = Letters()
    segmenter.words_batch([str(i) * 90_000 for i in range(4)])
    assert segmenter._remembered == 180_000
    assert list(segmenter._memory) == ["2" * 90_000, "3" * 90_000]
    assert len(segmenter.words("x" * 300_000)) == 300_000
    assert not segmenter._memory


def test_tag_filter_has_patterns():
    wanted = TagFilter(["n*", "eng"])
    assert [tag for tag in ("n", "nrfg", "eng", "en", "an", "") if wanted(tag)] == [
        "n",
        "nrfg",
        "eng",
    ]


@pytest.mark.parametrize("patterns", [[], "n*"])
def test_tag_filter_needs_a_list(patterns):
    with pytest.raises(InputError, match="list of patterns"):
        TagFilter(patterns)


@pytest.mark.parametrize(
    ("name", "model", "message"),
    [("hanlp", None, "no segmenter 'hanlp'"), ("ltp", None, "model"), ("jieba", "x", "model")],
)
def test_segmenter_mistakes(name, model, message):
    with pytest.raises(InputError, match=message):
        check_segmenter(name, model)


def test_trimmed():
    assert trimmed(" \u3000北京\r\n", 0, 6) == Region(2, 4)
    assert trimmed("a  b", 1, 3) is None
