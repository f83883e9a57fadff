"""Blocks out of a stream of tokens, packed or single lines: no token lost, in random order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from decoupled_ner.data.corpus.store import Flags, Ids, TokenStream
from decoupled_ner.types import InputError

Floats = NDArray[np.float64]

#: Tokens of a block at least, the two special tokens included.
SHORTEST_BLOCK = 8


class PackedBlocks:
    """``[CLS]``, a stretch of the stream, ``[SEP]``: endless blocks, pass after pass.

    A pass cuts the whole stream, taken as a ring, into stretches that follow each other, and
    shuffles them. Where it begins to cut is drawn for each pass, so that texts are cut elsewhere
    each time. Only its last stretch may reach into its first. A block depends on the seed and its
    number alone.

    Args:
        stream: at least one block's content long.
        length: tokens of a block, the two special tokens included.
        cls, sep: ids.
        seed: of the order and the cuts.

    Raises:
        InputError: the stream is shorter than a block.
    """

    def __init__(self, stream: TokenStream, length: int, cls: int, sep: int, seed: int) -> None:
        self.stream, self.content = stream, length - 2
        if len(stream) < self.content or length < SHORTEST_BLOCK:
            raise InputError(
                f"{len(stream):,} tokens in {stream.path.name} don't fill a block of {length}:"
                " give more text"
            )
        self.cls, self.sep, self.seed = cls, sep, seed
        self.per_pass = -(-len(stream) // self.content)
        self._passes: dict[int, Ids] = {}

    def read(self, numbers: Ids) -> tuple[Ids, Flags]:
        """Blocks by number, (B,), counted through all passes → ids and where words begin, (B, L)
        each. A stretch begins a word whatever was cut before it; so do special tokens."""
        passes, places = np.divmod(numbers, self.per_pass)
        starts = np.empty_like(numbers)
        for number in np.unique(passes):
            here = passes == number
            starts[here] = self._starts(int(number))[places[here]]
        content, begins = self.stream.read(starts, self.content)
        ids = np.pad(content, ((0, 0), (1, 1)))
        ids[:, 0], ids[:, -1] = self.cls, self.sep
        begins = np.pad(begins, ((0, 0), (1, 1)), constant_values=True)
        begins[:, 1] = True
        return ids, begins

    def _starts(self, number: int) -> Ids:
        """Where the stretches of a pass begin, shuffled."""
        if number not in self._passes:
            rng = np.random.default_rng((self.seed, number))
            first = rng.integers(len(self.stream))
            self._passes = {n: s for n, s in self._passes.items() if n == number - 1}
            self._passes[number] = (first + rng.permutation(self.per_pass) * self.content) % len(
                self.stream
            )
        return self._passes[number]


class SingleLines:
    """``[CLS]``, a line of the stream, ``[SEP]``, as sentences are read later: endless batches,
    pass after pass.

    A pass puts the lines in random order, then by length, and cuts batches of about as many tokens,
    so that next to nothing is padded; then it shuffles these. A line that is too long is several,
    each of a block's length but the last. What a batch holds depends on the seed and its number
    alone.

    Args:
        stream: the tokens.
        length: tokens of a line at most, the two special tokens included.
        cls, sep, pad: ids.
        seed: of the order.
        tokens: of a batch, about, special tokens and padding included.

    Attributes:
        batches: of one pass.
        smallest: lines of a batch, at least.
        mean_tokens: of a batch, special tokens included.

    Raises:
        InputError: there is no line.
    """

    def __init__(
        self, stream: TokenStream, length: int, cls: int, sep: int, pad: int, seed: int, tokens: int
    ) -> None:
        self.stream, self.cls, self.sep, self.pad, self.seed = stream, cls, sep, pad, seed
        content = length - 2
        ends = stream.places_of(sep)
        starts = np.concatenate([np.zeros(1, np.int64), ends + 1])[: len(ends)]
        sizes = ends - starts
        if not sizes.any():
            raise InputError(f"{stream.path.name} has no line: give more text")
        pieces = -(-sizes // content)
        line = np.repeat(np.arange(len(sizes)), pieces)
        before = content * (np.arange(len(line)) - np.repeat(np.cumsum(pieces) - pieces, pieces))
        sizes = np.minimum(content, sizes[line] - before)
        longest_first = np.argsort(-sizes, kind="stable")
        self._starts = (starts[line] + before)[longest_first]
        self._sizes = sizes[longest_first].astype(np.int32)
        self._cuts = _cuts(self._sizes + 2, tokens)
        rows = np.diff(self._cuts)
        self.batches, self.smallest = len(rows), int(rows.min())
        self.mean_tokens = float((sizes + 2).sum()) / len(rows)
        self._passes: dict[int, tuple[NDArray[np.int32], Ids]] = {}

    def numbers(self, batch: int) -> range:
        """The lines of a batch, by number, counted through all passes."""
        number, place = divmod(batch, self.batches)
        cut, before = self._order(number)[1][place], number * len(self._sizes)
        return range(before + self._cuts[cut], before + self._cuts[cut + 1])

    def read(self, numbers: Ids) -> tuple[Ids, Flags]:
        """Lines of one batch by number, (B,) → ids and where words begin, (B, L) each, filled up
        to the longest. Special tokens begin a word."""
        number, first = divmod(int(numbers[0]), len(self._sizes))
        lines = self._order(number)[0][numbers - numbers[0] + first]
        sizes = self._sizes[lines].astype(np.int64)[:, None]
        content, begins = self.stream.read(self._starts[lines], int(sizes.max()))
        place = np.arange(content.shape[1])
        ids = np.pad(np.where(place < sizes, content, self.pad), ((0, 0), (1, 1)))
        ids[:, 0], ids[:, -1] = self.cls, self.pad
        np.put_along_axis(ids, sizes + 1, self.sep, axis=1)
        begins = np.pad(begins | (place >= sizes), ((0, 0), (1, 1)), constant_values=True)
        begins[:, 1] = True
        return ids, begins

    def _order(self, number: int) -> tuple[NDArray[np.int32], Ids]:
        """A pass: the lines as the batches hold them, and the batches shuffled."""
        if number not in self._passes:
            rng = np.random.default_rng((self.seed, number))
            lines = rng.permutation(len(self._sizes)).astype(np.int32)
            lines = lines[np.argsort(-self._sizes[lines], kind="stable")]
            self._passes = {n: p for n, p in self._passes.items() if n == number - 1}
            self._passes[number] = lines, rng.permutation(self.batches)
        return self._passes[number]


def _cuts(lengths: NDArray[np.int32], tokens: int) -> list[int]:
    """Where batches of about so many tokens end, of lines that are sorted, the longest first."""
    cuts = [0]
    while (at := cuts[-1]) < len(lengths):
        cuts.append(min(len(lengths), at + max(1, tokens // int(lengths[at]))))
    if len(cuts) > 2 and 2 * (cuts[-1] - cuts[-2]) < cuts[-2] - cuts[-3]:
        del cuts[-2]  # no tiny last one
    return cuts


def uniforms(seed: int, draw: int, rows: Ids, columns: int) -> Floats:
    """Random numbers in [0, 1) that depend on their place alone, (B, columns).

    SplitMix64 (Steele, Lea and Flood 2014) as a hash of a counter: any row can be had at any time.

    Args:
        draw: numbers of different draws have nothing to do with each other.
        rows: (B,), from 0.
        columns: at most 2^20.
    """
    key = _mix(np.array([(seed << 8 | draw) & 0xFFFF_FFFF_FFFF_FFFF], np.uint64))
    place = (rows[:, None] << 20) + np.arange(columns)
    random = _mix(_mix(place.astype(np.uint64)) ^ key) >> np.uint64(11)
    return random.astype(np.float64) * 2.0**-53


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
