"""Augmentation: entities stay, offsets hold, whole words change, neighbours change nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from command import status
from transformers import BertConfig, BertForMaskedLM

from decoupled_ner.candidates.words import segmenter_named
from decoupled_ner.data.augment import AugmentSettings, augment
from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.data.jsonl import read_jsonl, write_jsonl
from decoupled_ner.data.masked_words import free_words, mask_words
from decoupled_ner.data.surfaces import Surfaces
from decoupled_ner.models.encoder import load_tokenizer, plain_tokenizer
from decoupled_ner.types import InputError, Sentence, entity_at


@pytest.fixture(scope="module")
def masked_lm(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("mlm")
    tokenizer = load_tokenizer("zh-small")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=40,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return str(directory)


@pytest.fixture(scope="module")
def sentences() -> list[Sentence]:
    odd = "ＡＢ　王小明👨‍👩‍👧在iPhone上写[MASK]，Café 2024年去了New York。\r\n他很高兴" * 3
    at = odd.index("王小明")
    york = odd.rindex("New York")
    strange = Sentence(
        odd, (entity_at(odd, at, at + 3, "PER"), entity_at(odd, york, york + 8, "GPE")), "odd/0"
    )
    whole = Sentence("北京大学", (entity_at("北京大学", 0, 4, "ORG"),), "whole")
    return [*load_dataset("demo").split("train")[:24], strange, whole, Sentence("", (), "empty")]


@pytest.mark.parametrize("keep_length", [True, False])
def test_entities_stay_and_offsets_hold(
    sentences: list[Sentence], masked_lm: str, keep_length: bool
) -> None:
    settings = AugmentSettings(copies=3, share=0.4, top_k=500, keep_length=keep_length)
    by_id = {sentence.id: sentence for sentence in sentences}
    found = list(augment(sentences, masked_lm, settings))
    copies = [sentence for sentence in found if "~" in sentence.id]
    assert [sentence for sentence in found if "~" not in sentence.id] == sentences
    assert len(copies) == 3 * (len(sentences) - 2)  # of two nothing could be masked
    for copy in copies:
        original = by_id[copy.id.partition("~")[0]]
        assert copy.text != original.text
        # Sentence itself checks that each entity's text stands at its offsets.
        assert [(e.text, e.label) for e in copy.entities] == [
            (e.text, e.label) for e in original.entities
        ]
        if keep_length:
            assert len(copy.text) == len(original.text)
            assert [e.region for e in copy.entities] == [e.region for e in original.entities]
    lengths = {len(c.text) - len(by_id[c.id.partition("~")[0]].text) for c in copies}
    assert (lengths == {0}) == keep_length


def test_what_is_written_depends_on_place_and_seed_alone(
    sentences: list[Sentence], masked_lm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = list(augment(sentences, masked_lm))
    monkeypatch.setattr("decoupled_ner.data.augment._TOKENS_A_BATCH", 1)
    assert list(augment(sentences, masked_lm)) == together
    assert list(augment(sentences[:3], masked_lm)) == together[:6]
    monkeypatch.setattr("decoupled_ner.data.augment._SENTENCES_TOGETHER", 2)
    assert list(augment(sentences, masked_lm)) == together
    assert list(augment(sentences, masked_lm, AugmentSettings(seed=2))) != together


def test_whole_words_within_the_share_are_masked(sentences: list[Sentence]) -> None:
    tokenizer = load_tokenizer("zh-small")
    surfaces, backend = Surfaces(tokenizer, True), plain_tokenizer(tokenizer)
    shares = []
    for sentence in sentences[:24]:
        words = segmenter_named("jieba").words(sentence.text)
        tokens = backend.encode(sentence.text, add_special_tokens=False)
        spans, borders = tokens.offsets, {w.start for w in words} | {w.end for w in words}
        free = free_words(sentence, tokens.ids, spans, words, surfaces)
        draft = mask_words(tokens.ids, spans, free, 0.15, tokenizer.mask_token_id, "s")
        masked = [i for i, id in enumerate(draft.ids) if id == tokenizer.mask_token_id]
        assert masked == sorted(token for word in draft.words for token in word)
        for word in draft.words:
            assert {spans[word[0]][0], spans[word[-1]][1]} <= borders
            assert word == list(range(word[0], word[-1] + 1))
            for token in word:
                assert not any(e.start < spans[token][1] and spans[token][0] < e.end
                               for e in sentence.entities)  # fmt: skip
        assert len(draft.words) == 1 or len(masked) <= round(0.15 * len(draft.ids))
        shares.append(len(masked) / len(draft.ids))
    assert 0.1 < sum(shares) / len(shares) < 0.2


def test_the_words_are_the_models(sentences: list[Sentence]) -> None:
    """A trained model, asked for its best, writes digits for digits and characters it likes."""
    text = "他昨天花了25元钱买了书"
    [_, copy] = augment([Sentence(text, (), "0")], "zh-small", AugmentSettings(share=0.6, top_k=1))
    digits = [a.isdigit() for a in copy.text]
    assert digits == [a.isdigit() for a in text] and len(copy.text) == len(text)
    random.seed(5)
    assert [copy] == list(
        augment([Sentence(text, (), "0")], "zh-small", AugmentSettings(share=0.6, top_k=1, seed=1))
    )[1:]


def test_what_is_written_loads_as_a_training_file(
    sentences: list[Sentence], masked_lm: str, tmp_path: Path
) -> None:
    found = list(augment(sentences[:5], masked_lm))
    write_jsonl(found, tmp_path / "train.jsonl")
    assert read_jsonl(tmp_path / "train.jsonl").sentences == tuple(found)
    assert load_dataset(str(tmp_path)).split("train") == tuple(found)


def test_mistakes_are_told(sentences: list[Sentence], tiny_encoder: str) -> None:
    with pytest.raises(InputError, match="has no masked language model's head; take"):
        next(augment(sentences, tiny_encoder))
    with pytest.raises(InputError, match="copies=0"):
        AugmentSettings(copies=0)
    with pytest.raises(InputError, match="share=1"):
        AugmentSettings(share=1)
    for temperature in (0.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="temperature="):
            AugmentSettings(temperature=temperature)
    with pytest.raises(InputError, match="no segmenter 'none'"):
        next(augment(sentences, "zh-small", AugmentSettings(segmenter="none")))


def test_the_command_makes_the_folder_before_it_begins(masked_lm: str, tmp_path: Path) -> None:
    output = tmp_path / "new" / "more.jsonl"
    given = ("augment", "--dataset", "demo", "--train-sentences", "3", "--encoder", masked_lm)
    assert status(*given, "--output", str(output)) == 0
    assert len(output.read_text(encoding="utf-8").splitlines()) == 6
    (tmp_path / "file").touch()
    assert status(*given, "--output", str(tmp_path / "file" / "more.jsonl")) == 2
