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
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._seconds_before = 0.0
        self._counts: Tensor | None = None  # items, tokens of all processes: (2,), int64

    @property
    def seconds(self) -> float:
        """Since the run began, without the time between its parts."""
        return self._seconds_before + time.monotonic() - self._started

    @property
    def items(self) -> int:
        """Pairs, entries or sentences, each as often as it was trained on."""
        return 0 if self._counts is None else int(self._counts[0])

    @property
    def tokens(self) -> int:
        """Tokens that were read in training, special tokens included, padding left out."""
        return 0 if self._counts is None else int(self._counts[1])

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        # Each step, not when asked: then only the first process would ask.
        assert isinstance(pl_module, BaseTraining)
        items, tokens = pl_module.size_of(batch)
        counts = torch.stack([torch.full_like(tokens, items), tokens])
        if trainer.world_size > 1:
            torch.distributed.all_reduce(counts)
        self._counts = counts if self._counts is None else self._counts.to(counts.device) + counts

    def state_dict(self) -> dict[str, float]:
        return {"seconds": self.seconds, "items": self.items, "tokens": self.tokens}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self._seconds_before = state_dict["seconds"]
        self._counts = torch.tensor([int(state_dict["items"]), int(state_dict["tokens"])])
