"""A finished run as a result: its scores, settings and machine, never the data set's text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from decoupled_ner.types import InputError

_KEPT = (
    "system dataset split encoder init seed epochs dev_f1 dtype train_seconds predict_seconds"
    " steps items_seen tokens_seen lr pairs_per_epoch outside_bias proposer_reading"
    " gazetteer_digest lost_training_entities extra_sentences"
    " candidates_a_sentence"
    " by_type mentions sentences errors checksums device machine versions commit"
)


def record_of(folder: Path, experiment: str, system: str | None = None) -> dict[str, Any]:
    """A run as a result of ``experiment``.

    Args:
        folder: what ``unify`` or ``tagger`` wrote: ``result.json`` and ``config.yaml``.
        system: what the run is called there; by default as the run calls itself.

    Raises:
        InputError: the folder holds no finished run that was evaluated.
    """
    try:
        run = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        overall = run["overall"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder}: no finished run with test scores there ({error})") from error
    record = {key: run[key] for key in _KEPT.split() if key in run}
    for part in ("by_type", "mentions", "sentences"):
        for row in record[part].values():
            row.pop("intervals", None)
    record |= {name: overall[name] for name in ("precision", "recall", "f1", "candidate_recall")}
    record |= {
        "experiment": experiment,
        "system": system or run["system"],
        "encoder": _place_free(run["encoder"], 4 if Path(run["encoder"]).name == "encoder" else 1)
        if config["model"].get("use_encoder", True)
        else None,
        "init": _place_free(run["init"], 4),
        "seconds": run["train_seconds"] + run["predict_seconds"],
        "seconds_a_sentence": run["predict_seconds"] / overall["sentences"],
        "intervals": overall["intervals"],
        "settings": _settings(config),
    }
    if config["data"].get("train_sentences") is not None:
        record["train_sentences"] = run["train_sentences"]
    return record


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    trainer = ("max_epochs", "precision", "gradient_clip_val")
    return {
        **{key: value for key, value in config["model"].items() if key != "encoder"},
        **{f"data.{key}": value for key, value in config["data"].items() if key != "encoder"},
        **{key: config["trainer"][key] for key in trainer},
    }


def _place_free(names: str, parts: int) -> str:
    """The last parts of paths, which mean nothing elsewhere; hub ids and names as they are."""

    def short(name: str) -> str:
        path = Path(name)
        is_place = path.is_absolute() or len(path.parts) > 2 or path.is_dir()
        return "/".join(path.parts[-parts:]) if is_place else name

    return ",".join(map(short, names.split(",")))
