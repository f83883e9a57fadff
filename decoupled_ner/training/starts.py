"""Where a run starts: from the encoder as it is, or from what stage 1 made of it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decoupled_ner.disk import read_json, read_yaml
from decoupled_ner.locations import runs_folder
from decoupled_ner.models.encoder import load_encoder_config, load_tokenizer
from decoupled_ner.types import InputError

#: The stages of pre-training, as `result.json` names them.
STAGES = ("mention", "context")

_SIZES = (
    "model_type",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "vocab_size",
)


@dataclass(frozen=True, slots=True)
class Start:
    """The encoder to start from, or two with a comma for mention and context, and why."""

    encoder: str
    reason: str


def resolve_start(init: str, encoder: str, stages: Collection[str] = STAGES) -> Start:
    """What ``--init`` means for an encoder.

    Args:
        init: ``none``; a directory, or two with a comma; or ``auto``: the newest encoder of a
            finished stage-1 run that fits, else the encoder as it is.
        encoder: hub id, directory or bundled name. One that is itself of stage 1 stays as it is
            under ``auto``.
        stages: whose encoders ``auto`` takes.

    Raises:
        InputError: the encoder can't be loaded.
    """
    if init == "none":
        return Start(encoder, f"starts from {encoder}")
    if init != "auto":
        return Start(init, f"starts from {init}")
    if stage_one_run(encoder) is not None:
        return Start(encoder, f"starts from {encoder}, of stage 1")
    found = newest_encoder(encoder, stages)
    if found is None:
        which = " or ".join(stages)
        return Start(encoder, f"starts from {encoder}: no {which} run in {_pretraining()} fits it")
    return Start(str(found), f"starts from {found}, the newest stage-1 encoder that fits")


def resumed_start(folder: Path, start: Start) -> Start:
    """What a run that is resumed began with, as its settings say; ``start`` where they, or the
    folder that they name, are gone."""
    try:
        settings = read_yaml(folder / "config.yaml")
        names = [settings["model"]["encoder"], settings["model"].get("context_encoder")]
    except (InputError, LookupError, TypeError, AttributeError):
        return start
    names = [name for name in names if name]
    # A hub id has two parts at most.
    if not names or any(len(Path(n).parts) > 2 and not Path(n).exists() for n in names):
        return start
    return Start(",".join(names), f"began with {','.join(names)}")


def newest_encoder(encoder: str, stages: Collection[str] = STAGES) -> Path | None:
    """The newest encoder that a finished run of ``stages`` saved, of the encoder's architecture,
    sizes and vocabulary. Runs that were moved aside do not count."""
    finished = [
        path
        for path in _pretraining().glob("*/*/seed-*/result.json")
        if "~" not in path.parent.name
    ]
    wanted = _shape(encoder) if finished else None
    for path in sorted(finished, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        saved = path.parent / "encoder"
        run = stage_one_run(saved)
        if run is None or run["stage"] not in stages:
            continue
        with suppress(InputError):  # a damaged one is passed over
            if _shape(str(saved)) == wanted:
                return saved
    return None


def stage_one_run(encoder: str | Path) -> dict[str, Any] | None:
    """The result of the run that saved an encoder; None where it is no stage-1 encoder."""
    path = Path(encoder).parent / "result.json"
    if not (Path(encoder) / "config.json").is_file() or not path.is_file():
        return None
    run = read_json(path)
    return run if run.get("stage") in STAGES else None


def _shape(encoder: str) -> tuple[list[Any], dict[str, int]]:
    """What two encoders must have in common: architecture and sizes, and the vocabulary."""
    config = load_encoder_config(encoder)
    sizes = [getattr(config, name, None) for name in _SIZES]
    return sizes, load_tokenizer(encoder).get_vocab()


def _pretraining() -> Path:
    return runs_folder() / "pretrain"
