"""What a gazetteer says of a mention, as numbers that a classifier reads."""

from __future__ import annotations

from collections.abc import Sequence

from decoupled_ner.gazetteer.gazetteer import Gazetteer


class KnownTypes:
    """A mention → the share of its weight in the gazetteer that each type has.

    Args:
        gazetteer: where mentions are looked up, as they are written.
        labels: the types, in the order of the numbers; by default all that the gazetteer has.
    """

    def __init__(self, gazetteer: Gazetteer, labels: Sequence[str] | None = None) -> None:
        self.gazetteer = gazetteer
        self.labels = tuple(gazetteer.labels if labels is None else labels)

    def __call__(self, mention: str) -> list[float]:
        """One number in [0, 1] for each of ``labels``; all are 0 where it is not known."""
        shares = self.shares(mention)
        return [shares.get(label, 0.0) for label in self.labels]

    def shares(self, mention: str) -> dict[str, float]:
        """The share of each type that it has, largest first; {} where it is not known."""
        types = self.gazetteer.types(mention)
        total = sum(types.values())
        return {label: weight / total for label, weight in types.items()}
