"""Masks for masked language modelling: whole words, drawn anew for every block.

B blocks of L tokens, N masked tokens, K of a block at most.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from decoupled_ner.data.corpus.blocks import uniforms
from decoupled_ner.data.corpus.store import Flags, Ids
from decoupled_ner.types import InputError

#: What has no target.
IGNORED = -100
# N and K are filled up to multiples of these: new sizes cost a CPU compile time.
_MULTIPLE, _OF_BLOCK = 64, 8


class MaskedBlocks(NamedTuple):
    """Token ids with masks (B, L); the positions in each block that are looked at, (B, K); which of
    these, flattened, are masked, (N,), and what stood there (N,), `IGNORED` for what only fills
    up; which tokens are no padding, (B, L), None where there is none."""

    ids: Tensor
    positions: Tensor
    masked: Tensor
    targets: Tensor
    mask: Tensor | None


def check_shares(share: float, whole_words: float) -> None:
    """Raise an `InputError` unless a `BlockMasker` takes them."""
    if not (0 < share < 1 and 0 <= whole_words <= 1):
        raise InputError(
            f"mask_share={share} must be in (0, 1), whole_words={whole_words} in [0, 1]"
        )


class BlockMasker:
    """Masks a share of the tokens of each block: 80% of them become ``[MASK]``, 10% a random
    token, 10% stay (Devlin et al. 2019, 3.1).

    Words are put in random order, as a ring, and those that begin in a stretch of it are taken, so
    that every token, of long words and of short ones, has the same chance, and each block about as
    many masks. Special tokens, ``[UNK]`` among them, are never masked. What is masked depends on
    the seed and the block's number alone.

    Args:
        tokenizer: of the blocks.
        share: of the tokens.
        whole_words: share of the blocks in which whole words are masked (Cui et al. 2021); in the
            others single tokens.
        seed: of everything drawn.

    Raises:
        InputError: a share is not in (0, 1), or in [0, 1].
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, share: float, whole_words: float, seed: int
    ) -> None:
        check_shares(share, whole_words)
        self.share, self.whole_words, self.seed = share, whole_words, seed
        self.mask, self.pad = int(tokenizer.mask_token_id), int(tokenizer.pad_token_id)
        self._maskable = np.ones(len(tokenizer), np.bool_)
        self._maskable[tokenizer.all_special_ids] = False
        self._ordinary = np.flatnonzero(self._maskable)

    def __call__(self, ids: Ids, begins: Flags, numbers: Ids) -> MaskedBlocks:
        """Ids and where words begin, (B, L) each, of the blocks with these numbers, (B,)."""
        chosen = self.choose(ids, begins, numbers)
        fate, other = (uniforms(self.seed, draw, numbers, ids.shape[1]) for draw in (3, 4))
        random = self._ordinary[(other * len(self._ordinary)).astype(np.int64)]
        replaced = np.where(fate < 0.8, self.mask, np.where(fate < 0.9, random, ids))
        most = min(ids.shape[1], math.ceil(chosen.sum(1).max() / _OF_BLOCK) * _OF_BLOCK)
        positions = np.argsort(~chosen, axis=1, kind="stable")[:, :most]
        masked = np.flatnonzero(np.take_along_axis(chosen, positions, axis=1))
        targets = ids[chosen]
        missing = -len(masked) % _MULTIPLE
        attended = ids != self.pad
        return MaskedBlocks(
            torch.from_numpy(np.where(chosen, replaced, ids)),
            torch.from_numpy(positions),
            torch.from_numpy(np.pad(masked, (0, missing))),
            torch.from_numpy(np.pad(targets, (0, missing), constant_values=IGNORED)),
            None if attended.all() else torch.from_numpy(attended),
        )

    def choose(self, ids: Ids, begins: Flags, numbers: Ids) -> Flags:
        """Which tokens are masked, (B, L)."""
        rows, length = ids.shape
        maskable = self._maskable[ids]
        single = uniforms(self.seed, 0, numbers, 1) >= self.whole_words  # (B, 1)
        after_special = np.pad(~maskable[:, :-1], ((0, 0), (1, 0)), constant_values=True)
        word = np.cumsum(begins | single | after_special | ~maskable, axis=1) - 1  # (B, L)
        # Words in random order: each token's rank in it, those that can't be masked behind all.
        order_of = np.take_along_axis(uniforms(self.seed, 1, numbers, length), word, axis=1)
        order = np.argsort(np.where(maskable, order_of, 2.0), axis=1, kind="stable")
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(length)[None].repeat(rows, 0), axis=1)
        flat = word + np.arange(rows)[:, None] * length
        first = np.full(rows * length, length)
        np.minimum.at(first, flat.ravel(), rank.ravel())
        count = np.maximum(1, maskable.sum(axis=1, keepdims=True))  # (B, 1)
        # As a ring turned at random, every word begins at every rank with the same probability.
        turn = (uniforms(self.seed, 2, numbers, 1) * count).astype(np.int64)
        begin = (first.reshape(rows, length) + turn) % count
        within = begin + uniforms(self.seed, 5, numbers, length) < self.share * count
        chosen: Flags = maskable & np.take_along_axis(within, word, axis=1)
        return chosen
