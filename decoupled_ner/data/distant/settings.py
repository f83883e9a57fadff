"""What distant supervision can be told."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, get_args

from decoupled_ner.types import InputError, well_formed

#: What becomes of two matches that cross, 北京大学 and 大学生 in 北京大学生: ``drop`` both, or keep
#: the ``longest`` from left to right.
Crossing = Literal["drop", "longest"]


@dataclass(frozen=True, slots=True)
class DistantSettings:
    """Which matches of a gazetteer become labels, and how the text is cut.

    Everything that the gazetteer knows competes: of matches that lie in one another the outermost
    counts, and what crosses is settled by ``crossing``. Only then a match must pass the rules, so
    that a rejected one still covers what lies in it.

    Args:
        min_length: of a mention, in characters.
        min_share: the part of a mention's weight that its most probable type has, among all types
            that sources give it, ``O`` included; below it the mention is ambiguous. This share is
            an entity's score.
        min_weight: of a mention's most probable type, summed over its sources; a source weighs 1
            unless it says otherwise, so what only doubtful sources know is rejected.
        words: whether the common words of the gazetteer compete too: 发展中国家 then hides 中国.
        crossing: ``drop`` or ``longest``.
        whole_words: whether a match in a spaced script must be a word of its own (*art*, but not in
            *party*).
        blacklist: what is never labelled, known to the gazetteer or not, nor is what lies in it.
        max_occurrences: how often one mention may be labelled in all the text. Of more, so many
            are kept at even distances.
        min_sentence_length: shorter sentences are left out; in characters.
        max_sentence_length: longer sentences are cut; in characters.
        keep_unlabelled: whether sentences without a label are written too.
        shard_bytes: how much text, in bytes, makes a shard.

    Raises:
        InputError: a value is out of its range.
    """

    min_length: int = 2
    min_share: float = 0.75
    min_weight: float = 1.0
    words: bool = True
    crossing: Crossing = "drop"
    whole_words: bool = True
    blacklist: tuple[str, ...] = ()
    max_occurrences: int | None = None
    min_sentence_length: int = 6
    max_sentence_length: int = 250
    keep_unlabelled: bool = False
    shard_bytes: int = 8 << 20

    def __post_init__(self) -> None:
        object.__setattr__(self, "blacklist", tuple(sorted({*self.blacklist})))
        if self.crossing not in get_args(Crossing):
            raise InputError(f"crossing={self.crossing!r}: use {' or '.join(get_args(Crossing))}")
        if not 0 <= self.min_share <= 1:
            raise InputError(f"min_share={self.min_share}: use a number from 0 to 1")
        if not 0 <= self.min_weight < inf:
            raise InputError(f"min_weight={self.min_weight}: use a number from 0 on")
        if not 1 <= self.min_sentence_length <= self.max_sentence_length:
            raise InputError(
                f"min_sentence_length={self.min_sentence_length} must be at least 1 and at most"
                f" max_sentence_length={self.max_sentence_length}"
            )
        for word in self.blacklist:
            if not word.strip() or "\0" in word or well_formed(word) != word:
                raise InputError(
                    f"the blacklist has {word!r}: empty, or with a character that no text has"
                )
        for name, least in (("min_length", 1), ("max_occurrences", 1), ("shard_bytes", 1024)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name}={value}: use {least} or more")
