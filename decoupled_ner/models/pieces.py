"""A window of a text as a tagger reads it, and batches of such windows.

N units, M encoder tokens, C characters of a unit; B windows in a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from decoupled_ner.models.characters import MAX_CHARACTERS, character_type
from decoupled_ner.models.embeddings import Vocabulary
from decoupled_ner.models.lexicon import Lexicon, WordSets
from decoupled_ner.models.units import IntArray, TokenizedUnits, Window, windows
from decoupled_ner.types import Region

#: What follows the last unit in its bigram; white space is in no unit, so no text has it there.
_END = "\n"


class TokenWindows(Protocol):
    """The settings of a model that say how long its encoder's windows are."""

    encoder: dict[str, Any] | None
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One window of a text, ready to be batched. Inputs that the tagger lacks are None.

    Attributes:
        units: (N, 2) character offsets in the text.
        offset: the first unit's number in the text.
        owned: entities that begin in these units of the piece, [start, end), are taken from it.
        token_ids: (M,) special tokens included; ``unit_tokens`` (N,) each unit's first.
        unit_ids, bigram_ids: (N,).
        characters: for each unit ids and types of its characters, two (C,) arrays.
        word_sets: of the units.
        word_tags: (N, S) what each of S segmenters says of a unit (`words.WordTags`).
    """

    units: IntArray
    offset: int
    owned: tuple[int, int]
    token_ids: IntArray | None = None
    unit_tokens: IntArray | None = None
    unit_ids: IntArray | None = None
    bigram_ids: IntArray | None = None
    characters: tuple[tuple[IntArray, IntArray], ...] | None = None
    word_sets: WordSets | None = None
    word_tags: IntArray | None = None

    def __len__(self) -> int:
        """How many units there are."""
        return len(self.units)

    @property
    def part(self) -> slice:
        """Its units among those of the whole text."""
        return slice(self.offset, self.offset + len(self))

    def owns(self, first: int) -> bool:
        """Whether entities that begin in this unit are taken from this piece."""
        return self.owned[0] <= first < self.owned[1]

    def region_of(self, first: int, last: int) -> tuple[int, int]:
        """The characters of units [first, last)."""
        return int(self.units[first, 0]), int(self.units[last - 1, 1])

    def cut(self, window: Window) -> Piece:
        """The window's units; this piece must be a whole text."""
        part = slice(window.start, window.end)
        return Piece(
            units=self.units[part],
            offset=window.start,
            owned=(window.owned_start - window.start, window.owned_end - window.start),
            unit_ids=None if self.unit_ids is None else self.unit_ids[part],
            bigram_ids=None if self.bigram_ids is None else self.bigram_ids[part],
            characters=None if self.characters is None else self.characters[part],
            word_sets=None if self.word_sets is None else self.word_sets.of(part),
            word_tags=None if self.word_tags is None else self.word_tags[part],
        )

    def with_tokens(self, whole: TokenizedUnits, limit: int, start: int, end: int) -> Piece:
        """This piece with its part of the text's tokens between the special tokens ``start`` and
        ``end``. There are more than ``limit`` only where a single unit has more; it keeps its
        first ones, and its tag depends on the very first."""
        first = whole.first[self.part]
        following = whole.first[self.offset + len(self) :]
        stop = following[0] if len(following) else len(whole.tokens)
        # The last unit may share its token with the one behind it.
        tokens = whole.tokens[first[0] : max(stop, first[-1] + 1)][:limit]
        ids = np.concatenate([[start], tokens, [end]])
        return replace(
            self, token_ids=ids, unit_tokens=np.minimum(first - first[0] + 1, len(tokens))
        )


def whole_piece(
    text: str,
    tokenized: TokenizedUnits,
    vocabularies: Mapping[str, Vocabulary],
    lexicon: Lexicon | None,
) -> Piece:
    """A whole text's units with all features but the encoder's tokens."""
    units = tokenized.units
    words = [text[start:end] for start, end in units.tolist()]
    found: dict[str, IntArray] = {}
    for name, items in (("units", words), ("bigrams", bigrams(words))):
        if vocabulary := vocabularies.get(name):
            found[name] = np.array([vocabulary.id(item) for item in items], np.int64)
    characters = vocabularies.get("characters")
    return Piece(
        units=units,
        offset=0,
        owned=(0, len(units)),
        unit_ids=found.get("units"),
        bigram_ids=found.get("bigrams"),
        characters=tuple(_characters(w, characters) for w in words) if characters else None,
        word_sets=lexicon.sets(text, units) if lexicon else None,
    )


def cut_for_encoder(
    whole: Piece,
    tokenized: TokenizedUnits,
    config: TokenWindows,
    tokenizer: PreTrainedTokenizerBase,
) -> list[Piece]:
    """A whole text's piece as windows that the encoder can read, in order."""
    limit = _window_limit(config)
    behind = np.append(tokenized.first[1:], len(tokenized.tokens))
    ends = int(tokenizer.cls_token_id), int(tokenizer.sep_token_id)
    return [
        whole.cut(window).with_tokens(tokenized, limit, *ends)
        for window in windows(behind - tokenized.first, limit)
    ]


def _window_limit(config: TokenWindows) -> int:
    """Tokens of text a window may have. Two positions less than the encoder has, for the special
    tokens, and two more, since RoBERTa counts its positions from 2."""
    positions = (config.encoder or {}).get("max_position_embeddings") or 512
    return max(1, min(config.max_tokens, int(positions) - 2) - 2)


def units_of(units: IntArray, regions: Iterable[Region]) -> list[int]:
    """The numbers of the units (N, 2) that regions of the text have a character of."""
    touched = np.zeros(len(units), bool)
    for region in regions:
        touched |= (units[:, 0] < region.end) & (units[:, 1] > region.start)
    return np.flatnonzero(touched).tolist()


def bigrams(words: Sequence[str]) -> list[str]:
    """Each unit's text followed by the next one's."""
    return [left + right for left, right in zip(words, [*words[1:], _END], strict=True)]


def _characters(word: str, vocabulary: Vocabulary) -> tuple[IntArray, IntArray]:
    word = word[:MAX_CHARACTERS]
    ids = np.array([vocabulary.id(character) for character in word], np.int64)
    return ids, np.array([character_type(character) for character in word], np.int64)


def collate_pieces(
    pieces: Sequence[Piece], padding: int, unknown: Sequence[Sequence[int]] | None = None
) -> dict[str, Tensor]:
    """One padded batch of pieces that have the same inputs.

    Args:
        padding: the encoder's id.
        unknown: numbers of the units of each piece's whole text of which nothing is known. Where
            there are any, the batch says which of each piece's units they are.
    """
    batch = {"unit_mask": pad([np.ones(len(p), np.int64) for p in pieces]).bool()}
    if tokens := [p.token_ids for p in pieces if p.token_ids is not None]:
        batch["token_ids"] = pad(tokens, padding)
        batch["token_mask"] = pad([np.ones_like(ids) for ids in tokens])
    for name in ("unit_tokens", "unit_ids", "bigram_ids", "word_tags"):
        arrays = [array for p in pieces if (array := getattr(p, name)) is not None]
        if arrays:
            batch[name] = pad(arrays)
    if characters := [p.characters for p in pieces if p.characters is not None]:
        batch["character_ids"] = _pad_characters([[ids for ids, _ in p] for p in characters])
        batch["character_types"] = _pad_characters([[types for _, types in p] for p in characters])
    if sets := [p.word_sets for p in pieces if p.word_sets is not None]:
        batch["lexicon_words"] = torch.from_numpy(np.concatenate([s.words for s in sets]))
        batch["lexicon_weights"] = torch.from_numpy(np.concatenate([s.weights for s in sets]))
        batch["lexicon_sizes"] = pad([s.sizes for s in sets])
    if unknown is not None and any(unknown):
        batch["unknown"] = _pad_unknown(pieces, unknown)
    return batch


def _pad_unknown(pieces: Sequence[Piece], unknown: Sequence[Sequence[int]]) -> Tensor:
    """Which units (B, N) bool are among those numbers of each piece's whole text."""
    rows = []
    for piece, numbers in zip(pieces, unknown, strict=True):
        own = np.isin(np.arange(piece.part.start, piece.part.stop), numbers)
        rows.append(own.astype(np.int64))
    return pad(rows).bool()


def pad(arrays: Sequence[IntArray], value: int = 0) -> Tensor:
    """Arrays (N, …) that differ in N → one tensor (B, longest N, …), ``value`` in the padding."""
    tensors = [torch.from_numpy(array) for array in arrays]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value)


def _pad_characters(rows: Sequence[Sequence[IntArray]]) -> Tensor:
    """(B, longest N, longest C), 0 in the padding."""
    longest = max(len(unit) for row in rows for unit in row)
    padded = [np.stack([np.pad(u, (0, longest - len(u))) for u in row]) for row in rows]
    return pad(padded)
