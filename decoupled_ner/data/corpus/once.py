"""Folders that are made once: found by a key of what they are made of, whole or not there."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from decoupled_ner.disk import told_of_writing
from decoupled_ner.locations import locked, runs_folder


def made_once(
    kind: str, inputs: dict[str, Any], make: Callable[[Path], None], *, goes_on: bool = False
) -> Path:
    """The folder ``runs/KIND/KEY`` that ``make`` fills.

    It is filled under another name and renamed when complete. Of several processes one makes it and
    the others wait.

    Args:
        inputs: all that the content depends on, as JSON; KEY is made of it.
        goes_on: ``make`` gets what a process left behind that was interrupted, was killed or
            failed, to go on there; else that is thrown away.

    Raises:
        InputError: it can't be written.
    """
    content = json.dumps(inputs, sort_keys=True, ensure_ascii=False)
    key = hashlib.sha256(content.encode()).hexdigest()[:16]
    folder = runs_folder() / kind / key
    with locked(folder, folder.with_name(f".{key}.lock")):
        if not folder.is_dir():
            fresh = folder.with_name(f".{key}.new")
            if not goes_on:
                shutil.rmtree(fresh, ignore_errors=True)
            try:
                with told_of_writing(folder):
                    fresh.mkdir(exist_ok=True)
                    make(fresh)
                    fresh.rename(folder)
            finally:
                if not goes_on:
                    shutil.rmtree(fresh, ignore_errors=True)
    return folder
