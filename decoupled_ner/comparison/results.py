"""Results as files: one JSON object a run, from which tables and plots are made.

A *scores* result needs ``experiment, system, dataset, split, encoder`` (None where a system has
none), ``seed, precision, recall, f1, candidate_recall`` (fractions; None where nothing proposes
candidates), ``seconds`` (of the run, training included), ``device`` and ``settings``. It may have

- ``train_sentences``: how many were trained on, only where that is part of the training set;
- ``seconds_a_sentence``: of prediction on the split, candidates included;
- ``intervals``: ``{"f1": [low, high]}``, by bootstrap over the test sentences;
- ``against``: a system of the same experiment to compare with, seed by seed;
- ``published``: its row in ``published.yaml``, where that is not the system's name.

A *speed* result needs ``experiment, system, against, ratio`` (how many times as fast as
``against``) and ``settings``; ``case`` (on what: ``1,000,000 mentions``), ``device`` and ``run``
tell several apart.

A *table* result is shown as it is: ``experiment, columns`` (headings), ``rows`` (each of as many
texts and numbers), ``settings``, and a ``note`` to stand below.

Any further JSON value is kept. A file that names no ``kind`` is a speed result if it has a
``ratio``.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from decoupled_ner.disk import beside
from decoupled_ner.types import InputError

Kind = Literal["scores", "speed", "table"]
Result = dict[str, Any]
Check = tuple[str, Callable[[Any], bool]]


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_fraction(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_place_free(value: Any) -> bool:
    return value is None or (_is_name(value) and not Path(value).is_absolute())


def _are_cells(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) or _is_number(v) for v in value)


_NAME: Check = ("a name", _is_name)
_FRACTION: Check = ("a fraction from 0 to 1", _is_fraction)
#: Nobody can run it again without: needed to write, not to read what was written elsewhere.
_SETTINGS: Check = ("a mapping", lambda value: isinstance(value, Mapping))

_REQUIRED: dict[str, dict[str, Check]] = {
    "scores": {
        "experiment": _NAME,
        "system": _NAME,
        "dataset": _NAME,
        "split": _NAME,
        "encoder": ("a name (not an absolute path) or null", _is_place_free),
        "seed": ("a whole number", lambda value: isinstance(value, int)),
        "precision": _FRACTION,
        "recall": _FRACTION,
        "f1": _FRACTION,
        "candidate_recall": (
            "a fraction from 0 to 1 or null",
            lambda value: value is None or _is_fraction(value),
        ),
        "seconds": ("a number of seconds", lambda value: _is_number(value) and value >= 0),
        "device": _NAME,
    },
    "speed": {
        "experiment": _NAME,
        "system": _NAME,
        "against": _NAME,
        "ratio": ("a positive number", lambda value: _is_number(value) and value > 0),
    },
    "table": {
        "experiment": _NAME,
        "columns": ("a list of headings", _are_cells),
        "rows": (
            "a list of rows of text and numbers",
            lambda value: isinstance(value, list) and all(map(_are_cells, value)),
        ),
    },
}
#: What tells one run from another: a file's name. A run that is done again replaces its file.
_IDENTITY = {
    "scores": (
        "experiment",
        "system",
        "dataset",
        "split",
        "encoder",
        "train_sentences",
        "seed",
    ),
    "speed": ("experiment", "system", "against", "case", "device", "run"),
    "table": ("experiment",),
}


def write_result(kind: Kind, record: Mapping[str, Any], folder: Path) -> Path:
    """Check a result, add where it was made, and write it beside its file, then rename.

    ``machine``, ``versions`` and ``commit`` are those of this process unless the record has them
    (from a run elsewhere, say).

    Returns:
        The file: its name follows from what identifies the run.

    Raises:
        InputError: a field is missing or is not what it must be.
    """
    result = {**record, "kind": kind}
    name = f"result of {record.get('system') or record.get('experiment', 'an unnamed system')}"
    _check(result, name, {"settings": _SETTINGS})
    facts = run_facts() if {"machine", "versions", "commit"} - record.keys() else {}
    result = {**facts, **result}
    try:
        content = json.dumps(result, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: not JSON ({error})") from error
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name(result)
    with beside(path) as fresh:
        fresh.write_text(content + "\n", encoding="utf-8")
    return path


def read_results(folder: Path) -> list[Result]:
    """Every result of a folder, in the order of the file names.

    Raises:
        InputError: there is no such folder, or a file is no result; names it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of results")
    results = []
    for path in sorted(folder.glob("*.json")):
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path}: not JSON ({error})") from error
        if not isinstance(result, dict):
            raise InputError(f"{path}: expected an object, got {type(result).__name__}")
        result.setdefault("kind", "speed" if "ratio" in result else "scores")
        _check(result, str(path))
        results.append(result)
    return results


def file_part(name: str) -> str:
    """A name as it stands in the names of files."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-")


def file_name(result: Mapping[str, Any]) -> str:
    """``EXPERIMENT__SYSTEM__DATASET__…__seed-N.json``."""
    parts = []
    for field in _IDENTITY[result["kind"]]:
        if (value := result.get(field)) is not None:
            text = file_part(str(value))
            parts.append(f"{field}-{text}" if isinstance(value, int) else text)
    return "__".join(parts) + ".json"


def _check(
    result: Mapping[str, Any], name: str, further: Mapping[str, Check] = MappingProxyType({})
) -> None:
    kind = result.get("kind")
    if kind not in _REQUIRED:
        raise InputError(f"{name}: kind must be one of {', '.join(_REQUIRED)}, not {kind!r}")
    required = {**_REQUIRED[kind], **further}
    if missing := [field for field in required if field not in result]:
        raise InputError(f"{name}: {', '.join(missing)} missing; a {kind} result needs each")
    for field, (expected, is_right) in required.items():
        if not is_right(result[field]):
            raise InputError(f"{name}: {field} must be {expected}, not {result[field]!r}")
    if kind == "table" and any(len(row) != len(result["columns"]) for row in result["rows"]):
        raise InputError(f"{name}: every row needs {len(result['columns'])} cells")


def run_facts() -> Result:
    """This machine, the versions and the commit."""
    from decoupled_ner.training.runs import environment

    facts = environment()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {**facts, "machine": {"ram_gib": round(memory, 1), **facts["machine"]}}
