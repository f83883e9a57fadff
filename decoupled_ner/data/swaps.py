"""Positives read with another mention of their type: 篮协 in the context of 东盟.

The two views of a pair are read apart, so any mention of a type can stand in any context of that
type. With a gazetteer's mentions the model is trained on far more names than sentences were
annotated for, and can't tell an entity by having seen its mention in training.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from decoupled_ner.data.mentions import typed_entries
from decoupled_ner.gazetteer import load_columns
from decoupled_ner.types import InputError, Sentence


@dataclass(frozen=True, slots=True)
class MentionSwaps:
    """Which mentions take the place of others.

    Attributes:
        share: of the positives, in [0, 1].
        mentions: for each label id those to draw from, all with the same chance; of a label that
            has none nothing is swapped.
    """

    share: float
    mentions: Sequence[Sequence[str]]

    def draw(self, label: int, rng: random.Random) -> str | None:
        """A mention in place of a positive's own, or None to keep that."""
        if rng.random() >= self.share or not self.mentions[label]:
            return None
        return rng.choice(self.mentions[label])


def swapped_mentions(
    share: float, gazetteer: str | None, labels: Sequence[str], sentences: Sequence[Sentence]
) -> MentionSwaps:
    """Swaps for the mentions of a gazetteer, or of these sentences.

    Args:
        share: as in `MentionSwaps`.
        gazetteer: a compiled folder or a dictionary file; None for the sentences' own mentions, as
            often as they stand there.
        labels: names of the labels, ``O`` first.
        sentences: the training sentences.

    Raises:
        InputError: no such share, a gazetteer without a share, or one that knows no mention of any
            of these types.
    """
    if not 0 <= share <= 1:
        raise InputError(f"mention_swaps={share} must be in [0, 1]")
    if gazetteer is not None and not share:
        raise InputError("swap_gazetteer without mention_swaps does nothing: give a share, or none")
    found: dict[str, list[str]] = {label: [] for label in labels}
    if gazetteer is None:
        for entity in (entity for sentence in sentences for entity in sentence.entities):
            found[entity.label].append(entity.text)
    else:
        entries = typed_entries(load_columns(gazetteer))
        for label_id, label in enumerate(entries.labels):
            if label in found:
                found[label] = entries.columns.read(entries.rows(label_id))
        if not any(found.values()):
            raise InputError(f"gazetteer {gazetteer!r} has no mention of {', '.join(labels[1:])}")
    return MentionSwaps(share, list(found.values()))
