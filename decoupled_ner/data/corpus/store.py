"""Token ids on disk: two memory-mapped streams, one to train on and one held out.

A stream is the tokens of all its texts, ``[SEP]`` behind each. The top bit of a number says that a
word begins there; the others are the token's id. Numbers have 16 bits where the vocabulary leaves
the top bit free, else 32.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoupled_ner.types import InputError

Ids = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Tokens that are searched at once.
_AT_ONCE = 1 << 20

TRAIN, HELD_OUT, MANIFEST = "train.tokens", "held-out.tokens", "corpus.json"


class Packing(NamedTuple):
    """How a token is stored: the type of the numbers and the bit of a word's begin."""

    dtype: str
    bit: int

    @classmethod
    def of(cls, vocabulary_size: int) -> Packing:
        """The smallest that holds the vocabulary's ids."""
        return cls("<u2", 15) if vocabulary_size <= 1 << 15 else cls("<u4", 31)

    def pack(self, ids: Ids, begins: Flags) -> NDArray[Any]:
        """(N,) ids and whether a word begins at each → (N,) numbers."""
        return (ids | begins.astype(np.int64) << self.bit).astype(self.dtype)

    def unpack(self, numbers: NDArray[Any]) -> tuple[Ids, Flags]:
        """The reverse of `pack`, for any shape."""
        wide = numbers.astype(np.int64)
        return wide & ((1 << self.bit) - 1), (wide >> self.bit).astype(np.bool_)


@dataclass(frozen=True)
class TokenStream:
    """A file of packed tokens, opened when it is first read, so that it can go to other processes.

    Args:
        path: the file.
        packing: how its tokens are stored.
    """

    path: Path
    packing: Packing

    @cached_property
    def _numbers(self) -> NDArray[Any]:
        if not self.path.stat().st_size:  # nothing can be mapped
            return np.zeros(0, self.packing.dtype)
        return np.memmap(self.path, self.packing.dtype, mode="r")

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "packing": self.packing}

    def __len__(self) -> int:
        return len(self._numbers)

    def read(self, starts: Ids, length: int) -> tuple[Ids, Flags]:
        """The ``length`` tokens from each of B places on, and where words begin, (B, length) each.
        Behind the last token the first one comes again."""
        places = (starts[:, None] + np.arange(length)) % len(self)
        return self.packing.unpack(self._numbers[places])

    def places_of(self, token: int) -> Ids:
        """Where a token stands."""
        found = [
            np.flatnonzero(self.packing.unpack(self._numbers[at : at + _AT_ONCE])[0] == token) + at
            for at in range(0, len(self), _AT_ONCE)
        ]
        return np.concatenate([np.zeros(0, np.int64), *found])

    def counts(self, vocabulary_size: int, most: int = 4_000_000) -> Ids:
        """How often each token occurs, (V,), in so many that are spread over the stream."""
        ids, _ = self.packing.unpack(self._numbers[:: -(-len(self) // most) or 1])
        return np.bincount(ids, minlength=vocabulary_size)


@dataclass(frozen=True)
class TokenCorpus:
    """What `decoupled_ner.data.corpus.prepare_corpus` made.

    Attributes:
        train, held_out: the two streams.
        manifest: settings, checksums and counts.
    """

    train: TokenStream
    held_out: TokenStream
    manifest: dict[str, Any]

    @classmethod
    def load(cls, folder: Path) -> TokenCorpus:
        """Open a folder.

        Raises:
            InputError: it is none, or its files are not as long as they were.
        """
        try:
            manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            packing = Packing.of(manifest["vocabulary_size"])
            train, held_out = (TokenStream(folder / n, packing) for n in (TRAIN, HELD_OUT))
            lengths = [len(train), len(held_out)]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{folder}: no prepared text; delete the folder ({error})") from error
        if lengths != [manifest["train_tokens"], manifest["held_out_tokens"]]:
            raise InputError(f"{folder}: damaged; delete the folder, and it is made again")
        return cls(train, held_out, manifest)
