"""A small gazetteer, distant supervision with it, and an encoder that has a vocabulary head."""

from __future__ import annotations

import random

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from decoupled_ner.data.distant import DistantSettings, label_texts
from decoupled_ner.gazetteer import Entry, Gazetteer
from decoupled_ner.labels import OUTSIDE
from decoupled_ner.models.encoder import load_tokenizer

_CHARACTERS = (
    "安百本长成春达德东方飞丰福高光国海和红华吉江金可兰立林龙美民明宁平青清容山生石思天万文西新兴"
)
_SURNAMES, _ENDINGS = "王李张刘陈", "市县镇"
_SENTENCES = {"PER": "记者{}报道说今天下雨了", "GPE": "我们明天坐火车去{}旅游"}


def _names(rng: random.Random, label: str) -> str:
    given = "".join(rng.choices(_CHARACTERS, k=2))
    return {
        "PER": rng.choice(_SURNAMES) + given,
        "GPE": given + rng.choice(_ENDINGS),
        OUTSIDE: given + rng.choice("的了着"),
    }[label]


@pytest.fixture(scope="session")
def entries() -> list[Entry]:
    """Persons begin with a surname, places end in 市 and the like, words in 的 and the like."""
    rng = random.Random(0)
    labels = ("PER", "GPE", OUTSIDE)
    return [Entry(_names(rng, label), label, "made-up") for label in labels for _ in range(150)]


@pytest.fixture(scope="session")
def gazetteer(entries: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The compiled folder."""
    folder = tmp_path_factory.mktemp("gazetteer")
    Gazetteer.from_entries(entries).save(folder)
    return str(folder)


@pytest.fixture(scope="session")
def distant(gazetteer: str, entries: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of noisy sentences whose words around a mention tell its type."""
    folder = tmp_path_factory.mktemp("distant")
    rng = random.Random(1)
    names = [entry for entry in entries if entry.label != OUTSIDE]
    lines = [_SENTENCES[e.label].format(e.mention) for e in rng.choices(names, k=500)]
    (folder / "news.txt").write_text("\n".join(dict.fromkeys(lines)) + "\n", encoding="utf-8")
    settings = DistantSettings(shard_bytes=4096)
    label_texts([folder / "news.txt"], gazetteer, folder / "labelled", settings)
    return str(folder / "labelled")


@pytest.fixture(scope="session")
def masked_lm(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A directory with a random one-layer BERT of width 32 with its head, and its tokenizer."""
    directory = tmp_path_factory.mktemp("tiny-mlm")
    tokenizer = load_tokenizer("zh-small")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=160,
        hidden_dropout_prob=0.1,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.1,
    )
    BertForMaskedLM(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return str(directory)
