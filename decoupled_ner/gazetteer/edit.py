"""Adding a mention to a compiled gazetteer, and removing one.

What is added or removed here lasts until the folder is built again; what should last longer
belongs into a dictionary file among the sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from decoupled_ner.gazetteer.build import changing, rewrite_gazetteer, stored_manifest
from decoupled_ner.gazetteer.entries import Entry
from decoupled_ner.gazetteer.gazetteer import Gazetteer
from decoupled_ner.gazetteer.normalise import Normaliser, Rules
from decoupled_ner.gazetteer.report import lookup
from decoupled_ner.gazetteer.storage import stored_digest
from decoupled_ner.types import InputError

USER = "user"


def add(
    directory: str | Path, mention: str, label: str, weight: float | None = None
) -> dict[str, Any]:
    """Say that ``mention`` is a ``label``; returns its `lookup`.

    It is kept in the form (NFKC, script) in which the build keeps mentions.
    By default it weighs ten times what all dictionaries say of it, and 10 at least. Said again, it
    replaces what was said by hand before. Whoever reads the folder meanwhile sees the old or the
    new gazetteer, never a part; others who change it wait.

    Raises:
        InputError: there is no gazetteer, or the mention or the type cannot be one.
    """
    label = label.strip()
    with _opened(Path(directory)) as gazetteer:
        mention = kept_form(Path(directory))(mention)
        others = (entry for entry in gazetteer if (entry.mention, entry.source) != (mention, USER))
        if weight is None:
            said = sum(e.weight for e in gazetteer.entries(mention) if e.source != USER)
            weight = max(10.0, 10 * said)
        changed = Gazetteer.from_entries(chain(others, [Entry(mention, label, USER, weight)]))
        rewrite_gazetteer(changed, Path(directory))
    return lookup(changed, mention)


def remove(directory: str | Path, mention: str) -> dict[str, Any]:
    """Take ``mention`` out, whatever its sources said; returns its last `lookup`.

    Raises:
        InputError: there is no gazetteer, or it does not hold the mention.
    """
    with _opened(Path(directory)) as gazetteer:
        if mention not in gazetteer:
            mention = kept_form(Path(directory))(mention)
        last = lookup(gazetteer, mention)
        if last["type"] is None:
            raise InputError(f"{directory}: does not hold {mention!r}: nothing to remove")
        kept = Gazetteer.from_entries(entry for entry in gazetteer if entry.mention != mention)
        rewrite_gazetteer(kept, Path(directory))
    return last


def kept_form(directory: Path) -> Callable[[str], str]:
    """From a mention to what a gazetteer's folder keeps of it: NFKC and script by its build's
    rules. Notes in brackets stay: who writes one by hand means it."""
    rules = (stored_manifest(directory) or {}).get("rules")
    if not isinstance(rules, dict):
        return str.strip
    kept = Rules(nfkc=bool(rules.get("nfkc")), script=rules.get("script"))
    return partial(Normaliser(kept).form, notes=True)


@contextmanager
def _opened(directory: Path) -> Iterator[Gazetteer]:
    """A folder's gazetteer, which nobody else changes meanwhile."""
    stored_digest(directory)  # says that there is none before anything is written there
    with changing(directory):
        yield Gazetteer.load(directory)
