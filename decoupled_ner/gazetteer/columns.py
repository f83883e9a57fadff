"""A gazetteer's mentions as columns, for programs that go through all of them: arrays, and no
Python object a mention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from decoupled_ner.gazetteer.storage import AFTER, Support, Table
from decoupled_ner.types import InputError


@dataclass(frozen=True)
class Columns:
    """What stands in the rows of a gazetteer: entities first, then words, each run sorted.

    Attributes:
        texts: the mentions, a ``pyarrow.StringArray``.
        labels: every type.
        best: [mentions] the most probable type of each, as an index of ``labels``.
        support: what speaks for that type.
        digest: the gazetteer's.
    """

    texts: Any
    labels: tuple[str, ...]
    best: npt.NDArray[np.integer[Any]]
    support: Support
    digest: str

    @classmethod
    def of(cls, table: Table) -> Self:
        """The columns of a gazetteer in memory.

        Raises:
            InputError: pyarrow is not installed.
        """
        return cls(texts_of(table), table.labels, table.best, table.support, table.digest)

    def __len__(self) -> int:
        return len(self.best)

    def read(self, rows: npt.NDArray[np.intp]) -> list[str]:
        """The mentions in some rows."""
        texts: list[str] = self.texts.take(pyarrow().array(rows)).to_pylist()
        return texts


def texts_of(table: Table) -> Any:
    """The mentions as a ``pyarrow.StringArray``.

    Raises:
        InputError: pyarrow is not installed.
    """
    pa = pyarrow()
    ends = np.flatnonzero(np.frombuffer(table.text, np.uint8) == ord(AFTER))
    offsets = np.zeros(len(ends) + 1, np.int32)
    offsets[1:] = ends - np.arange(len(ends))  # one `AFTER` less a mention before it
    characters = table.text.replace(AFTER.encode(), b"")
    return pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(characters))


def pyarrow() -> Any:
    """The package, which only training and builds need.

    Raises:
        InputError: it is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise InputError(
            "a gazetteer's columns need pyarrow: pip install 'decoupled-ner[train]'"
        ) from error
    return pyarrow
