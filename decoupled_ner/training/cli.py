"""The training command line: LightningCLI with our run folders, checkpoints and links."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
import yaml
from jsonargparse import ArgumentError
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    RichProgressBar,
)
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback

from decoupled_ner.disk import read_yaml
from decoupled_ner.training.base import BaseTraining
from decoupled_ner.training.datamodule import TrainingData
from decoupled_ner.training.effort import Effort
from decoupled_ner.training.runs import prepare_run
from decoupled_ner.types import InputError, one_line


class ResumePoint(ModelCheckpoint):
    """The newest state, from which ``--ckpt_path last`` goes on.

    Args:
        dirpath: the run's folder of checkpoints.
        every_n_steps: optimiser steps between two states.
    """

    def __init__(self, dirpath: str, every_n_steps: int = 200) -> None:
        super().__init__(
            dirpath,
            filename=self.CHECKPOINT_NAME_LAST,
            every_n_train_steps=every_n_steps,
            save_top_k=1,
            enable_version_counter=False,
        )

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any) -> None:
        # A state of an epoch's last batch would resume behind the epoch's validation. A resumed run
        # may come to save in a step, and that state would lack the gradients of its first part.
        if trainer.is_last_batch or not at_whole_step(trainer):
            return
        if trainer.should_stop or trainer.global_step == trainer.max_steps:
            self._save_last(trainer)
        else:
            super().on_train_batch_end(trainer, *arguments)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_last_batch:  # else the run stops in its middle, and goes on from there
            self._save_last(trainer)

    def _save_last(self, trainer: pl.Trainer) -> None:
        path = Path(str(self.dirpath)) / f"{self.CHECKPOINT_NAME_LAST}.ckpt"
        trainer.save_checkpoint(path, weights_only=False)


class BestState(ModelCheckpoint):
    """The state that is best on dev; a run whose folder was moved knows it still."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        folder = str(self.dirpath)
        moved = {name: _moved(state_dict[name], folder) for name in _BEST_PATHS}
        kept = {_moved(path, folder): score for path, score in state_dict["best_k_models"].items()}
        own = {**moved, "dirpath": folder, "best_k_models": kept}
        super().load_state_dict(state_dict | own)


#: What of the state of `ModelCheckpoint` is a path.
_BEST_PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")


def _moved(path: str, folder: str) -> str:
    return str(Path(folder) / Path(path).name) if path else path


def at_whole_step(trainer: pl.Trainer) -> bool:
    """Whether no batch lies between the last optimiser step and now."""
    progress: Any = trainer.fit_loop.epoch_loop.batch_progress.current
    return bool(progress.processed % trainer.accumulate_grad_batches == 0)


class PatientStopping(EarlyStopping):
    """Early stopping that begins to count once anything is found: for its first steps a model may
    well predict no entity at all, and this is no reason to end it. What it ended stays ended when
    it is resumed."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.wait_count >= max(1, self.patience):
            trainer.should_stop = True

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        scores = [name for name in trainer.callback_metrics if name.startswith("dev/")]
        if self.monitor not in scores and not trainer.sanity_checking:
            raise InputError(
                f"--early_stopping.monitor {self.monitor}: not scored; choose one of"
                f" {', '.join(sorted(scores))}"
            )
        if self._finds_anything(trainer):
            super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._finds_anything(trainer):
            super().on_train_epoch_end(trainer, pl_module)

    def _finds_anything(self, trainer: pl.Trainer) -> bool:
        return float(trainer.callback_metrics.get(self.monitor, 0.0)) > 0


class _SaveConfig(SaveConfigCallback):
    """The resolved configuration, as ``config.yaml`` in the run's folder."""

    def save_config(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        path = Path(trainer.default_root_dir) / "config.yaml"
        path.write_text(self.parser.dump(self.config, skip_none=False), encoding="utf-8")


def default_precision() -> str:
    """bfloat16 where the machine computes in it, which is faster; else float32."""
    if torch.cuda.is_available():
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16-mixed" if fast else "32-true"


def _quiet() -> None:
    """No tips, and no notes on Lightning's own affairs; what a user can act on stays."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", "`isinstance\\(treespec, LeafSpec\\)`")
    for note in (
        ".*does not have many workers",
        ".*smaller than the logging interval",
        "Checkpoint directory .* exists and is not empty",
        "LightningCLI's args parameter is intended",
    ):
        warnings.filterwarnings("ignore", note)
    warnings.filterwarnings("ignore", ".*is not supported by the model summary")


def _differences(before: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The dotted names of settings that have two values. A key that only one side has is a setting
    that came or went with a version; two paths may name the same."""
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        before, now = dict(enumerate(before)), dict(enumerate(now))
    if isinstance(before, dict) and isinstance(now, dict) and bool(before) == bool(now):
        for key in (key for key in before if key in now):
            yield from _differences(before[key], now[key], f"{name}.{key}" if name else str(key))
        return
    texts = isinstance(before, str) and isinstance(now, str)
    if before != now and not (texts and "/" in before + now):
        yield name, before, now


def link_seeds(parser: LightningArgumentParser) -> None:
    """One seed for model and data."""
    for group in ("model", "data"):
        parser.link_arguments("seed_everything", f"{group}.seed", compute_fn=int)


class TrainingCLI(LightningCLI):
    """``fit`` with the encoder, the labels and the seed given once.

    Where the data selects on dev the best state counts, else the last.

    Args:
        folder: the run's; checkpoints, logs and ``config.yaml`` go there.
        arguments: as on the command line, a recipe's ``--config`` first.
    """

    progress_bar: ClassVar[type[RichProgressBar]] = RichProgressBar
    #: The state that a resumed run goes on from, in the folder of checkpoints.
    goes_on_from: ClassVar[str] = "last"
    #: Settings of model and data that a run may go on with other values of.
    may_change: ClassVar[frozenset[str]] = frozenset(["data.num_workers"])

    def __init__(
        self,
        model_class: type[BaseTraining],
        data_class: type[TrainingData],
        folder: Path,
        arguments: Sequence[str],
        resume: bool = False,
    ) -> None:
        self.effort = Effort()
        _quiet()
        self.folder, self.resume, self.given = folder, resume, arguments
        self._training_class, self._data_class = model_class, data_class
        self.checkpoints = folder / "checkpoints"
        # A resumed run logs beside what it had logged before.
        parts = len(list(folder.glob("logs/part-*"))) if resume else 0
        part = f"part-{parts + 1}"
        loggers = [
            {
                "class_path": f"pytorch_lightning.loggers.{logger}",
                "init_args": {"save_dir": str(folder), "name": "logs", "version": part},
            }
            for logger in ("CSVLogger", "TensorBoardLogger")
        ]
        self.best = BestState(
            self.checkpoints,
            "best",
            monitor=model_class.monitor,
            mode="max",
            enable_version_counter=False,
            save_on_train_epoch_end=False,  # but before it, so that the resume point knows of it
        )
        super().__init__(
            model_class,
            data_class,
            save_config_callback=_SaveConfig,
            save_config_kwargs={"save_to_log_dir": False},
            trainer_defaults={
                "default_root_dir": str(folder),
                "logger": loggers,
                "precision": default_precision(),
                "callbacks": [LearningRateMonitor("step")],
                "use_distributed_sampler": False,  # our loaders give each rank its share
            },
            seed_everything_default=1,
            parser_kwargs={"exit_on_error": False, "fit": {"exit_on_error": False}},
            args=["fit", *arguments],
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_lightning_class_args(ResumePoint, "resume_point")
        parser.add_lightning_class_args(PatientStopping, "early_stopping")
        parser.set_defaults(
            {
                "resume_point.dirpath": str(self.checkpoints),
                "early_stopping.monitor": self._training_class.monitor,
                "early_stopping.mode": "max",
                "early_stopping.strict": False,  # a run may end before dev is scored
                "early_stopping.patience": 1000,
            }
        )
        parser.link_arguments("model.encoder", "data.encoder")
        if "labels" in inspect.signature(self._training_class).parameters:
            parser.link_arguments("data.labels", "model.labels", apply_on="instantiate")
        for name in ("max_mention_tokens", "max_context_tokens"):
            if name in inspect.signature(self._data_class).parameters:
                parser.link_arguments(f"model.{name}", f"data.{name}")
        link_seeds(parser)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        try:
            super().parse_arguments(parser, args)
        except ArgumentError as error:
            raise InputError(
                f"{' '.join(str(error).split())}; --print_config shows every setting"
            ) from error

    def before_fit(self) -> None:
        """Only now, when every argument and the files that they name have turned out to be right,
        is an earlier run moved."""
        self.datamodule.check_length(self.trainer)
        self.model.build(self.datamodule)
        if self.resume:
            path = self.checkpoints / f"{self.goes_on_from}.ckpt"
            self.check_state(torch.load(path, map_location="cpu", mmap=True, weights_only=False))
            self._check_settings()
        prepare_run(self.folder, self.resume)

    def check_state(self, state: dict[str, Any]) -> None:
        """Raise an `InputError` where a state can't be gone on from, while nothing has changed."""
        if (data := state.get(type(self.datamodule).__qualname__)) is not None:
            self.datamodule.load_state_dict(data)

    def _check_settings(self) -> None:
        """That a run goes on as it began: half of the settings are in its state, half are not.
        Paths may differ, as data and runs may have been moved.

        Raises:
            InputError: another setting; names it.
        """
        written = self.folder / "config.yaml"
        if not written.is_file():
            return
        parser, config = self._parser(self.subcommand), self.config[self.subcommand]
        given = yaml.safe_load(parser.dump(config, skip_none=False))
        for name, before, now in _differences(read_yaml(written), given):
            if name.startswith(("model.", "data.")) and name not in self.may_change:
                raise InputError(
                    f"the run in {self.folder} began with {name}={before}, and would go on with"
                    f" {now}: give it the same, or begin anew without --ckpt_path"
                )

    def dev_scores(self) -> dict[str, float]:
        """The last scores on dev, or on what pre-training holds out."""
        scores = self.trainer.callback_metrics.items()
        return {k.removeprefix("dev/"): float(v) for k, v in scores if k.startswith("dev/")}

    @property
    def selects_on_dev(self) -> bool:
        """Whether the state that is best on dev counts, rather than the last."""
        return bool(self.datamodule.selects_on_dev)

    def _instantiate_trainer(
        self, config: dict[str, object], callbacks: list[Callback]
    ) -> pl.Trainer:
        if config.get("enable_progress_bar") is not False:
            callbacks.append(self.progress_bar(leave=True))
        callbacks.append(self.effort)
        if self.selects_on_dev:
            callbacks.append(self.best)
        if not self.datamodule.validates:
            callbacks = [c for c in callbacks if not isinstance(c, PatientStopping)]
            config["limit_val_batches"] = 0
        try:
            return super()._instantiate_trainer(config, callbacks)
        except (MisconfigurationException, ValueError, ImportError) as error:  # no such device, say
            raise InputError(one_line(error)) from error
