"""The value types that every part shares. Standard library only.

A region is a half-open range ``[start, end)`` of Python characters (code points) of the text *as
given*: nothing is normalised before offsets are counted, so ``text[start:end]`` is always the
region's text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import category

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class InputError(ValueError):
    """A mistake in what the user gave: one line that says what is wrong and what to do.

    The command line prints it without a traceback and exits with status 2.
    """


def one_line(error: object) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split())


@dataclass(frozen=True, slots=True, order=True)
class Region:
    """A character range ``[start, end)`` with ``0 <= start < end``."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise InputError(f"a region needs 0 <= start < end, got [{self.start}, {self.end})")

    def __len__(self) -> int:
        return self.end - self.start

    def text_of(self, text: str) -> str:
        """The characters of ``text`` in this region."""
        return text[self.start : self.end]

    def overlaps(self, other: Region) -> bool:
        """Whether the two regions share at least one character."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Entity:
    """A labelled region. ``score`` is a probability in [0, 1]; gold entities have 1."""

    start: int
    end: int
    text: str
    label: str
    score: float = 1.0

    @property
    def region(self) -> Region:
        return Region(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text with its gold (or noisy) entities, sorted by start, then end, then label.

    Raises:
        InputError: an entity's text is not what stands at its offsets.
    """

    text: str
    entities: tuple[Entity, ...] = ()
    id: str = ""

    def __post_init__(self) -> None:
        for entity in self.entities:
            inside = 0 <= entity.start < entity.end <= len(self.text)
            if not inside or self.text[entity.start : entity.end] != entity.text:
                raise InputError(
                    f"sentence {self.id or self.text[:20]!r}: entity {entity.text!r} is not the"
                    f" text at [{entity.start}, {entity.end})"
                )
        order = sorted(self.entities, key=lambda e: (e.start, e.end, e.label))
        object.__setattr__(self, "entities", tuple(order))


@dataclass(frozen=True, slots=True)
class NoisySentence(Sentence):
    """A sentence with the labels of a gazetteer: some are wrong, and entities are missing.

    ``sources`` has the gazetteer's sources behind each of ``entities``. ``doubtful`` are regions
    that the gazetteer knows but that were not labelled: nobody knows whether they are entities, so
    training had better not call them ``O``.
    """

    sources: tuple[tuple[str, ...], ...] = ()
    doubtful: tuple[Region, ...] = ()


def doubtful_regions(sentence: Sentence) -> tuple[Region, ...]:
    """The regions of a sentence that nobody has labelled, not even as ``O``."""
    return sentence.doubtful if isinstance(sentence, NoisySentence) else ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A region that one or more generators propose; ``sources`` are their names, sorted."""

    start: int
    end: int
    sources: tuple[str, ...] = ()

    @property
    def region(self) -> Region:
        return Region(self.start, self.end)


def entity_at(text: str, start: int, end: int, label: str, score: float = 1.0) -> Entity:
    """The entity at ``[start, end)`` with its text read from ``text``.

    Raises:
        InputError: the range is empty or reaches beyond the text.
    """
    if not 0 <= start < end <= len(text):
        raise InputError(
            f"entity [{start}, {end}) does not lie in a text of {len(text)} characters"
        )
    return Entity(start, end, text[start:end], label, score)


def unique_regions(regions: Sequence[Region]) -> list[Region]:
    """Regions sorted by start, then end, without repeats."""
    return sorted(set(regions))


def is_mark(character: str) -> bool:
    """Whether it stands on the character before it: Python's regular expressions take combining
    marks for no part of a word."""
    return category(character).startswith("M")


def well_formed(text: str) -> str:
    """``text`` with each lone surrogate replaced by U+FFFD, so that offsets stay: Rust's and C's
    strings can't hold one, and JSON with ``\\ud800`` in it brings one in."""
    return _LONE_SURROGATE.sub("\ufffd", text)
