"""Runs of neighbouring words: names that a segmenter cuts into pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from decoupled_ner.candidates.word_based import WordBased
from decoupled_ner.candidates.words import Words, trimmed
from decoupled_ner.types import InputError, Region

#: Nouns of jieba, LAC and LTP, and what stands before or inside a name: adjectives, verbal nouns,
#: prefixes, places, directions. Verbs and numbers too would double the candidates for one or two
#: points of recall.
NAME_PARTS = ("n*", "N*", "eng", "j", "a", "an", "ag", "vn", "b", "s", "f", "PER", "LOC", "ORG")


class MergedNeighbours(WordBased):
    """Runs of two or more neighbouring words, all with tags that names are made of.

    Args:
        segmenter: whose words: ``jieba``, ``lac`` or ``ltp``.
        max_words: the longest run, in words.
        max_length: the longest run, in characters.
        tags: patterns of the tags that a run may hold.
        model: the folder or hub id of the segmenter ``ltp``.
    """

    def __init__(
        self,
        segmenter: str = "jieba",
        max_words: int = 4,
        max_length: int = 12,
        tags: Sequence[str] = NAME_PARTS,
        model: str | None = None,
    ) -> None:
        super().__init__(segmenter, model, tags)
        if max_words < 2 or max_length < 2:
            raise InputError("max_words and max_length of merged neighbours must be at least 2")
        self.max_words, self.max_length = max_words, max_length
        self.name = "merged" if segmenter == "jieba" else f"merged-{segmenter}"

    def _regions(self, text: str, words: Words) -> Iterator[Region | None]:
        for first, word in enumerate(words):
            for end in self._ends(words[first : first + self.max_words]):
                yield trimmed(text, word.start, end)

    def _ends(self, words: Words) -> Iterator[int]:
        """Where the runs end that start with the first of the words."""
        for word in words:
            if not self._wanted(word.tag) or word.end - words[0].start > self.max_length:
                return
            if word is not words[0]:
                yield word.end

    def init_args(self) -> dict[str, Any]:
        return {
            "segmenter": self.segmenter,
            "max_words": self.max_words,
            "max_length": self.max_length,
            "tags": self.tags,
            "model": self.model,
        }
