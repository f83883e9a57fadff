"""What the two stages of pre-training share: the start, the held-out scores, what is saved."""

from __future__ import annotations

import shutil
from abc import ABC
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import Tensor
from torchmetrics import Metric
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from decoupled_ner.metrics import Counts, scores
from decoupled_ner.models.encoder import check_length, load_tokenizer, quiet_transformers
from decoupled_ner.models.stage1 import (
    ContextModel,
    MentionModel,
    load_masked_lm,
    noisy_cross_entropy,
)
from decoupled_ner.training.base import BaseTraining
from decoupled_ner.training.datamodule import TrainingData
from decoupled_ner.types import InputError


class StageOneData(TrainingData, ABC):
    """What either stage trains on. ``max_tokens``, special ones included, are the most that one of
    its items has."""

    max_tokens: int


class StageOneTraining(BaseTraining, ABC):
    """Pre-training with a classifier that is thrown away; what stays is the encoder with its
    vocabulary head.

    Args:
        encoder: hub id, directory or bundled name, for its tokenizer.
        labels: names of the labels, ``O`` first.
        label_smoothing: share of each label that is spread over all labels, in [0, 1).
        gce_q: 0 for cross-entropy; up to 1 for generalised cross-entropy, which learns less from
            labels that look wrong (`noisy_cross_entropy`).
        lr, weight_decay, warmup, seed: as in :class:`BaseTraining`.

    Raises:
        InputError: no such encoder, or a setting is out of its range.
    """

    model: MentionModel | ContextModel  # a subclass makes it

    def __init__(
        self,
        encoder: str,
        labels: list[str],
        label_smoothing: float,
        gce_q: float,
        lr: float,
        weight_decay: float,
        warmup: float,
        seed: int,
    ) -> None:
        super().__init__(lr, weight_decay, warmup, seed)
        if not (0 <= label_smoothing < 1 and 0 <= gce_q <= 1):
            raise InputError(
                f"label_smoothing={label_smoothing} must be in [0, 1), gce_q={gce_q} in [0, 1]"
            )
        self.label_smoothing, self.gce_q = label_smoothing, gce_q
        self.dev_types = TypeF1(labels)
        self.tokenizer = load_tokenizer(encoder)

    def load_start(self, encoder: str) -> PreTrainedModel:
        """The encoder to start from; seeds what will be new beside it."""
        pl.seed_everything(self.seed, workers=True, verbose=False)
        masked_lm, self.had_head = load_masked_lm(encoder)
        masked_lm.train()  # a loaded model has its dropout switched off
        return masked_lm

    def _make(self, data: TrainingData) -> None:
        assert isinstance(data, StageOneData)
        check_length(self.model.masked_lm.config.to_dict(), data.max_tokens)

    def type_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Summed over the items, under the options for noisy labels."""
        return noisy_cross_entropy(logits, labels, self.label_smoothing, self.gce_q)

    def on_validation_epoch_end(self) -> None:
        found = self.dev_types.compute()
        for name, value in found.items():
            self.log(f"dev/{name}", value, prog_bar=name == "f1", sync_dist=True)
        self.dev_types.reset()

    def save_encoder(self, folder: Path) -> None:
        """Write weights, configuration and tokenizer beside, then rename."""
        save_masked_lm(self.model.masked_lm, self.tokenizer, folder)


def save_masked_lm(
    masked_lm: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    card: str | None = None,
) -> None:
    """Write weights, configuration, tokenizer and a README beside, then rename."""
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    with quiet_transformers():
        masked_lm.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
    if card is not None:
        (fresh / "README.md").write_text(card, encoding="utf-8")
    if folder.exists():
        shutil.rmtree(folder)
    fresh.rename(folder)


class TypeF1(Metric):
    """How well items are given types: accuracy, micro-averaged precision, recall and F1 of the
    types without ``O``, and F1 by type. Counts add up over processes.

    Args:
        labels: names of the labels, ``O`` first.
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    counts: Tensor  # [label, (correct, predicted, gold)], int64

    def __init__(self, labels: Sequence[str]) -> None:
        super().__init__()
        self.labels = tuple(labels)
        zeros = torch.zeros(len(labels), 3, dtype=torch.long)
        self.add_state("counts", zeros, dist_reduce_fx="sum")

    def update(self, logits: Tensor, gold: Tensor) -> None:
        """Count items: logits (B, L), label ids (B,)."""
        predicted, size = logits.argmax(-1), len(self.labels)
        correct = gold[predicted == gold]
        columns = (torch.bincount(ids, minlength=size) for ids in (correct, predicted, gold))
        self.counts += torch.stack(list(columns), dim=1)

    def compute(self) -> dict[str, Tensor]:
        """``accuracy``, ``precision``, ``recall``, ``f1`` and ``f1/LABEL``, scalars in [0, 1]."""
        rows = [Counts(*row) for row in self.counts.tolist()]
        micro = scores(sum(rows[1:], Counts()))
        values = {"precision": micro.precision, "recall": micro.recall, "f1": micro.f1}
        everything = sum(rows, Counts())
        values["accuracy"] = scores(everything).precision
        for name, row in zip(self.labels, rows, strict=True):
            values[f"f1/{name}"] = scores(row).f1
        return {name: torch.tensor(value, device=self.device) for name, value in values.items()}
