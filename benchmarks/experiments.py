"""Run an experiment and take its results in: ``python benchmarks/experiments.py weibo-nam``.

A run that is finished is not done again, one that was interrupted goes on. Then
``python benchmarks/tables.py`` writes the tables of docs/results.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "experiments"


@dataclass(frozen=True)
class System:
    """One row of an experiment: a command, the folder of its runs, and the seeds."""

    command: tuple[str, ...]
    folder: str
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Experiment:
    """Systems under the same data and encoder; the first is compared with the second."""

    systems: tuple[System, ...]
    against: str
    part_of_train: bool = False


_MSRA = ("--data.train_sentences=10000", "--trainer.limit_val_batches=40")
EXPERIMENTS = {
    "weibo-nam": Experiment(
        (
            System(("unify", "weibo"), "unify/weibo", (1, 2, 3)),
            System(("tagger", "bert-fc", "--dataset=weibo"), "tagger/weibo-bert-fc", (1, 2, 3)),
        ),
        against="bert-fc",
    ),
    "msra-10k": Experiment(
        (
            System(("unify", "msra", *_MSRA), "unify/msra", (1,)),
            System(
                (
                    *("tagger", "bert-fc", "--dataset=msra", *_MSRA),
                    *("--data.batch_size=32", "--trainer.max_epochs=4"),
                ),
                "tagger/msra-bert-fc",
                (1,),
            ),
        ),
        against="bert-fc",
        part_of_train=True,
    ),
}


def run(name: str, encoder: str) -> None:
    """Do what is left of an experiment, then collect all its runs."""
    experiment = EXPERIMENTS[name]
    place = RUNS / name
    folders = []
    for system in experiment.systems:
        for seed in system.seeds:
            folder = place / system.folder / encoder / f"seed-{seed}"
            folders.append(folder)
            if (folder / "result.json").is_file():
                continue
            command = [*system.command, f"--encoder={encoder}", f"--seed={seed}"]
            if (folder / "checkpoints" / "last.ckpt").is_file():
                command.append("--ckpt_path=last")
            subprocess.run(
                [sys.executable, "-m", "decoupled_ner.cli", *command],
                env={**os.environ, "DECOUPLED_NER_RUNS": str(place)},
                check=True,
            )
    collect = [sys.executable, str(ROOT / "benchmarks" / "collect.py"), name, *map(str, folders)]
    part = ["--part"] if experiment.part_of_train else []
    subprocess.run([*collect, "--against", experiment.against, *part], check=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--encoder", default="zh-small")
    options = parser.parse_args()
    run(options.experiment, options.encoder)


if __name__ == "__main__":
    main()
