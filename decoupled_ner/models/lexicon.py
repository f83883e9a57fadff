"""SoftLexicon: the lexicon words around each unit, in four weighted sets.

Ma et al., "Simplify the usage of lexicon in Chinese NER", ACL 2020, section 3.2. For each unit, B
are the words that begin there, M those that go through it, E those that end there (each longer than
the unit), and S the word that is the unit itself. An empty set holds the one word NONE. A set's
vector is ``Σ_w z(w) e(w) · 4 / Z`` with z a word's frequency in a text and Z the sum of z over
all four sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from daachorse import CharwiseDoubleArrayAhoCorasick
from torch import Tensor, nn

from decoupled_ner.gazetteer.matcher import Matcher
from decoupled_ner.models.units import IntArray
from decoupled_ner.types import InputError

#: The word in an empty set; it counts once, as in the authors' code.
NONE = 0
BEGIN, MIDDLE, END, SINGLE = range(4)


class WordSets(NamedTuple):
    """The four sets of N units, one after the other, B M E S for each unit: L words in all."""

    words: IntArray  # (L,) word ids
    weights: npt.NDArray[np.float32]  # (L,) 4 z / Z
    sizes: IntArray  # (N, 4) words in each set

    def of(self, units: slice) -> WordSets:
        """The sets of some of the units."""
        ends = np.concatenate([[0], self.sizes.sum(1).cumsum()])
        part = slice(ends[units.start], ends[units.stop])
        return WordSets(self.words[part], self.weights[part], self.sizes[units])


class Lexicon:
    """Words with their frequencies. Word ids count from 1; 0 is NONE.

    Args:
        words: without repeats.
        frequencies: how often each occurs; a word that never does counts once.

    Raises:
        InputError: no words, an empty one, a repeated one, or one with a tab or line break.
    """

    def __init__(self, words: Sequence[str], frequencies: Sequence[int] = ()) -> None:
        self.words = tuple(words)
        self.frequencies = np.array(frequencies or [0] * len(self.words), np.int64)
        if not self.words or len(set(self.words)) != len(self.words):
            raise InputError("a lexicon needs words, each once")
        for bad in (word for word in self.words if not is_lexicon_word(word)):
            raise InputError(f"{bad!r} can't be a lexicon word: no tabs, no line breaks")
        if len(self.frequencies) != len(self.words):
            raise InputError("a lexicon needs one frequency a word")
        automaton = CharwiseDoubleArrayAhoCorasick(list(self.words))
        self._matcher = Matcher(automaton, labels=())

    def __len__(self) -> int:
        """How many word ids there are, NONE's included."""
        return len(self.words) + 1

    def counted(self, texts: Iterable[str]) -> Lexicon:
        """This lexicon with its frequencies on ``texts`` (never dev or test) added. A word does not
        count where it lies inside a longer lexicon word, or short words would always win."""
        counts = self.frequencies.tolist()
        for text in texts:
            for _, _, word in self._matcher.find_entries(text, "overlapping"):
                counts[word] += 1
        counted = copy(self)  # compiling the words once more would take seconds
        counted.frequencies = np.array(counts, np.int64)
        return counted

    def sets(self, text: str, units: IntArray) -> WordSets:
        """The word sets of the units, (N, 2) offsets of ``text``. A word counts where it begins
        and ends with a unit."""
        bags, words = self._members(text, units)
        sizes = np.bincount(bags, minlength=4 * len(units))
        empty = np.flatnonzero(sizes == 0)
        bags = np.concatenate([bags, empty])
        words = np.concatenate([words, np.full(len(empty), NONE, np.int64)])
        order = np.argsort(bags, kind="stable")
        bags, words = bags[order], words[order]
        z = np.concatenate([[1], np.maximum(self.frequencies, 1)])[words]
        totals = np.bincount(bags // 4, weights=z, minlength=len(units))
        weights = (4 * z / totals[bags // 4]).astype(np.float32)
        return WordSets(words, weights, np.maximum(sizes, 1).reshape(-1, 4))

    def _members(self, text: str, units: IntArray) -> tuple[IntArray, IntArray]:
        """For every membership its set's number, ``4 · unit + set``, and its word id."""
        begins = {int(start): unit for unit, (start, _) in enumerate(units)}
        ends = {int(end): unit for unit, (_, end) in enumerate(units)}
        members: list[tuple[int, int]] = []
        for start, end, index in self._matcher.find_entries(text):
            first, last = begins.get(start), ends.get(end)
            if first is None or last is None:
                continue
            word = index + 1
            if first == last:
                members.append((4 * first + SINGLE, word))
                continue
            members.append((4 * first + BEGIN, word))
            members.append((4 * last + END, word))
            members.extend((4 * unit + MIDDLE, word) for unit in range(first + 1, last))
        table = np.array(members, np.int64).reshape(-1, 2)
        return table[:, 0], table[:, 1]

    def save(self, path: Path) -> None:
        """Write ``word TAB frequency`` lines."""
        pairs = zip(self.words, self.frequencies, strict=True)
        path.write_text("".join(f"{word}\t{count}\n" for word, count in pairs), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Lexicon:
        """Read ``word`` or ``word TAB frequency`` lines; of a repeated word frequencies add up.

        Raises:
            InputError: the file is missing or not UTF-8, or a line is neither; it is named.
        """
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: no readable lexicon ({error})") from error
        counts: dict[str, int] = {}
        for number, line in enumerate(lines, start=1):
            word, _, count = line.partition("\t")
            if not word:
                continue
            if count and not (count.isdecimal() and len(count) < 18):  # sums fit 64 bits
                raise InputError(f"{path}:{number}: {count!r} is no frequency")
            counts[word] = counts.get(word, 0) + int(count or 0)
        return cls(list(counts), list(counts.values()))


def is_lexicon_word(word: str) -> bool:
    """Whether a lexicon's file can hold it."""
    return bool(word) and not set(word) & set("\t\r\n\ufeff")


class SoftLexiconEmbedding(nn.Module):
    """The four sets' vectors of each unit, concatenated.

    Args:
        words: rows of the table, NONE's included (``len(lexicon)``).
        dim: of a word's vector; the output has four times as many.
    """

    def __init__(self, words: int, dim: int) -> None:
        super().__init__()
        self.bags = nn.EmbeddingBag(words, dim, mode="sum")
        self.output_size = 4 * dim

    def forward(self, words: Tensor, weights: Tensor, sizes: Tensor) -> Tensor:
        """(L,) ids, (L,) weights, (B, N, 4) sizes → (B, N, 4·dim); zeros where all sizes are 0."""
        ends = sizes.flatten().cumsum(0)
        bags: Tensor = self.bags(words, ends - sizes.flatten(), per_sample_weights=weights)
        return bags.view(*sizes.shape[:2], -1)
