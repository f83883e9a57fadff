"""The tagger: composable inputs → optional recurrent layers → one tag for each unit of a text.

Shapes: B texts (or windows of them), N units, M encoder tokens, T tags. A batch is the dict of
tensors that `tagger_inputs.TaggerInputs.collate` makes; `Batch` lists its keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from decoupled_ner.labels import LabelSet
from decoupled_ner.models.characters import CharacterCNN
from decoupled_ner.models.crf import LinearChainCRF
from decoupled_ner.models.encoder import check_dropout, encoder_from_config
from decoupled_ner.models.lexicon import SoftLexiconEmbedding
from decoupled_ner.models.recurrent import RecurrentKind, RecurrentLayers, SummedDirections
from decoupled_ner.models.tags import TaggerScheme, TagSet
from decoupled_ner.models.units import LEAST_TOKENS, UnitKind
from decoupled_ner.types import InputError

#: ``unit_mask`` (B, N) bool, and what the inputs need: ``token_ids``, ``token_mask`` (B, M) and
#: ``unit_tokens`` (B, N), each unit's first token; ``unit_ids``, ``bigram_ids`` (B, N);
#: ``character_ids``, ``character_types`` (B, N, C); ``lexicon_words``, ``lexicon_weights`` (L,)
#: and ``lexicon_sizes`` (B, N, 4). For the loss ``tags`` (B, N), -100 in the padding, and
#: ``unknown`` (B, N) bool, units whose tag nobody knows; left out where there are none.
Batch = Mapping[str, Tensor]

#: The tag of the padding, which no loss counts.
IGNORED = -100

INPUTS = ("encoder", "units", "bigrams", "characters", "lexicon")


class TaggerConfig(PreTrainedConfig):
    """Settings of a `TaggerModel`; they are all it takes to build it without weights.

    An input is used where its size is not 0 (the encoder: where it has a configuration).

    Attributes:
        labels: names of the labels, ``O`` first.
        scheme: ``BIOES`` or ``BIO``.
        encoder: the encoder's own configuration as a dict, ``model_type`` included.
        frozen: the inputs that training leaves as they are, of `INPUTS`. A frozen encoder is
            feature extraction.
        unit_vocabulary, unit_dim: embeddings of units (characters in Chinese, words in English).
        bigram_vocabulary, bigram_dim: embeddings of each unit with the one after it.
        character_vocabulary, character_dim, character_filters, character_width, character_types:
            the character CNN (`characters.CharacterCNN`).
        lexicon_words, lexicon_dim: SoftLexicon's word vectors (`lexicon.SoftLexiconEmbedding`).
        recurrent: ``none``, ``lstm``, ``bilstm``, ``gru`` or ``bigru``.
        recurrent_size: of each direction.
        head: ``fc`` (each tag on its own) or ``crf``.
        sum_directions: score tags from each direction by itself and add (Chiu and Nichols).
        dropout: on the inputs and on the recurrent layers' output.
        units: how texts are cut (`units.UnitKind`).
        max_tokens: longest window of a text that is read at once, special tokens included.
        trained_on: ``dataset``, ``checksums`` of its files, and how many ``sentences`` of it.
    """

    model_type = "decoupled-ner-tagger"

    labels: list[str] | None = None
    scheme: TaggerScheme = "BIOES"
    encoder: dict[str, Any] | None = None
    frozen: list[str] | None = None
    unit_vocabulary: int = 0
    unit_dim: int = 0
    bigram_vocabulary: int = 0
    bigram_dim: int = 0
    character_vocabulary: int = 0
    character_dim: int = 0
    character_filters: int = 50
    character_width: int = 3
    character_types: bool = False
    lexicon_words: int = 0
    lexicon_dim: int = 0
    recurrent: RecurrentKind | Literal["none"] = "none"
    recurrent_size: int = 128
    recurrent_layers: int = 1
    head: Literal["fc", "crf"] = "fc"
    sum_directions: bool = False
    dropout: float = 0.1
    units: UnitKind = "word"
    max_tokens: int = 256
    trained_on: dict[str, Any] | None = None

    @property
    def tag_set(self) -> TagSet:
        """The tags of ``labels`` in ``scheme``."""
        assert self.labels is not None
        return TagSet(LabelSet(tuple(self.labels[1:])), self.scheme)


class TaggerLoss(NamedTuple):
    """Sums over a batch, each a scalar; ``total / units``, both summed over ranks, is the mean."""

    total: Tensor
    units: Tensor


class TaggerModel(PreTrainedModel):
    """Scores the tags of each unit. The encoder's parameters are those under ``encoder.``; all
    others start anew and may want a higher learning rate."""

    config_class = TaggerConfig
    config: TaggerConfig
    base_model_prefix = "tagger"

    def __init__(self, config: TaggerConfig) -> None:
        super().__init__(config)
        _check(config)
        self.encoder = encoder_from_config(config.encoder) if config.encoder else None
        self.units = _embedding(config.unit_vocabulary, config.unit_dim)
        self.bigrams = _embedding(config.bigram_vocabulary, config.bigram_dim)
        self.characters = _characters(config)
        self.lexicon = _lexicon(config)
        self.dropout = nn.Dropout(config.dropout)
        size = self._input_size()
        self.recurrent = None
        if config.recurrent != "none":
            self.recurrent = RecurrentLayers(
                config.recurrent,
                size,
                config.recurrent_size,
                config.recurrent_layers,
                config.dropout,
            )
            size = self.recurrent.output_size
        tags = config.tag_set
        scorer = SummedDirections if config.sum_directions else nn.Linear
        self.scorer = scorer(size, len(tags))
        self.crf = LinearChainCRF(*tags.constraints(), learned=config.head == "crf")
        self.post_init()  # type: ignore[no-untyped-call]
        for name in config.frozen or ():
            getattr(self, name).requires_grad_(False)

    @classmethod
    def from_encoder(cls, config: TaggerConfig, encoder: PreTrainedModel) -> TaggerModel:
        """A model with fresh other parts on a pre-trained encoder."""
        model = cls(config)
        assert model.encoder is not None
        model.encoder.load_state_dict(encoder.state_dict())
        return model

    def train(self, mode: bool = True) -> Self:
        """As in torch, but a frozen encoder stays in eval mode: no dropout in its features."""
        super().train(mode)
        if self._is_frozen("encoder") and self.encoder is not None:
            self.encoder.eval()
        return self

    def forward(self, batch: Batch) -> Tensor:
        """Log-probabilities of each unit's tags by themselves, (B, N, T) in float32. A CRF adds its
        transitions to them (a constant for each unit cancels in it)."""
        hidden = self.dropout(torch.cat(self._inputs(batch), dim=-1))
        if self.recurrent is not None:
            hidden = self.dropout(self.recurrent(hidden, batch["unit_mask"]))
        return torch.log_softmax(self.scorer(hidden).float(), dim=-1)

    def loss(self, batch: Batch) -> TaggerLoss:
        """The summed negative log-likelihood of ``tags``, summed over all tags that ``unknown``
        units may have."""
        emissions, tags, mask = self(batch), batch["tags"], batch["unit_mask"]
        unknown = batch.get("unknown")
        if self.config.head == "fc":
            likelihood = emissions.gather(2, tags.clamp(min=0).unsqueeze(2)).squeeze(2)
            known = mask if unknown is None else mask & ~unknown  # any tag's probability is 1
            likelihood = likelihood[known]
        elif unknown is None:
            likelihood = self.crf.log_likelihood(emissions, tags, mask)
        else:
            allowed = nn.functional.one_hot(tags.clamp(min=0), emissions.shape[2]).bool()
            allowed |= unknown.unsqueeze(2)
            likelihood = self.crf.partial_log_likelihood(emissions, allowed, mask)
        return TaggerLoss(-likelihood.sum(), mask.sum())

    def _inputs(self, batch: Batch) -> list[Tensor]:
        """The vectors (B, N, ·) that each input gives."""
        found = []
        if self.encoder is not None:
            found.append(self._encode(self.encoder, batch))
        if self.units is not None:
            found.append(self.units(batch["unit_ids"]))
        if self.bigrams is not None:
            found.append(self.bigrams(batch["bigram_ids"]))
        if self.characters is not None:
            found.append(self.characters(batch["character_ids"], batch["character_types"]))
        if self.lexicon is not None:
            keys = ("lexicon_words", "lexicon_weights", "lexicon_sizes")
            found.append(self.lexicon(*(batch[key] for key in keys)))
        return found

    def _encode(self, encoder: PreTrainedModel, batch: Batch) -> Tensor:
        """The hidden state at each unit's first token, (B, N, H)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._is_frozen("encoder")):
            tokens = encoder(batch["token_ids"], attention_mask=batch["token_mask"])
        hidden: Tensor = tokens.last_hidden_state
        index = batch["unit_tokens"].unsqueeze(-1).expand(-1, -1, hidden.shape[-1])
        return hidden.gather(1, index)

    def _input_size(self) -> int:
        size = int(self.encoder.config.hidden_size) if self.encoder is not None else 0
        size += sum(e.embedding_dim for e in (self.units, self.bigrams) if e is not None)
        return size + sum(c.output_size for c in (self.characters, self.lexicon) if c is not None)

    def _is_frozen(self, name: str) -> bool:
        return name in (self.config.frozen or ())

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding | nn.EmbeddingBag):
            bound = (3 / module.embedding_dim) ** 0.5
            nn.init.uniform_(module.weight, -bound, bound)
            if module.padding_idx is not None:
                nn.init.zeros_(module.weight.data[module.padding_idx])
        elif isinstance(module, nn.Conv1d | nn.LSTM | nn.GRU | LinearChainCRF):
            module.reset_parameters()


def _check(config: TaggerConfig) -> None:
    """Raises InputError for settings that don't go together."""
    sizes = (config.unit_dim, config.bigram_dim, config.character_dim, config.lexicon_dim)
    used = dict(zip(INPUTS, (config.encoder, *sizes), strict=True))
    if not any(used.values()):
        raise InputError("a tagger needs an input: an encoder or embeddings")
    if unused := [name for name in config.frozen or () if not used.get(name)]:
        raise InputError(f"can't freeze {', '.join(unused)}: not among this tagger's inputs")
    if config.head not in ("fc", "crf"):
        raise InputError(f"no head {config.head!r}: use fc or crf")
    if config.sum_directions and not config.recurrent.startswith("bi"):
        raise InputError("sum_directions needs recurrent layers in two directions")
    least = dict.fromkeys(("recurrent_size", "recurrent_layers", "character_filters"), 1)
    least["max_tokens"] = LEAST_TOKENS
    least |= dict.fromkeys(("unit_dim", "bigram_dim", "character_dim", "lexicon_dim"), 0)
    for name, lowest in least.items():
        if (value := getattr(config, name)) < lowest:
            raise InputError(f"{name}={value} must be at least {lowest}")
    check_dropout(config.dropout)
    if config.character_width < 1 or config.character_width % 2 == 0:
        raise InputError(f"character_width={config.character_width} must be odd, and at least 1")
    if config.character_types and not config.character_dim:
        raise InputError("character_types belong to characters' vectors: give character_dim")


def _embedding(vocabulary: int, dim: int) -> nn.Embedding | None:
    return nn.Embedding(vocabulary, dim, padding_idx=0) if dim else None


def _characters(config: TaggerConfig) -> CharacterCNN | None:
    if not config.character_dim:
        return None
    return CharacterCNN(
        config.character_vocabulary,
        config.character_dim,
        config.character_filters,
        config.character_width,
        config.character_types,
    )


def _lexicon(config: TaggerConfig) -> SoftLexiconEmbedding | None:
    if not config.lexicon_dim:
        return None
    return SoftLexiconEmbedding(config.lexicon_words, config.lexicon_dim)
