"""``manifest.json``: what a folder of shards was made of, and whether it is whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decoupled_ner.disk import told_of_writing, write_json
from decoupled_ner.types import InputError

FILE_NAME = "manifest.json"
FORMAT = "decoupled-ner distant 1"
#: Where shards lie while a cap is not applied yet, in the folder of a run.
STAGED = "staged"

#: What must be the same for a run to be taken up again.
_IDENTITY = ("settings", "gazetteer", "texts")
#: What a finished run has besides. ``labelled``, the number of sentences with a label, came later:
#: it is less than ``sentences`` where those without are written too.
_RESULTS = (
    *("sentences_read", "characters_read", "sentences", "characters", "labelled"),
    *("entities", "doubtful", "shards"),
)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a finished folder.

    Raises:
        InputError: there is none, it is damaged, or the run has not finished.
    """
    manifest = _read(folder)
    if manifest is None:
        raise InputError(f"{folder}: no {FILE_NAME} here; make the folder with distant supervision")
    if not manifest.get("complete"):
        raise InputError(f"{folder}: not finished; run the command that began it again")
    return manifest


def take_up(folder: Path, identity: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of the run in ``folder``, or of one to begin there; nothing is written.

    Raises:
        InputError: the folder holds another run, or shards of none.
    """
    manifest = _read(folder)
    if manifest is None:
        if any(any(place.glob("part-*")) for place in (folder, folder / STAGED)):
            raise InputError(f"{folder}: holds shards without a {FILE_NAME}; choose another folder")
        return {"format": FORMAT, "complete": False, **identity}
    for key in _IDENTITY:
        if manifest.get(key) != json.loads(json.dumps(identity[key])):
            raise InputError(
                f"{folder}: holds a run with another value of {key!r}; choose another folder, or"
                " delete this one"
            )
    return manifest


def is_whole(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether a run has finished and all its shards are there still."""
    return bool(manifest["complete"]) and all(
        (folder / shard["name"]).is_file() for shard in manifest["shards"]
    )


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write beside, then rename."""
    with told_of_writing(folder):
        write_json(folder / FILE_NAME, manifest)


def _read(folder: Path) -> dict[str, Any] | None:
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        manifest: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't be read ({error}): delete the folder") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{path}: not a manifest of this version: choose another folder")
    if (missing := _missing(manifest)) is not None:
        raise InputError(f"{path}: damaged, {missing!r} is missing: delete the folder")
    return manifest


def _missing(manifest: Mapping[str, Any]) -> str | None:
    """The first key that a manifest lacks, or one of its shards."""
    parts: list[tuple[Any, tuple[str, ...]]] = [(manifest, ("complete", *_IDENTITY))]
    if manifest.get("complete"):
        parts.append((manifest, _RESULTS))
        parts.extend((shard, ("name", "sentences")) for shard in manifest.get("shards", ()))
    return next((key for part, keys in parts for key in keys if key not in part), None)
