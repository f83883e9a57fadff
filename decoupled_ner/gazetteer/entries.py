"""What a gazetteer is made of: one claim of one source about one mention."""

from __future__ import annotations

from dataclasses import dataclass

#: The type of entries whose source names none, e.g. a plain list of names.
UNTYPED = "*"


@dataclass(frozen=True, slots=True)
class Entry:
    """``source`` says that ``mention`` is a ``label``, believed with ``weight`` > 0."""

    mention: str
    label: str
    source: str = ""
    weight: float = 1.0
