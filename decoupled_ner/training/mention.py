"""Mention pre-training: a gazetteer's entries → their types, under Lightning."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor
from torch.utils.data import DataLoader

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.data.mentions import (
    SEED,
    MentionLabel,
    Rows,
    TypedEntries,
    common_words,
    draw,
    held_out_rows,
    quotas,
    seed_gazetteer,
    training_mentions,
    typed_entries,
)
from decoupled_ner.data.pairs import PairEncoder, pad_ids
from decoupled_ner.gazetteer import Columns, load_columns
from decoupled_ner.models.encoder import load_tokenizer
from decoupled_ner.models.stage1 import MentionModel
from decoupled_ner.training.batches import StreamBatches
from decoupled_ner.training.datamodule import evaluation_loader
from decoupled_ner.training.stage1 import StageOneData, StageOneTraining
from decoupled_ner.types import InputError

_EVALUATION_ITEMS = 512


class MentionBatch(NamedTuple):
    """Token ids (B, T), attention mask (B, T) and label ids (B,) of B mentions."""

    ids: Tensor
    mask: Tensor
    labels: Tensor


class MentionData(StageOneData):
    """The entries of a gazetteer with their most probable types, and common words as ``O``.

    An epoch draws from type t a number of entries in proportion to ``n_t ** (1 / temperature)``,
    where n_t is how many it has: 1 keeps the gazetteer's own shares, a greater temperature evens
    them out. All of a type are drawn equally often, give or take one, over however many epochs.
    ``O`` counts as a type.

    Args:
        encoder: hub id or directory, for its tokenizer.
        gazetteer: a compiled folder or a dictionary file; ``seed`` for the project's own.
        exclude_mentions_of: a data set; the mentions of its training split are never ``O``.
        min_weight: of an entry's most probable type, summed over its sources; a source weighs 1
            unless it says otherwise. What only doubtful sources know has no type here, and a word
            that they alone call an entity is a common word.
        min_share: the part of an entry's weight that its most probable type has; of less, it has
            no type here.
        possible_names: words that this generator proposes as a whole are never ``O``, since they
            may be names that the gazetteer lacks.
        temperature: at least 1; infinity draws as many of every type.
        entries_per_epoch: about so many, and of each type at least one; None for as many as there
            are.
        held_out: share of the entries, chosen by their hash, that only validate.
        max_tokens: special tokens included; longer mentions keep their two ends.
        batch_size, num_workers, seed: as in :class:`.TrainingData`.

    Raises:
        InputError: the gazetteer has no types or no common words, no entry is sure enough, or a
            setting is out of range.
    """

    def __init__(
        self,
        encoder: str,
        gazetteer: str = SEED,
        exclude_mentions_of: str | None = None,
        min_weight: float = 0.0,
        min_share: float = 0.0,
        possible_names: CandidateGenerator | None = None,
        temperature: float = 2.0,
        entries_per_epoch: int | None = None,
        held_out: float = 0.05,
        max_tokens: int = 32,
        batch_size: int = 128,
        num_workers: int = 0,
        seed: int = 1,
    ) -> None:
        super().__init__(encoder, batch_size, num_workers, seed)
        if not (temperature >= 1 and 0 <= held_out < 1):
            raise InputError(
                f"temperature={temperature} must be at least 1, held_out={held_out} in [0, 1)"
            )
        if not (0 <= min_weight < math.inf and 0 <= min_share <= 1):
            raise InputError(
                f"min_weight={min_weight} must be from 0 on, min_share={min_share} in [0, 1]"
            )
        if entries_per_epoch is not None and entries_per_epoch < 1:
            raise InputError(f"entries_per_epoch={entries_per_epoch} must be at least 1")
        self.max_tokens = max_tokens
        own = gazetteer == SEED
        if own and rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            print("gazetteer: the small dictionaries in gazetteers/seed; --gazetteer names another")
        columns = Columns.of(seed_gazetteer().table) if own else load_columns(gazetteer)
        mentions = training_mentions(exclude_mentions_of) if exclude_mentions_of else set()
        words = common_words(columns, mentions, possible_names, min_weight)
        if not len(words):
            raise InputError(
                f"gazetteer {gazetteer!r} has no common words: add a source of type O to its build"
            )
        self.typed = typed_entries(columns, min_weight, min_share).with_outside(words)
        self.labels = self.typed.labels
        every = [self.typed.rows(label) for label in range(len(self.labels))]
        self.held_out = [held_out_rows(columns, rows, held_out) for rows in every]
        self.entries = [
            np.setdiff1d(rows, held, assume_unique=True)
            for rows, held in zip(every, self.held_out, strict=True)
        ]
        counts = [len(rows) for rows in self.entries]
        total = min(entries_per_epoch or sum(counts), sum(counts))
        self.drawn = quotas(counts, temperature, total)
        if not sum(self.drawn):
            raise InputError(f"held_out={held_out} leaves no entry to train on")
        self.training_batches(0, 1)  # shows what can't be used before a model is made

    @property
    def validates(self) -> bool:
        return any(map(len, self.held_out))

    def items_per_epoch(self) -> int:
        return sum(self.drawn)

    def identity(self) -> dict[str, Any]:
        chosen = hashlib.sha256(self.typed.label_ids.tobytes()).hexdigest()
        return {"gazetteer": self.typed.columns.digest, "choice of entries": chosen}

    def training_batches(self, rank: int, world_size: int) -> StreamBatches:
        return self._batches(self.entries, self.drawn, self.batch_size, rank, world_size)

    def val_dataloader(self) -> DataLoader[MentionBatch]:
        """Each rank's share of the held-out entries."""
        trainer = self.trainer
        assert trainer is not None
        counts = [len(group) for group in self.held_out]
        if sum(counts) < trainer.world_size:
            raise InputError(f"only {sum(counts)} entries are held out: raise held_out")
        rank, ranks = trainer.global_rank, trainer.world_size
        size = max(_EVALUATION_ITEMS, ranks)
        return evaluation_loader(self._batches(self.held_out, counts, size, rank, ranks))

    def _batches(
        self, groups: Sequence[Rows], drawn: Sequence[int], size: int, *ranks: int
    ) -> MentionBatches:
        encoder = PairEncoder(load_tokenizer(self.encoder), max_mention_tokens=self.max_tokens)
        return MentionBatches(encoder, self.typed, groups, drawn, size, self.seed, *ranks)


class MentionBatches(StreamBatches):
    """Entries drawn for each epoch, as :class:`MentionBatch`. An epoch is held as numbers of rows;
    texts are read as they are needed.

    Args:
        typed: the entries.
        groups: the rows to draw from, of each label.
        drawn: how many of each label an epoch has.
    """

    _epoch: int | None = None

    def __init__(
        self,
        encoder: PairEncoder,
        typed: TypedEntries,
        groups: Sequence[Rows],
        drawn: Sequence[int],
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(batch_size, seed, rank, world_size)
        self.encoder, self.typed = encoder, typed
        self.groups, self.drawn = groups, drawn

    def items_per_epoch(self) -> int:
        return sum(self.drawn)

    def read(self, epoch: int, start: int, stop: int) -> list[MentionLabel]:
        if epoch != self._epoch:
            self._rows, self._epoch = self._draw(epoch), epoch
        return self.typed.read(self._rows[start:stop])

    def _draw(self, epoch: int) -> Rows:
        """The rows of an epoch, in random order; a label's go on where the epoch before ended."""
        rng = np.random.default_rng(random.Random(f"order-{self.seed}-{epoch}").getrandbits(64))
        parts = [
            draw(group, epoch * count, (epoch + 1) * count, f"entries-{self.seed}-{label}")
            for label, (group, count) in enumerate(zip(self.groups, self.drawn, strict=True))
        ]
        return rng.permutation(np.concatenate(parts))

    def length_of(self, item: MentionLabel) -> int:
        return len(item.mention)

    def collate(self, items: Sequence[MentionLabel]) -> MentionBatch:
        mentions = self.encoder.encode_mentions([item.mention for item in items])
        ids, mask = pad_ids(mentions, self.encoder.pad)
        return MentionBatch(ids, mask, torch.tensor([item.label for item in items]))


class MentionTraining(StageOneTraining):
    """Trains a :class:`MentionModel`; the vocabulary head stays as it was.

    Args:
        encoder: hub id, directory or bundled name to start from.
        labels, label_smoothing, gce_q, lr, weight_decay, warmup, seed: as in
            :class:`StageOneTraining`.
        dropout: before the classifier.
    """

    def __init__(
        self,
        encoder: str,
        labels: list[str],
        dropout: float = 0.1,
        label_smoothing: float = 0.0,
        gce_q: float = 0.0,
        lr: float = 2e-5,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        seed: int = 1,
    ) -> None:
        super().__init__(encoder, labels, label_smoothing, gce_q, lr, weight_decay, warmup, seed)
        self.save_hyperparameters()
        self.model = MentionModel(self.load_start(encoder), len(labels), dropout)

    def training_step(self, batch: MentionBatch, batch_idx: int) -> Tensor:
        loss = self.type_loss(self.model(batch.ids, batch.mask), batch.labels)
        items = loss.new_full((), len(batch.labels))
        self.log("train/loss", loss.detach() / items)
        return self.mean_over_ranks(loss, items)

    def size_of(self, batch: MentionBatch) -> tuple[int, Tensor]:
        return len(batch.labels), batch.mask.sum()

    def validation_step(self, batch: MentionBatch, batch_idx: int) -> None:
        self.dev_types.update(self.model(batch.ids, batch.mask), batch.labels)

    def facts(self) -> dict[str, Any]:
        data = self.training_data
        assert isinstance(data, MentionData)
        entries, drawn = (
            dict(zip(data.labels, counts, strict=True))
            for counts in ([len(group) for group in data.entries], data.drawn)
        )
        return {
            "gazetteer_digest": data.typed.columns.digest,
            "entries": entries,
            "entries_per_epoch": drawn,
            "held_out_entries": sum(map(len, data.held_out)),
        }
