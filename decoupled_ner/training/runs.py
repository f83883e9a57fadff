"""Where runs lie, and what every run writes of itself."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_only

from decoupled_ner.locations import runs_folder

_PACKAGE = Path(__file__).parents[1]


def run_folder(stage: str, name: str, encoder: str, seed: int) -> Path:
    """``runs/STAGE/NAME/ENCODER/seed-N``."""
    slug = re.sub(r"[^\w.-]+", "_", Path(encoder).name if Path(encoder).exists() else encoder)
    return runs_folder() / stage / name / slug / f"seed-{seed}"


def dataset_slug(dataset: str) -> str:
    """A data set's name or path as a part of a run's folder: ``weibo-nom`` for ``weibo:nom``."""
    return Path(dataset.partition("?")[0]).resolve().name.replace(":", "-")


def prepare_run(folder: Path, resume: bool) -> None:
    """Make the run's folder. What an earlier run left there is moved aside, never overwritten,
    unless this run resumes it. Under DDP only the first process does anything."""
    if rank_zero_only.rank or resume:  # type: ignore[attr-defined]
        return
    if folder.exists() and any(folder.iterdir()):
        folder.rename(folder.with_name(f"{folder.name}~{time.strftime('%Y%m%d-%H%M%S')}"))
    folder.mkdir(parents=True, exist_ok=True)


def environment() -> dict[str, Any]:
    """The machine, the versions and the commit, as every result states them."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else cpu_name()
    packages = ("torch", "transformers", "pytorch-lightning", "decoupled-ner")
    return {
        "device": device,
        "machine": {"cpu": cpu_name(), "cores": os.cpu_count(), "threads": torch.get_num_threads()},
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in packages},
        },
        "commit": git_commit(),
    }


def cpu_name() -> str:
    """The processor's model name where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def git_commit() -> str | None:
    """The checkout's commit, with ``+`` where files are changed; None for an installed wheel."""
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=_PACKAGE, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=_PACKAGE, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changed else "")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write beside, then rename, so that no reader sees half a file."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)
