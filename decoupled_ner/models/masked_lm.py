"""A new masked language model, random but for its architecture."""

from __future__ import annotations

from dataclasses import dataclass

from transformers import BertConfig, BertForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from decoupled_ner.types import InputError


@dataclass(frozen=True, slots=True)
class EncoderSize:
    """The sizes of a BERT.

    Attributes:
        layers, hidden_size, heads: as their names say.
        feed_forward: width of the layers' inner part.
        max_positions: tokens that it can read at once.
        dropout: of hidden states and attention.
    """

    layers: int
    hidden_size: int
    heads: int
    feed_forward: int
    max_positions: int = 512
    dropout: float = 0.0


def new_masked_lm(size: EncoderSize, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A BERT with its vocabulary head, weights drawn from torch's generator.

    Raises:
        InputError: sizes are below 1, or the width can't be shared by the heads.
    """
    if min(size.layers, size.hidden_size, size.heads, size.feed_forward) < 1:
        raise InputError(f"sizes of an encoder are at least 1: {size}")
    if size.hidden_size % size.heads:
        raise InputError(f"hidden_size={size.hidden_size} is no multiple of heads={size.heads}")
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
    return BertForMaskedLM(config)
