"""What the steps of a chain read: the SHA-256 of every file, by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from decoupled_ner.checksums import sha256_of
from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.data.distant.texts import text_files
from decoupled_ner.gazetteer.sources import load_sources, locate

_DATASET_OPTION = "--data.exclude_mentions_of"


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
    rules = [file for file in (plan.rules.stop_words, plan.rules.place_suffixes) if file]
    return {
        f"sources {sources.name}": sha256_of(sources),
        **{f"rules {file.name}": sha256_of(file) for file in rules if file.is_file()},
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


def recipe_inputs(recipe: Path) -> dict[str, str]:
    """Of a recipe."""
    return {f"recipe {recipe.name}": sha256_of(recipe)}


def option_inputs(options: Sequence[str]) -> dict[str, str]:
    """Of the files that options name, and of the set whose mentions one excludes.

    Raises:
        InputError: there is no such set.
    """
    found: dict[str, str] = {}
    for option in options:
        name, _, value = option.partition("=")
        if name == _DATASET_OPTION:
            found |= dataset_inputs(value)
        elif Path(value).is_file():
            found[f"option {option}"] = sha256_of(Path(value))
    return found


def encoder_inputs(encoder: Path) -> dict[str, str]:
    """Of every file in an encoder's folder; a hub id stands for itself."""
    if not encoder.is_dir():
        return {"encoder": str(encoder)}
    files = sorted(file for file in encoder.iterdir() if file.is_file())
    return {f"encoder {file.name}": sha256_of(file) for file in files}
