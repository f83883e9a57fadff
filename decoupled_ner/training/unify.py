"""``decoupled-ner unify``: train, take the best state on dev, save, evaluate on test."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from decoupled_ner.inference.evaluate import render
from decoupled_ner.inference.html import write_report
from decoupled_ner.inference.measure import measure
from decoupled_ner.inference.model import DecoupledNER, DType
from decoupled_ner.locations import find_recipe
from decoupled_ner.models.encoder import is_small, load_encoder_config
from decoupled_ner.training.cli import TrainingCLI
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.training.runs import (
    environment,
    prepare_run,
    run_folder,
    write_json,
)
from decoupled_ner.training.unified import UnifiedTraining
from decoupled_ner.types import InputError


def unify(
    recipe_name: str,
    encoder: str,
    *,
    init: str = "none",
    seed: int = 1,
    resume: bool = False,
    arguments: Sequence[str] = (),
) -> Path | None:
    """Train a decoupled model and return the run's folder; None in a process that only helped.

    Args:
        recipe_name: a recipe's name (``weibo``) or path.
        encoder: hub id, directory or bundled name.
        init: pre-trained encoders to start from: ``none``, one directory, or two with a comma for
            mention and context.
        resume: go on from the newest state of the run with this recipe, encoder and seed.
        arguments: LightningCLI's own, which override the recipe's.

    Raises:
        InputError: an unknown recipe, encoder, data set or setting.
    """
    recipe = find_recipe("unify", recipe_name, small=is_small(load_encoder_config(encoder)))
    folder = run_folder("unify", recipe, encoder, seed)
    if resume and not (folder / "checkpoints").is_dir():
        raise InputError(f"nothing to resume in {folder}: leave out --ckpt_path last")
    prepare_run(folder, resume)
    print(f"recipe {recipe}, encoder {encoder}, run {folder}", flush=True)
    started = time.monotonic()
    cli = TrainingCLI(
        UnifiedTraining,
        UnifiedData,
        folder,
        [
            f"--config={recipe}",
            *_encoder_arguments(encoder, init),
            f"--seed_everything={seed}",
            *(["--ckpt_path=last"] if resume else []),
            *arguments,
        ],
    )
    if not cli.trainer.is_global_zero:
        return None
    _finish(cli, folder, seconds=time.monotonic() - started)
    return folder


def _encoder_arguments(encoder: str, init: str) -> list[str]:
    if init == "none":
        return [f"--model.encoder={encoder}"]
    mention, _, context = init.partition(",")
    shared = [f"--model.encoder={mention}"]
    return [*shared, f"--model.context_encoder={context}"] if context else shared


def _finish(cli: TrainingCLI, folder: Path, seconds: float) -> None:
    """Save the model, score it on test, and write what the run was."""
    module, data = cli.model, cli.datamodule
    assert isinstance(module, UnifiedTraining) and isinstance(data, UnifiedData)
    if cli.selects_on_dev:
        state = torch.load(cli.best.best_model_path, map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"])
    bf16 = str(cli.trainer.precision).startswith("bf16")
    dtype: DType = "bfloat16" if bf16 else "float32"
    ner = DecoupledNER(module.model, module.tokenizer, data.candidates, dtype=dtype)
    ner.save_pretrained(folder / "model")
    record = {
        "system": "decoupled",
        "dataset": data.data.name,
        "encoder": str(module.hparams["encoder"]),
        "seed": module.seed,
        "epochs": cli.trainer.current_epoch,
        "dev_f1": None if cli.best.best_model_score is None else float(cli.best.best_model_score),
        "train_seconds": seconds,
        "train_sentences": len(data.data.split(data.fit_on)),
        "pairs_per_epoch": sum(data.label_counts()),
        "outside_bias": module.model.config.outside_bias,
        "checksums": dict(data.data.checksums),
        **environment(),
    }
    if "test" in data.data.splits:
        evaluation, seconds = measure(ner, data.data)
        facts = {"model": str(folder / "model"), "dataset": data.data.name, "split": "test"}
        write_report(evaluation, folder / "report.html", facts=facts)
        Console().print(render(evaluation))
        scores = evaluation.to_dict()
        scores.pop("examples")  # the data set's own text; report.html shows it
        record |= {"split": "test", "predict_seconds": seconds, **scores}
    write_json(folder / "result.json", record)
    print(f"model {folder / 'model'}, result {folder / 'result.json'}")
