"""A proposer's whole run: one on all training sentences, or one more for each fold of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from decoupled_ner.data.out_of_fold import FoldText, OutOfFold
from decoupled_ner.disk import stamp_of, write_json
from decoupled_ner.inference.budget_curve import budget_curve, render_curve
from decoupled_ner.inference.proposer import Proposer, ProposerCandidates
from decoupled_ner.locations import find_recipe, runs_folder
from decoupled_ner.metrics.budget import budget_threshold
from decoupled_ner.models.encoder import is_small, load_encoder_config
from decoupled_ner.training.cli import TrainingCLI
from decoupled_ner.training.launch import Run, train
from decoupled_ner.training.proposer import BUDGETS, ProposerData, ProposerTraining
from decoupled_ner.training.runs import (
    dataset_slug,
    run_folder,
    terminated_as_interrupted,
    written_since,
)
from decoupled_ner.types import InputError

#: The candidates of a fold, in its run's folder, and those of all folds, in the whole proposer's.
FOLD_FILE, ALL_FOLDS_FILE = "fold-candidates.jsonl", "train-candidates.jsonl"


def train_proposer(
    dataset: str, run: Run, recipe_name: str = "default", fold: tuple[int, int] | None = None
) -> Path | None:
    """Train a proposer on a data set and return the run's folder; None in a process that only
    helped.

    Args:
        dataset: name or path.
        recipe_name: a recipe's name in ``unify/proposer`` or path.
        fold: the number of a fold, from 1, and how many there are. It is not trained on, and the
            proposer writes its candidates for it.

    Raises:
        InputError: an unknown recipe, encoder, data set or setting.
    """
    small = is_small(load_encoder_config(run.encoder))
    recipe = find_recipe("unify/proposer", recipe_name, small=small)
    arguments = [
        f"--config={recipe}",
        f"--data.dataset={dataset}",
        f"--model.encoder={run.encoder}",
    ]
    if fold:
        arguments += [f"--data.fold={fold[0]}", f"--data.folds={fold[1]}"]
    folder = proposer_folder(dataset, run, fold)
    return train(
        ProposerTraining, ProposerData, "proposer", folder, arguments, run, finish=finish_proposer
    )


def train_in_folds(dataset: str, run: Run, recipe_name: str, folds: int) -> Path:
    """Train a proposer on everything, which tells whether the data will do, and one for each fold,
    each in a process of its own, and put the folds' candidates together; returns the file.

    Where ``run`` resumes, what is finished is kept.

    Raises:
        InputError: too few folds, or one of the runs failed.
    """
    if folds < 2:
        raise InputError(f"--folds needs at least 2, not {folds}")
    parts: list[tuple[int, int] | None] = [(number, folds) for number in range(1, folds + 1)]
    folders = {part: proposer_folder(dataset, run, part) for part in [None, *parts]}
    left = _left_before(run, [dataset, recipe_name, *run.arguments], folders)
    for part, folder in folders.items():
        result, last = folder / "result.json", folder / "checkpoints" / "last.ckpt"
        result_before, last_before = left[_key(folder)]
        if run.resume and written_since(result, result_before):
            print(f"proposer: {folder} is finished", flush=True)
            continue
        started = run.resume and written_since(last, last_before)
        _start(dataset, run, recipe_name, part, ["--ckpt_path", "last"] if started else [])
    found = [OutOfFold.read(folders[part] / FOLD_FILE) for part in parts]
    path = folders[None] / ALL_FOLDS_FILE
    _together(found).write(path)
    print(f"out-of-fold candidates {path}")
    return path


def _left_before(
    run: Run, settings: list[str], folders: Mapping[tuple[int, int] | None, Path]
) -> dict[str, Any]:
    """What result and what state lay in each run's folder when the runs were begun. Those are of
    earlier runs, with other settings perhaps, which one that is resumed must not take for its own.

    Raises:
        InputError: there is nothing to resume, or what there is has other settings.
    """
    whole = folders[None]
    path = whole.with_name(f".{whole.name}.{len(folders) - 1}-folds.json")
    if not run.resume:
        files = ("result.json", "checkpoints/last.ckpt")
        left = {_key(f): [stamp_of(f / name) for name in files] for f in folders.values()}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"settings": settings, "left": left})
        return left
    try:
        begun = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"nothing to resume for {whole}: leave out --ckpt_path last ({error})"
        ) from error
    if begun["settings"] != settings:
        raise InputError(
            f"the folds were begun with {' '.join(begun['settings'])}: give the same, or run all"
            " anew without --ckpt_path last"
        )
    return dict(begun["left"])


def _key(folder: Path) -> str:
    """Names a run's folder wherever the runs lie."""
    return folder.relative_to(runs_folder()).as_posix()


def finish_proposer(cli: TrainingCLI, folder: Path, record: dict[str, Any]) -> None:
    """Save the proposer with its thresholds and measure it on test; that of a fold writes its
    candidates instead."""
    module, data = cli.model, cli.datamodule
    assert isinstance(module, ProposerTraining) and isinstance(data, ProposerData)
    # After training Lightning has moved the module to the CPU.
    module.to(cli.trainer.strategy.root_device)
    proposer = module.proposer()
    record |= data.facts()
    if data.fold:
        _write_fold(proposer, data, folder / FOLD_FILE, record)
    else:
        record |= _save_and_measure(proposer, data, folder)
    write_json(folder / "result.json", record)


def _save_and_measure(proposer: Proposer, data: ProposerData, folder: Path) -> dict[str, Any]:
    """Thresholds from dev, recall on test; what a result says of them."""
    config = proposer.model.config
    proposer.choose_thresholds(data.data.split("dev"), sorted({*BUDGETS, config.budget}))
    proposer.save_pretrained(folder / "model")
    print(f"model {folder / 'model'}")
    facts: dict[str, Any] = {"budget": config.budget, "dev": config.operating_points}
    if "test" not in data.data.splits:
        return facts
    curve = budget_curve(proposer, data.data.split("test"))
    Console().print(render_curve(curve, config.budget))
    [chosen] = [point for point in curve if point.budget == config.budget]
    return facts | {
        "split": "test",
        "candidate_recall": chosen.recall,
        "candidates_per_sentence": chosen.candidates,
        "curve": [asdict(point) for point in curve],
    }


def _write_fold(proposer: Proposer, data: ProposerData, path: Path, record: dict[str, Any]) -> None:
    """The best regions of the fold's sentences. How many is set by their number alone: neither dev
    nor a gold entity is looked at."""
    texts = list(dict.fromkeys(sentence.text for sentence in data.held_out_sentences))
    found = proposer.scored(texts, progress="out-of-fold candidates")
    kept = max(*BUDGETS, proposer.model.config.budget)
    scores = np.concatenate([of_text.scores for of_text in found])
    threshold = budget_threshold(scores, len(texts), kept)
    facts = {
        "generator": ProposerCandidates.name,
        "folds": data.folds,
        "budget": kept,
        "fit_on": data.fit_on,
        "extra": asdict(data.extra),
        **{key: record[key] for key in ("dataset", "checksums", "encoder", "seed", "epochs")},
    }
    lines = []
    for text, of_text in zip(texts, found, strict=True):
        pairs = zip(of_text.regions.tolist(), of_text.scores.tolist(), strict=True)
        spans = tuple((a, b, round(score, 5)) for (a, b), score in pairs if score >= threshold)
        lines.append(FoldText(text, data.fold, spans))
    OutOfFold(facts, tuple(lines)).write(path)


def _together(parts: Sequence[OutOfFold]) -> OutOfFold:
    """All folds' candidates.

    Raises:
        InputError: they were made with different settings.
    """
    if any(part.facts != parts[0].facts for part in parts):
        raise InputError(
            "the folds were made with different settings: run all anew, without --ckpt_path last"
        )
    return OutOfFold(parts[0].facts, tuple(text for part in parts for text in part.texts))


def proposer_folder(dataset: str, run: Run, fold: tuple[int, int] | None = None) -> Path:
    """Where a proposer is written, or the one of a fold."""
    name = dataset_slug(dataset) + (f"-fold-{fold[0]}-of-{fold[1]}" if fold else "")
    return run_folder("proposer", name, run.encoder, run.seed)


def _start(
    dataset: str, run: Run, recipe: str, fold: tuple[int, int] | None, more: Sequence[str]
) -> None:
    """Train one proposer in a process of its own: under DDP each starts its own helpers."""
    command = [sys.executable, "-m", "decoupled_ner.cli", "proposer", dataset]
    command += ["--encoder", run.encoder, "--seed", str(run.seed), "--recipe", recipe]
    command += [f"--fold={fold[0]}/{fold[1]}"] if fold else []
    with terminated_as_interrupted():
        status = subprocess.run([*command, *more, *run.arguments], check=False).returncode
    if status:
        raise InputError("a proposer's run failed; --ckpt_path last goes on from here")
