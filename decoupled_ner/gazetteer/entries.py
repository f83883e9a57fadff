"""What a gazetteer is made of: one claim of one source about one mention."""

from __future__ import annotations

from dataclasses import dataclass

#: The type of entries whose source names none, e.g. a plain list of names.
UNTYPED = "*"

#: Of an entry: sums of weights are rounded to less than this.
LEAST_WEIGHT = 1e-6


@dataclass(frozen=True, slots=True)
class Entry:
    """``source`` says that ``mention`` is a ``label``, believed with a ``weight`` of
    `LEAST_WEIGHT` or more."""

    mention: str
    label: str
    source: str = ""
    weight: float = 1.0
