"""From a text and its regions to the token ids that the decoupled model reads.

A text is tokenised once. A region's mention and the two halves of its context are then slices of
that one sequence, which gives the very ids that tokenising the three parts by themselves gives
(but for the space before a mention, which byte-level tokenizers read with it), as long as the
region's borders do not cut a word (a pre-token: a Chinese character, a run of letters, a
punctuation mark). Where they do, only the pieces of the cut word are tokenised anew.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from tokenizers import Encoding
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from decoupled_ner.candidates.ngrams import is_unspaced
from decoupled_ner.gazetteer import KnownTypes
from decoupled_ner.models.encoder import plain_tokenizer
from decoupled_ner.types import InputError, Region, well_formed


class Pair(NamedTuple):
    """Token ids of one region, special tokens included; ``mask_index`` points at ``[MASK]``.
    ``known``: what a gazetteer says of the mention, where there is one."""

    mention: list[int]
    context: list[int]
    mask_index: int
    known: Sequence[float] = ()


#: Characters that a token has at most, as SentencePiece's.
_LONGEST_PIECE = 16


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """A text's token ids without special tokens, and where its words lie.

    ``starts[i]`` is the character at which token i begins; ``words`` maps every character strictly
    inside a word of several characters to the word's ``(start, end)``: a border there cuts it.
    """

    text: str
    ids: list[int]
    starts: list[int]
    words: dict[int, tuple[int, int]]


class PairEncoder:
    """Turns regions into :class:`Pair`. Thread-safe.

    Args:
        tokenizer: the encoder's fast tokenizer.
        max_mention_tokens: special tokens included; a longer mention keeps its two ends.
        max_context_tokens: special tokens included; a longer context becomes a window around the
            mention, with what one side does not need given to the other.
        known: looks mentions up in a gazetteer; None for pairs without.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        max_mention_tokens: int = 32,
        max_context_tokens: int = 128,
        known: KnownTypes | None = None,
    ) -> None:
        self.known = known
        self._backend = plain_tokenizer(tokenizer)
        # Byte-level BPE: a word behind a space has other pieces than at the text's beginning.
        self._reads_spaces = self._ids(" a") != self._ids("a")
        self.cls, self.sep = int(tokenizer.cls_token_id), int(tokenizer.sep_token_id)
        self.mask, self.pad = int(tokenizer.mask_token_id), int(tokenizer.pad_token_id)
        self.mention_budget = max_mention_tokens - 2
        self.context_budget = max_context_tokens - 3
        if self.mention_budget < 1 or self.context_budget < 0:
            raise InputError(
                f"{max_mention_tokens} tokens hold no mention, or {max_context_tokens} no context:"
                " raise the limit of tokens"
            )

    def tokenize(self, text: str) -> TokenizedText:
        """Tokenise one text, of any length."""
        return self.tokenize_batch([text])[0]

    def tokenize_batch(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Tokenise many texts at once, N in, N out."""
        texts = [well_formed(text) for text in texts]
        encodings = self._backend.encode_batch(texts, add_special_tokens=False)
        return [self._read(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]

    def encode(self, tokens: TokenizedText, region: Region) -> Pair:
        """The mention's and the context's ids of ``region``."""
        mention = self._between(tokens, region.start, region.end, self.mention_budget)
        left = self._between(tokens, 0, region.start, self.context_budget)
        right = self._between(tokens, region.end, len(tokens.text), self.context_budget)
        pair = self.assemble(mention, left, right)
        return self._looked_up(pair, tokens.text[region.start : region.end])

    def encode_with(self, tokens: TokenizedText, region: Region, mention: str) -> Pair:
        """``encode``, with another mention in the region's place."""
        before = tokens.text[region.start - 1 : region.start]
        [ids] = self._mentions([mention], [" " if before == " " else ""])
        return self._looked_up(self.encode(tokens, region)._replace(mention=ids), mention)

    def encode_mentions(self, mentions: Sequence[str]) -> list[list[int]]:
        """The ids of mentions by themselves, N in, N out: those that `encode` gives them in a text,
        behind a space where their script has spaces."""
        return self._mentions(mentions, ["" if is_unspaced(m[:1]) else " " for m in mentions])

    def _mentions(self, mentions: Sequence[str], before: Sequence[str]) -> list[list[int]]:
        """Ids of mentions that stand behind what is ``before`` each, a space or nothing."""
        if not self._reads_spaces:
            before = [""] * len(mentions)
        texts = [space + mention for space, mention in zip(before, mentions, strict=True)]
        parts = (
            self._between(tokens, len(space), len(tokens.text), self.mention_budget)
            for space, tokens in zip(before, self.tokenize_batch(texts), strict=True)
        )
        return [self.assemble(ids, [], []).mention for ids in parts]

    def _looked_up(self, pair: Pair, mention: str) -> Pair:
        return pair if self.known is None else pair._replace(known=self.known(mention))

    def encode_plainly(self, text: str, region: Region) -> Pair:
        """``encode`` by tokenising mention, left and right each by itself: slow and obvious, and
        equal to it where spaces are no part of tokens, as in BERT's WordPiece."""
        parts = (text[region.start : region.end], text[: region.start], text[region.end :])
        pair = self.assemble(*(self._ids(well_formed(part)) for part in parts))
        return self._looked_up(pair, parts[0])

    def assemble(self, mention: list[int], left: list[int], right: list[int]) -> Pair:
        """Cut to the budgets and add the special tokens."""
        if len(mention) > self.mention_budget:
            head = (self.mention_budget + 1) // 2
            mention = mention[:head] + mention[len(mention) - (self.mention_budget - head) :]
        left, right = window(left, right, self.context_budget)
        return Pair(
            [self.cls, *mention, self.sep],
            [self.cls, *left, self.mask, *right, self.sep],
            1 + len(left),
        )

    def _between(self, tokens: TokenizedText, start: int, end: int, most: int) -> list[int]:
        """Ids of ``text[start:end]``: the text's own tokens, but for words that a border cuts. Of
        many own tokens only the first and the last ``most``, more than `assemble` keeps: a long
        text is not copied for each of its regions."""
        cut_first, cut_last = tokens.words.get(start), tokens.words.get(end)
        if cut_first is not None and end <= cut_first[1]:
            return self._ids_at_ends(tokens.text[start:end], most)
        inner_start = cut_first[1] if cut_first else start
        inner_end = cut_last[0] if cut_last else end
        first = bisect_left(tokens.starts, inner_start)
        last = bisect_left(tokens.starts, inner_end, first)
        if last - first <= 2 * most:
            own = tokens.ids[first:last]
        else:
            own = tokens.ids[first : first + most] + tokens.ids[last - most : last]
        if cut_first is None and cut_last is None:
            return own
        return [
            *(self._ids_at_ends(tokens.text[start:inner_start], most) if cut_first else []),
            *own,
            *(self._ids_at_ends(tokens.text[inner_end:end], most) if cut_last else []),
        ]

    def _ids_at_ends(self, text: str, most: int) -> list[int]:
        """Ids of a part of a word; of a very long one those of the characters that hold the first
        and the last ``most``. To SentencePiece a Chinese text is one word."""
        reach = _LONGEST_PIECE * most
        if len(text) <= 2 * reach:
            return self._ids(text)
        return [*self._ids(text[:reach]), *self._ids(text[-reach:])]

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        return ids

    @staticmethod
    def _read(text: str, encoding: Encoding) -> TokenizedText:
        starts, spans = [], dict[int | None, tuple[int, int]]()
        for (offset, end), word in zip(encoding.offsets, encoding.word_ids, strict=True):
            start = offset
            while start < end and text[start].isspace():  # sentencepiece counts the space before
                start += 1
            starts.append(start)
            first, last = spans.get(word, (start, end))
            spans[word] = (min(first, start), max(last, end))
        words = {
            position: span for span in spans.values() for position in range(span[0] + 1, span[1])
        }
        return TokenizedText(text, encoding.ids, starts, words)


def window(left: list[int], right: list[int], budget: int) -> tuple[list[int], list[int]]:
    """Of the tokens on both sides of a mention at most ``budget``, those nearest to it; what one
    side does not need is given to the other."""
    keep_left = min(len(left), max(budget // 2, budget - len(right)))
    return left[len(left) - keep_left :], right[: budget - keep_left]


class PairBatch(NamedTuple):
    """Padded token ids of B pairs: mentions (B, M), contexts (B, C), mask_index and labels (B,).

    ``known``: what a gazetteer says of the mentions, (B, T) for its T types, where there is one.
    ``windows``: the sentences that a proposer is trained on in the same step, a `proposer.Batch`.
    """

    mention_ids: Tensor
    mention_mask: Tensor
    context_ids: Tensor
    context_mask: Tensor
    mask_index: Tensor
    known: Tensor | None = None
    labels: Tensor | None = None
    windows: dict[str, Tensor] | None = None

    @property
    def inputs(self) -> tuple[Tensor | None, ...]:
        """What the decoupled model reads: all but labels and windows."""
        return self[:6]


def padded_width(longest: int) -> int:
    """To how many tokens a batch is padded: its longest sequence, rounded up by at most an eighth,
    and by at most seven tokens.

    Few distinct widths let kernels be compiled and workspaces be allocated once instead of for
    every batch; but most mentions have five tokens, which should not be paid as eight.
    """
    step = min(8, 1 << max(0, longest.bit_length() - 4))
    return -(-longest // step) * step


def collate_pairs(
    pairs: Sequence[Pair], pad: int, labels: Sequence[int] | None = None
) -> PairBatch:
    """Pad mentions and contexts to the longest of this batch, rounded up."""
    mention_ids, mention_mask = pad_ids([pair.mention for pair in pairs], pad)
    context_ids, context_mask = pad_ids([pair.context for pair in pairs], pad)
    index = torch.tensor([pair.mask_index for pair in pairs])
    gold = None if labels is None else torch.tensor(list(labels))
    known = torch.tensor([pair.known for pair in pairs]) if pairs[0].known else None
    return PairBatch(mention_ids, mention_mask, context_ids, context_mask, index, known, gold)


def pad_ids(sequences: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """B id sequences → ids (B, T) and attention mask (B, T), T the `padded_width`."""
    width = padded_width(max(map(len, sequences)))
    ids = torch.tensor([[*sequence, *[pad] * (width - len(sequence))] for sequence in sequences])
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    return ids, (torch.arange(width) < lengths[:, None]).long()


def length_buckets(lengths: Sequence[int], tokens_per_batch: int) -> Iterator[list[int]]:
    """Indices sorted by length, cut so that no batch pads to more than ``tokens_per_batch``."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * padded_width(lengths[index]) > tokens_per_batch:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
