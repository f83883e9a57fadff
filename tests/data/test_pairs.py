"""Regions as token ids: slices of one tokenisation equal tokenising each part by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, RobertaTokenizer

from decoupled_ner.data.pairs import (
    Pair,
    PairEncoder,
    TokenizedText,
    collate_pairs,
    length_buckets,
    pad_ids,
    padded_width,
)
from decoupled_ner.gazetteer import Gazetteer, KnownTypes
from decoupled_ner.models.encoder import load_tokenizer
from decoupled_ner.types import Region

AWKWARD = "篮协，。ab1é\u0301\u200d👨\u200d👩 \u3000\r\n\x00[MASK]Ａ１한ß\ue000\u00a0-_İΣς\ud800"
TEXTS = st.text(
    alphabet=st.one_of(st.sampled_from(AWKWARD), st.characters()), min_size=1, max_size=24
)


@pytest.fixture(scope="module")
def pairs() -> PairEncoder:
    return PairEncoder(load_tokenizer("zh-small"))


@pytest.fixture(scope="module")
def small_budgets() -> PairEncoder:
    return PairEncoder(load_tokenizer("zh-small"), max_mention_tokens=7, max_context_tokens=14)


@settings(max_examples=500)
@given(text=TEXTS, data=st.data())
def test_slices_equal_separate_tokenisation(pairs: PairEncoder, text: str, data: st.DataObject):
    start = data.draw(st.integers(0, len(text) - 1))
    region = Region(start, data.draw(st.integers(start + 1, len(text))))
    assert pairs.encode(pairs.tokenize(text), region) == pairs.encode_plainly(text, region)


def encode_whole(pairs: PairEncoder, tokens: TokenizedText, region: Region) -> Pair:
    """``encode`` from all tokens of the text, however many: what it did before it looked at the
    budgets."""

    def between(start: int, end: int) -> list[int]:
        first, last = tokens.words.get(start), tokens.words.get(end)
        if first and end <= first[1]:
            return pairs._ids(tokens.text[start:end])
        inner_start, inner_end = (first[1] if first else start), (last[0] if last else end)
        head = pairs._ids(tokens.text[start:inner_start]) if first else []
        tail = pairs._ids(tokens.text[inner_end:end]) if last else []
        own = [i for i, s in zip(tokens.ids, tokens.starts, strict=True) if s < inner_end]
        return head + own[sum(s < inner_start for s in tokens.starts) :] + tail

    parts = ((region.start, region.end), (0, region.start), (region.end, len(tokens.text)))
    return pairs.assemble(*(between(*part) for part in parts))


@settings(max_examples=500)
@given(text=st.text(st.sampled_from(AWKWARD), min_size=1, max_size=90), data=st.data())
def test_what_the_budgets_leave_out_is_not_looked_at(
    small_budgets: PairEncoder, text: str, data: st.DataObject
):
    start = data.draw(st.integers(0, len(text) - 1))
    region = Region(start, data.draw(st.integers(start + 1, len(text))))
    tokens = small_budgets.tokenize(text)
    assert small_budgets.encode(tokens, region) == encode_whole(small_budgets, tokens, region)


class CountingList(list[int]):
    """Counts the items that slices of it copy."""

    copied = 0

    def __getitem__(self, key):
        found = super().__getitem__(key)
        if isinstance(key, slice):
            self.copied += len(found)
        return found


def test_a_long_text_is_not_copied_for_each_region(pairs: PairEncoder):
    tokens = pairs.tokenize("零一二三四五六七八九" * 1000)
    ids = CountingList(tokens.ids)
    pairs.encode(replace(tokens, ids=ids), Region(100, 9000))
    assert 0 < ids.copied <= 2 * pairs.mention_budget + 4 * pairs.context_budget


def test_a_long_text_that_is_one_word_is_not_tokenised_for_each_region(
    monkeypatch: pytest.MonkeyPatch,
):
    """As XLM-R's tokenizer reads Chinese."""
    characters = "零一二三四五六七八九"
    pieces = [("<unk>", 0.0), ("▁", -3.0), *((c, -3.0) for c in characters), ("三四", -4.0)]
    backend = Tokenizer(models.Unigram(pieces, unk_id=0))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    special = {"cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>", "pad_token": "<p>"}
    pairs = PairEncoder(PreTrainedTokenizerFast(tokenizer_object=backend, **special), 12, 20)
    text, region = characters * 1000, Region(4003, 4005)
    tokens, original, read = pairs.tokenize(text), pairs._ids, list[int]()
    monkeypatch.setattr(pairs, "_ids", lambda part: read.append(len(part)) or original(part))
    pair = pairs.encode(tokens, region)
    assert max(read) <= 16 * pairs.context_budget
    assert len(pair.context) == 20 and len(pair.mention) == 4  # Metaspace's own before 三四
    assert pair == pairs.encode_plainly(text, region)


def test_a_region_that_cuts_words_at_both_ends(pairs: PairEncoder):
    text = "用iPhone15Pro拍照"
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            region = Region(start, end)
            assert pairs.encode(pairs.tokenize(text), region) == pairs.encode_plainly(text, region)


def test_mask_is_one_token_and_text_never_makes_one(pairs: PairEncoder):
    text = "他写[MASK]和[SEP]给篮协"
    pair = pairs.encode(pairs.tokenize(text), Region(15, 17))
    assert pair.context.count(pairs.mask) == 1
    assert pair.context[pair.mask_index] == pairs.mask
    assert pair.context.count(pairs.sep) == 1 and pair.mention.count(pairs.sep) == 1
    tokenizer = load_tokenizer("zh-small")
    assert tokenizer.convert_ids_to_tokens(pair.mention) == ["[CLS]", "篮", "协", "[SEP]"]


def test_long_context_becomes_a_window_around_the_mention():
    pairs = PairEncoder(load_tokenizer("zh-small"), max_context_tokens=13)  # ten for text
    text = "零一二三四五六七八九" * 10
    tokens = pairs.tokenize(text)
    ids = dict(zip(text, tokens.ids, strict=True))
    middle = pairs.encode(tokens, Region(50, 52))
    assert [ids[c] for c in "五六七八九"] == middle.context[1:6] and middle.mask_index == 6
    assert [ids[c] for c in "二三四五六"] == middle.context[7:12]
    # What one side does not need goes to the other.
    first = pairs.encode(tokens, Region(0, 1))
    assert first.mask_index == 1 and len(first.context) == 13
    last = pairs.encode(tokens, Region(98, 99))
    assert last.mask_index == 10 and len(last.context) == 13


def test_long_mention_keeps_both_ends():
    pairs = PairEncoder(load_tokenizer("zh-small"), max_mention_tokens=7)  # five for text
    text = "零一二三四五六七八九"
    tokens = pairs.tokenize(text)
    ids = dict(zip(text, tokens.ids, strict=True))
    mention = pairs.encode(tokens, Region(0, 10)).mention
    assert mention == [pairs.cls, *(ids[c] for c in "零一二八九"), pairs.sep]


def test_byte_level_tokenizers_keep_the_space_before_a_mention():
    # A byte-level BPE with no merges: every byte is a token, a space is Ġ.
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.Ġ"
    vocabulary = {
        token: index
        for index, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters])
    }
    tokenizer = RobertaTokenizer(vocab=vocabulary, merges=[])
    pairs = PairEncoder(tokenizer)
    text = "go to Rome."
    pair = pairs.encode(pairs.tokenize(text), Region(6, 10))
    tokens = tokenizer.convert_ids_to_tokens(pair.mention)
    assert tokens == ["<s>", "Ġ", "R", "o", "m", "e", "</s>"]
    assert pairs.encode_mentions(["Rome"]) == [pair.mention]  # alone it is as in most texts
    swapped = pairs.encode_with(pairs.tokenize(text), Region(6, 10), "Bern")
    assert tokenizer.convert_ids_to_tokens(swapped.mention)[1:3] == ["Ġ", "B"]
    assert swapped.context == pair.context
    first = pairs.encode_with(pairs.tokenize("Rome."), Region(0, 4), "Bern")
    assert tokenizer.convert_ids_to_tokens(first.mention)[1:3] == ["B", "e"]
    assert tokenizer.convert_ids_to_tokens(pair.context[pair.mask_index :]) == [
        "<mask>", ".", "</s>"
    ]  # fmt: skip


def test_what_a_gazetteer_says_goes_with_the_mention():
    gazetteer = Gazetteer.from_mentions({"王小明": ["PER"], "上海": ["GPE"]})
    pairs = PairEncoder(load_tokenizer("zh-small"), known=KnownTypes(gazetteer))
    text = "王小明去上海"
    first, second = (pairs.encode(pairs.tokenize(text), Region(*r)) for r in ((0, 3), (2, 4)))
    assert first.known == [0, 1] and second.known == [0, 0]
    assert pairs.encode_plainly(text, Region(0, 3)) == first
    swapped = pairs.encode_with(pairs.tokenize(text), Region(0, 3), "上海")
    assert swapped.known == [1, 0] and swapped.context == first.context
    assert swapped.mention == pairs.encode_mentions(["上海"])[0]
    batch = collate_pairs([first, second], pairs.pad)
    assert batch.known is not None and batch.known.tolist() == [[0, 1], [0, 0]]


def test_collate_pads_to_a_common_width(pairs: PairEncoder):
    tokens = pairs.tokenize("王小明去上海")
    batch = collate_pairs(
        [pairs.encode(tokens, Region(0, 3)), pairs.encode(tokens, Region(4, 6))], pairs.pad, [1, 2]
    )
    assert batch.mention_ids.shape == (2, 5) and batch.context_ids.shape == (2, 7)
    assert batch.mention_mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]
    assert batch.context_ids[0, batch.mask_index[0]] == pairs.mask
    assert batch.labels is not None and batch.labels.tolist() == [1, 2]


def test_pad_ids():
    ids, mask = pad_ids([[5], [6, 7]], pad=0)
    assert ids.tolist() == [[5, 0], [6, 7]]
    assert mask.tolist() == [[1, 0], [1, 1]]


def test_few_widths_and_little_padding():
    widths = [padded_width(longest) for longest in range(1, 513)]
    assert widths == sorted(widths) and widths[:16] == list(range(1, 17))
    for longest, width in enumerate(widths, 1):
        assert 0 <= width - longest <= min(7, longest / 8)
    assert len(set(widths[:128])) == 16 + 8 + 8 + 8


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 100))
def test_length_buckets_hold_every_index_once_within_budget(lengths: list[int], budget: int):
    batches = list(length_buckets(lengths, budget))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        width = padded_width(max(lengths[i] for i in batch))
        assert len(batch) == 1 or len(batch) * width <= budget
