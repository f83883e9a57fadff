"""Generators as plain configuration, as it stands in recipes and inside saved models.

A configuration is ``{"class_path": "decoupled_ner.candidates.JiebaNouns", "init_args": {…}}``.
Only the generators named here are built from one: a model from elsewhere must not be able to
choose which code runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.types import InputError

_PACKAGE = "decoupled_ner.candidates"
_GENERATORS = (
    "DictionaryNames",
    "GazetteerMatches",
    "JiebaNouns",
    "LacEntities",
    "LtpNouns",
    "MergedNeighbours",
    "NGrams",
    "NameVariants",
    "Union",
    "WordNGrams",
)
_PATHS = ("paths", "model")  # arguments that may name a file or folder beside a saved model


def to_config(generator: CandidateGenerator, directory: Path | None = None) -> dict[str, Any]:
    """The configuration that `generator_from_config` reads, of JSON values.

    Args:
        generator: one of those that this project has.
        directory: where to write what the generator needs; the configuration then refers to it by
            relative paths. By default nothing is written, and paths stay as they were given.
    """
    name = type(generator).__name__
    _check_known(name)
    arguments = generator.init_args() if directory is None else generator.save(directory)
    return {"class_path": f"{_PACKAGE}.{name}", "init_args": arguments}


def generator_from_config(
    config: Mapping[str, Any], directory: Path | None = None
) -> CandidateGenerator:
    """Build a generator.

    Args:
        config: what `to_config` gives.
        directory: where the configuration's relative paths begin.

    Raises:
        InputError: it is no such configuration, or its arguments don't fit the class.
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("class_path"), str):
        raise InputError(f"a candidate generator needs a class_path and init_args, got {config!r}")
    package, _, name = config["class_path"].rpartition(".")
    if package != _PACKAGE:
        raise InputError(f"{config['class_path']!r} is no candidate generator; {_choices()}")
    _check_known(name)
    arguments = {
        key: _argument(key, value, directory)
        for key, value in (config.get("init_args") or {}).items()
    }
    try:
        generator: CandidateGenerator = getattr(import_module(_PACKAGE), name)(**arguments)
    except TypeError as error:
        raise InputError(f"the candidate generator {name}: {error}") from error
    return generator


def _argument(key: str, value: Any, directory: Path | None) -> Any:
    """A constructor's argument from its configuration."""
    if key == "generators":
        return [generator_from_config(part, directory) for part in value]
    if key in _PATHS and directory is not None:
        if isinstance(value, list):
            return [_beside(directory, part) for part in value]
        return _beside(directory, value)
    return value


def _beside(directory: Path, value: Any) -> Any:
    """A name that exists in the directory with its path; others (hub ids) as they are."""
    if isinstance(value, str) and (directory / value).exists():
        return str(directory / value)
    return value


def _check_known(name: str) -> None:
    if name not in _GENERATORS:
        raise InputError(f"{name!r} is no candidate generator of this project; {_choices()}")


def _choices() -> str:
    return f"choose one of {', '.join(f'{_PACKAGE}.{name}' for name in _GENERATORS)}"
