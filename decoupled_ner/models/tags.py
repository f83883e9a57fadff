"""The tags of a sequence-labelling model: a label set written in a scheme, with what may follow
what.

The scheme itself, and how tags become spans, is `decoupled_ner.labels`'s; here tags get ids and the
constraints that decoding obeys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import torch
from torch import Tensor

from decoupled_ner.labels import OUTSIDE, LabelSet, Span, decode_tags, encode_tags
from decoupled_ner.types import InputError

#: The schemes that a tagger predicts in. Readers turn all others into spans first.
TaggerScheme = Literal["BIO", "BIOES"]

_PREFIXES: dict[str, str] = {"BIO": "BI", "BIOES": "BIES"}


@dataclass(frozen=True)
class TagSet:
    """Tags by id, ``O`` first, then each type's ``B- I-`` or ``B- I- E- S-``. T of them.

    Raises:
        InputError: the scheme is neither BIO nor BIOES.
    """

    labels: LabelSet
    scheme: TaggerScheme = "BIOES"

    def __post_init__(self) -> None:
        if self.scheme not in _PREFIXES:
            raise InputError(
                f"a tagger can't predict in scheme {self.scheme!r}: use one of"
                f" {', '.join(get_args(TaggerScheme))}"
            )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All tags by id."""
        prefixes = _PREFIXES[self.scheme]
        return (OUTSIDE, *(f"{p}-{label}" for label in self.labels.types for p in prefixes))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {name: id for id, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def of_types(self, prefix: str) -> list[int]:
        """The tags of one prefix, e.g. all ``B-``, in the order of the types."""
        return [self._ids[f"{prefix}-{label}"] for label in self.labels.types]

    def encode(self, spans: Iterable[Span], length: int) -> list[int]:
        """Tag ids of ``length`` units from labelled, non-overlapping spans over them.

        Raises:
            InputError: spans that overlap or lie outside, or a type that the label set lacks.
        """
        spans = list(spans)
        for _, _, label in spans:
            self.labels.id(label)
        return [self._ids[tag] for tag in encode_tags(spans, length, self.scheme)]

    def decode(self, ids: Sequence[int]) -> list[Span]:
        """Labelled spans of a tag id sequence."""
        return decode_tags([self.names[id] for id in ids], self.scheme)

    def constraints(self) -> tuple[Tensor, Tensor, Tensor]:
        """Which tags may begin a sequence (T,), follow each other (T from, T to), end one (T,)."""
        size = len(self)
        starts = [self._may_follow(OUTSIDE, tag) for tag in self.names]
        ends = [self._may_follow(tag, OUTSIDE) for tag in self.names]
        pairs = [self._may_follow(a, b) for a in self.names for b in self.names]
        return torch.tensor(starts), torch.tensor(pairs).view(size, size), torch.tensor(ends)

    def _may_follow(self, left: str, right: str) -> bool:
        left_prefix, _, left_label = left.partition("-")
        right_prefix, _, right_label = right.partition("-")
        is_open = left_prefix in ("B", "I")
        if right_prefix in ("I", "E"):
            return is_open and left_label == right_label
        return self.scheme == "BIO" or not is_open  # BIOES closes every entity
