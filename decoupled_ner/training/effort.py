"""What a run has cost so far, over all its parts and processes."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from decoupled_ner.training.base import BaseTraining


class Effort(pl.Callback):
    """Counts seconds, and the items and tokens that were trained on.

    It travels in the checkpoints, so a run that was resumed counts all its parts; what a part did
    after its last checkpoint is done again, and counts once. The part's own seconds begin when this
    is made. The module's ``size_of`` says what is in a batch.

    Each process counts its own. What they counted is added up where all of them are: when a state
    is saved and when training ends.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._seconds_before = 0.0
        self._total = 0, 0  # items, tokens of all processes, up to the last sum
        self._own: Tensor | None = None  # of this process since then: (2,), int64

    @property
    def seconds(self) -> float:
        """Since the run began, without the time between its parts."""
        return self._seconds_before + time.monotonic() - self._started

    @property
    def items(self) -> int:
        """Pairs, entries or sentences, each as often as it was trained on; up to the last sum."""
        return self._total[0]

    @property
    def tokens(self) -> int:
        """Tokens that were read in training, special tokens included, padding left out; up to the
        last sum."""
        return self._total[1]

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        assert isinstance(pl_module, BaseTraining)
        items, tokens = pl_module.size_of(batch)
        counts = torch.stack([torch.full_like(tokens, items), tokens])
        self._own = counts if self._own is None else self._own + counts

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._sum_up()

    def state_dict(self) -> dict[str, float]:
        """To be called by all processes together, as Lightning does."""
        self._sum_up()
        return {"seconds": self.seconds, "items": self.items, "tokens": self.tokens}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self._seconds_before = state_dict["seconds"]
        self._total = int(state_dict["items"]), int(state_dict["tokens"])
        self._own = None

    def _sum_up(self) -> None:
        if self._own is None:
            return
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(self._own)
        items, tokens = self._own.tolist()
        self._total, self._own = (self.items + items, self.tokens + tokens), None
