"""Where a data set's files lie: a folder of the user's, the cache, or a download into the cache."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pooch
from rich.console import Console

from decoupled_ner.data.files import PACKED
from decoupled_ner.types import InputError

#: The folder with the user's data: sets lie in ``ner/NAME/`` or ``NAME/`` below it.
DATA_VARIABLE = "DECOUPLED_NER_DATA"


def data_folders(name: str) -> list[Path]:
    """The folders in which the set ``name`` is looked for, the first found wins.

    Raises:
        InputError: the environment variable names no folder.
    """
    folders = [cache_folder(name)]
    if root := os.environ.get(DATA_VARIABLE):
        if not Path(root).is_dir():
            raise InputError(f"${DATA_VARIABLE} is {root!r}, which is no folder")
        folders = [Path(root) / "ner" / name, Path(root) / name, *folders]
    return folders


def cache_folder(name: str) -> Path:
    """Where downloads of the set ``name`` are kept."""
    return Path(pooch.os_cache("decoupled-ner")) / "ner" / name


def find_file(folder: Path, name: str) -> Path | None:
    """``name`` in ``folder``, packed or not."""
    paths = (folder / f"{name}{packed}" for packed in ("", *PACKED))
    return next((path for path in paths if path.is_file()), None)


def locate(
    name: str, files: Sequence[str], remote: Mapping[str, tuple[str, str]], source: str
) -> dict[str, Path]:
    """The path of each file of the data set ``name``.

    Args:
        name: the folder's name.
        files: the names of all files.
        remote: URL and SHA-256 by file name, where the set may be downloaded.
        source: where people get the set, for the message.

    Raises:
        InputError: a file is nowhere and can't be downloaded; says what to put where.
    """
    folders = data_folders(name)
    for folder in folders:
        if folder.is_dir():
            found = {file: find_file(folder, file) for file in files}
            if all(found.values()):
                return {file: path for file, path in found.items() if path is not None}
    if all(file in remote for file in files):
        return {file: download(*remote[file], folders[-1] / file) for file in files}
    raise InputError(
        f"data set {name!r} is not here and can't be downloaded: get it from {source} and put"
        f" {', '.join(files)} into {folders[0]} (${DATA_VARIABLE} can name another data folder)"
    )


def download(url: str, sha256: str, path: Path) -> Path:
    """Fetch ``url`` to ``path`` unless it lies there, and check its content.

    Raises:
        InputError: the server can't be reached or sends something else.
    """
    hint = f"put the file at {path} yourself"
    try:
        with Console(stderr=True).status(f"downloading {url}"):
            pooch.retrieve(url, f"sha256:{sha256}", fname=path.name, path=path.parent)
    except OSError as error:  # all of requests' errors too
        reason = error.strerror or type(error).__name__
        raise InputError(
            f"can't download {url} ({reason}): check the network, or {hint}"
        ) from error
    except ValueError as error:  # pooch's answer to another checksum
        raise InputError(f"{url} has changed (another checksum): {hint}") from error
    return path
