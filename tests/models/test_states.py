"""What is computed at chosen positions alone is what the whole encoder gives there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    ErnieConfig,
    ErnieModel,
    PreTrainedModel,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from decoupled_ner.models import states
from decoupled_ner.models.states import chosen_positions, ends_early, state_at, states_at

SIZES = {
    "vocab_size": 90,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
}
MAKERS: dict[str, Callable[..., PreTrainedModel]] = {
    "bert": lambda **more: BertModel(BertConfig(**SIZES, **more), add_pooling_layer=False),
    "electra": lambda **more: ElectraModel(ElectraConfig(**SIZES, embedding_size=16, **more)),
    "ernie": lambda **more: ErnieModel(ErnieConfig(**SIZES, **more), add_pooling_layer=False),
    "roberta": lambda **more: RobertaModel(RobertaConfig(**SIZES, **more), add_pooling_layer=False),
    "xlm-roberta": lambda **more: XLMRobertaModel(
        XLMRobertaConfig(**SIZES, **more), add_pooling_layer=False
    ),
    "distilbert": lambda **_: DistilBertModel(
        DistilBertConfig(vocab_size=90, dim=32, hidden_dim=48, n_layers=2, n_heads=4)
    ),
}
LIKE_BERT = sorted(MAKERS.keys() - {"distilbert"})


def made(name: str, **more: object) -> PreTrainedModel:
    torch.manual_seed(3)
    encoder = MAKERS[name](**more).eval()
    for parameter in encoder.parameters():  # biases and norms too
        torch.nn.init.normal_(parameter, std=0.3)
    return encoder


def inputs(encoder: PreTrainedModel) -> tuple[Tensor, Tensor, Tensor]:
    """Ids and mask (3, 9), the second row shorter, and positions (3, 2)."""
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(5, 90, (3, 9), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, 6:] = 0
    ids[1, 6:] = encoder.config.pad_token_id
    return ids, mask, torch.tensor([[0, 8], [5, 5], [3, 1]])


def everywhere(
    encoder: PreTrainedModel, ids: Tensor, mask: Tensor | None, positions: Tensor
) -> Tensor:
    hidden = encoder(ids, attention_mask=mask).last_hidden_state
    return hidden[torch.arange(len(ids))[:, None], positions]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("many", [True, False])
@pytest.mark.parametrize("name", MAKERS)
def test_states_and_gradients_are_the_encoders(name: str, many: bool, padded: bool, attention: str):
    encoder = made(name, attn_implementation=attention)
    ids, mask, positions = inputs(encoder)
    if many:  # more than a head is wide: keys and values are formed
        positions = torch.arange(9).expand(3, -1)
    given = mask if padded else None
    expected = everywhere(encoder, ids, given, positions)
    found = states_at(encoder, ids, given, positions)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(7))
    # Every parameter has a gradient, key biases included: DDP waits for all.
    wanted = torch.autograd.grad((expected * weights).sum(), list(encoder.parameters()))
    ours = torch.autograd.grad((found * weights).sum(), list(encoder.parameters()))
    for one, other in zip(ours, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", LIKE_BERT)
def test_the_last_layer_is_computed_at_the_positions_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    encoder = made(name)
    rows: list[int] = []
    *_, last = encoder.encoder.layer
    last.intermediate.register_forward_hook(lambda *seen: rows.append(seen[1][0][..., 0].numel()))
    last.attention.self.key.register_forward_hook(lambda *_: pytest.fail("keys were formed"))
    states_at(encoder, *inputs(encoder))
    assert rows == [3 * 2]


@pytest.mark.parametrize("count", [2, 9])
def test_dropout_of_attention_is_the_encoders(count: int):
    """In the mean over many draws, what dropout leaves is what the encoder's own leaves."""
    encoder = made("bert", hidden_dropout_prob=0.0).train()
    drop = 0.4
    for layer in encoder.encoder.layer:
        layer.attention.self.dropout.p = 0.0
    encoder.encoder.layer[-1].attention.self.dropout.p = drop
    ids, mask, _ = inputs(encoder)
    positions = torch.arange(count).expand(3, -1)
    many = [each.repeat(4000, *[1] * (each.dim() - 1)) for each in (ids, mask, positions)]
    with torch.no_grad():
        found, expected = states_at(encoder, *many), everywhere(encoder, *many)
    found, expected = (each.unflatten(0, (4000, 3)) for each in (found, expected))
    noise = 6 * expected.std(0) / 4000**0.5
    assert ((found.mean(0) - expected.mean(0)).abs() < 1.5 * noise + 1e-4).all()
    assert ((found.std(0) / expected.std(0).clamp(min=1e-6) - 1).abs() < 0.15).all()


@pytest.mark.parametrize("positions", [2, 9])  # keys and values are not formed, and are
@pytest.mark.parametrize("name", LIKE_BERT)
def test_in_bfloat16_and_with_a_row_of_padding(name: str, positions: int):
    encoder = made(name)
    ids, mask, _ = inputs(encoder)
    there = torch.arange(positions).expand(3, -1)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = states_at(encoder, ids, mask, there)
        expected = everywhere(encoder, ids, mask, there)
    torch.testing.assert_close(found.float(), expected.float(), rtol=0.1, atol=0.1)
    mask[2] = 0
    assert states_at(encoder, ids, mask, there).isfinite().all()


def test_no_position():
    encoder = made("bert")
    ids, mask, positions = inputs(encoder)
    assert states_at(encoder, ids, mask, positions[:, :0]).shape == (3, 0, 32)


def test_an_adapter_is_not_passed_by():
    class Doubled(torch.nn.Linear):
        def forward(self, hidden: Tensor) -> Tensor:
            return 2 * super().forward(hidden)

    encoder = made("bert")
    encoder.encoder.layer[-1].attention.self.value = Doubled(32, 32)
    ids, mask, positions = inputs(encoder)
    expected = everywhere(encoder, ids, mask, positions)
    assert not ends_early(encoder)
    torch.testing.assert_close(states_at(encoder, ids, mask, positions), expected)


def test_one_position_a_row():
    encoder = made("bert")
    ids, mask, positions = inputs(encoder)
    found = state_at(encoder, ids, mask, positions[:, 0])
    torch.testing.assert_close(found, everywhere(encoder, ids, mask, positions)[:, 0])


def test_chosen_positions_go_from_left_to_right():
    chosen = torch.tensor([[0, 1, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]).bool()
    positions, real = chosen_positions(chosen)
    assert positions[0].tolist() == [1, 3, 4] and positions[1, 0] == 4
    assert real.tolist() == [[True] * 3, [True, False, False], [False] * 3]
    assert torch.equal(positions[real], chosen.nonzero()[:, 1])


def test_a_decoder_is_read_whole(monkeypatch: pytest.MonkeyPatch):
    encoder = made("bert", is_decoder=True)
    monkeypatch.setattr(states, "_attend", lambda *_: pytest.fail("it looks ahead"))
    ids, mask, positions = inputs(encoder)
    found = states_at(encoder, ids, mask, positions)
    torch.testing.assert_close(found, everywhere(encoder, ids, mask, positions))
