"""What many tests share: a tiny random encoder, a few sentences, a quiet Hypothesis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings
from tokenizers import ByteLevelBPETokenizer
from transformers import BertConfig, BertModel, RobertaConfig, RobertaModel, RobertaTokenizer

from decoupled_ner.models.encoder import load_tokenizer
from decoupled_ner.types import Sentence, entity_at

# The machines that run this are slow and shared: time says nothing about a property.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the most slow tests first, so that no process is left alone with one at the end
    (under ``--no-loadscope-reorder``, since pytest-xdist goes by the number of all tests)."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


_TINY: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 160,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "initializer_range": 0.5,  # so that answers differ from input to input
}


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A directory with a random two-layer BERT of width 32 and zh-small's tokenizer."""
    directory = tmp_path_factory.mktemp("tiny-bert")
    tokenizer = load_tokenizer("zh-small")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        **_TINY,
    )
    BertModel(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return str(directory)


@pytest.fixture(scope="session")
def tiny_roberta(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A directory with a random two-layer RoBERTa, whose tokens are bytes and merges of them."""
    directory = tmp_path_factory.mktemp("tiny-roberta")
    bpe = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    words = ["Ann saw Rome, in Rome"] * 4
    bpe.train_from_iterator(words, 300, show_progress=False, special_tokens=special)
    bpe.save_model(str(directory))
    tokenizer = RobertaTokenizer.from_pretrained(directory)
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        pad_token_id=1,
        **_TINY,
    )
    RobertaModel(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return str(directory)


@pytest.fixture
def english_sentences() -> list[Sentence]:
    """Two sentences with spaces, accents and entities of three types."""
    first, second = "Ann Lee flew to Rome.", "In Rome, Acme hired Zoë Żak"
    return [
        Sentence(first, (entity_at(first, 0, 7, "PER"), entity_at(first, 16, 20, "GPE"))),
        Sentence(
            second,
            (
                entity_at(second, 3, 7, "GPE"),
                entity_at(second, 9, 13, "ORG"),
                entity_at(second, 20, 27, "PER"),
            ),
        ),
    ]


@pytest.fixture
def two_sentences() -> list[Sentence]:
    """Two sentences with entities of three types."""
    first, second = "篮协成立于1956年6月", "王小明昨天从北京去了上海"
    return [
        Sentence(first, (entity_at(first, 0, 2, "ORG"),), "0"),
        Sentence(
            second,
            (
                entity_at(second, 0, 3, "PER"),
                entity_at(second, 6, 8, "GPE"),
                entity_at(second, 10, 12, "GPE"),
            ),
            "1",
        ),
    ]


@pytest.fixture(autouse=True)
def _own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs of a test go to its own folder."""
    monkeypatch.setenv("DECOUPLED_NER_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("DECOUPLED_NER_MODEL", raising=False)
    yield
