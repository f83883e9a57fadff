"""Which region of a noisy sentence the Context stage masks, and the token ids that make of it.

B sentences, T tokens, N masked tokens of the batch.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.data.pairs import PairEncoder, TokenizedText, pad_ids, window
from decoupled_ner.labels import OUTSIDE
from decoupled_ner.models.encoder import load_tokenizer
from decoupled_ner.models.units import split_units
from decoupled_ner.types import InputError, NoisySentence, Region

#: Of a longer mention the two ends are masked and the middle is left out.
MASKED_TOKENS = 30


class RegionChooser:
    """Picks the one region of a sentence that is masked: an entity, or a region that is ``O``.

    Args:
        outside_share: how often an ``O`` region, in [0, 1).
        outside_regions: proposes regions to be ``O``; None for random ones, which are as many
            words (ideographs, runs of letters) long as an entity of the sentence.
        ignore_doubtful: whether an ``O`` region overlaps nothing that the gazetteer knows but that
            was not labelled.
        possible_names: nor anything that this generator proposes.
    """

    def __init__(
        self,
        outside_share: float = 0.3,
        outside_regions: CandidateGenerator | None = None,
        ignore_doubtful: bool = True,
        possible_names: CandidateGenerator | None = None,
    ) -> None:
        if not 0 <= outside_share < 1:
            raise InputError(f"outside_share={outside_share} must be in [0, 1)")
        self.outside_share, self.ignore_doubtful = outside_share, ignore_doubtful
        self.outside_regions, self.possible_names = outside_regions, possible_names

    def choose(self, sentence: NoisySentence, rng: random.Random) -> tuple[Region, str]:
        """A region and its label; the sentence has at least one entity. An ``O`` region overlaps
        no entity; where there is none to be had, it is an entity after all."""
        entity = rng.choice(sentence.entities)
        if rng.random() < self.outside_share:
            free = self._outside(sentence, entity.region)
            if free:
                return rng.choice(free), OUTSIDE
        return entity.region, entity.label

    def _outside(self, sentence: NoisySentence, like: Region) -> list[Region]:
        text = sentence.text
        taken = [entity.region for entity in sentence.entities]
        if self.ignore_doubtful:
            taken += sentence.doubtful
        if self.possible_names is not None:
            taken += self.possible_names.propose(text)
        pool = (
            runs_of_words(text, like)
            if self.outside_regions is None
            else self.outside_regions.propose(text)
        )
        return [r for r in pool if not any(r.overlaps(other) for other in taken)]


def runs_of_words(text: str, like: Region) -> Iterator[Region]:
    """All runs of as many words as ``like`` has, with nothing but white space between them."""
    words = [(a, b) for a, b in split_units(text, "word").tolist() if text[a:b].isalnum()]
    count = max(1, sum(like.start <= a < like.end for a, _ in words))
    for first in range(len(words) - count + 1):
        run = words[first : first + count]
        gaps = (text[a:b] for (_, a), (b, _) in pairwise(run))
        if all(not gap or gap.isspace() for gap in gaps):
            yield Region(run[0][0], run[-1][1])


class MaskedContext(NamedTuple):
    """A sentence's token ids with those of one region masked; ``targets`` stood at ``first`` and
    behind it."""

    ids: list[int]
    first: int
    targets: list[int]


class ContextBatch(NamedTuple):
    """Token ids, attention mask and where the masked tokens are (bool), (B, T) each; what stood
    there, row by row and from left to right (N,); label ids (B,)."""

    ids: Tensor
    mask: Tensor
    masked: Tensor
    targets: Tensor
    labels: Tensor


class ContextEncoder:
    """Turns regions into :class:`MaskedContext` and batches of them.

    Args:
        encoder: hub id or directory, for its tokenizer.
        max_tokens: special tokens included; a longer sentence becomes a window around the region.

    Raises:
        InputError: no such tokenizer, or ``max_tokens`` leaves no room around the longest mention.
    """

    def __init__(self, encoder: str, max_tokens: int = 128) -> None:
        if max_tokens < 2 * MASKED_TOKENS:
            raise InputError(f"max_tokens={max_tokens} must be at least {2 * MASKED_TOKENS}")
        tokenizer = load_tokenizer(encoder)
        self._max_tokens = max_tokens
        self._pairs = PairEncoder(tokenizer, MASKED_TOKENS + 2, max_tokens)
        self.tokenize_batch = self._pairs.tokenize_batch

    def encode(self, tokens: TokenizedText, region: Region) -> MaskedContext:
        """The sentence with each token of ``region`` masked."""
        pair = self._pairs.encode(tokens, region)
        targets, place = pair.mention[1:-1], pair.mask_index
        # The pair's context has one mask, which becomes as many as the mention has tokens.
        room = self._max_tokens - 2 - len(targets)
        left, right = window(pair.context[1:place], pair.context[place + 1 : -1], room)
        masks = [self._pairs.mask] * len(targets)
        ids = [self._pairs.cls, *left, *masks, *right, self._pairs.sep]
        return MaskedContext(ids, 1 + len(left), targets)

    def collate(self, contexts: Sequence[MaskedContext], labels: Sequence[int]) -> ContextBatch:
        """Pad to the longest of this batch, rounded up."""
        ids, mask = pad_ids([context.ids for context in contexts], self._pairs.pad)
        first = torch.tensor([context.first for context in contexts]).unsqueeze(1)
        count = torch.tensor([len(context.targets) for context in contexts]).unsqueeze(1)
        place = torch.arange(ids.shape[1])
        return ContextBatch(
            ids,
            mask,
            (first <= place) & (place < first + count),
            torch.tensor([target for context in contexts for target in context.targets]),
            torch.tensor(list(labels)),
        )
