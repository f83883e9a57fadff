"""Generators as plain configuration, as it stands in recipes and inside saved models.

A configuration is ``{"class_path": "decoupled_ner.candidates.JiebaNouns", "init_args": {…}}``.
Only the generators named here, and those that `register_generator` was called with, are built from
one: a model from elsewhere must not be able to choose which code runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.types import InputError

_PACKAGE = "decoupled_ner.candidates"
#: The project's own generators, and the module that each is known by. That of a layer above is
#: imported only when a configuration names it.
_OWN = {
    "DictionaryNames": _PACKAGE,
    "GazetteerMatches": _PACKAGE,
    "JiebaNouns": _PACKAGE,
    "LacEntities": _PACKAGE,
    "LtpNouns": _PACKAGE,
    "MergedNeighbours": _PACKAGE,
    "NGrams": _PACKAGE,
    "NameVariants": _PACKAGE,
    "ProposerCandidates": "decoupled_ner.inference.proposer",
    "TaggerCandidates": "decoupled_ner.inference.tagger",
    "Union": _PACKAGE,
    "WordNGrams": _PACKAGE,
}
_PLAIN = frozenset((bool, int, float, str, NoneType))  # kinds of values that are checked
_TAKEN = {float: int | float, bool: int}  # what serves for a kind beside itself
_PATHS = ("paths", "model")  # arguments that may name a file or folder beside a saved model

#: Installed packages name the modules here that register generators when they are imported.
ENTRY_POINTS = "decoupled_ner.candidates"

_registered: dict[str, type[CandidateGenerator]] = {}
_Class = TypeVar("_Class", bound=type[CandidateGenerator])


def register_generator(generator: _Class) -> _Class:
    """Let a class of your own travel inside saved models: a decorator.

    The process that loads such a model must have imported the class too; or a package is installed
    that names its module under the entry points ``decoupled_ner.candidates``.
    """
    _registered[_path(generator)] = generator
    return generator


def to_config(generator: CandidateGenerator, directory: Path | None = None) -> dict[str, Any]:
    """The configuration that `generator_from_config` reads, of JSON values.

    Args:
        generator: one of those that this project has, or of a registered class.
        directory: where to write what the generator needs; the configuration then refers to it by
            relative paths. By default nothing is written, and paths stay as they were given.

    Raises:
        InputError: the class is not registered, or its arguments are no JSON values.
    """
    path = _known_path(type(generator))
    arguments = generator.init_args() if directory is None else generator.save(directory)
    _check_kinds(type(generator), arguments)
    try:
        json.dumps(arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"the init_args of {path} must be JSON values: {error}") from error
    return {"class_path": path, "init_args": arguments}


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
    generator = _class_at(config["class_path"])
    given = config.get("init_args") or {}
    if not isinstance(given, Mapping):
        raise InputError(
            f"the init_args of {generator.__name__} stand as name: value, not {given!r}"
        )
    # What a class of ours wrote into a model's folder under a bare name must be there still.
    wrote = directory is not None and generator.save is not CandidateGenerator.save
    arguments = {key: _argument(key, value, directory, wrote) for key, value in given.items()}
    _check_kinds(generator, arguments)
    try:
        return generator(**arguments)
    except TypeError as error:
        raise InputError(f"the candidate generator {generator.__name__}: {error}") from error


def _check_kinds(generator: type[CandidateGenerator], arguments: Mapping[str, Any]) -> None:
    """Raise an `InputError` where an argument of a class of ours is no such number, word or switch
    as is wanted."""
    if _path(generator) in _registered:
        return
    wanted = get_type_hints(generator.__init__)
    for name, value in arguments.items():
        kind = wanted.get(name)
        if kind == Sequence[str] and not _is_list_of_text(value):
            raise InputError(
                f"the candidate generator {generator.__name__}: {name}={value!r} must be a list of"
                " text (YAML reads on, off, yes and no as something else: put them in quotes)"
            )
        kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
        if not _PLAIN.issuperset(kinds):
            continue
        if not isinstance(value, tuple(_TAKEN.get(kind, kind) for kind in kinds)):
            names = " or ".join("null" if kind is NoneType else kind.__name__ for kind in kinds)
            raise InputError(
                f"the candidate generator {generator.__name__}: {name}={value!r} must be {names}"
            )


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(part, str) for part in value)


def _argument(key: str, value: Any, directory: Path | None, wrote: bool) -> Any:
    """A constructor's argument from its configuration."""
    if key == "generators":
        if not isinstance(value, list):
            raise InputError(f"generators are a list of class_path and init_args, not {value!r}")
        return [generator_from_config(part, directory) for part in value]
    if key in _PATHS and directory is not None:
        if isinstance(value, list):
            return [_beside(directory, part, wrote) for part in value]
        return _beside(directory, value, wrote)
    return value


def _beside(directory: Path, value: Any, wrote: bool) -> Any:
    """A name that exists in the directory with its whole path, since the process may go elsewhere;
    others (hub ids) as they are."""
    if isinstance(value, str) and (directory / value).exists():
        return str((directory / value).resolve())
    if wrote and isinstance(value, str) and len(Path(value).parts) == 1:
        raise InputError(f"{directory / value}: missing; copy the whole model again")
    return value


def _path(generator: type[CandidateGenerator]) -> str:
    return f"{generator.__module__}.{generator.__qualname__}"


def _known_path(generator: type[CandidateGenerator]) -> str:
    """The class path that a configuration has for a class."""
    name, path = generator.__name__, _path(generator)
    if name in _OWN and f"{generator.__module__}.".startswith(f"{_OWN[name]}."):
        return f"{_OWN[name]}.{name}"
    if path not in _registered:
        raise InputError(
            f"{path} can't be saved in a model: put @register_generator of {_PACKAGE} before the"
            " class, and import it wherever the model is loaded"
        )
    return path


def _class_at(path: str) -> type[CandidateGenerator]:
    """The class that a configuration names; nothing is imported because a path says so."""
    module, _, name = path.rpartition(".")
    if _OWN.get(name) == module:
        generator: type[CandidateGenerator] = getattr(import_module(module), name)
        return generator
    if path not in _registered:
        _import_plugins()
    if path not in _registered:
        known = ", ".join([*(f"{module}.{name}" for name, module in _OWN.items()), *_registered])
        raise InputError(
            f"{path!r} is no candidate generator that is known here; choose one of {known},"
            f" or import the module that registers it (register_generator of {_PACKAGE})"
        )
    return _registered[path]


@cache
def _import_plugins() -> None:
    """Import the modules of installed packages that register generators."""
    for point in entry_points(group=ENTRY_POINTS):
        try:
            point.load()
        except ImportError as error:
            raise InputError(f"{point.value}, a plug-in, can't be imported: {error}") from error
