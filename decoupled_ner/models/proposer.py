"""The proposer: one pass over a text, and a score for every region that may be an entity.

A region's score is a two-layer network over its first unit, its last unit and its width; the first
layer is a sum of three parts, so it is computed once a unit and not once a region (the spans of
spaCy's ``spancat`` and of Eberts and Ulges 2020, SpERT, are classified from the same parts).
Regions have no type: which type one has is for the model that labels candidates.

Shapes: B windows of texts, N units, M encoder tokens, S segmenters, W widths, D hidden size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from decoupled_ner.models.encoder import check_dropout, encoder_from_config
from decoupled_ner.models.units import LEAST_TOKENS, UnitKind
from decoupled_ner.types import InputError

#: ``unit_mask`` (B, N) bool, ``token_ids``, ``token_mask`` (B, M), ``unit_tokens`` (B, N) each
#: unit's first token, ``word_tags`` (B, N, S), and for the loss ``gold`` (B, N, W) bool and
#: ``unknown`` (B, N) bool, units that might be some entity's; left out where there are none.
Batch = Mapping[str, Tensor]


class ProposerConfig(PreTrainedConfig):
    """Settings of a `ProposerModel`; they are all it takes to build it without weights.

    Attributes:
        encoder: the encoder's own configuration as a dict, ``model_type`` included.
        segmenters: whose words the model sees beside the text (`words.WordTags`), by name, with
            the number of ids that each has.
        word_dim: size of the embedding of a segmenter's tags.
        size: width of the layer that scores regions.
        max_width: units of the widest region that is scored.
        dropout: on what the encoder and the segmenters give, and before the last layer.
        units: how texts are cut (`units.UnitKind`).
        max_tokens: longest window of a text that is read at once, special tokens included.
        operating_points: ``budget`` (regions a sentence), the ``threshold`` that keeps as many on
            dev on average, and the ``recall`` there; in rising order of budget.
        budget: the one that is used where no other is asked for.
        trained_on: ``dataset``, ``checksums`` of its files, and how many ``sentences`` of it.
    """

    model_type = "decoupled-ner-proposer"

    encoder: dict[str, Any] | None = None
    segmenters: dict[str, int] | None = None
    word_dim: int = 32
    size: int = 256
    max_width: int = 24
    dropout: float = 0.2
    units: UnitKind = "word"
    max_tokens: int = 256
    operating_points: list[dict[str, float]] | None = None
    budget: float = 5.0
    trained_on: dict[str, Any] | None = None


class ProposerLoss(NamedTuple):
    """Sums over a batch, each a scalar; ``total / windows``, both over all ranks, is the mean."""

    total: Tensor
    windows: Tensor


class ProposerModel(PreTrainedModel):
    """Scores regions. The encoder's parameters are those under ``encoder.``; all others start anew
    and may want a higher learning rate.

    Args:
        config: all settings; the encoder's too, whoever it belongs to.
        encoder: another model's, to read with. It stays that model's: it is not among this one's
            parameters, nor saved with it.
    """

    config_class = ProposerConfig
    config: ProposerConfig
    encoder: PreTrainedModel
    base_model_prefix = "proposer"

    def __init__(self, config: ProposerConfig, encoder: PreTrainedModel | None = None) -> None:
        super().__init__(config)
        if config.encoder is None:
            raise InputError("a proposer needs an encoder")
        if config.max_width < 1:
            raise InputError(f"max_width must be at least 1, got {config.max_width}")
        if config.max_tokens < LEAST_TOKENS:
            raise InputError(f"max_tokens={config.max_tokens} must be at least {LEAST_TOKENS}")
        if not 0 < config.budget < math.inf:
            raise InputError(f"budget={config.budget:g} must be above 0, and finite")
        if config.word_dim < 1 or config.size < 1:
            raise InputError(f"word_dim={config.word_dim} and size={config.size} must be above 0")
        check_dropout(config.dropout)
        if encoder is None:
            self.encoder = encoder_from_config(config.encoder)
        else:
            self.__dict__["encoder"] = encoder  # past nn.Module, which would make it a part
        tags = (config.segmenters or {}).values()
        self.words = nn.ModuleList(nn.Embedding(count, config.word_dim, 0) for count in tags)
        features = int(self.encoder.config.hidden_size) + config.word_dim * len(self.words)
        self.dropout = nn.Dropout(config.dropout)
        self.first = nn.Linear(features, config.size)
        self.last = nn.Linear(features, config.size)
        self.width = nn.Embedding(config.max_width, config.size)
        self.score = nn.Linear(config.size, 1)
        self.post_init()  # type: ignore[no-untyped-call]

    @classmethod
    def from_encoder(cls, config: ProposerConfig, encoder: PreTrainedModel) -> ProposerModel:
        """A model with fresh other parts on a pre-trained encoder."""
        model = cls(config)
        model.encoder.load_state_dict(encoder.state_dict())
        return model

    def forward(self, batch: Batch) -> Tensor:
        """Scores (B, N, W) in float32: ``[b, i, w]`` for the ``w + 1`` units from ``i`` on, minus
        infinity where they reach into the padding. W is ``max_width``, or N where that is less."""
        return self.region_scores(self.units(batch), batch["unit_mask"])

    def region_scores(self, units: Tensor, mask: Tensor) -> Tensor:
        """`forward` from what `units` gives and which of them are no padding (B, N)."""
        widths = torch.arange(min(self.config.max_width, mask.shape[1]), device=mask.device)
        ends = torch.arange(mask.shape[1], device=mask.device)[:, None] + widths  # (N, W)
        last = self.last(units)[:, ends.clamp(max=mask.shape[1] - 1)]  # (B, N, W, D)
        hidden = self.first(units).unsqueeze(2) + last + self.width(widths)
        scores = self.score(self.dropout(nn.functional.gelu(hidden))).squeeze(3).float()
        inside = ends < mask.sum(1)[:, None, None]
        return torch.as_tensor(scores.masked_fill(~inside, -torch.inf))

    def loss(self, batch: Batch) -> ProposerLoss:
        """The summed loss of each window's gold regions against all others::

            log(1 + Σ_others exp(s)) + log(1 + Σ_gold exp(-s))

        It asks that gold regions score above 0 and all others below, and is dominated by the worst
        of each, so that hundreds of easy regions don't drown the few entities (Su et al. 2022,
        "Global Pointer", arXiv:2208.03054, eq. 10). Regions with an ``unknown`` unit are none of
        the others."""
        grid = self(batch)
        gold = not_others = batch["gold"]
        if (unknown := batch.get("unknown")) is not None:
            not_others = gold | _with_one_of(unknown, grid.shape[2])
        scores, gold, not_others = (part.flatten(1) for part in (grid, gold, not_others))
        zero = scores.new_zeros(len(scores), 1)
        others = torch.cat([scores.masked_fill(not_others, -torch.inf), zero], 1).logsumexp(1)
        found = torch.cat([(-scores).masked_fill(~gold, -torch.inf), zero], 1).logsumexp(1)
        windows = torch.full((), float(len(scores)), device=scores.device)
        return ProposerLoss((others + found).sum(), windows)

    def units(self, batch: Batch) -> Tensor:
        """What is known of each unit, (B, N, features)."""
        tokens = self.encoder(batch["token_ids"], attention_mask=batch["token_mask"])
        hidden: Tensor = tokens.last_hidden_state
        index = batch["unit_tokens"].unsqueeze(-1).expand(-1, -1, hidden.shape[-1])
        parts = [hidden.gather(1, index)]
        parts += [table(batch["word_tags"][..., i]) for i, table in enumerate(self.words)]
        return torch.as_tensor(self.dropout(torch.cat(parts, dim=-1)))

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.1)
            if module.padding_idx is not None:
                nn.init.zeros_(module.weight.data[module.padding_idx])


def _with_one_of(units: Tensor, widths: int) -> Tensor:
    """Which regions (B, N, W) have one of the units (B, N) bool."""
    before = nn.functional.pad(units.cumsum(1), (1, widths))  # of the units before each
    before[:, units.shape[1] + 1 :] = before[:, units.shape[1], None]
    starts = torch.arange(units.shape[1], device=units.device)[:, None]
    ends = starts + torch.arange(1, widths + 1, device=units.device)
    return before[:, ends] > before[:, starts]
