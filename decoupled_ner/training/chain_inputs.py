"""What the steps of a chain read: the SHA-256 of every file, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from decoupled_ner.data.catalog import DATASETS, load_dataset
from decoupled_ner.data.distant.texts import text_files
from decoupled_ner.data.files import decode_text, read_bytes
from decoupled_ner.data.formats import path_and_format
from decoupled_ner.disk import read_yaml, sha256_of
from decoupled_ner.gazetteer.sources import load_sources, locate
from decoupled_ner.types import InputError

#: The setting that names a data set whose mentions are read.
_EXCLUDES = "exclude_mentions_of"
#: Options that name a file of settings, in which more files may be named.
_RECIPE_OPTIONS = ("--config", "--recipe")


def text_inputs(texts: Sequence[Path]) -> dict[str, str]:
    """Of raw text.

    Raises:
        InputError: there is none, one is missing, or one is given twice.
    """
    return {f"text {file.name}": sha256_of(file.path) for file in text_files(texts)}


def source_inputs(sources: Path) -> dict[str, str]:
    """Of a gazetteer's sources file, its dictionaries and the files of its rules. A dictionary
    with a URL has its checksum in the sources file.

    Raises:
        InputError: the sources file is wrong or names what is not there.
    """
    plan = load_sources(sources)
    rules = {"stop words": plan.rules.stop_words, "place suffixes": plan.rules.place_suffixes}
    return {
        f"sources {sources.name}": sha256_of(sources),
        **{
            f"{rule} {file.name}": sha256_of(file)
            for rule, file in rules.items()
            if file and file.is_file()
        },
        **{
            f"dictionary {source.name}": sha256_of(locate(source, plan.folder))
            for source in plan.sources
            if source.path is not None
        },
    }


def dataset_inputs(dataset: str) -> dict[str, str]:
    """Of an annotated set's files.

    Raises:
        InputError: it can't be found or read.
    """
    checksums = load_dataset(dataset).checksums
    return {f"data {name}": checksum for name, checksum in checksums.items()}


def recipe_inputs(recipe: Path, made: Sequence[Path] = ()) -> dict[str, str]:
    """Of a recipe, and of the files and folders that it names, ``made`` as in
    `setting_inputs`."""
    named = named_inputs(recipe, made)
    own = {f"recipe {recipe.name}": sha256_of(recipe)}
    return own | {f"recipe {recipe.name}: {path}": sha for path, sha in named.items()}


def named_inputs(recipe: Path, made: Sequence[Path] = ()) -> dict[str, str]:
    """Of the files and folders that a recipe names, ``made`` as in `setting_inputs`."""
    return setting_inputs(decode_text(read_bytes(recipe), recipe), made)


def has_proposer(recipe: Path) -> bool:
    """Whether a recipe of unified training has a proposer, among its candidates or on the model's
    own encoder; of what is no recipe Lightning will say so."""
    try:
        settings = read_yaml(recipe)
        joint = (settings.get("model") or {}).get("proposer")
        if joint and joint.get("gamma", 1):
            return True
        return "ProposerCandidates" in str(settings["data"]["candidates"])
    except (InputError, LookupError, AttributeError, TypeError):
        return False


def option_inputs(options: Sequence[str], made: Sequence[Path] = ()) -> dict[str, str]:
    """Of the files and folders that options name, themselves or in a file of settings, and of the
    set whose mentions one excludes; ``made`` as in `setting_inputs`.

    Raises:
        InputError: there is no such set.
    """
    found: dict[str, str] = {}
    for option in joined(options):
        name, _, value = option.partition("=")
        if name == f"--data.{_EXCLUDES}":
            found |= dataset_inputs(value)
            continue
        named = setting_inputs(value, made)
        if name in _RECIPE_OPTIONS and value in named and Path(value).is_file():
            named |= named_inputs(Path(value), made)
        found |= {f"option {name}={path}": checksum for path, checksum in named.items()}
    return found


def joined(options: Sequence[str]) -> list[str]:
    """Options as ``--name=value``, however they were written."""
    found: list[str] = []
    for part in options:
        if found and not part.startswith("--") and "=" not in found[-1]:
            found[-1] += f"={part}"
        else:
            found.append(part)
    return found


def setting_inputs(text: str, made: Sequence[Path] = ()) -> dict[str, str]:
    """Of the files, the folders and the sets with excluded mentions that YAML names: a recipe, or
    the value of an option.

    Args:
        made: folders of the chain's own steps. What lies in them is not there yet when the chain
            begins; the step's fingerprint stands for it.
    """
    try:
        settings = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):  # no YAML, as Lightning will say; a ValueError: 2024-13-01
        settings = text
    found = _named(settings)
    sets = [dataset_inputs(name) for name in _excluded(settings)]
    own = [folder.resolve() for folder in made]
    files = {
        name: sha256_of(path)
        for name, path in found.items()
        if not any(path.resolve().is_relative_to(folder) for folder in own)
    }
    return {name: checksum for part in (files, *sets) for name, checksum in part.items()}


def _named(value: Any) -> dict[str, Path]:
    """The files and folders that a setting names, in the lists and mappings within it too, and
    between commas. What is not there, a hub id for one, is none."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        return {name: path for item in value for name, path in _named(item).items()}
    if not isinstance(value, str) or value in DATASETS:  # such a name may be a folder's too
        return {}
    path = Path(path_and_format(value)[0])
    try:
        if value and path.exists():
            return {value: path}
    except (OSError, ValueError):  # too long for a path
        return {}
    return _named(value.split(",")) if "," in value else {}


def _excluded(settings: Any) -> Iterator[str]:
    """The data sets whose mentions settings exclude."""
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            if key == _EXCLUDES and isinstance(value, str):
                yield value
            else:
                yield from _excluded(value)


def encoder_inputs(encoder: Path) -> dict[str, str]:
    """Of every file in an encoder's folder; a hub id stands for itself."""
    if not encoder.is_dir():
        return {"encoder": str(encoder)}
    files = sorted(file for file in encoder.iterdir() if file.is_file())
    return {f"encoder {file.name}": sha256_of(file) for file in files}
