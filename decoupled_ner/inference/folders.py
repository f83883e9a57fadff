"""Folders that models are loaded from and saved into."""

from __future__ import annotations

import secrets
import shutil
from itertools import count
from pathlib import Path
from typing import TypeVar

from transformers import PretrainedConfig

from decoupled_ner.models.encoder import LOADING_ERRORS
from decoupled_ner.types import InputError

_Config = TypeVar("_Config", bound=PretrainedConfig)


def model_directory(name_or_path: str | Path) -> Path:
    """A local directory as it is; a hub id's files, downloaded if need be.

    Raises:
        InputError: neither a directory with a ``config.json`` nor a reachable hub id.
    """
    path = Path(name_or_path)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise InputError(f"{path}: no config.json there; give a folder that holds a model")
        return path
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(name_or_path)))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(
            f"model {str(name_or_path)!r} is neither a directory nor a hub id that can be reached"
        ) from error


def unused_name(directory: Path, name: str) -> str:
    """``name``, or with a number behind it where the directory has something of that name."""
    names = (f"{name}-{number}" if number > 1 else name for number in count(1))
    return next(name for name in names if not (directory / name).exists())


class replacing:
    """A fresh folder beside ``directory`` that takes its place when the block ends well. Of a model
    that lay there, hidden files, Markdown and licences are kept: ``.git``, a model card.

    Raises:
        InputError: what lies there is no model, and would be lost.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        if directory.exists() and not _is_replaceable(directory):
            raise InputError(
                f"{directory}: holds something else than a model; choose another folder"
            )

    def __enter__(self) -> Path:
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        self._fresh = self.directory.with_name(f".{self.directory.name}-{secrets.token_hex(4)}")
        self._fresh.mkdir()
        return self._fresh

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is not None:
            shutil.rmtree(self._fresh, ignore_errors=True)
            return
        allowed = self._fresh.stat().st_mode & 0o777  # what the umask leaves
        for path in self._fresh.rglob("*"):  # safetensors writes files that only their owner reads
            path.chmod(allowed if path.is_dir() else allowed & 0o666)
        if self.directory.exists():
            old = self._fresh.with_name(self._fresh.name + "-old")
            self.directory.rename(old)
            self._fresh.rename(self.directory)
            for path in filter(_is_kept, old.iterdir()):
                path.rename(self.directory / path.name)
            shutil.rmtree(old, ignore_errors=True)
        else:
            self._fresh.rename(self.directory)


def _is_kept(path: Path) -> bool:
    """Whether it is no part of a model."""
    return path.name.startswith((".", "LICEN")) or path.suffix == ".md"


def config_of(kind: type[_Config], directory: Path) -> _Config:
    """What a model's ``config.json`` says.

    Raises:
        InputError: it is damaged.
    """
    try:
        return kind.from_pretrained(directory)
    except (*LOADING_ERRORS, TypeError) as error:
        raise InputError(f"{directory / 'config.json'}: no configuration of a model") from error


def _is_replaceable(directory: Path) -> bool:
    """Whether it is an empty folder, or one that holds a model of ours."""
    if not directory.is_dir():
        return False
    config = directory / "config.json"
    ours = config.is_file() and '"model_type": "decoupled-ner' in config.read_text("utf-8")
    return ours or not any(directory.iterdir())
