"""The one interface of everything that proposes regions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from decoupled_ner.types import Region


class CandidateGenerator(ABC):
    """Proposes regions that may be entities. Thread-safe once built.

    A generator is described by its class and its ``init_args`` (plain JSON values), so that it can
    stand in a YAML recipe and travel inside a saved model.
    """

    #: Shown as a candidate's source, e.g. ``jieba``; unique among the generators of a union.
    name: str

    @abstractmethod
    def propose(self, text: str) -> list[Region]:
        """Regions of ``text``, sorted, without repeats; ``[]`` for an empty text."""

    @property
    def trained_on(self) -> Mapping[str, Any] | None:
        """What its model was trained on: ``dataset``, ``checksums`` of its files, and how many
        ``sentences`` of it; None where it has no model or none that tells."""
        return None

    def propose_batch(self, texts: Sequence[str]) -> list[list[Region]]:
        """``propose`` for many texts, N in, N out; overridden where batching is faster."""
        return [self.propose(text) for text in texts]

    @abstractmethod
    def init_args(self) -> dict[str, Any]:
        """The constructor's arguments as JSON values: ``type(self)(**init_args())`` is equal."""

    def save(self, directory: Path) -> dict[str, Any]:
        """Write what this generator needs into ``directory`` and return the ``init_args`` to load
        it from there: paths relative to ``directory``, in arguments called ``paths`` or ``model``.
        By default nothing needs writing."""
        return self.init_args()
