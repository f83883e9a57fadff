"""What tells one file from another."""

from __future__ import annotations

import hashlib
from pathlib import Path

from decoupled_ner.types import InputError


def sha256_of(path: Path, *suffixes: str) -> str:
    """The SHA-256 of a file's bytes as they lie on disk, 64 hexadecimal digits; of a folder that of
    the names and SHA-256 of all files in it, hidden ones aside.

    Args:
        suffixes: of a folder only files with these count.

    Raises:
        InputError: it can't be read.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("[!.]*") if file.is_file())
        counted = (file for file in files if not suffixes or file.suffix in suffixes)
        content = "".join(f"{file.relative_to(path)} {sha256_of(file)}\n" for file in counted)
        return hashlib.sha256(content.encode(errors="surrogateescape")).hexdigest()
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})") from error
