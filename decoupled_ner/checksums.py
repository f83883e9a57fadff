"""What tells one file from another."""

from __future__ import annotations

import hashlib
from pathlib import Path

from decoupled_ner.types import InputError


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes as they lie on disk, 64 hexadecimal digits.

    Raises:
        InputError: it can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror or error})") from error
