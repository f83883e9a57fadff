"""Which regions train the model as ``O``: the pool of negatives of each sentence.

Three kinds: regions of a *noun* generator; regions whose text is within one *edit* of an entity
mention (one insertion, deletion or substitution of a character); and regions that the configured
*candidate* generators propose, since a model must have seen as ``O`` what prediction will ask it
about. The paper's appendix has the first two; no gold region is ever in the pool, nor one that
overlaps what a gazetteer knows but could not label. Tokenisers drop
whitespace at an end, so neither is a region that has it, nor a gold one without it: ``Rome`` would
be taught as ``O``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.candidates.words import trimmed
from decoupled_ner.progress import batches
from decoupled_ner.types import Region, Sentence, doubtful_regions

EditScope = Literal["sentence", "dataset", "none"]

#: Sentences that generators are given together: enough for them, and few enough that a bar moves.
PROPOSED_AT_ONCE = 256


def negative_pools(
    sentences: Sequence[Sentence],
    generators: Sequence[CandidateGenerator],
    edit_scope: EditScope,
    progress: bool = False,
) -> list[list[Region]]:
    """The negatives of each sentence, sorted, from ``generators`` and from edits of mentions.

    Args:
        edit_scope: edits of the sentence's own mentions, of those of all sentences, or none.
        progress: whether to show a progress bar.
    """
    everywhere = EditIndex(e.text for s in sentences for e in s.entities if edit_scope == "dataset")
    pools: list[list[Region]] = []
    for batch in batches(sentences, PROPOSED_AT_ONCE, "proposing negatives", shown=progress):
        texts = [sentence.text for sentence in batch]
        proposed = [generator.propose_batch(texts) for generator in generators]
        for index, sentence in enumerate(batch):
            pool = {region for regions in proposed for region in regions[index]}
            if edit_scope == "sentence":
                pool.update(EditIndex(e.text for e in sentence.entities).regions(sentence.text))
            elif edit_scope == "dataset":
                pool.update(everywhere.regions(sentence.text))
            text = sentence.text
            gold = {trimmed(text, entity.start, entity.end) for entity in sentence.entities}
            doubtful = doubtful_regions(sentence)
            pools.append(
                sorted(
                    region
                    for region in pool - gold
                    if trimmed(text, region.start, region.end) == region
                    and not any(region.overlaps(other) for other in doubtful)
                )
            )
    return pools


class EditIndex:
    """Finds regions within one edit of any of some mentions.

    Two strings within one edit share a string that each reaches by deleting at most one character,
    so one look-up for each deletion finds the few mentions to compare with. Mentions of a single
    character match only themselves: every character is one substitution away.
    """

    def __init__(self, mentions: Iterable[str]) -> None:
        self._mentions: dict[str, set[str]] = defaultdict(set)
        lengths = set[int]()
        for mention in set(mentions):
            for variant in _deletions(mention):
                self._mentions[variant].add(mention)
            reach = 1 if len(mention) > 1 else 0
            lengths.update(range(len(mention) - reach, len(mention) + reach + 1))
        self._lengths = sorted(lengths)

    def regions(self, text: str) -> Iterator[Region]:
        """The regions of ``text`` within one edit of a mention, mentions themselves included."""
        for length in self._lengths:
            for start in range(len(text) - length + 1):
                if self.matches(text[start : start + length]):
                    yield Region(start, start + length)

    def matches(self, string: str) -> bool:
        """Whether ``string`` is within one edit of a mention."""
        return any(
            string == mention
            or (len(mention) > 1 and bool(string) and within_one_edit(string, mention))
            for variant in _deletions(string)
            for mention in self._mentions.get(variant, ())
        )


def within_one_edit(a: str, b: str) -> bool:
    """Whether one insertion, deletion or substitution (or none) turns ``a`` into ``b``."""
    if len(a) > len(b):
        a, b = b, a
    if len(b) - len(a) > 1:
        return False
    same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    skip = 1 if len(a) == len(b) else 0
    return a[same + skip :] == b[same + 1 :]


def _deletions(string: str) -> set[str]:
    return {string, *(string[:i] + string[i + 1 :] for i in range(len(string)))}
