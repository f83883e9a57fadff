"""A new masked language model: what it begins with, and that it learns from neighbours."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForMaskedLM,
    BertForMaskedLM,
    DistilBertConfig,
    DistilBertForMaskedLM,
    PreTrainedModel,
)

from decoupled_ner.models.encoder import load_tokenizer
from decoupled_ner.models.masked_lm import EncoderSize, new_masked_lm, stack_layers
from decoupled_ner.types import InputError

WORDS = 500


def new(**sizes: int) -> PreTrainedModel:
    size = {"layers": 2, "hidden_size": 64, "heads": 2, "feed_forward": 256, **sizes}
    torch.manual_seed(1)
    return new_masked_lm(EncoderSize(**size), load_tokenizer("zh-small"))


@pytest.mark.parametrize(("hidden_size", "heads"), [(320, 5), (512, 8), (64, 1), (64, 2)])
def test_heads_of_the_first_layer_look_at_neighbours(hidden_size: int, heads: int):
    model = new(hidden_size=hidden_size, heads=heads).eval()
    model.set_attn_implementation("eager")
    ids = torch.randint(1000, 13000, (4, 100))
    with torch.no_grad():
        first = model.bert(ids, output_attentions=True).attentions[0].mean(0)  # (heads, T, T)
    middle = torch.arange(10, 90)
    for head, distance in zip(range(heads), (-1, 1, -2, 2), strict=False):
        looks = torch.stack([first[head, middle, middle + step] for step in range(-5, 6)], 1).mean(
            0
        )
        assert looks.argmax() == distance + 5
        assert looks[distance + 5] > 0.2
    for head in range(4, heads):  # further heads look everywhere
        assert first[head].max() < 0.05


def test_positions_keep_their_distance_and_the_usual_size():
    model = new(hidden_size=320, heads=5, max_positions=512)
    table = model.bert.embeddings.position_embeddings.weight.detach()
    assert table.square().mean().sqrt() == pytest.approx(0.02, rel=1e-3)
    near = torch.nn.functional.cosine_similarity(table[:-1], table[1:])
    torch.testing.assert_close(near, near[:1].expand_as(near), atol=1e-4, rtol=0)
    likeness = torch.nn.functional.normalize(table) @ torch.nn.functional.normalize(table).T
    assert (likeness - torch.eye(512)).abs().max() < 0.5  # no position looks like another


def successors(batch: int, length: int, following: Tensor) -> Tensor:
    """Random walks, nine steps in ten to the one word that follows."""
    ids = torch.randint(1, WORDS, (batch, length))
    stay = torch.rand(batch, length) < 0.9
    for place in range(1, length):
        ids[:, place] = torch.where(stay[:, place], following[ids[:, place - 1] - 1], ids[:, place])
    return ids


def loss_after(model: PreTrainedModel, steps: int) -> float:
    """Mean masked loss of the last 20 of so many steps of 16 blocks of 32 tokens."""
    torch.manual_seed(2)
    following = torch.randperm(WORDS - 1) + 1
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98))
    losses: list[float] = []
    for _ in range(steps):
        ids = successors(16, 32, following)
        hidden = torch.rand(ids.shape) < 0.15
        masked, labels = ids.masked_fill(hidden, 0), ids.masked_fill(~hidden, -100)
        loss = model(input_ids=masked, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return sum(losses[-20:]) / 20


@pytest.mark.slow
def test_it_learns_from_neighbours_where_a_wholly_random_one_does_not():
    begins_near = new()
    begins_near.resize_token_embeddings(WORDS)
    torch.manual_seed(1)
    random = BertForMaskedLM(begins_near.config)
    uniform = torch.tensor(WORDS - 1.0).log()
    assert loss_after(random, 150) > uniform - 0.1  # no better than knowing no word at all
    assert loss_after(begins_near, 150) < uniform - 0.8


@pytest.mark.parametrize(("hidden_size", "heads"), [(64, 3), (33, 3)])
def test_heads_that_cannot_share_the_width_are_refused(hidden_size: int, heads: int):
    with pytest.raises(InputError, match="no multiple of twice heads"):
        new(hidden_size=hidden_size, heads=heads)


@pytest.mark.parametrize(("have", "order"), [(2, "01111"), (3, "0121212"), (1, "000")])
def test_a_stack_repeats_the_upper_layers_in_order_and_loads_again(
    tmp_path: Path, have: int, order: str
):
    model = new(layers=have).eval()
    shallow = [layer.state_dict() for layer in model.bert.encoder.layer]
    stack_layers(model, len(order))
    deep = [layer.state_dict() for layer in model.bert.encoder.layer]
    for number, state in zip(map(int, order), deep, strict=True):
        for name, weight in state.items():
            torch.testing.assert_close(weight, shallow[number][name])
    assert len({layer["output.dense.weight"].data_ptr() for layer in deep}) == len(
        deep
    )  # own weights
    model.save_pretrained(tmp_path)
    loaded = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    ids = torch.randint(1000, 13000, (2, 9))
    with torch.no_grad():
        torch.testing.assert_close(loaded(ids).logits, model(ids).logits)


def test_other_architectures_are_stacked_too():
    model = DistilBertForMaskedLM(
        DistilBertConfig(vocab_size=50, n_layers=1, dim=16, hidden_dim=32, n_heads=2)
    )
    stack_layers(model, 3)
    assert len(model.distilbert.transformer.layer) == model.config.n_layers == 3


def test_a_stack_takes_no_layers_away():
    with pytest.raises(InputError, match="has 2 already"):
        stack_layers(new(), 1)
