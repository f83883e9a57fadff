"""What tells one file from another."""

from __future__ import annotations

import hashlib
from pathlib import Path

from decoupled_ner.types import InputError


def sha256_of(path: Path, *suffixes: str) -> str:
    """The SHA-256 of a file's bytes as they lie on disk, 64 hexadecimal digits; of a folder that of
    the names and SHA-256 of all files in it, hidden ones and those in hidden folders aside.

    Args:
        suffixes: of a folder only files with these count.

    Raises:
        InputError: it can't be read.
    """
    if path.is_dir():
        names = sorted(file.relative_to(path) for file in path.rglob("[!.]*") if file.is_file())
        seen = (name for name in names if not any(part[0] == "." for part in name.parts))
        counted = (name for name in seen if not suffixes or name.suffix in suffixes)
        content = "".join(f"{name} {sha256_of(path / name)}\n" for name in counted)
        return hashlib.sha256(content.encode(errors="surrogateescape")).hexdigest()
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})") from error
