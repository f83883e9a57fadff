"""The models of stage 1 and their losses, against what they are defined to be."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from decoupled_ner.models.stage1 import (
    ContextModel,
    MentionModel,
    VocabularyHead,
    load_masked_lm,
    noisy_cross_entropy,
)
from decoupled_ner.types import InputError

_SIZES = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
}
_SPECIAL = {"pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1}
CONFIGS = [
    transformers.BertConfig(**_SIZES),
    transformers.RobertaConfig(**_SIZES, pad_token_id=0),
    transformers.ElectraConfig(**_SIZES, embedding_size=16),
    transformers.AlbertConfig(**_SIZES, embedding_size=8),
    transformers.DebertaV2Config(**_SIZES),
    transformers.ModernBertConfig(**_SIZES, **_SPECIAL, eos_token_id=2),
    transformers.DistilBertConfig(
        vocab_size=60, dim=16, n_layers=1, n_heads=2, hidden_dim=24, max_position_embeddings=20
    ),
]


def bert(seed: int = 0) -> transformers.PreTrainedModel:
    torch.manual_seed(seed)
    config = transformers.BertConfig(**_SIZES, initializer_range=0.5)
    return transformers.AutoModelForMaskedLM.from_config(config).eval()


def masked_rows() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two rows, the second padded, with two and three masked tokens."""
    ids = torch.randint(5, 60, (2, 7), generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[1] * 7, [1] * 5 + [0] * 2])
    masked = torch.tensor([[0, 0, 1, 1, 0, 0, 0], [0, 1, 1, 1, 0, 0, 0]]).bool()
    return ids, mask, masked


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.model_type)
def test_the_head_alone_gives_what_the_whole_model_gives(config: transformers.PreTrainedConfig):
    torch.manual_seed(0)
    model = transformers.AutoModelForMaskedLM.from_config(config).eval()
    ids, mask, masked = masked_rows()
    whole = model(ids, attention_mask=mask).logits
    hidden = model.base_model(ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(VocabularyHead(model)(hidden[masked]), whole[masked])
    assert model.base_model(ids).last_hidden_state.shape == hidden.shape  # still in its place


def test_only_masked_positions_go_through_the_vocabulary():
    masked_lm = bert()
    rows: list[int] = []
    decoder = masked_lm.get_output_embeddings()
    decoder.register_forward_hook(lambda _, given, __: rows.append(given[0].numel() // 16))
    ids, mask, masked = masked_rows()
    output = ContextModel(masked_lm, 3, dropout=0.0)(ids, mask, masked)
    assert rows == [5] and output.tokens.shape == (5, 60) and output.types.shape == (2, 3)


def test_context_types_come_from_the_mean_of_the_masked_states():
    masked_lm = bert()
    model = ContextModel(masked_lm, 3, dropout=0.0)
    ids, mask, masked = masked_rows()
    types = model(ids, mask, masked).types
    for row, length in ((0, 7), (1, 5)):  # each by itself, without padding
        hidden = masked_lm.base_model(ids[row : row + 1, :length]).last_hidden_state[0]
        mean = sum(hidden[i] for i in range(length) if masked[row, i]) / masked[row].sum()
        torch.testing.assert_close(types[row], model.classifier(mean))


def test_mention_types_come_from_the_first_state_and_the_head_is_kept():
    masked_lm = bert()
    model = MentionModel(masked_lm, 3, dropout=0.0)
    ids, mask, _ = masked_rows()
    logits = model(ids, mask)
    alone = masked_lm.base_model(ids[1:, :5]).last_hidden_state[:, 0]
    torch.testing.assert_close(logits[1:], model.classifier(alone))
    frozen = {name for name, p in masked_lm.named_parameters() if not p.requires_grad}
    assert frozen and all(name.startswith("cls.") for name in frozen)
    assert masked_lm.get_input_embeddings().weight.requires_grad


def test_noisy_cross_entropy_by_hand():
    p = torch.tensor([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    logits, labels = p.log() + 3.0, torch.tensor([0, 1])  # a softmax forgets the 3

    def loss(smoothing: float, q: float) -> float:
        return float(noisy_cross_entropy(logits, labels, smoothing, q))

    assert loss(0, 0) == pytest.approx(-math.log(0.7) - math.log(0.25), abs=1e-5)
    assert loss(0, 1) == pytest.approx(0.3 + 0.75, abs=1e-5)
    by_hand = (1 - math.sqrt(0.7)) / 0.5 + (1 - math.sqrt(0.25)) / 0.5
    assert loss(0, 0.5) == pytest.approx(by_hand, abs=1e-5)
    spread = sum(1 - x for x in (0.7, 0.2, 0.1, 0.25, 0.25, 0.5)) / 3
    assert loss(0.3, 1) == pytest.approx(0.7 * (0.3 + 0.75) + 0.3 * spread, abs=1e-5)
    assert loss(0, 1e-4) == pytest.approx(loss(0, 0), abs=1e-3)  # its limit
    smoothed = F.cross_entropy(logits, labels, label_smoothing=0.2, reduction="sum")
    assert loss(0.2, 0) == pytest.approx(float(smoothed), abs=1e-5)


def test_a_wrong_label_moves_generalised_cross_entropy_less():
    logits = torch.tensor([[6.0, 0.0, 0.0]])

    def pull(q: float) -> float:
        given = logits.clone().requires_grad_()
        noisy_cross_entropy(given, torch.tensor([1]), 0.0, q).backward()
        return float(given.grad.norm())

    assert pull(0.7) < 0.1 * pull(0)


def test_a_missing_head_is_noticed(tiny_encoder: str, masked_lm: str):
    assert load_masked_lm(masked_lm)[1]
    assert not load_masked_lm(tiny_encoder)[1]
    with pytest.raises(InputError, match="can't be loaded"):
        load_masked_lm("no/such/encoder/here")


def test_an_encoder_that_lacks_weights_is_not_made_up(masked_lm: str, tmp_path: Path):
    shutil.copytree(masked_lm, tmp_path, dirs_exist_ok=True)
    weights = load_file(tmp_path / "model.safetensors")
    weights.pop("bert.encoder.layer.0.output.dense.weight")
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="1 weights are missing"):
        load_masked_lm(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(InputError, match="can't be loaded"):
        load_masked_lm(str(tmp_path))
