"""The tree as a fresh checkout would have it, uncommitted work included."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def export_tree(root: Path, target: Path) -> list[str]:
    """Copy the files under ``root`` that git tracks or would offer to add to ``target``; their
    names. Nothing that git ignores comes along: caches, old builds, a user's own runs."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    names = sorted(name for name in set(listed.split("\0")) if name and (root / name).is_file())
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target / name)
    return names
