"""Annotated sentences for training, and the same end-to-end test for every system."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from pytorch_lightning.utilities import rank_zero_only
from torch.utils.data import DataLoader

from decoupled_ner.data.catalog import Dataset, load_dataset, with_less_training
from decoupled_ner.data.extra import ExtraTraining, extra_sentences
from decoupled_ner.training.datamodule import TrainingData
from decoupled_ner.types import Candidate, InputError, Sentence

EVALUATION_SENTENCES = 32
NO_EXTRA = ExtraTraining()


class EvaluationBatch:
    """Gold sentences, and what the generators propose on each. No tuple or dataclass, which
    Lightning would look into for tensors to move."""

    def __init__(
        self, sentences: Sequence[Sentence], candidates: Sequence[Sequence[Candidate]]
    ) -> None:
        self.sentences, self.candidates = sentences, candidates


class SentenceData(TrainingData):
    """Sentences of a data set, cut into training batches by a subclass; dev as they are.

    Args:
        dataset: name or path, as ``decoupled_ner.data.catalog.load_dataset`` takes it.
        encoder: hub id or directory, for its tokenizer.
        fit_on: the split to train on; ``train+dev`` once epochs and settings are chosen.
        train_sentences: only so many training sentences, always the same ones.
        extra: what is added to the split that is trained on; no sentence that ``train_sentences``
            leaves out.
        batch_size, num_workers, seed: as in :class:`TrainingData`.
    """

    def __init__(
        self,
        dataset: str,
        encoder: str,
        fit_on: str = "train",
        train_sentences: int | None = None,
        extra: ExtraTraining = NO_EXTRA,
        batch_size: int = 32,
        num_workers: int = 0,
        seed: int = 1,
    ) -> None:
        super().__init__(encoder, batch_size, num_workers, seed)
        self.data: Dataset = load_dataset(dataset)
        self._too_many = set[Sentence]()
        if train_sentences is not None:
            whole = self.data
            self.data = with_less_training(whole, train_sentences)
            self._too_many = set(whole.split("train")) - set(self.data.split("train"))
        if "test" in fit_on.split("+"):
            raise InputError(f"fit_on={fit_on}: a model is scored on test, and never trained on it")
        self.fit_on, self.extra = fit_on, extra
        self.labels = list(self.data.labels.names)
        if self.data.losses and rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            print(self.data.losses, flush=True)

    def setup(self, stage: str) -> None:
        main = rank_zero_only.rank == 0  # type: ignore[attr-defined]
        if main and stage == "fit" and self.validates and not self.selects_on_dev:
            print(f"{self.data.name}: no entity in dev, so the last state counts", flush=True)

    def is_held_out(self, sentence: Sentence) -> bool:
        """Whether a sentence of the split is not trained on; data in folds hold some out."""
        return False

    @cached_property
    def annotated_sentences(self) -> tuple[Sentence, ...]:
        """Those of the data set that are trained on."""
        return tuple(s for s in self.data.split(self.fit_on) if not self.is_held_out(s))

    @cached_property
    def held_out_sentences(self) -> tuple[Sentence, ...]:
        """Those of the split that are not."""
        return tuple(s for s in self.data.split(self.fit_on) if self.is_held_out(s))

    @cached_property
    def training_sentences(self) -> tuple[Sentence, ...]:
        """`annotated_sentences`, and behind them what `extra` adds."""
        gold = self.annotated_sentences
        if self.extra == NO_EXTRA:
            return gold
        trained_on = self.fit_on.split("+")
        unseen = {
            sentence.text
            for split, sentences in self.data.splits.items()
            if split not in trained_on
            for sentence in sentences
        }
        held_out = (*self.held_out_sentences, *self._too_many)
        added, left_out = extra_sentences(
            self.extra, gold, self.labels[1:], self.seed, held_out, unseen
        )
        if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            reasons = "".join(f", {count} left out {why}" for why, count in left_out.items())
            print(f"extra training sentences: {len(added)}{reasons}", flush=True)
        return (*gold, *added)

    @property
    def trained_on(self) -> dict[str, Any]:
        """What the configuration of a model says that is trained on this; `extra` doesn't count."""
        return {
            "dataset": self.data.name,
            "checksums": dict(self.data.checksums),
            "sentences": len(self.data.split(self.fit_on)),
        }

    def identity(self) -> dict[str, Any]:
        return {"data set": sorted(self.data.checksums.values())}  # files may be renamed

    def facts(self) -> dict[str, Any]:
        """What a result says of the sentences that were trained on."""
        return {
            "dataset": self.data.name,
            "train_sentences": len(self.annotated_sentences),
            "extra_sentences": len(self.training_sentences) - len(self.annotated_sentences),
            "checksums": dict(self.data.checksums),
        }

    def require_entities(self) -> None:
        """Raise an `InputError` if there is no entity to train on."""
        if not any(sentence.entities for sentence in self.training_sentences):
            raise InputError(f"{self.data.name}: no entity in {self.fit_on} to train on")

    @property
    def validates(self) -> bool:
        return "dev" in self.data.splits and "dev" not in self.fit_on

    @property
    def selects_on_dev(self) -> bool:
        return self.validates and any(s.entities for s in self.data.split("dev"))

    def evaluation_candidates(self, sentences: Sequence[Sentence]) -> list[list[Candidate]]:
        """What prediction will score; a tagger needs none."""
        return [[] for _ in sentences]

    def val_dataloader(self) -> DataLoader[EvaluationBatch] | list[Any]:
        """Each rank's share of dev; none is repeated, so dev F1 is exact under DDP. All ranks have
        as many batches, if need be without a sentence: Lightning stops a rank that has none, and
        the others would wait for it in DDP's broadcasts and in the metric."""
        trainer = self.trainer
        assert trainer is not None
        if "dev" not in self.data.splits:
            return []
        sentences = self.data.split("dev")
        share = sentences[trainer.global_rank :: trainer.world_size]
        largest_share = math.ceil(len(sentences) / trainer.world_size)
        candidates = self.evaluation_candidates(share)
        parts = [
            EvaluationBatch(
                share[i : i + EVALUATION_SENTENCES], candidates[i : i + EVALUATION_SENTENCES]
            )
            for i in range(0, largest_share, EVALUATION_SENTENCES)
        ]
        return DataLoader(parts, batch_size=None)  # type: ignore[arg-type]
