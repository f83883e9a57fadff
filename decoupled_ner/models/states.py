"""An encoder's last hidden states at chosen positions, without computing the others.

B rows, T tokens, K positions a row, A attention heads, D a head's width, H hidden size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    BertModel,
    ElectraModel,
    ErnieModel,
    RobertaModel,
    XLMRobertaModel,
)
from transformers.masking_utils import create_bidirectional_mask

# Those whose layers are BERT's: ``embeddings``, then each of ``encoder.layer``.
_LIKE_BERT = (BertModel, ElectraModel, ErnieModel, RobertaModel, XLMRobertaModel)


def states_at(encoder: nn.Module, ids: Tensor, mask: Tensor | None, positions: Tensor) -> Tensor:
    """Token ids, attention mask (None for no padding), (B, T) each, and positions (B, K) → the last
    layer's states there, (B, K, H).

    All layers but the last hand on the states of all tokens. The last one is computed at the
    positions alone, where the encoder `ends_early`; other encoders compute it everywhere. For few
    positions its keys and values are never formed: ``q·(W x)`` is ``(Wᵀq)·x``, and the mean of
    values is the value of the mean, so that they cost little more than reading the tokens' states.
    """
    if not ends_early(encoder):
        hidden: Tensor = encoder(ids, attention_mask=mask).last_hidden_state
        return _at(hidden, positions)
    assert isinstance(encoder, _LIKE_BERT)
    # One row of types for all: its gradient is then a sum over rows, which is fast on a GPU, where
    # one of all tokens added to the same vector is not.
    hidden = encoder.embeddings(input_ids=ids, token_type_ids=torch.zeros_like(ids[:1]))
    if isinstance(encoder, ElectraModel) and hasattr(encoder, "embeddings_project"):
        hidden = encoder.embeddings_project(hidden)
    seen = create_bidirectional_mask(encoder.config, hidden, mask)
    layers: Any = encoder.encoder.layer
    for layer in layers[:-1]:
        hidden = layer(hidden, seen)
    last = layers[-1]
    there = _at(hidden, positions)
    attended = _attend(last.attention.self, there, hidden, mask)
    states: Tensor = last.feed_forward_chunk(last.attention.output(attended, there))
    return states


def ends_early(encoder: nn.Module) -> bool:
    """Whether `states_at` computes the last layer at its positions alone: where layers are BERT's
    and nothing (an adapter, another number format) stands in the place of keys and values."""
    if not isinstance(encoder, _LIKE_BERT) or encoder.config.is_decoder:
        return False
    layers: Any = encoder.encoder.layer
    attention = layers[-1].attention.self
    return type(attention.key) is nn.Linear and type(attention.value) is nn.Linear


def state_at(encoder: nn.Module, ids: Tensor, mask: Tensor, position: Tensor) -> Tensor:
    """As `states_at` for one position a row, (B,), → (B, H)."""
    return states_at(encoder, ids, mask, position[:, None])[:, 0]


def chosen_positions(chosen: Tensor) -> tuple[Tensor, Tensor]:
    """What is chosen, (B, T) bool → positions (B, K) from left to right, K the most of a row, and
    which of them are no filling, (B, K) bool."""
    most = int(chosen.sum(1).max())
    positions = chosen.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]
    return positions, chosen.gather(1, positions)


def _at(hidden: Tensor, positions: Tensor) -> Tensor:
    """(B, T, H) and (B, K) → (B, K, H)."""
    return hidden[torch.arange(len(hidden), device=hidden.device)[:, None], positions]


def _attend(layer: Any, there: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
    """BERT's self-attention of the states (B, K, H) to all, (B, T, H), → (B, K, H)."""
    heads = layer.num_attention_heads
    queries = layer.query(there).unflatten(-1, (heads, -1))  # (B, K, A, D)
    seen = None if mask is None else mask[:, None, None] != 0  # (B, 1, 1, T)
    if queries.shape[1] > queries.shape[3]:  # so many that forming keys and values is less work
        split = (of(hidden).unflatten(-1, (heads, -1)) for of in (layer.key, layer.value))
        q, k, v = (each.transpose(1, 2) for each in (queries, *split))
        dropout = layer.dropout.p if layer.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, seen, dropout, scale=layer.scaling)
        return mixed.transpose(1, 2).flatten(-2)
    keys, values = (of.weight.unflatten(0, (heads, -1)) for of in (layer.key, layer.value))
    key_bias, value_bias = (of.bias.unflatten(0, (heads, -1)) for of in (layer.key, layer.value))
    queries = queries * layer.scaling
    wanted = torch.einsum("bkad,adh->bkah", queries, keys)
    scores = torch.einsum("bkah,bth->bkat", wanted, hidden) + (queries * key_bias).sum(-1, True)
    if seen is not None:
        scores = scores.masked_fill(~seen, torch.finfo(scores.dtype).min)
    weights = F.dropout(scores.softmax(-1), layer.dropout.p, layer.training)
    means = torch.einsum("bkat,bth->bkah", weights, hidden)
    found: Tensor = (
        torch.einsum("bkah,adh->bkad", means, values) + weights.sum(-1, True) * value_bias
    )
    return found.flatten(-2)
