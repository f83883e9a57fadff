"""Take finished runs into the results: ``python benchmarks/collect.py EXPERIMENT RUN_FOLDER …``.

A run's folder holds ``result.json`` (its scores) and ``config.yaml`` (its settings); what is kept
are the scores, the settings and the facts of the machine, never the data set's text.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml
from results import write_result

from decoupled_ner.types import InputError

_KEPT = (
    "system dataset split encoder init seed epochs dev_f1 dtype train_seconds predict_seconds"
    " pairs_per_epoch outside_bias lost_training_entities candidates_a_sentence by_type mentions"
    " sentences errors checksums device machine versions commit"
)


def record_of(folder: Path, experiment: str, whole_train: bool) -> dict[str, Any]:
    """A run as a result of ``experiment``.

    Raises:
        InputError: the folder holds no finished run that was evaluated.
    """
    try:
        run = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        overall = run["overall"]
    except (OSError, KeyError) as error:
        raise InputError(f"{folder}: no finished run with test scores there ({error})") from error
    record = {key: run[key] for key in _KEPT.split() if key in run}
    for part in ("by_type", "mentions", "sentences"):
        for row in record[part].values():
            row.pop("intervals", None)
    record |= {name: overall[name] for name in ("precision", "recall", "f1", "candidate_recall")}
    record |= {
        "experiment": experiment,
        "seconds": run["train_seconds"] + run["predict_seconds"],
        "intervals": overall["intervals"],
        "settings": {
            **{key: config["model"][key] for key in config["model"] if key != "encoder"},
            **{f"data.{key}": value for key, value in config["data"].items()},
            **{
                key: config["trainer"][key]
                for key in ("max_epochs", "precision", "gradient_clip_val")
            },
        },
    }
    if not whole_train:
        record["train_sentences"] = run["train_sentences"]
    return record


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--against", help="the system to compare with, seed by seed")
    parser.add_argument("--part", action="store_true", help="trained on a part of train only")
    options = parser.parse_args()
    try:
        for folder in options.folders:
            record = record_of(folder, options.experiment, not options.part)
            if options.against and options.against != record["system"]:
                record["against"] = options.against
            print(write_result("scores", record))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
