"""The fast engine: logits of many regions of many texts.

Each text is tokenised once, contexts are batched by length, and a mention's hidden state is kept:
mentions repeat across texts, and ``h_m`` depends on nothing but the mention's tokens. A context is
read only where it can matter: most candidates are no entity in any context.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from decoupled_ner.data.pairs import Pair, PairEncoder, length_buckets, pad_ids
from decoupled_ner.gazetteer import KnownTypes
from decoupled_ner.inference.compute import precision
from decoupled_ner.inference.reading import Reading
from decoupled_ner.models.decoupled import DecoupledModel
from decoupled_ner.types import Region

#: Tokens a batch pads to at most: a few hundred contexts of a sentence's length.
TOKENS_PER_BATCH = 8192
MENTION_CACHE_SIZE = 50_000
_MENTIONS_PER_BATCH = 4096

#: Logits that a context is taken to reach beyond the furthest that was seen.
REACH_MARGIN = 0.5


class RegionScorer:
    """Scores regions with a :class:`DecoupledModel`. Thread-safe; the answers equal those of
    ``reference.score_plainly`` up to rounding, whatever else is in the batch, but for what a
    proposer's scores add and what pruning leaves out.

    Args:
        model: in eval mode; its device and weights must stay as they are, since hidden states of
            mentions are kept.
        known: looks mentions up for a model that reads a gazetteer.
        autocast: compute in this dtype (``torch.bfloat16``, ``torch.float16``); None keeps the
            caller's autocast, and is float32 without one.
    """

    def __init__(
        self,
        model: DecoupledModel,
        tokenizer: PreTrainedTokenizerBase,
        known: KnownTypes | None = None,
        *,
        autocast: torch.dtype | None = None,
        tokens_per_batch: int = TOKENS_PER_BATCH,
        mention_cache_size: int = MENTION_CACHE_SIZE,
    ) -> None:
        config = model.config
        self.model = model
        self.pairs = PairEncoder(
            tokenizer, config.max_mention_tokens, config.max_context_tokens, known
        )
        self.tokens_per_batch = tokens_per_batch
        self._autocast = autocast
        self._mentions = _LRU(mention_cache_size)

    @torch.inference_mode()
    def score(
        self,
        texts: Sequence[str],
        regions: Sequence[Sequence[Region]],
        scores: Sequence[Sequence[float]] | None = None,
        *,
        prune: bool = False,
    ) -> list[Tensor]:
        """One tensor a text: logits (R, 3, L) in float32 on the CPU, in the order of its regions;
        the three are the global, the mention and the context classifier.

        Args:
            scores: what a proposer gives the regions, for a model that reads it: part of the global
                logits then.
            prune: don't read the contexts of regions whose mentions are further behind ``O`` than
                contexts reach (``DecoupledConfig.context_reach``). Their logits are what no context
                is taken to surpass, by which they are ``O``, and NaN for the two other classifiers.
        """
        pairs = self._pairs(texts, regions)
        read, bias = self._reading(scores), self.model.config.outside_bias
        logits = torch.full((len(pairs), 3, len(self.model.config.labels)), torch.nan)
        wanted = torch.arange(len(pairs))
        furthest = self._furthest(pairs) if prune else None
        if furthest is not None:
            logits[:, 0] = furthest
            bound = read(furthest)
            wanted = (bound[:, 1:] > bound[:, :1] + bias).any(1).nonzero().flatten()
        logits[wanted] = self._logits([pairs[i] for i in wanted.tolist()])
        logits[:, 0] = read(logits[:, 0])
        return list(torch.split(logits, [len(of_text) for of_text in regions]))

    def _reading(self, scores: Sequence[Sequence[float]] | None) -> Callable[[Tensor], Tensor]:
        """From global logits (R, L) to those that a proposer's scores are part of."""
        if scores is None:
            return lambda logits: logits
        flat = torch.tensor([score for of_text in scores for score in of_text])
        return partial(Reading(*self.model.config.proposer_reading).apply, scores=flat)

    @torch.inference_mode()
    def context_reach(
        self, texts: Sequence[str], regions: Sequence[Sequence[Region]]
    ) -> list[float]:
        """How far the contexts of these regions raise the global logit of each label (L numbers)
        against that of ``O``, at most; empty where there is no region."""
        pairs = self._pairs(texts, regions)
        if not pairs:
            return []
        contexts = self._logits(pairs)[:, 0] - self._of_mentions(pairs)
        return (contexts - contexts[:, :1]).amax(0).tolist()

    def _pairs(self, texts: Sequence[str], regions: Sequence[Sequence[Region]]) -> list[Pair]:
        return [
            self.pairs.encode(tokens, region)
            for tokens, wanted in zip(self.pairs.tokenize_batch(texts), regions, strict=True)
            for region in wanted
        ]

    def _furthest(self, pairs: Sequence[Pair]) -> Tensor | None:
        """The global logits (R, L) with what contexts add at most; None where that is not known."""
        reach = self.model.config.context_reach
        if not reach:
            return None
        return self._of_mentions(pairs) + torch.tensor(
            [0.0, *(label + REACH_MARGIN for label in reach[1:])]
        )

    def _of_mentions(self, pairs: Sequence[Pair]) -> Tensor:
        """The mentions' share of the global logits (`DecoupledModel.classify_mentions`), (R, L) in
        float32 on the CPU."""
        logits = torch.empty(len(pairs), len(self.model.config.labels))
        states = self._mention_states({tuple(pair.mention) for pair in pairs})
        for first in range(0, len(pairs), _MENTIONS_PER_BATCH):
            batch = pairs[first : first + _MENTIONS_PER_BATCH]
            h_m = torch.stack([states[tuple(pair.mention)] for pair in batch])
            known = torch.tensor([pair.known for pair in batch], device=self.model.device)
            with precision(self.model, self._autocast):
                share = self.model.classify_mentions(h_m, known)
            logits[first : first + len(batch)] = share.cpu()
        return logits

    def _logits(self, pairs: Sequence[Pair]) -> Tensor:
        labels = len(self.model.config.labels)
        logits = torch.empty(len(pairs), 3, labels)
        mentions = self._mention_states({tuple(pair.mention) for pair in pairs})
        for batch in length_buckets([len(p.context) for p in pairs], self.tokens_per_batch):
            h_m = torch.stack([mentions[tuple(pairs[i].mention)] for i in batch])
            ids, mask = self._padded([pairs[i].context for i in batch])
            index = torch.tensor([pairs[i].mask_index for i in batch], device=self.model.device)
            known = torch.tensor([pairs[i].known for i in batch], device=self.model.device)
            with precision(self.model, self._autocast):
                h_c = self.model.encode_contexts(ids, mask, index)
                output = self.model.classify(h_m, h_c, known)
            three = (output.global_logits, output.mention_logits, output.context_logits)
            logits[batch] = torch.stack(three, dim=1).float().cpu()
        return logits

    def _mention_states(self, mentions: Iterable[tuple[int, ...]]) -> dict[tuple[int, ...], Tensor]:
        """h_m (H,) for each mention's token ids: from the cache, else computed and kept."""
        known, missing = self._mentions.split(mentions)
        for batch in length_buckets([len(ids) for ids in missing], self.tokens_per_batch):
            ids, mask = self._padded([missing[i] for i in batch])
            with precision(self.model, self._autocast):
                states = self.model.encode_mentions(ids, mask)
            known.update(zip((missing[i] for i in batch), states.unbind(), strict=True))
        self._mentions.keep({ids: known[ids] for ids in missing})
        return known

    def _padded(self, sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        ids, mask = pad_ids(sequences, self.pairs.pad)
        return ids.to(self.model.device), mask.to(self.model.device)


class _LRU:
    """The least recently used mentions leave first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._states: OrderedDict[tuple[int, ...], Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def split(
        self, wanted: Iterable[tuple[int, ...]]
    ) -> tuple[dict[tuple[int, ...], Tensor], list[tuple[int, ...]]]:
        """What is there, and what is missing (sorted, so that batches are reproducible)."""
        known, missing = {}, []
        with self._lock:
            for key in wanted:
                if key in self._states:
                    self._states.move_to_end(key)
                    known[key] = self._states[key]
                else:
                    missing.append(key)
        return known, sorted(missing)

    def keep(self, states: dict[tuple[int, ...], Tensor]) -> None:
        with self._lock:
            # A copy, since a row of a batch would keep the whole batch alive.
            self._states.update({key: state.clone() for key, state in states.items()})
            while len(self._states) > self._size:
                self._states.popitem(last=False)
