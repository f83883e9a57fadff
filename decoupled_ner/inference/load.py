"""Loading whatever kind of model lies in a directory."""

from __future__ import annotations

import json
from pathlib import Path

from decoupled_ner.inference.compute import DType
from decoupled_ner.inference.folders import model_directory
from decoupled_ner.inference.model import DecoupledNER, default_model
from decoupled_ner.inference.recognizer import Recognizer
from decoupled_ner.inference.tagger import Tagger
from decoupled_ner.models.decoupled import DecoupledConfig
from decoupled_ner.models.tagger import TaggerConfig
from decoupled_ner.types import InputError


def load_model(
    name_or_path: str | Path | None = None, *, device: str = "auto", dtype: DType = "float32"
) -> Recognizer:
    """A decoupled model or a tagger, by directory or hub id; by default the one trained last.

    Raises:
        InputError: there is none, or it is neither.
    """
    directory = model_directory(name_or_path or default_model())
    try:
        kind = json.loads((directory / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{directory / 'config.json'}: no configuration of a model") from error
    if kind == DecoupledConfig.model_type:
        return DecoupledNER.from_pretrained(directory, device=device, dtype=dtype)
    if kind == TaggerConfig.model_type:
        return Tagger.from_pretrained(directory, device=device, dtype=dtype)
    raise InputError(f"{directory}: a model of type {kind!r} finds no entities; give a trained one")
