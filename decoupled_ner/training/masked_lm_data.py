"""Blocks of raw text with fresh masks, as batches that any number of processes share exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import DataLoader

from decoupled_ner.data.corpus import (
    BlockMasker,
    CorpusSettings,
    MaskedBlocks,
    PackedBlocks,
    SingleLines,
    TokenStream,
    prepare_corpus,
    prepare_vocabulary,
)
from decoupled_ner.data.corpus.blocks import SHORTEST_BLOCK
from decoupled_ner.data.corpus.masks import check_shares
from decoupled_ner.data.corpus.vocabulary import given_vocabulary
from decoupled_ner.models.encoder import load_tokenizer
from decoupled_ner.progress import Progress, progress_bar
from decoupled_ner.training.base import check_not_negative
from decoupled_ner.training.batches import Batches
from decoupled_ner.training.datamodule import TrainingData, evaluation_loader
from decoupled_ner.types import InputError

Source = PackedBlocks | SingleLines

#: In place of an encoder's name where there is none to go on from.
SCRATCH = "scratch"


class MaskedLMData(TrainingData):
    """Text files as blocks of tokens, packed without padding, and as single lines, masked anew in
    every pass.

    Vocabulary and token ids are made once (``runs/vocabularies``, ``runs/corpora``) and found again
    by what they were made of.

    Args:
        text: files as :func:`decoupled_ner.data.corpus.prepare_corpus` reads them.
        encoder: to go on from, with its vocabulary; None for one from scratch.
        vocabulary: a tokenizer's folder, hub id or ``vocab.txt``; None to train one on the text.
        vocabulary_size: of the one that is trained.
        segmenter, segmenter_model, held_out: as in
            :class:`decoupled_ner.data.corpus.CorpusSettings`.
        processes: that prepare the text; None for one a core.
        block_length: tokens of a block, and of a line at most.
        lines: share of the steps that read single lines, as many as have a batch's tokens.
        mask_share, whole_words: as in :class:`decoupled_ner.data.corpus.BlockMasker`.
        validation_blocks: of the held-out text, at most, lines among them as in training.
        batch_size, num_workers, seed: as in :class:`TrainingData`; items are blocks.

    Raises:
        InputError: a text can't be read or is too short, or a setting is out of its range.
    """

    endless = True

    def __init__(
        self,
        text: list[str],
        encoder: str | None = None,
        vocabulary: str | None = None,
        vocabulary_size: int = 13000,
        segmenter: str = "jieba",
        segmenter_model: str | None = None,
        held_out: float = 0.002,
        processes: int | None = None,
        block_length: int = 128,
        lines: float = 0.0,
        mask_share: float = 0.15,
        whole_words: float = 1.0,
        validation_blocks: int = 1000,
        batch_size: int = 64,
        num_workers: int = 0,
        seed: int = 1,
    ) -> None:
        if encoder and vocabulary:
            raise InputError(f"{encoder} has its vocabulary: leave out --vocabulary")
        # Mistakes are told before the text is worked on.
        super().__init__(encoder or SCRATCH, batch_size, num_workers, seed)
        check_shares(mask_share, whole_words)
        if block_length < SHORTEST_BLOCK:
            raise InputError(f"block_length={block_length} must be at least {SHORTEST_BLOCK}")
        if not 0 <= lines <= 1:
            raise InputError(f"lines={lines} must be in [0, 1]")
        check_not_negative(validation_blocks=validation_blocks)
        if processes is not None and processes < 1:
            raise InputError(f"processes={processes} must be at least 1")
        settings = CorpusSettings(SCRATCH, segmenter, segmenter_model, held_out)
        with progress_bar("preparing the text") as show:
            self.vocabulary = encoder or _vocabulary(vocabulary, text, vocabulary_size, show)
            settings = replace(settings, tokenizer=self.vocabulary)
            self.corpus = prepare_corpus(text, settings, processes, show)
        self.block_length, self.lines = block_length, lines
        self.mask_share, self.whole_words = mask_share, whole_words
        self.tokenizer = load_tokenizer(self.vocabulary)
        held = len(self.corpus.held_out) // max(1, block_length - 2)
        self.validation_blocks = min(validation_blocks, held)
        self.training_batches(0, 1)  # shows what can't be used before a model is made

    @property
    def validates(self) -> bool:
        return self.validation_blocks > 0

    def identity(self) -> dict[str, Any]:
        manifest = self.corpus.manifest
        kept = ("tokenizer_sha256", "segmenter", "segmenter_model", "held_out", "version")
        return {
            "texts": list(manifest["texts"].values()),
            "block_length": self.block_length,
            **{name: manifest[name] for name in kept},
        }

    def items_per_epoch(self) -> int:
        """Blocks of one pass through the text."""
        return self.training_batches(0, 1).items_per_epoch()

    @property
    def tokens_per_batch(self) -> float:
        """Of a batch of all processes on average, special tokens included."""
        return self.training_batches(0, 1).mean_tokens

    def training_batches(self, rank: int, world_size: int) -> BlockBatches:
        blocks, lines = self._training_text
        masker = self._masker(self.seed)
        return BlockBatches(
            blocks, masker, None, self.batch_size, self.seed, rank, world_size,
            lines=lines, share=self.lines,
        )  # fmt: skip

    @cached_property
    def _training_text(self) -> tuple[PackedBlocks, SingleLines | None]:
        return self._read(self.corpus.train, self.batch_size, self.seed)  # finds lines in all of it

    def val_dataloader(self) -> DataLoader[MaskedBlocks]:
        """Each rank's share of the held-out blocks, the same blocks and masks every time and for
        every seed."""
        trainer = self.trainer
        assert trainer is not None
        if self.validation_blocks < trainer.world_size:
            raise InputError(f"only {self.validation_blocks} blocks are held out: raise held_out")
        size = max(self.batch_size, 2 * trainer.world_size)  # cut evenly, each has some for all
        blocks, lines = self._read(self.corpus.held_out, size, 0)
        batches = BlockBatches(
            blocks, self._masker(0), self.validation_blocks, size, 0,
            trainer.global_rank, trainer.world_size, lines=lines, share=self.lines,
        )  # fmt: skip
        return evaluation_loader(batches)

    def _read(
        self, stream: TokenStream, batch_size: int, seed: int
    ) -> tuple[PackedBlocks, SingleLines | None]:
        tokenizer, length = self.tokenizer, self.block_length
        special = (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)
        cls, sep, pad = map(int, special)
        blocks = PackedBlocks(stream, length, cls, sep, seed)
        if not self.lines:
            return blocks, None
        return blocks, SingleLines(stream, length, cls, sep, pad, seed, batch_size * length)

    def _masker(self, seed: int) -> BlockMasker:
        return BlockMasker(self.tokenizer, self.mask_share, self.whole_words, seed)


def _vocabulary(given: str | None, text: list[str], size: int, progress: Progress) -> str:
    """The tokenizer's folder or hub id."""
    if given is None:
        return str(prepare_vocabulary(text, size, progress))
    return str(given_vocabulary(Path(given))) if given.endswith(".txt") else given


class BlockBatches(Batches):
    """Blocks as :class:`MaskedBlocks`: the first ``count`` of a stream, or without end, and batches
    of single lines spread evenly among theirs.

    Args:
        blocks: of the stream.
        masker: makes them masked blocks.
        count: how many there are; None for pass after pass.
        batch_size, seed, rank, world_size: as in :class:`Batches`.
        lines: of the stream.
        share: of the batches that are lines.
    """

    def __init__(
        self,
        blocks: PackedBlocks,
        masker: BlockMasker,
        count: int | None,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        *,
        lines: SingleLines | None = None,
        share: float = 0.0,
    ) -> None:
        super().__init__(batch_size, seed, rank, world_size)
        self.blocks, self.masker, self.count = blocks, masker, count
        self.lines, self.share = lines, share
        self.check_shared([range(batch_size)])
        if lines is not None:
            self.check_shared([range(lines.smallest)])

    @property
    def mean_tokens(self) -> float:
        """Of a batch, special tokens included."""
        of_blocks = self.batch_size * (self.blocks.content + 2)
        if self.lines is None:
            return of_blocks
        return (1 - self.share) * of_blocks + self.share * self.lines.mean_tokens

    def items_per_epoch(self) -> int:
        return self.blocks.per_pass if self.count is None else self.count

    def global_batch(self, epoch: int, number: int) -> Sequence[tuple[Source, int]]:
        """Blocks, or lines, by number; where the blocks end, the batches' sizes differ by at most
        one."""
        lines_before = math.floor(number * self.share)
        if self.lines is not None and math.floor((number + 1) * self.share) > lines_before:
            return [(self.lines, line) for line in self.lines.numbers(lines_before)]
        start = (number - lines_before) * self.batch_size
        stop = start + self.batch_size
        if self.count is not None:
            batches = len(self)
            start, stop = self.count * number // batches, self.count * (number + 1) // batches
        return [(self.blocks, block) for block in range(start, stop)]

    def length_of(self, item: tuple[Source, int]) -> int:
        return self.blocks.content + 2

    def collate(self, items: Sequence[tuple[Source, int]]) -> MaskedBlocks:
        source, numbers = items[0][0], np.array([number for _, number in items], np.int64)
        return self.masker(*source.read(numbers), numbers)
