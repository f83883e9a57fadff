"""Where recipes lie (in the checkout, or inside an installed wheel) and where runs go."""

from __future__ import annotations

import os
from pathlib import Path

from decoupled_ner.types import InputError

_PACKAGE = Path(__file__).parent


def recipe_folder(stage: str) -> Path:
    """The folder of ``unify``, ``gazetteers`` or ``baselines`` recipes.

    Raises:
        InputError: the installation lacks it.
    """
    for place in (_PACKAGE / "recipes" / stage, _PACKAGE / stage, _PACKAGE.parent / stage):
        if place.is_dir() and any(place.glob("*.yaml")):
            return place
    raise InputError(f"no {stage} recipes beside the package: install decoupled-ner again")


def find_recipe(stage: str, name: str, *, small: bool = False) -> Path:
    """A recipe by path or by name; with ``small``, ``NAME-small.yaml`` where there is one.

    Raises:
        InputError: there is none of that name.
    """
    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise InputError(f"no recipe {name}")
        return Path(name)
    folder = recipe_folder(stage)
    for candidate in ([f"{name}-small"] if small else []) + [name]:
        if (folder / f"{candidate}.yaml").is_file():
            return folder / f"{candidate}.yaml"
    known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
    raise InputError(f"no recipe {name!r} in {stage}/; there are {known}")


def runs_folder() -> Path:
    """``$DECOUPLED_NER_RUNS``, else ``runs`` in the working directory."""
    return Path(os.environ.get("DECOUPLED_NER_RUNS", "runs"))
