"""Adding a mention to a compiled gazetteer, and removing one.

What is added or removed here lasts until the folder is built again; what should last longer
belongs into a dictionary file among the sources.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

from decoupled_ner.gazetteer.build import write_gazetteer
from decoupled_ner.gazetteer.entries import Entry
from decoupled_ner.gazetteer.gazetteer import Gazetteer
from decoupled_ner.gazetteer.report import lookup
from decoupled_ner.types import InputError

USER = "user"


def add(
    directory: str | Path, mention: str, label: str, weight: float | None = None
) -> dict[str, Any]:
    """Say that ``mention`` is a ``label``; returns its `lookup`.

    By default it weighs ten times what all dictionaries say of it, and 10 at least. Said again, it
    replaces what was said by hand before. Whoever reads the folder meanwhile sees the old or the
    new gazetteer, never a part.

    Raises:
        InputError: there is no gazetteer, or the mention or the type cannot be one.
    """
    gazetteer = Gazetteer.load(directory)
    others = (entry for entry in gazetteer if (entry.mention, entry.source) != (mention, USER))
    if weight is None:
        said = sum(e.weight for e in gazetteer.entries(mention) if e.source != USER)
        weight = max(10.0, 10 * said)
    changed = Gazetteer.from_entries(chain(others, [Entry(mention, label, USER, weight)]))
    write_gazetteer(changed, directory)
    return lookup(changed, mention)


def remove(directory: str | Path, mention: str) -> dict[str, Any]:
    """Take ``mention`` out, whatever its sources said; returns its last `lookup`.

    Raises:
        InputError: there is no gazetteer, or it does not hold the mention.
    """
    gazetteer = Gazetteer.load(directory)
    last = lookup(gazetteer, mention)
    if last["type"] is None:
        raise InputError(f"{directory}: does not hold {mention!r}: nothing to remove")
    write_gazetteer(Gazetteer.from_entries(e for e in gazetteer if e.mention != mention), directory)
    return last
