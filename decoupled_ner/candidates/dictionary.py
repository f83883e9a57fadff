"""Names that jieba's dictionary holds, wherever they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.candidates.words import TagFilter, trimmed
from decoupled_ner.types import InputError, Region, unique_regions


class DictionaryNames(CandidateGenerator):
    """Occurrences of dictionary words with a name's tag, inside and across the words of a
    segmentation: 泰国 in 泰国政府, 马克思 in 马克思主义, 沪 in 沪深.

    Args:
        tags: patterns of the dictionary's tags: persons, places, organisations, other proper
            names and abbreviations by default.
        min_length: in characters. Names of one character are a fifth of MSRA's places.
    """

    name = "dictionary"

    def __init__(
        self, tags: Sequence[str] = ("nr*", "ns", "nt", "nz", "j"), min_length: int = 1
    ) -> None:
        if min_length < 1:
            raise InputError(f"min_length must be at least 1, got {min_length}")
        self._wanted = TagFilter(tags)
        self.min_length = min_length

    def propose(self, text: str) -> list[Region]:
        from decoupled_ner.candidates.jieba_words import jieba_words

        found = (
            trimmed(text, region.start, region.end)
            for region, tag in jieba_words().dictionary_words(text)
            if len(region) >= self.min_length and self._wanted(tag)
        )
        return unique_regions([region for region in found if region])

    def init_args(self) -> dict[str, Any]:
        return {"tags": list(self._wanted.patterns), "min_length": self.min_length}
