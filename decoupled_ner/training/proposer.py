"""Training a proposer for recall: all entities it can find among a few candidates a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from decoupled_ner.data.extra import ExtraTraining
from decoupled_ner.data.out_of_fold import fold_of
from decoupled_ner.inference.proposer import Proposer
from decoupled_ner.inference.regions import gold_scores
from decoupled_ner.models.proposer import ProposerConfig, ProposerModel
from decoupled_ner.models.proposer_inputs import build_proposer
from decoupled_ner.training.base import BaseTraining, check_not_negative
from decoupled_ner.training.datamodule import TrainingData
from decoupled_ner.training.metric import RecallAtBudget
from decoupled_ner.training.sentence_data import NO_EXTRA, EvaluationBatch
from decoupled_ner.training.window_data import WindowData
from decoupled_ner.types import InputError, Sentence

#: The budgets that get a threshold, in candidates a sentence.
BUDGETS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0)


class ProposerData(WindowData):
    """Sentences for a proposer, or those of all folds but one.

    Args:
        folds: into how many parts the training sentences are cut by a hash of their text; 0 for
            training on all.
        fold: the part that is left out, counted from 1. Such a proposer is there to propose on that
            part, so dev is not looked at.
        extra: what is added to them, in every fold too; but nothing of the sentences that a fold
            holds out, nor of their copies.
        dataset, encoder, fit_on, train_sentences, batch_size, num_workers, seed: as in
            :class:`WindowData`.
    """

    def __init__(
        self,
        dataset: str,
        encoder: str,
        folds: int = 0,
        fold: int = 0,
        fit_on: str = "train",
        train_sentences: int | None = None,
        extra: ExtraTraining = NO_EXTRA,
        batch_size: int = 16,
        num_workers: int = 0,
        seed: int = 1,
    ) -> None:
        super().__init__(
            dataset,
            encoder,
            fit_on,
            train_sentences,
            extra,
            batch_size,
            num_workers,
            seed,
        )
        if not 0 <= fold <= folds or bool(fold) != bool(folds) or folds == 1:
            raise InputError(f"no fold {fold} of {folds}: give at least 2 folds, and one of them")
        if not folds and not super().validates:
            raise InputError("a proposer's threshold needs a dev split that is not trained on")
        self.folds, self.fold = folds, fold
        if fold and not (self.annotated_sentences and self.held_out_sentences):
            raise InputError(f"{self.data.name}: too few sentences for {folds} folds")

    @property
    def validates(self) -> bool:
        return not self.fold and super().validates

    def is_held_out(self, sentence: Sentence) -> bool:
        return bool(self.fold) and fold_of(sentence.text, self.folds) == self.fold

    def val_dataloader(self) -> DataLoader[EvaluationBatch] | list[Any]:
        return super().val_dataloader() if self.validates else []


class ProposerTraining(BaseTraining):
    """Trains a :class:`ProposerModel`; dev recall is that of the best ``budget`` a sentence.

    Args:
        encoder: hub id, directory or bundled name.
        segmenters: whose words the model sees beside the text: ``jieba``, ``lac``.
        budget: candidates a sentence, on average.
        encoder_dropout: inside the encoder; None keeps the encoder's own setting.
        word_dim, size, max_width, dropout, max_tokens: as in :class:`ProposerConfig`.
        lr: peak learning rate of the encoder.
        new_lr: of all other parts, which start anew.
        weight_decay, warmup, seed: as in :class:`BaseTraining`.
    """

    monitor = "dev/recall"

    def __init__(
        self,
        encoder: str,
        segmenters: Sequence[str] = ("jieba", "lac"),
        budget: float = 5.0,
        encoder_dropout: float | None = None,
        word_dim: int = 32,
        size: int = 256,
        max_width: int = 24,
        dropout: float = 0.2,
        max_tokens: int = 256,
        lr: float = 5e-5,
        new_lr: float = 1e-3,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        seed: int = 1,
    ) -> None:
        super().__init__(lr, weight_decay, warmup, seed)
        check_not_negative(new_lr=new_lr)
        self.save_hyperparameters()
        self.encoder, self.segmenters, self.new_lr = encoder, segmenters, new_lr
        self.encoder_dropout = encoder_dropout
        self.config = ProposerConfig(
            word_dim=word_dim,
            size=size,
            max_width=max_width,
            dropout=dropout,
            max_tokens=max_tokens,
            budget=float(budget),
        )
        self.model: ProposerModel | None = None
        self.dev_recall = RecallAtBudget(budget)

    def _make(self, data: TrainingData) -> None:
        assert isinstance(data, ProposerData)
        texts = [sentence.text for sentence in data.training_sentences]
        self.model, self.inputs = build_proposer(
            self.encoder, self.config, self.segmenters, texts, self.seed, self.encoder_dropout
        )
        self.model.config.trained_on = data.trained_on
        self.model.train()
        data.read_with(self.inputs)

    @property
    def data(self) -> ProposerData:
        """The data module of this run."""
        module = self.training_data
        assert isinstance(module, ProposerData)
        return module

    def learning_rate_of(self, name: str) -> float:
        return self.lr if name.startswith("model.encoder.") else self.new_lr

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> Tensor:
        assert self.model is not None
        loss = self.model.loss(batch)
        self.log("train/loss", loss.total.detach() / loss.windows)
        return self.mean_over_ranks(loss.total, loss.windows)

    def size_of(self, batch: Mapping[str, Tensor]) -> tuple[int, Tensor]:
        """Windows, and the encoder's tokens."""
        return len(batch["unit_mask"]), batch["token_mask"].sum()

    def proposer(self) -> Proposer:
        """The trained model as users load it."""
        assert self.model is not None
        return Proposer(self.model, self.inputs, device=str(self.device))

    def on_validation_epoch_start(self) -> None:
        self._proposer = self.proposer()

    @torch.inference_mode()
    def validation_step(self, batch: EvaluationBatch, batch_idx: int) -> None:
        with torch.autocast(self.device.type, enabled=False):  # scores must not be rounded together
            found = self._proposer.scored([sentence.text for sentence in batch.sentences])
        for regions, sentence in zip(found, batch.sentences, strict=True):
            entities = len(set(sentence.entities))
            self.dev_recall.update(regions.scores, gold_scores(regions, sentence), entities)

    def on_validation_epoch_end(self) -> None:
        self.log(self.monitor, self.dev_recall.compute(), prog_bar=True, sync_dist=True)
        self.dev_recall.reset()
        del self._proposer

    def facts(self) -> dict[str, Any]:
        return {"lost_training_entities": self.data.lost_entities}
