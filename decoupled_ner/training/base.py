"""What all training has in common under Lightning, and what training for entities adds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from decoupled_ner.inference.compute import DType
from decoupled_ner.inference.model import DecoupledNER
from decoupled_ner.inference.tagger import Tagger
from decoupled_ner.training.datamodule import TrainingData
from decoupled_ner.training.metric import SpanF1
from decoupled_ner.training.sentence_data import EvaluationBatch, SentenceData
from decoupled_ner.types import Entity, InputError


class BaseTraining(pl.LightningModule, ABC):
    """What every training stage has in common: AdamW without decay of biases and norms, linear
    warm-up and decay, exact normalisation over ranks, and reproducible dropout.

    Args:
        lr: peak learning rate.
        weight_decay: of AdamW.
        warmup: share of all steps in which the rate rises from 0.
        seed: of dropout.

    Raises:
        InputError: a setting is out of its range.
    """

    #: AdamW's further settings.
    adam_settings: ClassVar[dict[str, Any]] = {}
    #: The dev score that the best state is chosen by.
    monitor = "dev/f1"
    _built = False

    def __init__(self, lr: float, weight_decay: float, warmup: float, seed: int) -> None:
        super().__init__()
        check_not_negative(lr=lr, weight_decay=weight_decay)
        if not 0 <= warmup <= 1:
            raise InputError(f"warmup={warmup} must be in [0, 1]")
        self.lr, self.weight_decay, self.warmup, self.seed = lr, weight_decay, warmup, seed

    @property
    def training_data(self) -> TrainingData:
        """The data module of this run."""
        module = self.trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(module, TrainingData)
        return module

    def build(self, data: TrainingData) -> None:
        """Make what depends on the data, once, and find mistakes in it. The command line calls this
        before it moves an earlier run aside; without it Lightning does."""
        if not self._built:
            self._make(data)
            self._built = True

    def _make(self, data: TrainingData) -> None:
        """What `build` does."""

    def configure_model(self) -> None:  # Lightning calls this again, e.g. before testing
        self.build(self.training_data)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        # Dropout depends on nothing but the step, so a resumed run draws the same.
        step = self.current_epoch * 1_000_003 + batch_idx
        torch.manual_seed((self.seed * 1_000_033 + step) * 64 + self.global_rank)

    def mean_over_ranks(self, total: Tensor, weight: Tensor) -> Tensor:
        """A sum over this rank's items → a loss whose gradient, once DDP has averaged over ranks,
        is that of the mean over the global batch. Ranks may hold unequal batches."""
        everywhere = weight.detach().clone()
        if self.trainer.world_size > 1:
            torch.distributed.all_reduce(everywhere)
        return total * self.trainer.world_size / everywhere

    def learning_rate_of(self, name: str) -> float:
        """The peak rate of a parameter."""
        return self.lr

    def rate_by_step(self) -> Callable[[int], float]:
        """The share of the peak rate at each step."""
        steps = self.training_data.optimizer_steps()
        return lambda step: warmup_linear(step, steps, round(self.warmup * steps))

    def optimizer_of(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """AdamW over groups of parameters, each with its peak rate and its decay."""
        # One pass over each weight. It would unscale fp16's gradients by itself, before they can
        # be clipped.
        fused = self.trainer.precision != "16-mixed"
        return torch.optim.AdamW(groups, fused=fused, **self.adam_settings)

    def configure_optimizers(self) -> Any:
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                decay = self.weight_decay if parameter.ndim > 1 else 0.0
                groups.setdefault((self.learning_rate_of(name), decay), []).append(parameter)
        optimizer = self.optimizer_of(
            [
                {"params": group, "lr": lr, "weight_decay": decay}
                for (lr, decay), group in groups.items()
            ]
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate_by_step())
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        # Under any mixed precision Lightning refuses to clip for a fused optimiser, for which
        # float16 alone gives a reason.
        if not gradient_clip_val:
            return
        if gradient_clip_algorithm == "value":
            nn.utils.clip_grad_value_(self.parameters(), gradient_clip_val)
        else:
            norm = nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)
            self.log("train/gradient_norm", norm)

    @abstractmethod
    def size_of(self, batch: Any) -> tuple[int, Tensor]:
        """The items of a training batch, and the tokens (a scalar) that are read for them."""

    def facts(self) -> dict[str, Any]:
        """What a result says of this run beside its scores."""
        return {}


class EncoderTraining(BaseTraining, ABC):
    """Training of a model that finds entities; dev F1 is the end-to-end one.

    Args:
        labels: names of the labels, ``O`` first.
        lr, weight_decay, warmup, seed: as in :class:`BaseTraining`.
    """

    def __init__(
        self, labels: list[str], lr: float, weight_decay: float, warmup: float, seed: int
    ) -> None:
        super().__init__(lr, weight_decay, warmup, seed)
        self.dev_f1 = SpanF1(labels[1:])

    @property
    def data(self) -> SentenceData:
        """The data module of this run."""
        module = self.training_data
        assert isinstance(module, SentenceData)
        return module

    @abstractmethod
    def predict_dev(self, batch: EvaluationBatch) -> list[list[Entity]]:
        """The entities of dev sentences."""

    @abstractmethod
    def recognizer(self, dtype: DType = "float32") -> DecoupledNER | Tagger:
        """The trained model as users load it."""

    def validation_step(self, batch: EvaluationBatch, batch_idx: int) -> None:
        self.dev_f1.update(batch.sentences, self.predict_dev(batch))

    def on_validation_epoch_end(self) -> None:
        scores = self.dev_f1.compute()
        for name in ("f1", "precision", "recall"):
            self.log(f"dev/{name}", scores[name], prog_bar=name == "f1", sync_dist=True)
        self.dev_f1.reset()


def check_not_negative(**settings: float) -> None:
    """Raises:
    InputError: one of the settings is below 0.
    """
    for name, value in settings.items():
        if not value >= 0:
            raise InputError(f"{name}={value} must not be below 0")


def warmup_linear(step: int, steps: int, warmup: int) -> float:
    """The share of the peak rate at a step: up to 1 over ``warmup`` steps, then down to 0."""
    if step < warmup:
        return step / warmup
    return max(0.0, (steps - step) / max(1, steps - warmup))
