"""When a run decays and when it ends: by steps, by time or by hand; and states to go on from."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, RichProgressBar

from decoupled_ner.disk import beside, read_json
from decoupled_ner.training.cli import ResumePoint
from decoupled_ner.training.schedule import StableDecay
from decoupled_ner.types import InputError

#: The state before the decay, from which a run can be made longer.
STABLE = "stable"
#: Steps between two looks at the clock, which all processes share.
_CLOCK_STEPS = 10


class Budget(Callback):
    """Begins the decay, ends the run, and keeps the state that was there before the decay.

    Args:
        schedule: tells what the steps are; where it leaves them open, ``minutes`` must be given.
        minutes: of training in all calls together; the decay's share of them comes at the end.
        piece_minutes: of this call; the run then stops and can be resumed.
        finish: begin the decay now, unless it has begun.
    """

    def __init__(
        self,
        schedule: StableDecay,
        minutes: float | None,
        piece_minutes: float | None,
        finish: bool,
    ) -> None:
        self.schedule, self.minutes, self.piece_minutes = schedule, minutes, piece_minutes
        self.finish = finish
        self.step = 0
        self._seconds_before = 0.0
        self._since: float | None = None
        self._had_finished = False

    @property
    def seconds(self) -> float:
        """Of training, in this call and those before it."""
        return self._seconds_before + self._now()

    @property
    def finished(self) -> bool:
        """Whether the run is at its end."""
        return self.schedule.end is not None and self.step >= self.schedule.end

    def state_dict(self) -> dict[str, Any]:
        steps = self.schedule.steps
        return {
            "seconds": self.seconds,
            # What decides the end; neither where it was decided by hand.
            "steps": steps,
            "minutes": None if steps else self.minutes,
            "schedule": self.schedule.state_dict(),
            "decay": self.schedule.decay_at(self.step),
            "finished": self.finished,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._seconds_before = state_dict["seconds"]
        self._had_finished = state_dict["finished"]
        decay = state_dict["schedule"]
        if self.finish:
            # The recipe's steps are not the run's: what has not begun by itself begins now.
            decay = state_dict["decay"]
            self.schedule.leave_open()
        self.schedule.load_state_dict(decay)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._since, self.step = time.monotonic(), trainer.global_step
        if self.finished and self._had_finished and not self._saved(trainer):
            trainer.should_stop = True  # it was ended between its last step and the encoder's file
            return
        if self.finished and not self._had_finished:
            raise InputError(
                f"the run has {self.step} steps already, {self.schedule.end} or more: give more"
                " --model.steps, or leave them out and give --finish, and the decay begins here"
            )
        if self.finished or self._had_finished:
            raise InputError(
                f"the run has {self.step} steps already: to make it longer, raise --model.steps"
                f" or --model.minutes and give --ckpt_path {STABLE}"
            )
        if self.finish and not self.schedule.decays_at(self.step):
            if not self.step:
                raise InputError("nothing to finish: the run has not begun")
            if trainer.is_global_zero and trainer.ckpt_path is not None:
                kept = Path(trainer.ckpt_path).with_name(f"{STABLE}.ckpt")
                if kept != Path(trainer.ckpt_path):
                    replace_by_copy(Path(trainer.ckpt_path), kept)
            self.schedule.begin(self.step)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        if trainer.global_step == self.step:
            return  # a part of a step
        self.step = trainer.global_step
        looks = self.step % _CLOCK_STEPS == 0
        out_of_time = looks and self.schedule.decay_from is None and self._stable_time_is_over()
        if self.step == self.schedule.decay_from or self._all(trainer, out_of_time, looks):
            trainer.save_checkpoint(_folder(trainer) / f"{STABLE}.ckpt", weights_only=False)
            if self.schedule.decay_from is None:
                self.schedule.begin(self.step)
        piece = self.piece_minutes is not None and self._now() >= 60 * self.piece_minutes
        if self.finished or self._all(trainer, piece, looks):
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._seconds_before, self._since = self.seconds, None

    @staticmethod
    def _saved(trainer: pl.Trainer) -> bool:
        """Whether the run has written what it is, at this step."""
        result = read_json(Path(trainer.default_root_dir) / "result.json")
        return bool(result.get("finished") and result.get("steps") == trainer.global_step)

    def _now(self) -> float:
        """Seconds of training in this call, while it lasts."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    def _stable_time_is_over(self) -> bool:
        if self.minutes is None:
            return False
        return self.seconds >= 60 * self.minutes * (1 - self.schedule.decay_share)

    def _all(self, trainer: pl.Trainer, decision: bool, looks: bool) -> bool:
        """The first process's decision, since clocks differ."""
        if not looks:
            return False
        return bool(trainer.strategy.broadcast(decision))


class StepResumePoint(ResumePoint):
    """A resume point for a run without epochs: every so many steps and where the run stops.

    Args:
        dirpath: the run's folder of checkpoints.
        every_n_steps: optimiser steps between two states.
    """

    def __init__(self, dirpath: str, every_n_steps: int = 200) -> None:
        super().__init__(dirpath, every_n_steps)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Nothing: the one epoch has no end, and a state of it could not be resumed."""


class BudgetProgressBar(RichProgressBar):
    """Shows how far the budget is spent, where its end is known."""

    @property
    def total_train_batches(self) -> int | float:
        module: Any = self.trainer.lightning_module
        end = module.schedule.end
        return math.inf if end is None else end * self.trainer.accumulate_grad_batches

    def _update_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Each look at the loss waits for the GPU, which then waits for its next step.
        if trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            super()._update_metrics(trainer, pl_module)

    def _get_train_description(self, current_epoch: int) -> str:
        return "Training"  # not "Epoch 0/-2": there is one, without end


def replace_by_copy(source: Path, target: Path) -> None:
    """Copy a file beside, then rename."""
    with beside(target) as fresh:
        shutil.copyfile(source, fresh)


def _folder(trainer: pl.Trainer) -> Path:
    return Path(trainer.default_root_dir) / "checkpoints"
