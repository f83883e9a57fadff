"""A new masked language model, random but for what it begins by looking at, or made of one with
fewer layers."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from decoupled_ner.models.encoder import check_dropout
from decoupled_ner.types import InputError

# How far from a token the first layer's heads begin to look, one a head; further heads are random.
_NEIGHBOURS = (-1, 1, -2, 2)
# By how much a neighbour's attention score is above the others', about: e^8 against a few hundred.
_SCORE = 8.0
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class EncoderSize:
    """The sizes of a BERT.

    Attributes:
        layers, hidden_size, heads: as their names say.
        feed_forward: width of the layers' inner part.
        max_positions: tokens that it can read at once.
        dropout: of hidden states and attention.

    Raises:
        InputError: sizes are below 1, the width can't be shared by the heads in pairs, or the
            dropout is no probability.
    """

    layers: int
    hidden_size: int
    heads: int
    feed_forward: int
    max_positions: int = 512
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if min(self.layers, self.hidden_size, self.heads, self.feed_forward) < 1:
            raise InputError(f"sizes of an encoder are at least 1: {self}")
        if self.hidden_size % (2 * self.heads):
            raise InputError(
                f"hidden_size={self.hidden_size} is no multiple of twice heads={self.heads}"
            )
        check_dropout(self.dropout)


def new_masked_lm(size: EncoderSize, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A BERT with its vocabulary head, weights drawn from torch's generator, whose first layer
    begins by looking at a token's neighbours.

    A wholly random BERT first learns how frequent tokens are and to copy those that are not hidden,
    and then nothing for a long time, with small batches for good: before attention finds positions,
    what it hands on is noise, and before what it hands on is of use nothing teaches it to find
    positions. So positions begin as sinusoids (Vaswani et al. 2017, section 3.5), among which a
    fixed distance is a rotation, and up to four heads of the first layer with queries that are
    rotated so, and with values that they hand on as they are. All of it is trained like the rest.
    """
    config = BertConfig(
        vocab_size=len(tokenizer),
        num_hidden_layers=size.layers,
        hidden_size=size.hidden_size,
        num_attention_heads=size.heads,
        intermediate_size=size.feed_forward,
        max_position_embeddings=size.max_positions,
        hidden_dropout_prob=size.dropout,
        attention_probs_dropout_prob=size.dropout,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = BertForMaskedLM(config)
    _look_at_neighbours(model)
    return model


@torch.no_grad()
def _look_at_neighbours(model: BertForMaskedLM) -> None:
    """Sets positions and the first layer's attention. H: hidden size, D: a head's width."""
    config = model.config
    width = config.hidden_size // config.num_attention_heads  # D
    # Multiples of the golden ratio fill (0, π) evenly, in any stretch, and never repeat.
    frequencies = math.pi * ((torch.arange(config.hidden_size // 2) + 0.5) * _GOLDEN % 1)  # (H/2,)
    angles = torch.arange(config.max_position_embeddings)[:, None] * frequencies  # (P, H/2)
    table = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)  # (P, H), in pairs
    embeddings = model.bert.embeddings
    embeddings.position_embeddings.weight.copy_(table * (math.sqrt(2) * config.initializer_range))
    attention: Any = model.bert.encoder.layer[0].attention
    query, key, value = attention.self.query, attention.self.key, attention.self.value
    # A third of a normed state is position (beside token and type): a match scores sharpness·√D/3.
    sharpness = 3 * _SCORE / math.sqrt(width)
    for head, distance in enumerate(_NEIGHBOURS[: config.num_attention_heads]):
        own = slice(head * width, (head + 1) * width)  # of the state, as of the heads' outputs
        turn = _rotation(frequencies[own.start // 2 : own.stop // 2] * distance)
        query.weight[own, own] += sharpness * turn
        for layer in (key, value, attention.output.dense):
            layer.weight[own, own] += torch.eye(width)


@torch.no_grad()
def predict_frequencies(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, counts: Tensor
) -> None:
    """Set the vocabulary head's bias to the logarithms of how often tokens occur, (V,): what a new
    model would learn first anyway, in steps that wear off what it begins with. Special tokens,
    which are never masked, count as not occurring."""
    counts = counts.index_fill(0, torch.tensor(tokenizer.all_special_ids), 0)
    bias = model.get_output_embeddings().bias
    bias.copy_((counts + 0.5).log() - (counts + 0.5).sum().log())


def _rotation(angles: Tensor) -> Tensor:
    """Turns each pair (sin a, cos a) by its angle: (D/2,) → (D, D)."""
    sin, cos = angles.sin(), angles.cos()
    pairs = torch.stack([torch.stack([cos, sin], -1), torch.stack([-sin, cos], -1)], -2)
    rotation: Tensor = torch.block_diag(*pairs)
    return rotation


def stack_layers(model: PreTrainedModel, layers: int) -> None:
    """Make a model deeper by repeating the upper half of its layers in order, 1 2 2 2 out of 1 2,
    until there are so many.

    A shallow model learns the beginning in a fraction of the time, and a stack of its layers goes
    on from there (Gong et al. 2019, Efficient training of BERT by progressively stacking). The
    lower ones look at positions, which further up are not what they were: repeated, their attention
    soon rests on one token.

    Raises:
        InputError: the model has more layers, or they are not in one list.
    """
    have = int(model.config.num_hidden_layers)
    if layers < have:
        raise InputError(f"layers={layers}: the encoder has {have} already, and none is taken away")
    lists = [m for m in model.base_model.modules() if isinstance(m, nn.ModuleList)]
    lists = [m for m in lists if len(m) == have]
    if len(lists) != 1:
        raise InputError(f"{type(model).__name__} has no one list of layers to repeat")
    repeated = [have // 2 + extra % (have - have // 2) for extra in range(layers - have)]
    lists[0].extend(copy.deepcopy(lists[0][number]) for number in repeated)
    model.config.num_hidden_layers = layers
