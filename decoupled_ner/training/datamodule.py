"""What all training data has in common: batches that any number of processes share exactly."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import pytorch_lightning as pl
from torch.utils.data import DataLoader

from decoupled_ner.training.batches import Batches, ResumableLoader
from decoupled_ner.types import InputError


class TrainingData(pl.LightningDataModule, ABC):
    """Batches that depend on seed, epoch and number alone.

    A subclass sets ``labels``, the names of the labels with ``O`` first.

    Args:
        encoder: hub id or directory, for its tokenizer.
        batch_size: items a step over all processes (and, with accumulation, a part of a step).
        num_workers: processes that make training batches ahead of the model.
        seed: of what is random in the data.

    Raises:
        InputError: a setting is out of its range.
    """

    labels: list[str]
    #: Whether there is one epoch without an end, which the model's own budget ends.
    endless: ClassVar[bool] = False

    def __init__(self, encoder: str, batch_size: int, num_workers: int, seed: int) -> None:
        super().__init__()
        if batch_size < 1 or num_workers < 0:
            raise InputError(
                f"batch_size={batch_size} must be at least 1, num_workers={num_workers} at least 0"
            )
        self.encoder = encoder
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed

    @abstractmethod
    def training_batches(self, rank: int, world_size: int) -> Batches:
        """The training set of one rank."""

    @abstractmethod
    def items_per_epoch(self) -> int:
        """How many items an epoch trains on, over all processes."""

    def identity(self) -> dict[str, Any]:
        """What tells this data from other data that settings call the same: checksums."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """The identity, so that a run that is resumed goes on with its own data."""
        return self.identity()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Raise an `InputError` where a run that is resumed had other data."""
        mine = self.identity()
        if other := [name for name in mine if state_dict.get(name, mine[name]) != mine[name]]:
            raise InputError(
                f"this run began with another {other[0].removesuffix('_sha256')}: give it the same,"
                " or begin anew without --ckpt_path"
            )

    @property
    @abstractmethod
    def validates(self) -> bool:
        """Whether there is something to validate on that is not trained on."""

    @property
    def selects_on_dev(self) -> bool:
        """Whether the state that is best on dev is kept, rather than the last, which counts in
        pre-training: what is held out there is as noisy as the rest."""
        return False

    @property
    def shows_progress(self) -> bool:
        """Whether to show what is being prepared: in the first process, unless bars are off."""
        trainer = self.trainer
        return bool(trainer and trainer.is_global_zero and trainer.progress_bar_callback)

    def check_length(self, trainer: pl.Trainer) -> None:
        """Raise an `InputError` where a run would have no end or no steps, or is a mere trial whose
        result would look like a run's."""
        for name in ("fast_dev_run", "overfit_batches"):
            if getattr(trainer, name):
                raise InputError(f"--trainer.{name}: for a short run give --trainer.max_steps")
        for name in ("limit_train_batches", "max_epochs", "max_steps"):
            if getattr(trainer, name) == 0:
                raise InputError(f"--trainer.{name}=0 leaves nothing to train on")
        if not self.endless and (trainer.max_epochs or 0) < 0 and trainer.max_steps < 0:
            raise InputError(
                "the learning rate falls until the end: give --trainer.max_epochs or .max_steps"
            )
        if (trainer.gradient_clip_val or 0) < 0:  # gradients would change their sign
            raise InputError("--trainer.gradient_clip_val must not be negative: leave it out")
        if trainer.accumulate_grad_batches < 1:
            raise InputError("--trainer.accumulate_grad_batches must be at least 1")

    def optimizer_steps(self) -> int:
        """Of the whole run. Lightning's own estimate would load the training set before it knows
        that a run is resumed, and start the epoch anew."""
        trainer = self.trainer
        assert trainer is not None and trainer.max_epochs is not None
        self.check_length(trainer)
        if trainer.max_epochs < 0:
            return trainer.max_steps
        batches, limit = (
            math.ceil(self.items_per_epoch() / self.batch_size),
            trainer.limit_train_batches,
        )
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        steps = math.ceil(batches / trainer.accumulate_grad_batches) * trainer.max_epochs
        return steps if trainer.max_steps < 0 else min(steps, trainer.max_steps)

    def train_dataloader(self) -> DataLoader[Any]:
        trainer = self.trainer
        assert trainer is not None
        batches = self.training_batches(trainer.global_rank, trainer.world_size)
        progress = trainer.fit_loop.epoch_loop.batch_progress.current
        return ResumableLoader(
            batches,
            lambda: (trainer.current_epoch, progress.processed),  # type: ignore[attr-defined]
            self.num_workers,
            endless=self.endless,
        )


def evaluation_loader(batches: Batches) -> DataLoader[Any]:
    """A rank's part of every batch, once. All ranks have as many batches, which DDP needs."""
    numbers = [(0, number) for number in range(len(batches))]
    return DataLoader(batches, batch_size=None, sampler=numbers)
