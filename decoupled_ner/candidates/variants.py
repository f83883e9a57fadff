"""Regions one character off from a name that a segmenter found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from decoupled_ner.candidates.word_based import WordBased
from decoupled_ner.candidates.words import Words
from decoupled_ner.types import InputError, Region

_NAMES = ("PER", "LOC", "ORG", "nr*", "ns", "nt", "nz", "nw")


class NameVariants(WordBased):
    """A name with one character more or less at either end: 杨素晗 where the segmenter saw 杨素,
    中 and 美 where it saw 中美. The name itself is not proposed.

    Args:
        segmenter: whose words: ``jieba``, ``lac`` or ``ltp``.
        tags: patterns of the tags that names have.
        max_length: longer names have no variants, in characters.
        model: the folder or hub id of the segmenter ``ltp``.
    """

    def __init__(
        self,
        segmenter: str = "jieba",
        tags: Sequence[str] = _NAMES,
        max_length: int = 4,
        model: str | None = None,
    ) -> None:
        super().__init__(segmenter, model, tags)
        if max_length < 1:
            raise InputError(f"max_length must be at least 1, got {max_length}")
        self.max_length = max_length
        self.name = "variants" if segmenter == "jieba" else f"variants-{segmenter}"

    def _regions(self, text: str, words: Words) -> Iterator[Region]:
        for start, end, tag in words:
            if end - start > self.max_length or not self._wanted(tag):
                continue
            for first, last in (
                (start - 1, end),
                (start, end + 1),
                (start + 1, end),
                (start, end - 1),
            ):
                inside = 0 <= first < last <= len(text)
                if inside and text[first].isalnum() and text[last - 1].isalnum():
                    yield Region(first, last)

    def init_args(self) -> dict[str, Any]:
        return {
            "segmenter": self.segmenter,
            "tags": self.tags,
            "max_length": self.max_length,
            "model": self.model,
        }
