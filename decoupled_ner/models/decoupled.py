"""The decoupled model: one reading of the mention, one of its context, three classifiers.

"Leveraging heterogeneous corpus … decoupled NER", Findings of ACL 2021. B pairs, M mention tokens,
C context tokens, H hidden size, L labels (``O`` is label 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig, PreTrainedModel

from decoupled_ner.candidates.overlap import check_policy
from decoupled_ner.labels import OUTSIDE
from decoupled_ner.models.encoder import check_length, encoder_from_config
from decoupled_ner.models.proposer import ProposerConfig, ProposerModel
from decoupled_ner.models.states import state_at
from decoupled_ner.types import InputError


class DecoupledConfig(PreTrainedConfig):
    """Settings of a :class:`DecoupledModel`; they are all it takes to build it without weights.

    Attributes:
        encoder: the encoder's own configuration as a dict, ``model_type`` included.
        labels: names of the labels, ``O`` first.
        share_encoders: one encoder reads mentions and contexts (the paper's default) or two.
        alpha, beta: weights of the mention and the context loss, in [0, 1].
        dropout: before each classifier.
        max_mention_tokens, max_context_tokens: special tokens included; longer mentions lose their
            middle, longer contexts become a window around the mention.
        outside_bias: added to the global logit of ``O`` at prediction: corrects for training on
            fewer negatives than prediction meets.
        context_reach: a number a label: how far contexts have been seen to raise its global logit
            against that of ``O`` (0 for ``O`` itself). Contexts of mentions that are further behind
            need not be read at prediction; empty where nothing is known, and all are read.
        overlap: how overlapping predictions are resolved (``candidates.overlap``).
        candidates: configuration of the candidate generators, as ``candidates`` writes it.
        gazetteer_labels: the types of a gazetteer that the global classifier reads of the mention
            beside its two hidden states; empty for a model without.
        gazetteer: that gazetteer's folder within the model's.
        proposer_reading: how the score that the proposer among the generators gives a region joins
            its global logits: three numbers (`inference.reading`); empty where it doesn't.
        proposer: settings of a proposer on the model's own encoder, those of a `ProposerConfig` but
            for the encoder; None for a model without.
        proposer_words: what the proposer's ids of word tags stand for, by segmenter.
    """

    model_type = "decoupled-ner"

    encoder: dict[str, Any] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    share_encoders: bool = True
    alpha: float = 0.5
    beta: float = 0.5
    dropout: float = 0.1
    max_mention_tokens: int = 32
    max_context_tokens: int = 128
    outside_bias: float = 0.0
    context_reach: list[float] = field(default_factory=list)
    overlap: str = "best"
    candidates: dict[str, Any] | None = None
    gazetteer_labels: list[str] = field(default_factory=list)
    gazetteer: str | None = None
    proposer_reading: list[float] = field(default_factory=list)
    proposer: dict[str, Any] | None = None
    proposer_words: dict[str, list[str]] | None = None


class DecoupledOutput(NamedTuple):
    """Logits of the three classifiers, each (B, L) in float32; ``loss`` where labels were given."""

    global_logits: Tensor
    mention_logits: Tensor
    context_logits: Tensor
    loss: Tensor | None = None


class UnifiedLoss(NamedTuple):
    """Sums over pairs, each a scalar; divide by ``weight`` (summed over ranks) for the mean."""

    total: Tensor
    global_: Tensor
    mention: Tensor
    context: Tensor
    weight: Tensor


class DecoupledModel(PreTrainedModel):
    """Mention-BERT and Context-BERT under a global and two auxiliary classifiers.

    ``proposer``, where there is one, scores the regions of sentences with the encoder of contexts.
    """

    config_class = DecoupledConfig
    config: DecoupledConfig
    proposer: ProposerModel | None
    base_model_prefix = "decoupled"

    def __init__(self, config: DecoupledConfig) -> None:
        super().__init__(config)
        _check(config)
        check_length(config.encoder, max(config.max_mention_tokens, config.max_context_tokens))
        self.mention_encoder = encoder_from_config(config.encoder)
        self.context_encoder = (
            None if config.share_encoders else encoder_from_config(config.encoder)
        )
        hidden, labels = int(self.mention_encoder.config.hidden_size), len(config.labels)
        self.dropout = nn.Dropout(config.dropout)
        self.mention_classifier = nn.Linear(hidden, labels)
        self.context_classifier = nn.Linear(hidden, labels)
        self.global_classifier = nn.Linear(2 * hidden, labels)
        self.gazetteer_classifier = self._gazetteer_classifier()
        self.proposer = self._own_proposer(config.proposer) if config.proposer else None
        self.post_init()  # type: ignore[no-untyped-call]

    def _init_weights(self, module: nn.Module) -> None:
        # What reads a gazetteer begins at 0, as it was made.
        if isinstance(module, nn.Linear) and module is not self.gazetteer_classifier:
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)

    @classmethod
    def from_encoders(
        cls, config: DecoupledConfig, mention: PreTrainedModel, context: PreTrainedModel | None
    ) -> DecoupledModel:
        """A model with fresh classifiers on pre-trained encoders; ``context`` only where the two
        are not shared."""
        model = cls(config)
        try:
            model.mention_encoder.load_state_dict(mention.state_dict())
            if model.context_encoder is not None:
                model.context_encoder.load_state_dict((context or mention).state_dict())
        except RuntimeError as error:  # torch names every weight that does not fit
            raise InputError(
                "the encoders of mentions and contexts differ in architecture or sizes: give two"
                " that began as one"
            ) from error
        return model

    def read_gazetteer(self, labels: Sequence[str]) -> None:
        """Give the model a reading of a gazetteer's types, which has no weight yet."""
        self.config.gazetteer_labels = list(labels)
        self.gazetteer_classifier = self._gazetteer_classifier()

    def _gazetteer_classifier(self) -> nn.Linear | None:
        if not self.config.gazetteer_labels:
            return None
        made = nn.Linear(len(self.config.gazetteer_labels), len(self.config.labels), bias=False)
        nn.init.zeros_(made.weight)
        return made

    def add_proposer(self, settings: dict[str, Any], words: dict[str, list[str]]) -> ProposerModel:
        """Give the model a proposer with fresh weights; `DecoupledConfig` says what both are."""
        self.config.proposer, self.config.proposer_words = settings, words
        self.proposer = self._own_proposer(settings)
        return self.proposer

    def keep_operating_points(self) -> None:
        """Have the proposer's operating points saved with this model's configuration."""
        if self.proposer is not None and self.config.proposer is not None:
            self.config.proposer["operating_points"] = self.proposer.config.operating_points

    def _own_proposer(self, settings: dict[str, Any]) -> ProposerModel:
        config = ProposerConfig(encoder=self.config.encoder, **settings)
        return ProposerModel(config, self.context_encoder or self.mention_encoder)

    def encode_mentions(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, M) token ids and attention mask → h_m (B, H), the hidden state at ``[CLS]``."""
        return state_at(self.mention_encoder, ids, mask, torch.zeros_like(ids[:, 0]))

    def encode_contexts(self, ids: Tensor, mask: Tensor, mask_index: Tensor) -> Tensor:
        """(B, C) ids and mask, (B,) position of ``[MASK]`` → h_c (B, H), its hidden state."""
        return state_at(self.context_encoder or self.mention_encoder, ids, mask, mask_index)

    def classify(self, h_m: Tensor, h_c: Tensor, known: Tensor | None = None) -> DecoupledOutput:
        """h_m and h_c, each (B, H), and what a gazetteer says of the mentions, (B, T), which a
        model that reads one needs → the three classifiers' logits, (B, L) each."""
        h_m, h_c = self.dropout(h_m), self.dropout(h_c)
        logits = self.global_classifier(torch.cat([h_m, h_c], dim=-1)).float()
        return DecoupledOutput(
            global_logits=self._with_gazetteer(logits, known),
            mention_logits=self.mention_classifier(h_m).float(),
            context_logits=self.context_classifier(h_c).float(),
        )

    def classify_mentions(self, h_m: Tensor, known: Tensor | None = None) -> Tensor:
        """The part of the global logits, (B, L), that mentions alone give, what a gazetteer says of
        them included; their contexts add the rest."""
        weight = self.global_classifier.weight[:, : h_m.shape[1]]
        logits = F.linear(h_m, weight, self.global_classifier.bias).float()
        return self._with_gazetteer(logits, known)

    def _with_gazetteer(self, logits: Tensor, known: Tensor | None) -> Tensor:
        """Global logits (B, L) and, where the model reads a gazetteer, what that adds."""
        if self.gazetteer_classifier is None:
            return logits
        assert known is not None, "this model reads a gazetteer"
        added: Tensor = self.gazetteer_classifier(known)
        return logits + added.float()

    def forward(
        self,
        mention_ids: Tensor,
        mention_mask: Tensor,
        context_ids: Tensor,
        context_mask: Tensor,
        mask_index: Tensor,
        known: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> DecoupledOutput:
        """Logits (B, L) of each classifier; with ``labels`` (B,) the mean unified loss too."""
        output = self.classify(
            self.encode_mentions(mention_ids, mention_mask),
            self.encode_contexts(context_ids, context_mask, mask_index),
            known,
        )
        if labels is not None:
            loss = unified_loss(output, labels, self.config.alpha, self.config.beta)
            output = output._replace(loss=loss.total / loss.weight)
        return output


def _check(config: DecoupledConfig) -> None:
    """Raise an InputError where a setting is out of its range."""
    check_policy(config.overlap)
    for name in ("alpha", "beta", "dropout"):
        if not 0 <= getattr(config, name) <= 1:
            raise InputError(f"{name}={getattr(config, name)} must be in [0, 1]")
    numbers = (config.outside_bias, config.max_mention_tokens, config.max_context_tokens)
    for number in (*numbers, *config.context_reach, *config.proposer_reading):
        if not isinstance(number, int | float):
            raise InputError(f"config.json: {number!r} stands where a number must")
    if not config.labels or config.labels[0] != OUTSIDE:
        raise InputError(f"labels must begin with {OUTSIDE}, not as {config.labels}")
    labels = len(config.labels)
    if len(config.context_reach) not in (0, labels):
        raise InputError(f"context_reach must have a number for each of {labels} labels")
    if len(config.proposer_reading) not in (0, 3):
        raise InputError("proposer_reading must be three numbers: scale, weight and offset")
    if config.proposer_reading and not config.proposer_reading[0] > 0:
        raise InputError(
            f"proposer_reading: the scale {config.proposer_reading[0]} must be above 0"
        )
    # [CLS] and [SEP], with a token between them; a context has its [MASK] too.
    if config.max_mention_tokens < 3 or config.max_context_tokens < 4:
        raise InputError(
            f"max_mention_tokens={config.max_mention_tokens} must be at least 3,"
            f" max_context_tokens={config.max_context_tokens} at least 4: special tokens count"
        )


def unified_loss(
    output: DecoupledOutput,
    labels: Tensor,
    alpha: float,
    beta: float,
    class_weights: Tensor | None = None,
) -> UnifiedLoss:
    """``L_g + αL_m + βL_c`` (the paper's unified loss), summed over the B pairs.

    Args:
        labels: (B,) label ids.
        class_weights: (L,) weight of each gold label, or None for 1.
    """

    def summed(logits: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, weight=class_weights, reduction="sum")

    global_ = summed(output.global_logits)
    mention, context = summed(output.mention_logits), summed(output.context_logits)
    if class_weights is None:
        weight = output.global_logits.new_full((), len(labels))
    else:
        weight = class_weights[labels].sum()
    return UnifiedLoss(
        global_ + alpha * mention + beta * context, global_, mention, context, weight
    )
