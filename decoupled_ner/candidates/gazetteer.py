"""Candidates that a gazetteer holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.candidates.union import Union
from decoupled_ner.gazetteer import Gazetteer, MatchMode, ReloadingGazetteer, load_gazetteer
from decoupled_ner.gazetteer.matcher import check_mode
from decoupled_ner.types import InputError, Region, Sentence, unique_regions, well_formed


class GazetteerMatches(CandidateGenerator):
    """Proposes the regions whose text is a mention of a gazetteer.

    Args:
        paths: Compiled gazetteers (folders) and dictionary files (txt, tsv, csv, json, jsonl).
        mentions: Mentions given inline, ``{mention: [type, ...]}``, instead of ``paths``.
        mode: ``all`` occurrences, the ``longest`` from left to right, or ``overlapping``: those
            that lie in no other.
        min_length: In characters; shorter matches are no candidates.
        whole_words: Whether a match in a spaced script must be a word of its own (*art*, but not
            in *party*). Chinese is not affected.
        name: Shown as a candidate's source; two gazetteers of a union need different ones.

    Raises:
        InputError: neither or both of ``paths`` and ``mentions``, an unknown mode, or a gazetteer
            that cannot be read.
    """

    def __init__(
        self,
        paths: str | list[str] | None = None,
        mentions: dict[str, list[str]] | None = None,
        mode: MatchMode = "all",
        min_length: int = 2,
        whole_words: bool = True,
        name: str = "gazetteer",
    ) -> None:
        self.name = name
        if (paths is None) == (mentions is None):
            raise InputError("gazetteer candidates need either paths or mentions: give one of them")
        if paths is not None:
            fixed = load_gazetteer(paths)
        else:
            fixed = Gazetteer.from_mentions(_checked(mentions))
        _ = fixed.matcher  # compiled here, so that no two threads do it
        self._held: Gazetteer | ReloadingGazetteer = fixed
        self._source: dict[str, Any] = (
            {"paths": paths} if paths is not None else {"mentions": mentions}
        )
        self._matching: dict[str, Any] = {
            "mode": check_mode(mode),
            "min_length": min_length,
            "whole_words": whole_words,
        }

    @property
    def gazetteer(self) -> Gazetteer:
        """Where the mentions are from; of a folder that is followed, what it held last."""
        return self._held.current if isinstance(self._held, ReloadingGazetteer) else self._held

    @classmethod
    def from_mentions(cls, mentions: Mapping[str, Sequence[str]], **settings: Any) -> Self:
        """From mentions in memory, e.g. those of a training split: ``{"九江": ["GPE"]}``."""
        inline = {mention: list(labels) for mention, labels in mentions.items()}
        return cls(mentions=inline, **settings)

    @classmethod
    def from_sentences(cls, sentences: Iterable[Sentence], **settings: Any) -> Self:
        """From the entities of annotated sentences, but for those that no gazetteer can hold: with
        a null character or half of a surrogate pair."""
        mentions: dict[str, set[str]] = {}
        for sentence in sentences:
            for entity in sentence.entities:
                if "\0" in entity.text or well_formed(entity.text) != entity.text:
                    continue
                mentions.setdefault(entity.text, set()).add(entity.label)
        inline = {mention: sorted(mentions[mention]) for mention in sorted(mentions)}
        return cls(mentions=inline, **settings)

    @classmethod
    def following(cls, newest: ReloadingGazetteer, **settings: Any) -> Self:
        """From a folder that may change: after each ``newest.refresh()`` what it holds then is
        proposed. `save` writes what it holds at that time, and that does not change."""
        made = cls(mentions={}, **settings)
        made._held, made._source = newest, {"paths": str(newest.directory)}
        return made

    def propose(self, text: str) -> list[Region]:
        """The regions that match, sorted; all of them lie in ``text`` as given."""
        matches = self.gazetteer.matcher.find_entries(text, **self._matching)
        return unique_regions([Region(start, end) for start, end, _ in matches])

    def init_args(self) -> dict[str, Any]:
        return {**self._source, **self._matching, "name": self.name}

    def save(self, directory: Path) -> dict[str, Any]:
        """Write the compiled gazetteer into a folder of ``directory`` named by its content."""
        gazetteer = self.gazetteer
        folder = f"gazetteer-{gazetteer.digest[:12]}"
        gazetteer.save(directory / folder)
        return {**self.init_args(), "mentions": None, "paths": folder}


def _checked(mentions: Any) -> Mapping[str, list[str]]:
    """What a recipe says are mentions."""
    if isinstance(mentions, Mapping) and all(
        isinstance(name, str)
        and isinstance(types, list)
        and types
        and all(isinstance(label, str) for label in types)
        for name, types in mentions.items()
    ):
        return mentions
    raise InputError("mentions of a gazetteer stand as {mention: [type, ...]}")


def with_mentions_of(candidates: Union, sentences: Iterable[Sentence]) -> Union:
    """A union that also proposes every mention of ``sentences``, wherever it stands: the further
    generator ``train-mentions``, which a recipe's ``train_mentions: true`` adds.

    A mention of one character counts: a fifth of MSRA's places are one (中, 日).
    """
    known = GazetteerMatches.from_sentences(sentences, min_length=1, name="train-mentions")
    return candidates.plus(known)
