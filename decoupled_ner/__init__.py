"""Span-based decoupled named entity recognition.

    >>> from decoupled_ner import DecoupledNER
    >>> ner = DecoupledNER.from_pretrained("runs/unify/demo/zh-small/seed-1/model")
    >>> ner.predict_regions("篮协成立于1956年6月")

The names below are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decoupled_ner.inference.load import load_model
    from decoupled_ner.inference.model import DecoupledNER, predict_regions
    from decoupled_ner.types import Candidate, Entity, InputError, Region, Sentence

_MODULES = {
    "Candidate": "types",
    "DecoupledNER": "inference.model",
    "Entity": "types",
    "InputError": "types",
    "Region": "types",
    "Sentence": "types",
    "load_model": "inference.load",
    "predict_regions": "inference.model",
}

__all__ = [
    "Candidate",
    "DecoupledNER",
    "Entity",
    "InputError",
    "Region",
    "Sentence",
    "load_model",
    "predict_regions",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"decoupled_ner.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
