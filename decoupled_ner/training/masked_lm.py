"""Masked language modelling under Lightning: an encoder from scratch, or one that goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import SumMetric

from decoupled_ner.data.corpus import MaskedBlocks
from decoupled_ner.data.corpus.masks import IGNORED
from decoupled_ner.models.encoder import check_length, load_tokenizer
from decoupled_ner.models.masked_lm import (
    EncoderSize,
    new_masked_lm,
    predict_frequencies,
    stack_layers,
)
from decoupled_ner.models.stage1 import VocabularyHead, load_masked_lm
from decoupled_ner.models.states import states_at
from decoupled_ner.training.base import BaseTraining
from decoupled_ner.training.budget import Budget
from decoupled_ner.training.datamodule import TrainingData
from decoupled_ner.training.masked_lm_data import MaskedLMData
from decoupled_ner.training.schedule import StableDecay
from decoupled_ner.training.throughput import Throughput, flops_per_token
from decoupled_ner.types import InputError


def size_of_new(
    encoder: str | None,
    layers: int | None,
    hidden_size: int | None,
    heads: int | None,
    feed_forward: int | None,
    max_positions: int | None,
    dropout: float | None,
) -> EncoderSize | None:
    """The size of a new encoder; None where one goes on. Arguments as of `MaskedLMTraining`.

    Raises:
        InputError: a new encoder lacks a size, one that goes on is given one, or one is wrong.
    """
    if encoder is not None:
        if any(s is not None for s in (hidden_size, heads, feed_forward, max_positions, dropout)):
            raise InputError(
                f"{encoder} has its own size: leave out hidden_size, heads, feed_forward,"
                " max_positions and dropout"
            )
        return None
    if not (layers and hidden_size and heads):
        raise InputError(
            "nothing to train: give --encoder, or --model.layers, .hidden_size and .heads of a new"
            " one"
        )
    width = feed_forward or 4 * hidden_size
    return EncoderSize(layers, hidden_size, heads, width, max_positions or 512, dropout or 0.0)


@cache
def _compiled() -> Callable[..., Tensor]:
    """`states_at` compiled; no module holds it, since it can't be pickled."""
    return torch.compile(states_at)


def check_end(steps: int | None, minutes: float | None, piece_minutes: float | None = None) -> None:
    """Raise an `InputError` where a run has none, or one before its beginning."""
    if steps is None and minutes is None:
        raise InputError("how long? give --model.steps or --model.minutes")
    for name, value in (("minutes", minutes), ("piece_minutes", piece_minutes)):
        if value is not None and not value > 0:
            raise InputError(f"{name}={value} must be above 0")


class MaskedLMTraining(BaseTraining):
    """Trains a masked language model; only masked positions go through the vocabulary head.

    The loss of a step is the mean over all its masked tokens, whatever processes and parts
    (gradient accumulation) they lie in.

    Args:
        vocabulary: hub id or directory of the tokenizer.
        encoder: hub id, directory or bundled name to go on from; None for a new one.
        layers, hidden_size, heads: of a new encoder, which needs them. ``layers`` beside
            ``encoder`` makes that one deeper by repeating its layers.
        feed_forward: width, of a new encoder; four times ``hidden_size`` unless given.
        max_positions, dropout: of a new encoder; 512 and 0 unless given.
        lr, weight_decay, seed: as in :class:`BaseTraining`.
        warmup_steps: in which the rate rises; then it stays until the decay.
        decay_share: of the run, at its end, in which the rate falls to 0.
        steps: optimiser steps of the whole run.
        minutes: of training of the whole run, in place of ``steps``.
        piece_minutes: stop after so many minutes of this call, to go on later.
        finish: of a run that is resumed, begin the decay now.
        compile: compile the encoder, for a GPU.

    Raises:
        InputError: the encoder can't be loaded or made, or a setting is out of its range.
    """

    adam_settings: ClassVar[dict[str, Any]] = {"betas": (0.9, 0.98)}

    def __init__(
        self,
        vocabulary: str,
        encoder: str | None = None,
        layers: int | None = None,
        hidden_size: int | None = None,
        heads: int | None = None,
        feed_forward: int | None = None,
        max_positions: int | None = None,
        dropout: float | None = None,
        lr: float = 1e-3,
        weight_decay: float = 0.05,
        warmup_steps: int = 500,
        decay_share: float = 0.35,
        steps: int | None = None,
        minutes: float | None = None,
        piece_minutes: float | None = None,
        finish: bool = False,
        compile: bool = False,
        seed: int = 1,
    ) -> None:
        super().__init__(lr, weight_decay, 0.0, seed)
        self.save_hyperparameters()
        check_end(steps, minutes, piece_minutes)
        size = size_of_new(
            encoder, layers, hidden_size, heads, feed_forward, max_positions, dropout
        )
        self.schedule = StableDecay(warmup_steps, decay_share, None if minutes else steps)
        self.budget = Budget(self.schedule, minutes, piece_minutes, finish)
        self.tokenizer = load_tokenizer(vocabulary)
        pl.seed_everything(seed, workers=True, verbose=False)
        self.is_new = size is not None
        if size is not None:
            self.masked_lm, self.had_head = new_masked_lm(size, self.tokenizer), True
        else:
            self.masked_lm, self.had_head = load_masked_lm(str(encoder))
            if layers is not None:
                stack_layers(self.masked_lm, layers)
        self.masked_lm.train()  # a loaded model has its dropout switched off
        self._head = VocabularyHead(self.masked_lm)
        self.compiles = compile
        self.throughput: Throughput | None = None
        self.dev_loss, self.dev_right, self.dev_masked = SumMetric(), SumMetric(), SumMetric()

    @property
    def data(self) -> MaskedLMData:
        """The data module of this run."""
        module = self.training_data
        assert isinstance(module, MaskedLMData)
        return module

    def rate_by_step(self) -> Callable[[int], float]:
        return self.schedule.rate

    def _make(self, data: TrainingData) -> None:
        assert isinstance(data, MaskedLMData)
        check_length(self.masked_lm.config.to_dict(), data.block_length)

    def setup(self, stage: str) -> None:
        if self.is_new and stage == "fit":  # a run that is resumed loads its weights after this
            counts = self.data.corpus.train.counts(len(self.tokenizer))
            predict_frequencies(self.masked_lm, self.tokenizer, torch.from_numpy(counts))

    def configure_callbacks(self) -> Sequence[Callback]:
        if self.throughput is None:  # Lightning asks again before it validates
            data = self.data
            flops = flops_per_token(self.masked_lm, data.block_length, data.mask_share)
            self.throughput = Throughput(flops, data.tokens_per_batch)
        return [self.budget, self.throughput]

    def on_fit_start(self) -> None:
        # No buffer: DDP would spread the first process's count over all.
        self._masked_in_step = torch.zeros((), device=self.device)
        if self.trainer.is_global_zero and not self.had_head:
            print("the encoder has no vocabulary head: a new one is trained", flush=True)

    def forward(self, batch: MaskedBlocks) -> Tensor:
        """The logits at the masked positions, (N, V) in float32. Where nothing is padded attention
        needs no mask and takes its fastest form."""
        read = _compiled() if self.compiles else states_at
        states = read(self.masked_lm.base_model, batch.ids, batch.mask, batch.positions)
        return self._head(states.flatten(0, 1)[batch.masked]).float()

    def training_step(self, batch: MaskedBlocks, batch_idx: int) -> Tensor:
        logits = self(batch)
        loss = F.cross_entropy(logits, batch.targets, ignore_index=IGNORED, reduction="sum")
        masked = (batch.targets != IGNORED).sum()
        self._masked_in_step += masked
        self.log("train/mlm", loss.detach() / masked.clamp(min=1), prog_bar=True)
        # A sum: Lightning's division by the parts of a step and DDP's by the processes are undone.
        return loss * (self.trainer.accumulate_grad_batches * self.trainer.world_size)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        # Gradients of the sum become those of the mean over the masked tokens of the whole step.
        if self.trainer.world_size > 1:
            torch.distributed.all_reduce(self._masked_in_step)
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        torch._foreach_div_(gradients, self._masked_in_step.clamp(min=1))
        self._masked_in_step.zero_()

    def size_of(self, batch: MaskedBlocks) -> tuple[int, Tensor]:
        return len(batch.ids), torch.full((), batch.ids.numel(), device=batch.ids.device)

    def validation_step(self, batch: MaskedBlocks, batch_idx: int) -> None:
        logits = self(batch)
        counted = batch.targets != IGNORED
        self.dev_loss.update(
            F.cross_entropy(logits, batch.targets, ignore_index=IGNORED, reduction="sum")
        )
        self.dev_right.update(((logits.argmax(-1) == batch.targets) & counted).sum())
        self.dev_masked.update(counted.sum())

    def on_validation_epoch_end(self) -> None:
        masked = self.dev_masked.compute()
        self.log("dev/mlm", self.dev_loss.compute() / masked)
        self.log("dev/mlm_accuracy", self.dev_right.compute() / masked, prog_bar=True)
        for metric in (self.dev_loss, self.dev_right, self.dev_masked):
            metric.reset()

    def facts(self) -> dict[str, Any]:
        data, trainer = self.data, self.trainer
        batches = self.budget.step * trainer.accumulate_grad_batches
        tokens = round(batches * data.tokens_per_batch)
        seconds = self.budget.seconds
        return {
            "corpus": data.corpus.manifest,
            "finished": self.budget.finished,
            "steps": self.budget.step,
            "tokens_seen": tokens,
            "epochs": batches * data.batch_size / data.items_per_epoch(),
            "train_seconds": seconds,
            "tokens_per_second": tokens / seconds,
            "mfu": self.throughput.latest.get("mfu") if self.throughput else None,
            "parameters": sum(p.numel() for p in self.masked_lm.parameters()),
        }
