"""Data augmentation: copies of sentences in which a masked language model writes other words.

Words that touch no entity are masked as wholes and filled from left to right, so that a word's
characters go together. Entities stay as they are; only their offsets may move.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

import torch
from torch import Tensor

from decoupled_ner.candidates.words import segmenter_named
from decoupled_ner.data.masked_words import Draft, free_words, mask_words, rewritten
from decoupled_ner.data.pairs import length_buckets, pad_ids
from decoupled_ner.data.surfaces import Surfaces
from decoupled_ner.models.encoder import load_tokenizer, plain_tokenizer
from decoupled_ner.models.stage1 import VocabularyHead, load_masked_lm
from decoupled_ner.models.states import chosen_positions, states_at
from decoupled_ner.types import InputError, Sentence, well_formed

_SENTENCES_TOGETHER = 512
_TOKENS_A_BATCH = 8192
#: Tokens of text that are read at once; longer sentences are read in parts.
_WINDOW = 126


@dataclass(frozen=True, slots=True)
class AugmentSettings:
    """How sentences are copied.

    Attributes:
        copies: of each sentence.
        share: of a sentence's tokens that is masked, in (0, 1); at least one word.
        top_k: a token is drawn from so many of the model's most probable ones.
        temperature: above 0; the higher, the rarer the words.
        keep_length: whether a token is replaced by one of as many characters, so that no offset
            moves.
        segmenter, segmenter_model: what cuts words, as in `words.segmenter_named`.
        seed: of the masked words and of what is drawn.

    Raises:
        InputError: a value is out of its range.
    """

    copies: int = 1
    share: float = 0.15
    top_k: int = 20
    temperature: float = 1.0
    keep_length: bool = True
    segmenter: str = "jieba"
    segmenter_model: str | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        if self.copies < 1 or self.top_k < 1:
            raise InputError(f"copies={self.copies} and top_k={self.top_k} must be at least 1")
        if not 0 < self.share < 1 or not 0 < self.temperature < math.inf:
            raise InputError(
                f"share={self.share} must be between 0 and 1, temperature={self.temperature} a"
                " number above 0"
            )


def augment(
    sentences: Sequence[Sentence],
    encoder: str,
    settings: AugmentSettings | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Iterator[Sentence]:
    """Each sentence, then its copies; a copy's id is the sentence's with ``~1``, ``~2`` … behind.

    A sentence without a word that could be masked has no copies. What is written depends on the
    sentence's place and the settings, not on its neighbours.

    Args:
        sentences: of a training split, never of dev or test.
        encoder: hub id, directory or bundled name of a masked language model.
        progress: told how many sentences are done.

    Raises:
        InputError: the encoder can't be loaded or has no vocabulary head.
    """
    settings = settings or AugmentSettings()
    writer = _Writer(encoder, settings)
    for first in range(0, len(sentences), _SENTENCES_TOGETHER):
        group = sentences[first : first + _SENTENCES_TOGETHER]
        copies = [writer.copies(group, first, number) for number in range(1, settings.copies + 1)]
        for sentence, *found in zip(group, *copies, strict=True):
            yield sentence
            yield from (copy for copy in found if copy is not None)
        progress(first + len(group))


class _Slot(NamedTuple):
    """A masked token that is filled next; ``last`` where its word ends and nothing differs yet."""

    draft: Draft
    place: int
    last: bool


class _Writer:
    """Masks and fills, with the model on the GPU where there is one."""

    def __init__(self, encoder: str, settings: AugmentSettings) -> None:
        model, has_head = load_masked_lm(encoder)
        if not has_head:
            raise InputError(
                f"{encoder}: has no masked language model's head; take an encoder that was saved"
                " with it, such as zh-small"
            )
        self.settings = settings
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.eval().to(self.device)
        self.head = VocabularyHead(self.model)
        tokenizer = load_tokenizer(encoder)
        self.backend = plain_tokenizer(tokenizer)
        self.ends = int(tokenizer.cls_token_id), int(tokenizer.sep_token_id)
        self.mask, self.pad = int(tokenizer.mask_token_id), int(tokenizer.pad_token_id)
        self.surfaces = Surfaces(tokenizer, settings.keep_length)
        positions = getattr(model.config, "max_position_embeddings", None) or 512
        self.window = min(_WINDOW, int(positions) - 4)  # RoBERTa counts its positions from 2

    def copies(
        self, sentences: Sequence[Sentence], first: int, number: int
    ) -> list[Sentence | None]:
        """A copy of each sentence; the first of them is at place ``first`` of all."""
        texts = [well_formed(sentence.text) for sentence in sentences]
        encodings = self.backend.encode_batch(texts, add_special_tokens=False)
        segmenter = segmenter_named(self.settings.segmenter, self.settings.segmenter_model)
        drafts = []
        both = zip(sentences, encodings, segmenter.words_batch(texts), strict=True)
        for place, (sentence, tokens, words) in enumerate(both, start=first):
            free = free_words(sentence, tokens.ids, tokens.offsets, words, self.surfaces)
            seed = f"augment-{self.settings.seed}-{number}-{place}"
            share = self.settings.share
            drafts.append(mask_words(tokens.ids, tokens.offsets, free, share, self.mask, seed))
        self._fill(drafts)
        return [
            rewritten(sentence, draft, self.surfaces, f"{sentence.id}~{number}")
            for sentence, draft in zip(sentences, drafts, strict=True)
        ]

    def _fill(self, drafts: Sequence[Draft]) -> None:
        """Fill the first token of every word, then the second, and so on."""
        longest = max((len(word) for draft in drafts for word in draft.words), default=0)
        for step in range(longest):
            windows: dict[tuple[int, int], list[_Slot]] = {}
            for number, draft in enumerate(drafts):
                for word in (word for word in draft.words if len(word) > step):
                    same = all(draft.ids[t] == draft.before[t] for t in word[:step])
                    slot = _Slot(draft, word[step], same and len(word) == step + 1)
                    start = word[step] - word[step] % self.window
                    windows.setdefault((number, start), []).append(slot)
            parts = list(windows.items())
            lengths = [len(slots[0].draft.ids[s : s + self.window]) for (_, s), slots in parts]
            for batch in length_buckets(lengths, _TOKENS_A_BATCH):
                self._fill_batch([(parts[i][0][1], parts[i][1]) for i in batch])

    @torch.inference_mode()
    def _fill_batch(self, parts: Sequence[tuple[int, list[_Slot]]]) -> None:
        """Fill the slots of windows, each given by its first token."""
        begin, end = self.ends
        ids, mask = pad_ids(
            [[begin, *slots[0].draft.ids[s : s + self.window], end] for s, slots in parts], self.pad
        )
        ids, mask = ids.to(self.device), mask.to(self.device)
        chosen = torch.zeros_like(ids, dtype=torch.bool)
        for row, (start, slots) in enumerate(parts):
            chosen[row, [slot.place - start + 1 for slot in slots]] = True
        positions, wanted = chosen_positions(chosen)
        every = [slot for _, slots in parts for slot in sorted(slots, key=attrgetter("place"))]
        logits = self.head(states_at(self.model.base_model, ids, mask, positions)[wanted])
        logits = logits.float().cpu()
        for slot, token in zip(every, self._drawn(logits, every).tolist(), strict=True):
            slot.draft.ids[slot.place] = token

    def _drawn(self, logits: Tensor, slots: Sequence[_Slot]) -> Tensor:
        """Logits (N, V) → a token for each slot (N,), of the kind of the one that stood there."""
        before = torch.tensor([slot.draft.before[slot.place] for slot in slots])
        kinds, alone = self.surfaces.kinds, self.surfaces.alone
        allowed = torch.zeros_like(logits, dtype=torch.bool)  # a head may be wider than its tokens
        allowed[:, : len(kinds)] = (kinds == kinds[before, None])[:, : logits.shape[1]]
        # A word is replaced, so one of its tokens has to differ, unless it has no like.
        must = torch.tensor([slot.last for slot in slots]) & ~alone[before]
        allowed[must.nonzero().squeeze(1), before[must]] = False
        scores = logits.masked_fill(~allowed, -torch.inf) / self.settings.temperature
        best, tokens = scores.topk(min(self.settings.top_k, scores.shape[1]), dim=1)
        draws = torch.tensor([slot.draft.draws[slot.place] for slot in slots])
        reached = best.softmax(1).cumsum(1) <= draws[:, None]
        chosen = reached.sum(1).clamp(max=(best > -torch.inf).sum(1) - 1)
        return tokens.gather(1, chosen[:, None]).squeeze(1)
