"""Context pre-training: a mention and its type from the sentence around it, under Lightning."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchmetrics import MeanMetric

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.data.distant.manifest import read_manifest
from decoupled_ner.data.endless import EndlessSentences, held_out_sentences
from decoupled_ner.data.masking import ContextBatch, ContextEncoder, RegionChooser
from decoupled_ner.labels import LabelSet
from decoupled_ner.models.stage1 import ContextModel
from decoupled_ner.training.base import check_not_negative
from decoupled_ner.training.batches import StreamBatches
from decoupled_ner.training.datamodule import evaluation_loader
from decoupled_ner.training.stage1 import StageOneData, StageOneTraining
from decoupled_ner.types import InputError, NoisySentence

_EVALUATION_SENTENCES = 128

#: Sentences [start, stop) of an endless stream.
Read = Callable[[int, int], Sequence[NoisySentence]]


class ContextData(StageOneData):
    """Distantly supervised sentences, each with one region masked that every epoch picks anew.

    Args:
        encoder: hub id or directory, for its tokenizer.
        distant: the folder that distant supervision wrote.
        sentences_per_epoch: at most so many; the next epoch goes on behind them. None for all.
        outside_share, outside_regions, ignore_doubtful, possible_names: as in
            :class:`decoupled_ner.data.masking.RegionChooser`.
        held_out: share of the sentences, chosen by their hash, that is never trained on.
        validation_sentences: how many of those validate at most.
        max_tokens: special tokens included; a longer sentence becomes a window around the region.
        batch_size, num_workers, seed: as in :class:`.TrainingData`.

    Raises:
        InputError: the folder is missing, unfinished or without a label, or a setting is wrong.
    """

    def __init__(
        self,
        encoder: str,
        distant: str,
        sentences_per_epoch: int | None = None,
        outside_share: float = 0.3,
        outside_regions: CandidateGenerator | None = None,
        ignore_doubtful: bool = True,
        possible_names: CandidateGenerator | None = None,
        held_out: float = 0.02,
        validation_sentences: int = 2000,
        max_tokens: int = 128,
        batch_size: int = 64,
        num_workers: int = 0,
        seed: int = 1,
    ) -> None:
        super().__init__(encoder, batch_size, num_workers, seed)
        if not 0 <= held_out < 1:
            raise InputError(f"held_out={held_out} must be in [0, 1)")
        for name, value, least in (
            ("sentences_per_epoch", sentences_per_epoch, 1),
            ("validation_sentences", validation_sentences, 0),
        ):
            if value is not None and value < least:
                raise InputError(f"{name}={value} must be at least {least}")
        self.distant, self.held_out, self.max_tokens = distant, held_out, max_tokens
        self.manifest = read_manifest(Path(distant))
        self.label_set = LabelSet.of(self.manifest["entities"])
        if not self.label_set.types:
            raise InputError(f"{distant}: no sentence has a label; look at the gazetteer's types")
        self.labels = list(self.label_set.names)
        self.chooser = RegionChooser(
            outside_share, outside_regions, ignore_doubtful, possible_names
        )
        self._encoder = ContextEncoder(encoder, max_tokens)
        self.validation_sentences = held_out_sentences(distant, held_out, validation_sentences)
        EndlessSentences(distant, held_out, seed).read(0, 1)  # says so if there is none
        everything = max(1, round(int(self.manifest["labelled"]) * (1 - held_out)))
        self.sentences_per_epoch = min(sentences_per_epoch or everything, everything)

    @property
    def validates(self) -> bool:
        return bool(self.validation_sentences)

    def items_per_epoch(self) -> int:
        return self.sentences_per_epoch

    def identity(self) -> dict[str, Any]:
        return {name: self.manifest[name] for name in ("texts", "gazetteer", "settings")}

    def training_batches(self, rank: int, world_size: int) -> StreamBatches:
        sentences = EndlessSentences(self.distant, self.held_out, self.seed)
        return self._batches(
            sentences.read, self.sentences_per_epoch, self.batch_size, rank, world_size
        )

    def val_dataloader(self) -> DataLoader[ContextBatch]:
        """Each rank's share of the held-out sentences, with the same regions every time."""
        trainer, held = self.trainer, self.validation_sentences
        assert trainer is not None
        if len(held) < trainer.world_size:
            raise InputError(f"only {len(held)} sentences are held out: raise held_out")
        rank, ranks = trainer.global_rank, trainer.world_size
        size = max(_EVALUATION_SENTENCES, ranks)
        return evaluation_loader(
            self._batches(lambda start, stop: held[start:stop], len(held), size, rank, ranks)
        )

    def _batches(self, read: Read, count: int, size: int, *ranks: int) -> ContextBatches:
        return ContextBatches(
            self._encoder, self.chooser, self.label_set, read, count, size, self.seed, *ranks
        )


class Visit(NamedTuple):
    """A sentence in an epoch."""

    epoch: int
    sentence: NoisySentence


class ContextBatches(StreamBatches):
    """Sentences with one masked region each, as :class:`ContextBatch`.

    Args:
        read: gives the sentences; an epoch goes on where the one before ended.
        count: how many an epoch has.
    """

    def __init__(
        self,
        encoder: ContextEncoder,
        chooser: RegionChooser,
        labels: LabelSet,
        read: Read,
        count: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(batch_size, seed, rank, world_size)
        self.encoder, self.chooser, self.label_set = encoder, chooser, labels
        self._read_sentences, self.count = read, count

    def items_per_epoch(self) -> int:
        return self.count

    def read(self, epoch: int, start: int, stop: int) -> list[Visit]:
        before = epoch * self.count
        return [Visit(epoch, s) for s in self._read_sentences(before + start, before + stop)]

    def length_of(self, item: Visit) -> int:
        return len(item.sentence.text)

    def collate(self, items: Sequence[Visit]) -> ContextBatch:
        chosen = [
            self.chooser.choose(
                item.sentence, random.Random(f"region-{self.seed}-{item.epoch}-{item.sentence.id}")
            )
            for item in items
        ]
        texts = self.encoder.tokenize_batch([item.sentence.text for item in items])
        contexts = [
            self.encoder.encode(text, region)
            for text, (region, _) in zip(texts, chosen, strict=True)
        ]
        return self.encoder.collate(contexts, [self.label_set.id(label) for _, label in chosen])


class ContextTraining(StageOneTraining):
    """Trains a :class:`ContextModel`: the masked tokens' loss plus the types' loss.

    Each is a mean, over the masked tokens and over the sentences of the global batch.

    Args:
        encoder: hub id, directory or bundled name to start from.
        labels, label_smoothing, gce_q, lr, weight_decay, warmup, seed: as in
            :class:`StageOneTraining`; the options for noise are of the types' loss.
        mlm_weight, type_weight: of the two losses; 1 and 1 in the paper.
        dropout: before the classifier.
    """

    def __init__(
        self,
        encoder: str,
        labels: list[str],
        mlm_weight: float = 1.0,
        type_weight: float = 1.0,
        dropout: float = 0.1,
        label_smoothing: float = 0.0,
        gce_q: float = 0.0,
        lr: float = 2e-5,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        seed: int = 1,
    ) -> None:
        super().__init__(encoder, labels, label_smoothing, gce_q, lr, weight_decay, warmup, seed)
        check_not_negative(mlm_weight=mlm_weight, type_weight=type_weight)
        if not mlm_weight + type_weight > 0:
            raise InputError("mlm_weight and type_weight are both 0: there is nothing to learn")
        self.save_hyperparameters()
        self.mlm_weight, self.type_weight = mlm_weight, type_weight
        # What has a loss without weight stays as it was, weight decay included.
        masked_lm = self.load_start(encoder)
        self.model = ContextModel(masked_lm, len(labels), dropout, mlm_weight > 0)
        self.model.classifier.requires_grad_(type_weight > 0)
        self.dev_mlm, self.dev_mlm_accuracy = MeanMetric(), MeanMetric()

    def on_fit_start(self) -> None:
        if self.trainer.is_global_zero and not self.had_head:
            print("the encoder has no vocabulary head: a new one is trained", flush=True)

    def training_step(self, batch: ContextBatch, batch_idx: int) -> Tensor:
        output = self.model(batch.ids, batch.mask, batch.masked)
        mlm = F.cross_entropy(output.tokens, batch.targets, reduction="sum")
        types = self.type_loss(output.types, batch.labels)
        tokens, items = mlm.new_full((), len(batch.targets)), mlm.new_full((), len(batch.labels))
        self.log_dict({"train/mlm": mlm.detach() / tokens, "train/type": types.detach() / items})
        return self.mlm_weight * self.mean_over_ranks(
            mlm, tokens
        ) + self.type_weight * self.mean_over_ranks(types, items)

    def size_of(self, batch: ContextBatch) -> tuple[int, Tensor]:
        return len(batch.labels), batch.mask.sum()

    def validation_step(self, batch: ContextBatch, batch_idx: int) -> None:
        output = self.model(batch.ids, batch.mask, batch.masked)
        tokens = len(batch.targets)
        self.dev_mlm.update(F.cross_entropy(output.tokens, batch.targets), tokens)
        right = output.tokens.argmax(-1) == batch.targets
        self.dev_mlm_accuracy.update(right.float().mean(), tokens)
        self.dev_types.update(output.types, batch.labels)

    def on_validation_epoch_end(self) -> None:
        super().on_validation_epoch_end()
        for name, metric in (("mlm", self.dev_mlm), ("mlm_accuracy", self.dev_mlm_accuracy)):
            self.log(f"dev/{name}", metric.compute(), sync_dist=True)
            metric.reset()

    def facts(self) -> dict[str, Any]:
        data = self.training_data
        assert isinstance(data, ContextData)
        return {
            "texts": data.manifest["texts"],
            "gazetteer_digest": data.manifest["gazetteer"]["digest"],
            "sentences": data.manifest["sentences"],
            "sentences_per_epoch": data.sentences_per_epoch,
            "validation_sentences": len(data.validation_sentences),
        }
