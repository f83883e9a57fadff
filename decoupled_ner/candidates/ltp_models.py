"""Finding, loading and saving LTP models.

They are built from their files by LTP's own classes, but not by its factory ``ltp.LTP``: that
asks the hub with arguments which newer versions of ``huggingface_hub`` refuse, and calls whatever
a model's configuration names.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from decoupled_ner.disk import sha256_of
from decoupled_ner.types import InputError

_FILES = ["*.json", "*.bin", "*.txt"]

# What a neural model's configuration may build: the classes that LTP's own models consist of.
_PARTS = re.compile(
    r"ltp_core\.models\.(ltp_model\.LTPModule|utils\.transformer\.load_transformers"
    r"|processor\.[A-Z]\w+|components\.(token|graph|sent)\.[A-Z]\w+)"
)


def load_pipeline(name: str) -> Any:
    """LTP's pipeline for a model: a folder in the layout of LTP's models on the hub, or a hub id.

    Raises:
        InputError: LTP is not installed; or there is no such model, or none with cws and pos.
    """
    _ltp("legacy")  # first of all: whether it is installed
    directory = Path(name) if Path(name).is_dir() else _download(name)
    config = _read_config(directory)
    try:
        pipeline = (_neural if config["nerual"] else _perceptron)(directory, config)
    except InputError:
        raise
    except Exception as error:  # LTP raises whatever its parts do
        raise InputError(f"{name}: no LTP model with cws and pos: {_first_line(error)}") from error
    if not pipeline.supported_tasks.issuperset({"cws", "pos"}):
        raise InputError(f"{name}: the LTP model must segment and tag (tasks cws and pos)")
    return pipeline


def save_model(name: str, directory: Path) -> str:
    """Copy a model's folder into ``directory`` and return its name there, which tells the content;
    a hub id stays as it is."""
    source = Path(name)
    if not source.is_dir():
        return name
    folder = f"ltp-{sha256_of(source)[:12]}"
    (directory / folder).mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.is_file():
            shutil.copyfile(path, directory / folder / path.name)
    return folder


def _read_config(directory: Path) -> dict[str, Any]:
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{directory}: no LTP model, it has no readable config.json") from error
    if not isinstance(config, dict) or "nerual" not in config:  # sic, LTP's own spelling
        raise InputError(f"{directory}: its config.json is not that of an LTP model")
    return config


def _perceptron(directory: Path, config: dict[str, Any]) -> Any:
    files = {task: str(directory / config["tasks"][task]) for task in ("cws", "pos")}
    return _ltp("legacy").LTP(**files)


def _neural(directory: Path, config: dict[str, Any]) -> Any:
    for target in _targets(config):
        if not _PARTS.fullmatch(target):
            raise InputError(f"{directory}: config.json names {target!r}, which is no part of LTP")
    pipeline_class = _ltp("nerual").LTP
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(directory))
    if not hasattr(tokenizer, "batch_encode_plus"):
        # LTP 4.2 calls it; transformers 5 has dropped it: calling the tokenizer does the same.
        tokenizer.batch_encode_plus = tokenizer.__call__
    pipeline = pipeline_class(config, tokenizer)
    weights = directory / "pytorch_model.bin"
    state = torch.load(weights, map_location="cpu", weights_only=True)
    # Not strict, as LTP's own loader: older versions saved position ids too.
    pipeline.load_state_dict(state, strict=False)
    return pipeline.eval()


def _targets(config: Any) -> Iterator[str]:
    """All callables that a configuration names."""
    if isinstance(config, dict):
        if "_ltp_target_" in config:
            yield str(config["_ltp_target_"])
        for value in config.values():
            yield from _targets(value)


def _ltp(module: str) -> Any:
    try:
        return import_module(f"ltp.{module}")
    except ImportError as error:
        raise InputError(
            f"LTP is not installed ({error}): pip install 'decoupled-ner[ltp]'"
        ) from error


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_FILES))
    except (OSError, ValueError) as error:  # the hub's errors derive from these
        raise InputError(
            f"{name!r} is neither a folder nor an LTP model on the hub ({_first_line(error)});"
            f" without a hub put its files into {Path(name).resolve()}, or name their folder"
        ) from error


def _first_line(error: Exception) -> str:
    """LTP's errors have stack traces in them, the hub's have paragraphs."""
    return (str(error).strip().splitlines() or [""])[0] or type(error).__name__
