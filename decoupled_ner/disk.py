"""Files as they lie on disk: what tells one from another, and how one is written."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from decoupled_ner.types import InputError, one_line


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


def stamp_of(path: Path) -> list[int] | None:
    """What changes when a file is written anew, as JSON holds it; None where there is none."""
    return [path.stat().st_mtime_ns, path.stat().st_size] if path.is_file() else None


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A path in the same folder to write to. What lies there at the end takes the place of
    ``path``, so that no reader sees half a file; after an error nothing is left of it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield fresh
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def told_of_writing(path: Path) -> Iterator[None]:
    """Make what keeps ``path`` from being written an `InputError`."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise InputError(f"{path}: half of a surrogate pair can't be written as UTF-8") from error
    except OSError as error:
        raise InputError(f"{path}: can't be written ({error.strerror or error})") from error


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` beside ``path``, indented, then rename."""
    with beside(path) as fresh:
        fresh.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is no such file, or something else in it."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_yaml(path: Path, what: str = "can't be read") -> Any:
    """What a YAML file holds.

    Raises:
        InputError: it can't be read or is no YAML; ``what``, and why.
    """
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:  # a ValueError: 2024-13-01, say
        raise InputError(f"{path}: {what} ({one_line(error)})") from error
