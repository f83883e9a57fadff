"""What a ``unify`` recipe says of candidates, for reports that train nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from decoupled_ner.candidates.gazetteer import with_mentions_of
from decoupled_ner.candidates.registry import generator_from_config
from decoupled_ner.candidates.union import Union
from decoupled_ner.data.catalog import Dataset, load_dataset
from decoupled_ner.disk import read_yaml
from decoupled_ner.types import InputError


def recipe_candidates(path: Path, dataset: str, split: str) -> tuple[Dataset, Union]:
    """A data set, and the union that a model has which is trained on it with a recipe: the
    recipe's generators and, with ``train_mentions: true``, the mentions of the training split. A
    data set without that split has the generators alone.

    Args:
        path: the recipe; the data set that it names does not matter.
        dataset: name or path.
        split: what the report will be on.

    Raises:
        InputError: the file is no recipe with candidates, there is no such data set, or the split's
            own mentions would be among the candidates.
    """
    settings = _data_settings(path)
    fit_on = settings.get("fit_on", "train")
    if "test" in fit_on.split("+"):
        raise InputError(
            f"{path}: fit_on: {fit_on}: a model is scored on test, never trained on it"
        )
    data = load_dataset(dataset, train_sentences=settings.get("train_sentences"))
    union = Union.of(generator_from_config(settings["candidates"]))
    if settings.get("train_mentions") and data.splits.keys() >= set(fit_on.split("+")):
        if split in fit_on.split("+"):
            raise InputError(
                f"{path}: train_mentions with fit_on {fit_on}: all mentions of {split} are among"
                " the candidates; report on another split"
            )
        union = with_mentions_of(union, data.split(fit_on))
    return data, union


def _data_settings(path: Path) -> dict[str, Any]:
    read = read_yaml(path, "no readable recipe")
    try:
        settings = read["data"]
        settings["candidates"]
        count = settings.get("train_sentences")
        if not (count is None or isinstance(count, int)):
            raise InputError(f"{path}: train_sentences must be a number, not {count!r}")
        if not isinstance(settings.get("fit_on", ""), str):
            raise InputError(f"{path}: fit_on must be a split, not {settings['fit_on']!r}")
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: no data: candidates: in this recipe") from error
    return dict(settings)
