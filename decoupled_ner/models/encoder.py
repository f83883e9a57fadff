"""Any BERT-like encoder of transformers, by hub id or directory, without its pooler."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar, cast

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from decoupled_ner.disk import read_json
from decoupled_ner.types import InputError

_Model = TypeVar("_Model", bound=PreTrainedModel)

_quiet = RLock()

#: Encoders that the package carries, by short name.
BUNDLED = ("zh-small",)
#: Encoders at most this wide take the ``-small`` recipes.
SMALL_HIDDEN_SIZE = 512
#: Model types, beside all RoBERTas, whose positions begin behind the padding token's id.
_BEHIND_PADDING = ("camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "xmod")

#: What transformers raises for a folder that is no encoder, or a damaged one.
LOADING_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    RuntimeError,
    SafetensorError,
    StrictDataclassError,
)

#: What architectures call the dropout of their layers: BERT's kin, DistilBERT, ModernBERT.
_DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
)


def resolve_encoder(name_or_path: str) -> str:
    """A bundled encoder's directory for its short name; anything else as it is."""
    if name_or_path in BUNDLED and not Path(name_or_path).exists():
        return str(resources.files("decoupled_ner") / "assets" / name_or_path)
    return name_or_path


def load_encoder_config(name_or_path: str) -> PreTrainedConfig:
    """The encoder's configuration.

    Raises:
        InputError: it can't be found, or is no configuration of transformers.
    """
    with _hub_errors(name_or_path):
        config: PreTrainedConfig = AutoConfig.from_pretrained(resolve_encoder(name_or_path))
    return config


def encoder_settings(name_or_path: str, dropout: float | None = None) -> dict[str, Any]:
    """The encoder's configuration as a dict, ``model_type`` included, with another dropout in its
    layers, if one is given.

    Raises:
        InputError: it can't be found, or it says nothing of a dropout.
    """
    settings: dict[str, Any] = load_encoder_config(name_or_path).to_dict()
    if dropout is None:
        return settings
    if not 0 <= dropout <= 1:
        raise InputError(f"encoder_dropout={dropout} must be in [0, 1]")
    names = [name for name in _DROPOUTS if name in settings]
    if not names:
        raise InputError(
            f"{name_or_path}: a {settings['model_type']} has no dropout that is known here; leave"
            " out encoder_dropout"
        )
    return settings | dict.fromkeys(names, dropout)


def load_encoder(name_or_path: str) -> PreTrainedModel:
    """The pre-trained encoder in float32, in eval mode, without a pooler.

    Raises:
        InputError: it can't be found or loaded.
    """
    config = load_encoder_config(name_or_path)
    with _hub_errors(name_or_path):
        loaded: Any = AutoModel.from_pretrained(
            resolve_encoder(name_or_path),
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # `_check_loaded` tells of them
            **_without_pooler(config),
        )
        encoder, found = loaded
        _check_loaded(found)
    return cast(PreTrainedModel, encoder)


def load_weights(model: type[_Model], directory: Path, config: PreTrainedConfig) -> _Model:
    """A model of ours from its folder, in float32; safetensors alone are read.

    Raises:
        InputError: weights are missing, damaged or of another shape.
    """
    with _hub_errors(str(directory)):
        both: Any = model.from_pretrained(
            directory,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
        loaded, found = both
        _check_loaded(found)
    return cast(_Model, loaded)


def _check_loaded(found: dict[str, Any]) -> None:
    """Weights that the files lack would silently be random."""
    misshapen = (name for name, *_ in found["mismatched_keys"])
    if missing := [*found["missing_keys"], *misshapen]:
        raise ValueError(f"{len(missing)} weights are missing or misshapen, e.g. {missing[0]}")


def encoder_from_config(config: dict[str, Any] | PreTrainedConfig) -> PreTrainedModel:
    """A randomly initialised encoder; a dict needs ``model_type`` (``config.to_dict()`` has it)."""
    if isinstance(config, dict):
        settings = dict(config)
        config = AutoConfig.for_model(settings.pop("model_type"), **settings)
    model: PreTrainedModel = AutoModel.from_config(
        config, dtype=torch.float32, **_without_pooler(config)
    )
    return model


def check_dropout(dropout: float) -> None:
    """Raise an `InputError` where it is no probability."""
    if not 0 <= dropout <= 1:
        raise InputError(f"dropout={dropout} must be in [0, 1]")


def check_length(encoder: Mapping[str, Any], tokens: int) -> None:
    """Raise an `InputError` where an encoder of this configuration can't read so many tokens at
    once, special ones included."""
    positions = encoder.get("max_position_embeddings", tokens)
    if "roberta" in encoder["model_type"] or encoder["model_type"] in _BEHIND_PADDING:
        positions -= encoder.get("pad_token_id", 1) + 1
    if tokens > positions:
        raise InputError(f"the encoder reads {positions} tokens at most, not {tokens}")


def load_tokenizer(name_or_path: str) -> PreTrainedTokenizerBase:
    """The encoder's fast tokenizer.

    Raises:
        InputError: it can't be found, has no fast version or no vocabulary, or lacks the mask,
            start or end token; or the folder's vocabulary is not that of its weights.
    """
    with _hub_errors(name_or_path):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            resolve_encoder(name_or_path)
        )
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise InputError(f"{name_or_path}: needs a fast tokenizer (a tokenizer.json or vocab.txt)")
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):  # what transformers makes of no files
        raise InputError(f"{name_or_path}: has no vocabulary (a tokenizer.json or vocab.txt)")
    for token in ("cls_token", "sep_token", "mask_token", "pad_token"):
        if getattr(tokenizer, token) is None:
            raise InputError(
                f"{name_or_path}: its tokenizer has no {token}; use a BERT-like encoder"
            )
    _check_vocabulary(Path(resolve_encoder(name_or_path)), len(tokenizer))
    return tokenizer


def _check_vocabulary(directory: Path, tokens: int) -> None:
    """Raise an `InputError` where a folder's vocabulary is larger than its encoder's, or so much
    smaller that it was cut short. Some are a little smaller: weights are padded."""
    settings = read_json(directory / "config.json")  # empty: a hub's, or a vocabulary alone
    own = settings.get("encoder")  # of a model of ours
    rows = (own if isinstance(own, dict) else settings).get("vocab_size")
    if isinstance(rows, int) and not 0.75 * rows <= tokens <= rows:
        raise InputError(
            f"{directory}: its vocabulary has {tokens:,} tokens, its weights {rows:,}: put the"
            " vocab.txt or tokenizer.json there that came with the weights"
        )


def plain_tokenizer(tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
    """A copy of the backend that truncates nothing, pads nothing and reads ``[MASK]`` in a text
    as ordinary characters. A copy, so that encoding from several threads shares no settings."""
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True
    return backend


def is_uncased(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether it reads capitals as small letters."""
    normalizer = tokenizer.backend_tokenizer.normalizer
    return normalizer is not None and "a" in normalizer.normalize_str("A")


def is_small(config: PreTrainedConfig) -> bool:
    """Whether the ``-small`` recipes fit this encoder."""
    return int(config.hidden_size) <= SMALL_HIDDEN_SIZE


def _without_pooler(config: PreTrainedConfig) -> dict[str, bool]:
    """``add_pooling_layer=False`` where the architecture takes it: h_m and h_c are hidden states,
    and parameters that get no gradient would stall DDP."""
    architecture = AutoModel._model_mapping[type(config)]
    takes = "add_pooling_layer" in inspect.signature(architecture).parameters  # type: ignore[arg-type]
    return {"add_pooling_layer": False} if takes else {}


@contextlib.contextmanager
def _hub_errors(name_or_path: str) -> Iterator[None]:
    """One line instead of nested tracebacks."""
    try:
        with quiet_transformers():
            yield
    except InputError:
        raise
    except LOADING_ERRORS as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{name_or_path!r} can't be loaded: give a directory, a hub id that is"
            f" reachable, or one of {', '.join(BUNDLED)} ({reason})"
        ) from error


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without transformers' load report and progress bars, which take a fraction of a second."""
    with _quiet:  # these settings are the whole process's
        verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            yield
        finally:
            logging.set_verbosity(verbosity)
            if bar:
                logging.enable_progress_bar()
