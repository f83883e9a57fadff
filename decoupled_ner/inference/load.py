"""Loading whatever kind of model lies in a directory."""

from __future__ import annotations

import json
from pathlib import Path

from decoupled_ner.candidates.overlap import check_policy
from decoupled_ner.inference.compute import DType
from decoupled_ner.inference.folders import model_directory
from decoupled_ner.inference.model import DecoupledNER, default_model
from decoupled_ner.inference.recognizer import Recognizer
from decoupled_ner.inference.tagger import Tagger
from decoupled_ner.models.decoupled import DecoupledConfig
from decoupled_ner.models.tagger import TaggerConfig
from decoupled_ner.types import InputError


def load_model(
    name_or_path: str | Path | None = None,
    *,
    device: str = "auto",
    dtype: DType = "float32",
    overlap: str | None = None,
    gazetteer: str | Path | None = None,
) -> Recognizer:
    """A decoupled model or a tagger, by directory or hub id; by default the one trained last.

    Args:
        device, dtype, overlap, gazetteer: as `DecoupledNER.from_pretrained` takes them; a tagger,
            whose entities never overlap and which reads no gazetteer, takes neither of these two.

    Raises:
        InputError: there is none, it is neither, or an argument doesn't fit it.
    """
    if overlap is not None:
        check_policy(overlap)
    directory = model_directory(default_model() if name_or_path is None else name_or_path)
    try:
        kind = json.loads((directory / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{directory / 'config.json'}: no configuration of a model") from error
    if kind == DecoupledConfig.model_type:
        return DecoupledNER.from_pretrained(
            directory, device=device, dtype=dtype, overlap=overlap, gazetteer=gazetteer
        )
    if kind == TaggerConfig.model_type:
        if overlap is not None:
            raise InputError(
                f"{directory}: a tagger's entities never overlap, so it has no overlap policy;"
                f" leave out {overlap!r}"
            )
        if gazetteer is not None:
            raise InputError(f"{directory}: a tagger reads no gazetteer; leave out {gazetteer!r}")
        return Tagger.from_pretrained(directory, device=device, dtype=dtype)
    raise InputError(f"{directory}: a model of type {kind!r} finds no entities; give a trained one")
