"""Where runs lie, and what every run writes of itself."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_only

from decoupled_ner.data.catalog import DATASETS
from decoupled_ner.disk import stamp_of
from decoupled_ner.locations import locked, runs_folder
from decoupled_ner.types import InputError

_PACKAGE = Path(__file__).parents[1]
_PROJECT = "decoupled-ner"
#: Names, in a run's environment and then in its folder, the step of a chain that it is.
CHAIN_STEP, STEP_FILE = "DECOUPLED_NER_CHAIN_STEP", "chain-step"
#: What lies in a run's folder, beside an encoder that has the run's name.
_TAKEN = ("checkpoints", "logs", "..")
_HUB_ID = re.compile(r"(\w[\w.-]*/)?\w[\w.-]*", re.ASCII)


def run_folder(stage: str, name: str, encoder: str, seed: int) -> Path:
    """``runs/STAGE/NAME/ENCODER/seed-N``; ``encoder_slug`` names the encoder."""
    return runs_folder() / stage / name / encoder_slug(encoder) / f"seed-{seed}"


def check_name(name: str) -> None:
    """Raise an `InputError` where a run can't be called so."""
    if Path(name).name != name or name in _TAKEN:
        raise InputError(
            f"--name {name!r}: give the name of a folder, without / and none of {', '.join(_TAKEN)}"
        )


def encoder_slug(encoder: str) -> str:
    """A folder name that no other encoder has: a bundled name as it is, a hub id as ``org--name``
    (no hub id has two dashes), a directory's name with a checksum of where it lies."""
    if not Path(encoder).exists() and _HUB_ID.fullmatch(encoder) and "--" not in encoder:
        return encoder.replace("/", "--")
    return _place_slug(encoder, "encoder")


def dataset_slug(dataset: str) -> str:
    """A folder name that no other data set has: a name of the catalog as it is, with a dash for its
    colon; of a user's own file or folder the name, with a checksum of where it lies."""
    if dataset in DATASETS:
        return dataset.replace(":", "-")
    return _place_slug(dataset.partition("?")[0], "data")


def _place_slug(path: str, unnamed: str) -> str:
    place = Path(path).resolve()
    name = re.sub(r"[^\w.-]+", "_", place.name).strip("._") or unnamed
    return f"{name}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:8]}"


def prepare_run(folder: Path, resume: bool) -> None:
    """Make the run's folder. What an earlier run left there is moved aside, never overwritten,
    unless this run resumes it. Under DDP only the first process does anything.

    Raises:
        InputError: nothing can be written there.
    """
    if rank_zero_only.rank or resume:  # type: ignore[attr-defined]
        return
    try:
        if folder.exists() and any(folder.iterdir()):
            folder.rename(folder.with_name(f"{folder.name}~{time.strftime('%Y%m%d-%H%M%S')}"))
        folder.mkdir(parents=True, exist_ok=True)
        if step := os.environ.get(CHAIN_STEP):
            (folder / STEP_FILE).write_text(step, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{folder}: can't be written ({error.strerror}); DECOUPLED_NER_RUNS names another place"
        ) from error


@contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Keeps every other process out of a folder of runs, as long as this one works there. Under DDP
    the first process does so for all.

    Raises:
        InputError: another process is at work there, or nothing can be written.
    """
    if rank_zero_only.rank:  # type: ignore[attr-defined]
        yield
        return
    folder = folder.resolve()
    lock = folder.with_name(f".{folder.name}.lock")  # beside it, since it may be moved aside
    with locked(folder, lock, wait=False):
        yield


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM is an exception here, as SIGINT is: a process that waits for others ends them then,
    where it would leave them at work on its own. For the main thread."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def environment() -> dict[str, Any]:
    """The machine, the versions and the commit, as every result states them."""
    packages = ("torch", "transformers", "pytorch-lightning", _PROJECT)
    return {
        "machine": {"cpu": cpu_name(), "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in packages},
        },
        "commit": git_commit(),
    }


def device_name(device: torch.device) -> str:
    """The model name of what is computed on."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


def cpu_name() -> str:
    """The processor's model name where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def git_commit() -> str | None:
    """The checkout's commit, with ``+`` where files are changed; None where the package lies in no
    checkout of this project: an installed wheel may well lie inside another repository."""
    try:
        if Path(_git("rev-parse", "--show-toplevel")) != _PACKAGE.parent.resolve():
            return None
        settings = tomllib.loads((_PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
        if settings["project"]["name"] != _PROJECT:
            return None
        commit = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError, tomllib.TOMLDecodeError, KeyError):
        return None
    return commit + ("+" if changed else "")


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=_PACKAGE, capture_output=True, text=True, check=True
    ).stdout.strip()


def written_since(path: Path, before: Any) -> bool:
    """Whether a file is there and not the one whose `stamp_of` was noted when a run began: that one
    is of an earlier run, which a run that failed early leaves in its place. (The times of two files
    tell less: they may be coarse, and copying a folder sets them anew.)"""
    return path.is_file() and stamp_of(path) != before
