"""What all generators have in common that propose words of a segmenter, or what is made of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.candidates.words import TagFilter, Words, check_segmenter, segmenter_named
from decoupled_ner.types import Region, unique_regions


class WordBased(CandidateGenerator):
    """Proposes regions from the tagged words of a text.

    Args:
        segmenter: whose words: ``jieba``, ``lac`` or ``ltp``.
        model: the folder or hub id of the segmenter ``ltp``.
        tags: patterns of the tags that matter, such as ``n*``.
    """

    def __init__(self, segmenter: str, model: str | None, tags: Sequence[str]) -> None:
        check_segmenter(segmenter, model)
        self.segmenter, self.model = segmenter, model
        # A folder by its whole path, since it is loaded on first use: the process may go elsewhere.
        self._place = str(Path(model).resolve()) if model and Path(model).is_dir() else model
        self._wanted = TagFilter(tags)

    @property
    def tags(self) -> list[str]:
        """The patterns of the tags that matter."""
        return list(self._wanted.patterns)

    def propose(self, text: str) -> list[Region]:
        return self.propose_batch([text])[0]

    def propose_batch(self, texts: Sequence[str]) -> list[list[Region]]:
        words = segmenter_named(self.segmenter, self._place).words_batch(texts)
        return [
            unique_regions([region for region in self._regions(text, found) if region])
            for text, found in zip(texts, words, strict=True)
        ]

    @abstractmethod
    def _regions(self, text: str, words: Words) -> Iterable[Region | None]:
        """Regions in any order; ``None`` and repeats are left out."""

    def save(self, directory: Path) -> dict[str, Any]:
        """An LTP model that lies in a folder is copied; one of the hub is not."""
        arguments = self.init_args()
        if self._place:
            from decoupled_ner.candidates.ltp_models import save_model

            arguments["model"] = save_model(self._place, directory)
        return arguments
