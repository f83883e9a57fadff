"""Words that a tagger takes for nouns or entities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from decoupled_ner.candidates.word_based import WordBased
from decoupled_ner.candidates.words import Words, trimmed
from decoupled_ner.types import Region


class _TaggedWords(WordBased):
    """The words whose tags match."""

    def _regions(self, text: str, words: Words) -> Iterator[Region | None]:
        return (trimmed(text, w.start, w.end) for w in words if self._wanted(w.tag))

    def init_args(self) -> dict[str, Any]:
        return {"tags": self.tags}


class JiebaNouns(_TaggedWords):
    """Words that ``jieba.posseg`` tags as nouns.

    Args:
        tags: patterns of jieba's tags. The default adds Latin words (``eng``), abbreviations
            (``j``) and idioms (``i``): one or two candidates a sentence, and the screen names of
            social media.
    """

    name = "jieba"

    def __init__(self, tags: Sequence[str] = ("n*", "eng", "j", "i")) -> None:
        super().__init__("jieba", None, tags)


class LacEntities(_TaggedWords):
    """Words that jieba's bundled LAC tagger labels as entities or nouns; needs no paddle.

    Args:
        tags: patterns of its tags. The default is persons, places, organisations and all nouns;
            ``["PER", "LOC", "ORG"]`` proposes a tenth as many and misses the titles, nicknames
            and products that it calls nouns.
    """

    name = "lac"

    def __init__(self, tags: Sequence[str] = ("PER", "LOC", "ORG", "n*")) -> None:
        super().__init__("lac", None, tags)


class LtpNouns(_TaggedWords):
    """Words that an LTP model tags as nouns. Needs the extra ``ltp``.

    Args:
        model: a folder or a hub id such as ``LTP/small``; neural or perceptron ("legacy").
        tags: patterns of its tags. The default adds abbreviations (``j``) to the nouns.
    """

    name = "ltp"

    def __init__(self, model: str, tags: Sequence[str] = ("n*", "j")) -> None:
        super().__init__("ltp", model, tags)

    def init_args(self) -> dict[str, Any]:
        return {"model": self.model, "tags": self.tags}
