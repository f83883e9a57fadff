"""What the Context stage masks, and that an O region is never an entity."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoupled_ner.candidates import NGrams
from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.data.masking import (
    MASKED_TOKENS,
    ContextEncoder,
    RegionChooser,
    runs_of_words,
)
from decoupled_ner.models.encoder import load_tokenizer
from decoupled_ner.types import Entity, InputError, NoisySentence, Region

TEXT = "去年3月，任正非在New York与北京大学的王小明会面。"


class Fixed(CandidateGenerator):
    """Proposes what it is told."""

    name = "fixed"

    def __init__(self, *regions: tuple[int, int]) -> None:
        self.regions = [Region(*region) for region in regions]

    def propose(self, text: str) -> list[Region]:
        return self.regions

    def init_args(self) -> dict[str, object]:
        return {}


def noisy(*entities: tuple[str, str], doubtful: tuple[str, ...] = ()) -> NoisySentence:
    found = [(TEXT.index(name), name, label) for name, label in entities]
    return NoisySentence(
        TEXT,
        tuple(Entity(at, at + len(name), name, label) for at, name, label in found),
        "news:1:0",
        doubtful=tuple(Region(TEXT.index(name), TEXT.index(name) + len(name)) for name in doubtful),
    )


SENTENCE = noisy(("任正非", "PER"), ("北京大学", "ORG"), doubtful=("王小明",))


@pytest.fixture(scope="module")
def encoder() -> ContextEncoder:
    return ContextEncoder("zh-small")


@given(st.integers(), st.booleans())
def test_an_outside_region_overlaps_no_entity(seed: int, propose: bool):
    chooser = RegionChooser(
        0.9,
        outside_regions=NGrams(max_length=4) if propose else None,
        possible_names=Fixed((10, 13)),  # "New"
    )
    region, label = chooser.choose(SENTENCE, random.Random(seed))
    if label != "O":
        assert region in [entity.region for entity in SENTENCE.entities]
        return
    for name in ("任正非", "北京大学", "王小明", "New"):
        at = TEXT.index(name)
        assert not region.overlaps(Region(at, at + len(name)))


def test_how_often_outside():
    rng = random.Random(0)
    for share in (0.0, 0.3):
        labels = [RegionChooser(share).choose(SENTENCE, rng)[1] for _ in range(2000)]
        assert labels.count("O") / 2000 == pytest.approx(share, abs=0.04)
        assert labels.count("PER") == pytest.approx(labels.count("ORG"), rel=0.2)
    with pytest.raises(InputError, match="outside_share"):
        RegionChooser(1.0)


def test_doubtful_regions_are_outside_only_if_asked_for():
    only = RegionChooser(0.9, outside_regions=Fixed((TEXT.index("王小明"), len(TEXT) - 3)))
    assert all(only.choose(SENTENCE, random.Random(i))[1] != "O" for i in range(50))
    only.ignore_doubtful = False
    assert any(only.choose(SENTENCE, random.Random(i))[1] == "O" for i in range(50))


def test_runs_of_words_cut_no_word_and_cross_no_punctuation():
    def texts(like: str) -> set[str]:
        at = TEXT.index(like)
        return {r.text_of(TEXT) for r in runs_of_words(TEXT, Region(at, at + len(like)))}

    assert {"去年", "New York", "York与", "3月", "年3"} <= texts("北京")
    assert "月，" not in texts("北京") and "月任" not in texts("北京")
    assert {"New", "York", "王"} <= texts("York")
    assert "ew" not in texts("北京") and "" not in texts("，")


def test_each_token_of_the_region_is_masked(encoder: ContextEncoder):
    tokenizer = load_tokenizer("zh-small")
    text = "他说[MASK]去了New York和上海。"
    for name in ("New York", "上海", "[MASK]", text):
        start = text.index(name)
        [tokens] = encoder.tokenize_batch([text])
        context = encoder.encode(tokens, Region(start, start + len(name)))
        restored = list(context.ids)
        count = len(context.targets)
        assert restored[context.first : context.first + count] == [tokenizer.mask_token_id] * count
        restored[context.first : context.first + count] = context.targets
        assert restored[1:-1] == tokens.ids
        assert (restored[0], restored[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)


def test_a_sentence_that_fits_stays_whole():
    encoder = ContextEncoder("zh-small", max_tokens=64)
    text = "".join(chr(0x4E00 + i) for i in range(63))
    for length, whole in ((62, True), (63, False)):
        [tokens] = encoder.tokenize_batch([text[:length]])
        context = encoder.encode(tokens, Region(40, 42))
        assert len(context.ids) == 64 and (len(context.ids) == length + 2) == whole


@pytest.mark.parametrize("length", [1, 29, 31, 70])
@pytest.mark.parametrize("start", [0, 100, 330])
def test_long_sentences_become_a_window(length: int, start: int):
    encoder = ContextEncoder("zh-small", max_tokens=80)
    text = "".join(chr(0x4E00 + i) for i in range(400))
    [tokens] = encoder.tokenize_batch([text])
    context = encoder.encode(tokens, Region(start, start + length))
    assert len(context.ids) == 80
    assert len(context.targets) == min(length, MASKED_TOKENS)
    left = context.ids[1 : context.first]
    assert left == tokens.ids[start - len(left) : start]
    with pytest.raises(InputError, match="max_tokens"):
        ContextEncoder("zh-small", max_tokens=40)


def test_batches_hold_the_targets_in_order(encoder: ContextEncoder):
    texts = encoder.tokenize_batch(["我们去北京玩", "北京大学在海淀区的什么地方呢"])
    contexts = [encoder.encode(texts[0], Region(3, 5)), encoder.encode(texts[1], Region(0, 4))]
    batch = encoder.collate(contexts, [2, 1])
    assert batch.ids.shape == batch.mask.shape == batch.masked.shape
    assert batch.masked.sum(1).tolist() == [2, 4] and batch.labels.tolist() == [2, 1]
    assert batch.targets.tolist() == [*contexts[0].targets, *contexts[1].targets]
    assert batch.targets.tolist() == [*texts[0].ids[3:5], *texts[1].ids[:4]]
    mask = load_tokenizer("zh-small").mask_token_id
    assert (batch.ids[batch.masked] == mask).all() and (batch.ids == mask).sum() == 6
    assert not (batch.masked & (batch.mask == 0)).any()


def test_words_beside_each_other_are_one_run():
    runs = list(runs_of_words("A B，C D", Region(0, 3)))
    assert [(r.start, r.end) for r in runs] == [(0, 3), (4, 7)]
    assert all(a.end <= b.start for a, b in pairwise(runs))
