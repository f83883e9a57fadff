"""Encoders of several architectures load as transformers loads them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModel,
    BertConfig,
    BertTokenizer,
    CamembertConfig,
    DistilBertConfig,
    ElectraConfig,
    ErnieConfig,
    PreTrainedConfig,
    RobertaConfig,
    T5Config,
    XLMRobertaConfig,
)

from decoupled_ner.models.encoder import (
    check_length,
    encoder_from_config,
    encoder_settings,
    is_small,
    is_uncased,
    load_encoder,
    load_encoder_config,
    load_tokenizer,
    plain_tokenizer,
)
from decoupled_ner.models.stage1 import load_masked_lm
from decoupled_ner.types import InputError

SIZES = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
}
ARCHITECTURES = [
    BertConfig(**SIZES),
    RobertaConfig(**SIZES, pad_token_id=1),
    XLMRobertaConfig(**SIZES, pad_token_id=1),
    ErnieConfig(**SIZES),
    ElectraConfig(**SIZES, embedding_size=8),
    AlbertConfig(**SIZES, embedding_size=8),
]


@pytest.mark.parametrize("config", ARCHITECTURES, ids=lambda config: config.model_type)
def test_hidden_states_equal_those_of_transformers(config: PreTrainedConfig, tmp_path: Path):
    torch.manual_seed(0)
    original = AutoModel.from_config(config).eval()
    original.save_pretrained(tmp_path)
    encoder = load_encoder(str(tmp_path))
    ids = torch.randint(5, 60, (3, 20))
    mask = torch.ones_like(ids)
    mask[1, 12:] = 0
    with torch.no_grad():
        expected = original(ids, attention_mask=mask).last_hidden_state
        actual = encoder(ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(actual, expected)
    # No parameter without gradient, which would stall DDP.
    encoder.train()(ids, attention_mask=mask).last_hidden_state.sum().backward()
    assert all(p.grad is not None for p in encoder.parameters() if p.requires_grad)


@pytest.mark.parametrize("config", ARCHITECTURES, ids=lambda config: config.model_type)
def test_config_alone_builds_the_same_architecture(config: PreTrainedConfig):
    built = encoder_from_config(config.to_dict())
    assert built.config.model_type == config.model_type
    assert built.dtype == torch.float32


def test_bundled_encoder_predicts_a_masked_character():
    from transformers import AutoModelForMaskedLM

    from decoupled_ner.models.encoder import resolve_encoder

    tokenizer = load_tokenizer("zh-small")
    model = AutoModelForMaskedLM.from_pretrained(resolve_encoder("zh-small"), dtype=torch.float32)
    inputs = tokenizer("北[MASK]是中国的首都。", return_tensors="pt")
    place = int((inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero())
    with torch.no_grad():
        best = int(model(**inputs).logits[0, place].argmax())
    assert tokenizer.convert_ids_to_tokens(best) == "京"


def test_bundled_encoder_takes_the_small_recipes():
    assert is_small(load_encoder_config("zh-small"))
    assert not is_small(BertConfig(hidden_size=768))


def test_positions_that_begin_behind_the_padding_token():
    for config, read in ((BertConfig(), 512), (RobertaConfig(), 510), (CamembertConfig(), 510)):
        settings = {**config.to_dict(), "max_position_embeddings": 512}
        check_length(settings, read)
        with pytest.raises(InputError, match=f"reads {read} tokens at most, not {read + 1}"):
            check_length(settings, read + 1)


def test_case_is_that_of_the_tokenizer(tiny_roberta: str):
    assert is_uncased(load_tokenizer("zh-small"))
    assert not is_uncased(load_tokenizer(tiny_roberta))
    cased = BertTokenizer(load_tokenizer("zh-small").get_vocab(), do_lower_case=False)
    assert not is_uncased(cased)


def test_hub_id_is_read_from_the_hub_layout(tiny_encoder: str, tmp_path: Path):
    """The hub's cache layout, without a network: what a downloaded model looks like."""
    repository = tmp_path / "models--someone--tiny-bert"
    snapshot = repository / "snapshots" / "0123456789abcdef"
    shutil.copytree(tiny_encoder, snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(snapshot.name)
    code = (
        "from decoupled_ner.models.encoder import *;"
        "print(load_encoder('someone/tiny-bert').config.hidden_size,"
        " load_tokenizer('someone/tiny-bert').mask_token)"
    )
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["32", "[MASK]"]


def test_a_folder_without_a_vocabulary_is_told(tmp_path: Path):
    """transformers makes a tokenizer of its own there, for which everything is unknown."""
    BertConfig(**SIZES).save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    with pytest.raises(InputError, match="has no vocabulary"):
        load_tokenizer(str(tmp_path))


@pytest.mark.parametrize("lines", [5_000, 14_000])
def test_a_vocabulary_of_another_size_than_the_weights_is_told(tmp_path: Path, lines: int):
    """Cut short, everything behind the cut would be unknown; too long, there is no embedding."""
    vocabulary = load_tokenizer("zh-small").get_vocab()
    words = sorted(vocabulary, key=vocabulary.__getitem__)
    words += [f"more{i}" for i in range(1_000)]
    (tmp_path / "vocab.txt").write_text("\n".join(words[:lines]) + "\n", encoding="utf-8")
    load_encoder_config("zh-small").save_pretrained(tmp_path)
    with pytest.raises(InputError, match=rf"has {lines:,} tokens, its weights 13,000"):
        load_tokenizer(str(tmp_path))


def test_a_wrong_configuration_is_one_line(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"model_type": "bert", "hidden_size": "x"}')
    for load in (load_encoder_config, load_encoder, load_masked_lm):
        with pytest.raises(InputError, match="can't be loaded") as caught:
            load(str(tmp_path))
        assert "\n" not in str(caught.value)


def test_an_encoder_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(InputError, match="can't be loaded: give a directory") as caught:
        load_encoder(str(tmp_path / "nothing"))
    assert "\n" not in str(caught.value)


def test_plain_tokenizer_shares_nothing_with_its_source():
    tokenizer = load_tokenizer("zh-small")
    plain = plain_tokenizer(tokenizer)
    mask = tokenizer.mask_token_id
    assert mask not in plain.encode("他说[MASK]", add_special_tokens=False).ids
    assert mask in tokenizer("他说[MASK]")["input_ids"]
    assert len(plain.encode("字" * 600, add_special_tokens=False).ids) == 600


@pytest.mark.parametrize(
    ("config", "names"),
    [
        (BertConfig(), {"hidden_dropout_prob", "attention_probs_dropout_prob"}),
        (DistilBertConfig(), {"dropout", "attention_dropout"}),
    ],
)
def test_dropout_reaches_an_encoder_by_its_own_names(
    config: PreTrainedConfig, names: set[str], tmp_path: Path
) -> None:
    config.save_pretrained(tmp_path)
    before, after = encoder_settings(str(tmp_path)), encoder_settings(str(tmp_path), 0.37)
    assert {name for name in after if after[name] != before[name]} == names
    assert all(after[name] == 0.37 for name in names)


def test_a_dropout_that_an_encoder_lacks_is_told(tmp_path: Path) -> None:
    T5Config().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="a t5 has no dropout that is known here"):
        encoder_settings(str(tmp_path), 0.1)
