"""Where recipes lie (in the checkout, or inside an installed wheel) and where runs go, one process
at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from decoupled_ner.types import InputError

_PACKAGE = Path(__file__).parent

#: Whose ``unify`` recipe data sets take that have none of their own.
DEFAULT_RECIPE = "demo"


def recipe_folder(stage: str) -> Path:
    """The folder of a kind of recipes: ``unify``, ``unify/proposer``, ``pretrain``,
    ``pretrain/chains``, ``gazetteers`` or ``baselines``.

    Raises:
        InputError: the installation lacks it.
    """
    for place in (_PACKAGE / "recipes" / stage, _PACKAGE / stage, _PACKAGE.parent / stage):
        if place.is_dir() and any(place.glob("*.yaml")):
            return place
    raise InputError(f"no {stage} recipes beside the package: install decoupled-ner again")


def find_recipe(stage: str, name: str, *, small: bool = False, default: str | None = None) -> Path:
    """A recipe by path or by name; with ``small``, ``NAME-small.yaml`` where there is one.

    Args:
        default: the name to take where there is no recipe ``name``.

    Raises:
        InputError: there is none of that name.
    """
    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise InputError(f"no recipe {name}")
        return Path(name)
    known = {path.stem: path for path in sorted(recipe_folder(stage).glob("*.yaml"))}
    for wanted in (name, default):
        for candidate in (f"{wanted}-small", wanted) if small else (wanted,):
            if candidate in known:
                return known[candidate]
    raise InputError(f"no recipe {name!r} in {stage}/; there are {', '.join(known)}")


def dataset_recipe(dataset: str, *, small: bool = False) -> Path:
    """The ``unify`` recipe for a data set: the one named as what stands before the first colon
    (``weibo`` for ``weibo:nom``), else `DEFAULT_RECIPE`."""
    name = dataset.partition(":")[0]
    return find_recipe("unify", name, small=small, default=DEFAULT_RECIPE)


def runs_folder() -> Path:
    """``$DECOUPLED_NER_RUNS``, else ``runs`` in the working directory."""
    return Path(os.environ.get("DECOUPLED_NER_RUNS", "runs"))


@contextmanager
def locked(folder: Path, lock: Path, *, wait: bool = True) -> Iterator[None]:
    """Keeps every other process that locks ``folder`` out of it until the block is left.

    Args:
        lock: the file to lock; its folder is made.
        wait: for the others to be done; else they are told of.

    Raises:
        InputError: another process is at work there, or files there can't be written or locked.
    """
    held = FileLock(lock)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held.acquire(timeout=-1 if wait else 0)
    except Timeout:
        raise InputError(
            f"{folder}: another process is at work there; wait for it or stop it first"
        ) from None
    except (OSError, NotImplementedError) as error:  # the latter where files can't be locked
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{folder}: can't be written ({reason})") from error
    try:
        yield
    finally:
        held.release()
