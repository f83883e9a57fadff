"""The models of stage 1: a mention's type from the mention alone, and from its context alone.

"Leveraging heterogeneous corpus … decoupled NER", Findings of ACL 2021. Both are a masked language
model with a classifier beside it. What is kept of them is the masked language model, encoder and
vocabulary head, so that either stage, or unified training, can start from the other's result.

B items, T tokens, K masked tokens of an item at most, N of the batch, H hidden size, V vocabulary,
L labels.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModelForMaskedLM, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from decoupled_ner.models.encoder import (
    LOADING_ERRORS,
    check_dropout,
    load_encoder_config,
    quiet_transformers,
    resolve_encoder,
)
from decoupled_ner.models.states import chosen_positions, state_at, states_at
from decoupled_ner.types import InputError


def load_masked_lm(name_or_path: str) -> tuple[PreTrainedModel, bool]:
    """The encoder with its vocabulary head in float32, and whether the head was there: where a
    checkpoint has none, it is new and random.

    Raises:
        InputError: it can't be found, lacks weights of the encoder, or its architecture has no
            masked language model.
    """
    config = load_encoder_config(name_or_path)
    try:
        with quiet_transformers():
            model, report = AutoModelForMaskedLM.from_pretrained(
                resolve_encoder(name_or_path),
                config=config,
                dtype=torch.float32,
                output_loading_info=True,
            )
            missing = [key for key in report["missing_keys"] if _of_encoder(key, model)]
            if missing:
                raise ValueError(f"{len(missing)} weights are missing, e.g. {missing[0]}")
    except LOADING_ERRORS as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{name_or_path!r} can't be loaded as a masked language model ({reason})"
        ) from error
    return model, not report["missing_keys"]


def _of_encoder(key: str, model: PreTrainedModel) -> bool:
    return key.startswith(f"{model.base_model_prefix}.")


class _Given(nn.Module):
    """Stands where an encoder was and gives the hidden states that it is handed."""

    def forward(self, *_: Any, inputs_embeds: Tensor, **__: Any) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=inputs_embeds)


class VocabularyHead:
    """The vocabulary head of a masked language model by itself, whatever its architecture: the
    model without its encoder. It holds the model's own parameters, no copies."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._headless = copy.copy(model)  # shares every module
        self._headless._modules = {**model._modules, model.base_model_prefix: _Given()}

    def __call__(self, hidden: Tensor) -> Tensor:
        """Hidden states (N, H) → logits (N, V)."""
        logits: Tensor = self._headless(inputs_embeds=hidden.unsqueeze(0)).logits
        return logits.squeeze(0)


class MentionModel(nn.Module):
    """``[CLS] mention [SEP]`` → type, a linear classifier on the hidden state at ``[CLS]``.

    Args:
        masked_lm: the encoder with its vocabulary head, which is kept as it is.
        labels: how many there are, ``O`` included.
        dropout: before the classifier.
    """

    def __init__(self, masked_lm: PreTrainedModel, labels: int, dropout: float) -> None:
        super().__init__()
        self.masked_lm = masked_lm
        check_dropout(dropout)
        self.dropout = nn.Dropout(dropout)
        self.classifier = _classifier(masked_lm, labels)
        freeze_head(masked_lm)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids and attention mask, (B, T) each → logits (B, L) in float32."""
        state = state_at(self.masked_lm.base_model, ids, mask, torch.zeros_like(ids[:, 0]))
        logits: Tensor = self.classifier(self.dropout(state))
        return logits.float()


class ContextOutput(NamedTuple):
    """``tokens`` (N, V), row by row and from left to right; ``types`` (B, L). In float32."""

    tokens: Tensor
    types: Tensor


class ContextModel(nn.Module):
    """A sentence with each token of one region masked → these tokens, and the region's type.

    The type comes from a linear classifier on the mean of the masked positions' hidden states.

    Args:
        masked_lm: the encoder with its vocabulary head.
        labels: how many there are, ``O`` included.
        dropout: before the classifier.
        train_head: whether the vocabulary head is trained too.
    """

    def __init__(
        self, masked_lm: PreTrainedModel, labels: int, dropout: float, train_head: bool = True
    ) -> None:
        super().__init__()
        self.masked_lm = masked_lm
        check_dropout(dropout)
        self.dropout = nn.Dropout(dropout)
        self.classifier = _classifier(masked_lm, labels)
        self._head = VocabularyHead(masked_lm)
        if not train_head:
            freeze_head(masked_lm)

    def forward(self, ids: Tensor, mask: Tensor, masked: Tensor) -> ContextOutput:
        """Token ids, attention mask and where the masked tokens are (bool), (B, T) each. Only
        those go through the vocabulary head."""
        positions, chosen = chosen_positions(masked)  # (B, K)
        states = states_at(self.masked_lm.base_model, ids, mask, positions)  # (B, K, H)
        weights = chosen.unsqueeze(-1).to(states.dtype)
        mean = (states * weights).sum(1) / weights.sum(1).clamp(min=1)  # (B, H)
        types: Tensor = self.classifier(self.dropout(mean))
        return ContextOutput(self._head(states[chosen]).float(), types.float())


def noisy_cross_entropy(logits: Tensor, labels: Tensor, smoothing: float, q: float) -> Tensor:
    """The sum over items of ``Σ_k t_k · (1 - p_k^q) / q``, with ``q = 0`` for its limit -log p.

    ``t`` is the one-hot label, of which ``smoothing`` is spread evenly over all labels. With
    q = 0 and no smoothing it is cross-entropy; q = 1 is the mean absolute error, which wrong labels
    hardly move; the source takes 0.7 (Zhang and Sabuncu 2018, generalised cross-entropy, eq. 6).

    Args:
        logits: (B, L).
        labels: (B,) label ids.
        smoothing: in [0, 1).
        q: in [0, 1].
    """
    log_p = F.log_softmax(logits, dim=-1)
    losses = -log_p if q == 0 else -torch.expm1(q * log_p) / q
    gold = losses.gather(1, labels.unsqueeze(1)).sum()
    return (1 - smoothing) * gold + smoothing * losses.mean(1).sum()


def freeze_head(masked_lm: PreTrainedModel) -> None:
    """Train the encoder only; a weight that its embedding and the head share is the encoder's."""
    of_encoder = {id(parameter) for parameter in masked_lm.base_model.parameters()}
    for parameter in masked_lm.parameters():
        if id(parameter) not in of_encoder:
            parameter.requires_grad_(False)


def _classifier(masked_lm: PreTrainedModel, labels: int) -> nn.Linear:
    classifier = nn.Linear(int(masked_lm.config.hidden_size), labels)
    nn.init.normal_(classifier.weight, std=0.02)
    nn.init.zeros_(classifier.bias)
    return classifier
