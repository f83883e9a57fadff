"""A whole run: train, take the best state on dev, save, evaluate on test, write what it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from rich.console import Console

from decoupled_ner.data.catalog import DATASETS, is_dataset
from decoupled_ner.disk import read_yaml, write_json
from decoupled_ner.inference.compute import DType
from decoupled_ner.inference.evaluate import render
from decoupled_ner.inference.html import write_report
from decoupled_ner.inference.measure import measure
from decoupled_ner.locations import dataset_recipe, find_recipe
from decoupled_ner.models.encoder import is_small, load_encoder_config
from decoupled_ner.training.base import BaseTraining, EncoderTraining
from decoupled_ner.training.cli import TrainingCLI
from decoupled_ner.training.curves import write_curves
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.training.datamodule import TrainingData
from decoupled_ner.training.runs import (
    dataset_slug,
    device_name,
    environment,
    only_process,
    run_folder,
)
from decoupled_ner.training.sentence_data import SentenceData
from decoupled_ner.training.starts import Start, resolve_start, resumed_start
from decoupled_ner.training.tagger import TaggerTraining
from decoupled_ner.training.unified import UnifiedTraining
from decoupled_ner.training.window_data import WindowData
from decoupled_ner.types import InputError, one_line

#: Saves what was trained, completes the record of the run and writes it as ``result.json``.
Finish = Callable[[TrainingCLI, Path, dict[str, Any]], None]


@dataclass(frozen=True)
class Run:
    """What the command line chose, whatever is trained.

    Attributes:
        encoder: hub id, directory or bundled name.
        seed: of everything random.
        resume: go on from the newest state of the run with this recipe, encoder and seed.
        arguments: LightningCLI's own, which override the recipe's.
    """

    encoder: str
    seed: int = 1
    resume: bool = False
    arguments: Sequence[str] = ()


def unify(name: str, run: Run, init: str = "auto") -> Path | None:
    """Train a decoupled model and return the run's folder; None in a process that only helped.

    Args:
        name: a data set (``weibo``, ``weibo:nom``, a path), trained on with the recipe that
            `dataset_recipe` finds; or a recipe's name or path, which says what it trains on.
        init: pre-trained encoders to start from: ``auto`` for the newest of stage 1 that fits,
            ``none``, one directory, or two with a comma for mention and context.

    Raises:
        InputError: an unknown recipe, encoder, data set or setting.
    """
    start = resolve_start(init, run.encoder)
    recipe, dataset = unify_recipe(name, start.encoder.partition(",")[0])
    folder = unify_folder(recipe, run, dataset)
    if run.resume:
        start = resumed_start(folder, start)
    mention, _, context = start.encoder.partition(",")
    arguments = [f"--config={recipe}", f"--model.encoder={mention}"]
    if dataset:
        arguments.append(f"--data.dataset={dataset}")
    if context:
        arguments += [f"--model.context_encoder={context}", "--model.share_encoders=false"]
    return train(UnifiedTraining, UnifiedData, "decoupled", folder, arguments, run, start)


def unify_folder(recipe: Path, run: Run, dataset: str | None = None) -> Path:
    """Where a run of :func:`unify` lies, on the recipe's own data set or on another."""
    name = dataset_slug(dataset) if dataset else recipe.stem.removesuffix("-small")
    return run_folder("unify", name, run.encoder, run.seed)


def unify_recipe(name: str, encoder: str) -> tuple[Path, str | None]:
    """The recipe that `unify` takes, and the data set in place of the recipe's own."""
    small = is_small(load_encoder_config(encoder))
    is_file = name.endswith((".yaml", ".yml"))
    if not is_file and "/" in name and not is_dataset(name):
        raise InputError(f"{name}: no such file or folder")
    if is_file or not (":" in name or is_dataset(name)):
        return find_recipe("unify", name, small=small), None
    recipe = dataset_recipe(name, small=small)
    own = name in (recipe.stem, recipe.stem.removesuffix("-small"))
    if name in DATASETS:
        return recipe, None if own else name
    if own:
        raise InputError(
            f"{name} is a recipe's name and a file or folder here: give ./{name} or {recipe}"
        )
    return recipe, name


def train_tagger(recipe_name: str, dataset: str, run: Run, init: str = "none") -> Path | None:
    """Train a tagger on a data set and return the run's folder, as :func:`unify` does.

    Args:
        recipe_name: a system's name (``bert-crf``) or a recipe's path.
        dataset: name or path.
        init: a pre-trained encoder to start from: ``none``, ``auto`` for the newest of stage 1
            that fits, or a directory.

    Raises:
        InputError: an unknown recipe, encoder, data set or setting; or there is no encoder that
            ``init`` could replace.
    """
    recipe = find_recipe("baselines", recipe_name)
    start = _tagger_start(recipe, init, run.encoder)
    folder = tagger_folder(recipe, dataset, run)
    if run.resume and reads_encoder(recipe):
        start = resumed_start(folder, start or Start(run.encoder, f"starts from {run.encoder}"))
    arguments = [
        f"--config={recipe}",
        f"--data.dataset={dataset}",
        f"--model.encoder={start.encoder if start else run.encoder}",
    ]
    return train(TaggerTraining, WindowData, recipe.stem, folder, arguments, run, start)


def tagger_folder(recipe: Path, dataset: str, run: Run) -> Path:
    """Where a run of :func:`train_tagger` lies."""
    name = f"{dataset_slug(dataset)}-{recipe.stem}"
    return run_folder("tagger", name, run.encoder, run.seed)


def reads_encoder(recipe: Path) -> bool:
    """Whether a tagger's recipe has an encoder among its inputs.

    Raises:
        InputError: it is no YAML file with settings of a model.
    """
    try:
        model = read_yaml(recipe)["model"]
        return bool(model.get("use_encoder", True))
    except (InputError, LookupError, AttributeError, TypeError) as error:
        raise InputError(
            f"{recipe}: no recipe of a tagger, it has no settings under model:"
        ) from error


def _tagger_start(recipe: Path, init: str, encoder: str) -> Start | None:
    """None for the encoder as it is; a tagger has one encoder, or none."""
    if init == "none":
        return None
    if "," in init:
        raise InputError(f"--init {init}: a tagger has one encoder; give one directory")
    if reads_encoder(recipe):
        return resolve_start(init, encoder)
    raise InputError(f"{recipe.stem} reads no encoder: leave out --init, or give none")


def train(
    model_class: type[BaseTraining],
    data_class: type[TrainingData],
    system: str,
    folder: Path,
    arguments: Sequence[str],
    run: Run,
    start: Start | None = None,
    finish: Finish | None = None,
    cli_class: type[TrainingCLI] = TrainingCLI,
) -> Path | None:
    """Train, then ``finish``: by default as an entity recogniser, which is saved and tested.

    Args:
        system: the name of what is trained.
        arguments: LightningCLI's, the recipe's ``--config`` first; the run's own override them.
        start: where the encoder comes from, if not from itself.
        cli_class: with the options and links of these classes.

    Returns:
        The run's folder; None in a process that only helped.

    Raises:
        InputError: nothing to resume, a wrong setting, or another process trains there.
    """
    if run.resume and not (folder / "checkpoints" / "last.ckpt").is_file():
        raise InputError(f"nothing to resume in {folder}: leave out --ckpt_path last")
    if not run.resume:
        _check_start(folder, start.encoder if start else run.encoder)
    said = f", {start.reason}" if start else ""
    print(f"{system}: {arguments[0][2:]}, encoder {run.encoder}{said}, run {folder}", flush=True)
    resuming = ["--ckpt_path=last"] if run.resume else []
    seed = f"--seed_everything={run.seed}"
    given = [*arguments, seed, *resuming, *run.arguments]
    with only_process(folder):
        try:
            cli = cli_class(model_class, data_class, folder, given, run.resume)
        except MisconfigurationException as error:
            raise InputError(one_line(error)) from error
        except ValueError as error:
            if "`val_check_interval`" not in str(error):  # more batches than an epoch has
                raise
            raise InputError(str(error).strip()) from error
        if not cli.trainer.is_global_zero:
            return None
        if cli.selects_on_dev and cli.best.best_model_path:  # none where the run ended before dev
            state = torch.load(cli.best.best_model_path, map_location="cpu", weights_only=True)
            cli.model.load_state_dict(state["state_dict"])
        record = {
            "system": system,
            "encoder": run.encoder,
            "init": start.encoder if start else run.encoder,
            "seed": cli.model.seed,
            "epochs": cli.trainer.current_epoch,
            "train_seconds": cli.effort.seconds,
            "steps": cli.trainer.global_step,
            "items_seen": cli.effort.items,
            "tokens_seen": cli.effort.tokens,
            **cli.model.facts(),
            "device": device_name(cli.trainer.strategy.root_device),
            **environment(),
        }
        (finish or finish_recognizer)(cli, folder, record)
        return folder


def _check_start(folder: Path, encoders: str) -> None:
    """Raise an `InputError` where a run starts from what it would move aside."""
    for encoder in encoders.split(","):
        if Path(encoder).resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"{encoder} lies in {folder}, where this run writes: give it another --name, or"
                " start from a copy"
            )


def finish_recognizer(cli: TrainingCLI, folder: Path, record: dict[str, Any]) -> None:
    """Save the model, score it on test (on dev where there is no test), and write what the run
    was."""
    module, data = cli.model, cli.datamodule
    assert isinstance(module, EncoderTraining) and isinstance(data, SentenceData)
    bf16 = str(cli.trainer.precision).startswith("bf16")
    dtype: DType = "bfloat16" if bf16 else "float32"
    # After training Lightning has moved the module to the CPU.
    module.to(cli.trainer.strategy.root_device)
    recognizer = module.recognizer(dtype)
    record |= module.facts()  # with what was fitted to the finished model
    recognizer.save_pretrained(folder / "model")
    score = cli.best.best_model_score
    record |= {
        **data.facts(),
        "dev_f1": None if score is None else float(score),
        "dtype": dtype,
        "dropped_entities": dict(data.data.dropped),
    }
    split = "test" if "test" in data.data.splits else "dev" if data.validates else None
    if split:
        evaluation, predict_seconds = measure(
            recognizer, data.data, split=split, trained_on=data.annotated_sentences
        )
        facts = {"model": str(folder / "model"), "dataset": data.data.name, "split": split}
        write_report(evaluation, folder / "report.html", facts=facts)
        Console().print(render(evaluation))
        scores = evaluation.to_dict()
        scores.pop("examples")  # the data set's own text; report.html shows it
        record |= {"split": split, "predict_seconds": predict_seconds, **scores}
        print(f"{data.data.name}, {split}: report {folder / 'report.html'}")
    write_curves(folder)
    write_json(folder / "result.json", record)
    print(f"model {folder / 'model'}")
