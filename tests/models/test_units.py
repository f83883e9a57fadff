"""Units, their tokens and the windows over them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from decoupled_ner.models.encoder import load_tokenizer
from decoupled_ner.models.units import UnitKind, UnitTokenizer, split_units, windows

TEXT = "看U.S.的iPhone6s，３0℃\U0001f468\u200d\U0001f469 Ａb\u3000。"


def texts_of(text: str, kind: UnitKind) -> list[str]:
    return [text[a:b] for a, b in split_units(text, kind)]


def test_words_are_ideographs_runs_of_letters_runs_of_digits_and_the_rest() -> None:
    assert texts_of(TEXT, "word") == [
        *["看", "U", ".", "S", ".", "的", "iPhone", "6", "s", "，", "３0", "℃"],
        *["\U0001f468", "\u200d", "\U0001f469", "Ａb", "。"],
    ]


def test_combining_marks_belong_to_what_they_stand_on() -> None:
    assert texts_of("cafe\u0301s 1\ufe0f\u20e3❤\ufe0fab \u0301", "word") == [
        *["cafe\u0301s", "1\ufe0f\u20e3", "❤\ufe0f", "ab", "\u0301"]
    ]


def test_other_units() -> None:
    assert texts_of("ab 中 c\n", "character") == ["a", "b", "中", "c"]
    assert texts_of(" U.S. 中国\u3000x", "whitespace") == ["U.S.", "中国", "x"]
    assert split_units(" \n", "word").shape == (0, 2)


@pytest.fixture(scope="module")
def bert() -> UnitTokenizer:
    return UnitTokenizer(load_tokenizer("zh-small"), "word")


def tokens_of(split: UnitTokenizer, text: str) -> list[tuple[str, str]]:
    """Each unit's text with the text of its first token, as the tokenizer has it."""
    found = split(text)
    names = [split._backend.id_to_token(int(id)) for id in found.tokens]
    units = [text[a:b] for a, b in found.units]
    return list(zip(units, (names[i] for i in found.first), strict=True))


def test_each_unit_has_its_first_token(bert: UnitTokenizer) -> None:
    assert tokens_of(bert, "看iPhone6S的Qxz。") == [
        ("看", "看"),
        ("iPhone", "iphone"),
        ("6", "6"),
        ("S", "s"),
        ("的", "的"),
        ("Qxz", "q"),
        ("。", "。"),
    ]


def test_a_mask_in_the_text_is_plain_text(bert: UnitTokenizer) -> None:
    assert [unit for unit, _ in tokens_of(bert, "看[MASK]的")] == ["看", "[", "MASK", "]", "的"]
    mask = load_tokenizer("zh-small").mask_token_id
    assert mask not in bert("看[MASK]的").tokens


def test_what_the_tokenizer_drops_is_no_unit(bert: UnitTokenizer) -> None:
    text = "中\u200b\ue001国\ud800\x00"
    assert [text[a:b] for a, b in bert(text).units] == ["中", "国"]
    assert len(bert("\u200b \n").units) == len(bert("").units) == 0


TROUBLE = "ab1中国。é\u0301\ufe0f❤\U0001f468\u200d\u200bＡ①℃\x1f\ud800\ue001 \u3000[]#_カ"


@given(text=st.text(st.sampled_from(TROUBLE), max_size=30))
def test_units_never_share_a_token_of_berts(bert: UnitTokenizer, text: str) -> None:
    found = bert(text)
    assert len(set(found.first.tolist())) == len(found.first)
    assert (np.diff(found.first) > 0).all()
    assert all(not text[a:b].isspace() for a, b in found.units)


CORPUS = ["The U.S. and 中国 met in Paris", "in Paris the 中国 team met"] * 5


def byte_level() -> PreTrainedTokenizerFast:
    """As English RoBERTa's."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=alphabet, show_progress=False, special_tokens=["<s>"]
    )
    backend.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend)


def sentence_piece() -> PreTrainedTokenizerFast:
    """As ALBERT's and XLM-R's."""
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=60, show_progress=False, special_tokens=["<unk>"], unk_token="<unk>"
    )
    backend.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend)


@pytest.mark.parametrize("make", [byte_level, sentence_piece])
@pytest.mark.parametrize("kind", ["word", "whitespace"])
def test_other_tokenizers_give_every_unit_a_token_that_covers_its_start(
    make: type, kind: UnitKind
) -> None:
    tokenizer = make()
    split = UnitTokenizer(tokenizer, kind)
    text = "The U.S. met 中国\n  in  Paris."
    found = split(text)
    assert [text[a:b] for a, b in found.units] == texts_of(text, kind)
    plain = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    assert found.tokens.tolist() == plain["input_ids"]  # the text is tokenised as a whole
    for (start, _), first in zip(found.units, found.first, strict=True):
        a, b = plain["offset_mapping"][first]
        assert a <= start < b


@given(st.lists(st.integers(0, 12), max_size=60), st.integers(1, 20))
def test_windows_cover_all_units_and_own_each_once(weights: list[int], limit: int) -> None:
    found = windows(np.array(weights, np.int64), limit)
    owned = [unit for w in found for unit in range(w.owned_start, w.owned_end)]
    assert owned == list(range(len(weights)))
    for window in found:
        assert window.start <= window.owned_start <= window.owned_end <= window.end
        size = window.end - window.start
        assert size == 1 or sum(weights[window.start : window.end]) <= limit
    for left, right in itertools.pairwise(found):
        assert left.start < right.start and left.end < right.end and right.start <= left.end


def test_windows_overlap_by_a_quarter_and_split_it_in_the_middle() -> None:
    assert windows(np.ones(20, np.int64), 8) == [(0, 8, 0, 7), (6, 14, 7, 13), (12, 20, 13, 20)]
