"""The decoupled model: what its losses are, what they reach, what is shared."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import BertConfig

from decoupled_ner.models.decoupled import (
    DecoupledConfig,
    DecoupledModel,
    DecoupledOutput,
    unified_loss,
)

ENCODER = BertConfig(
    vocab_size=50,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=128,
).to_dict()
LABELS = ["O", "PER", "ORG"]


def model(**settings: object) -> DecoupledModel:
    torch.manual_seed(0)
    config = DecoupledConfig(encoder=ENCODER, labels=LABELS, **settings)
    return DecoupledModel(config).eval()


@pytest.fixture
def batch() -> dict[str, Tensor]:
    torch.manual_seed(1)
    mention_mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1]])
    context_mask = torch.ones(3, 9, dtype=torch.long)
    context_mask[2, 6:] = 0
    return {
        "mention_ids": torch.randint(5, 50, (3, 4)),
        "mention_mask": mention_mask,
        "context_ids": torch.randint(5, 50, (3, 9)),
        "context_mask": context_mask,
        "mask_index": torch.tensor([1, 7, 3]),
        "labels": torch.tensor([0, 2, 1]),
    }


def grads(network: torch.nn.Module) -> list[Tensor]:
    return [p.grad for p in network.parameters() if p.grad is not None]


def test_what_each_classifier_reads(batch: dict[str, Tensor]):
    network = model()
    output = network(**batch)
    mention = network.mention_encoder(batch["mention_ids"], attention_mask=batch["mention_mask"])
    context = network.mention_encoder(batch["context_ids"], attention_mask=batch["context_mask"])
    h_m = mention.last_hidden_state[:, 0]
    h_c = torch.stack([context.last_hidden_state[i, j] for i, j in enumerate((1, 7, 3))])
    torch.testing.assert_close(output.mention_logits, network.mention_classifier(h_m))
    torch.testing.assert_close(output.context_logits, network.context_classifier(h_c))
    both = torch.cat([h_m, h_c], dim=1)
    torch.testing.assert_close(output.global_logits, network.global_classifier(both))


def test_what_reads_a_gazetteer_begins_at_nothing(batch: dict[str, Tensor]):
    network = model(gazetteer_labels=["PER", "GPE"])
    one, other = (network(**batch, known=torch.full((3, 2), share)) for share in (0.0, 1.0))
    torch.testing.assert_close(one.global_logits, other.global_logits)


def test_every_loss_term_by_hand():
    # One pair whose softmax is (1/2, 1/4, 1/4), (1/4, 1/2, 1/4), (1/8, 1/8, 3/4); gold is label 1.
    output = DecoupledOutput(
        global_logits=torch.tensor([[0.5, 0.25, 0.25]]).log(),
        mention_logits=torch.tensor([[0.25, 0.5, 0.25]]).log(),
        context_logits=torch.tensor([[0.125, 0.125, 0.75]]).log(),
    )
    loss = unified_loss(output, torch.tensor([1]), alpha=0.5, beta=0.25)
    assert loss.global_.item() == pytest.approx(math.log(4))
    assert loss.mention.item() == pytest.approx(math.log(2))
    assert loss.context.item() == pytest.approx(math.log(8))
    expected = math.log(4) + 0.5 * math.log(2) + 0.25 * math.log(8)
    assert loss.total.item() == pytest.approx(expected)
    assert loss.weight.item() == 1


def test_class_weights_scale_terms_and_normaliser():
    logits = torch.zeros(2, 3)
    output = DecoupledOutput(logits, logits, logits)
    weights = torch.tensor([0.5, 2.0, 4.0])
    loss = unified_loss(output, torch.tensor([0, 2]), 0.5, 0.5, weights)
    assert loss.weight.item() == pytest.approx(4.5)
    assert loss.global_.item() == pytest.approx(4.5 * math.log(3))


def test_forward_returns_the_mean_over_pairs(batch: dict[str, Tensor]):
    output = model(alpha=0.3, beta=0.7)(**batch)
    by_hand = unified_loss(output, batch["labels"], 0.3, 0.7)
    torch.testing.assert_close(output.loss, by_hand.total / 3)


def test_zero_alpha_and_beta_leave_the_auxiliary_classifiers_alone(batch: dict[str, Tensor]):
    network = model(alpha=0.0, beta=0.0)
    network(**batch).loss.backward()
    for auxiliary in (network.mention_classifier, network.context_classifier):
        assert all(not grad.any() for grad in grads(auxiliary))
    assert all(grad.any() for grad in grads(network.global_classifier))
    assert any(grad.any() for grad in grads(network.mention_encoder))


def test_alpha_and_beta_reach_their_own_classifier_only(batch: dict[str, Tensor]):
    network = model(alpha=1.0, beta=0.0)
    network(**batch).loss.backward()
    assert all(grad.any() for grad in grads(network.mention_classifier))
    assert all(not grad.any() for grad in grads(network.context_classifier))


def test_sharing_shares(batch: dict[str, Tensor]):
    shared, separate = model(), model(share_encoders=False)
    assert shared.context_encoder is None and separate.context_encoder is not None
    one = sum(p.numel() for p in shared.mention_encoder.parameters())
    count = sum(p.numel() for p in shared.parameters())
    assert sum(p.numel() for p in separate.parameters()) == count + one
    # A change of the mention encoder changes h_c exactly where the encoder is shared.
    for network, moves in ((shared, True), (separate, False)):
        before = network(**batch).context_logits
        with torch.no_grad():
            for parameter in network.mention_encoder.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        assert (network(**batch).context_logits != before).any().item() == moves


def test_separate_encoders_get_their_own_gradients(batch: dict[str, Tensor]):
    network = model(share_encoders=False)
    network(**batch).mention_logits.sum().backward()
    assert network.context_encoder is not None
    assert grads(network.mention_encoder) and not grads(network.context_encoder)


def test_from_encoders_copies_weights():
    donor, other = model().mention_encoder, model(share_encoders=False).context_encoder
    assert other is not None
    config = DecoupledConfig(encoder=ENCODER, labels=LABELS, share_encoders=False)
    network = DecoupledModel.from_encoders(config, donor, other)
    for mine, theirs in ((network.mention_encoder, donor), (network.context_encoder, other)):
        assert mine is not None
        for name, weight in theirs.state_dict().items():
            torch.testing.assert_close(mine.state_dict()[name], weight)


@pytest.mark.parametrize("share", [True, False])
def test_save_and_load(share: bool, batch: dict[str, Tensor], tmp_path: Path):
    network = model(share_encoders=share, alpha=0.25)
    network.save_pretrained(tmp_path)
    assert [path.suffix for path in tmp_path.glob("*model*")] == [".safetensors"]
    loaded = DecoupledModel.from_pretrained(tmp_path).eval()
    assert loaded.config.labels == LABELS and loaded.config.alpha == 0.25
    for mine, theirs in zip(loaded(**batch), network(**batch), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_padding_changes_nothing(batch: dict[str, Tensor]):
    network = model()
    alone = network(
        batch["mention_ids"][1:2, :3],
        batch["mention_mask"][1:2, :3],
        batch["context_ids"][1:2],
        batch["context_mask"][1:2],
        batch["mask_index"][1:2],
    )
    together = network(**batch)
    torch.testing.assert_close(
        alone.global_logits, together.global_logits[1:2], rtol=1e-4, atol=1e-5
    )
