"""Annotated sentences for models that read them whole: taggers and proposers."""

from __future__ import annotations

from collections.abc import Sequence

from decoupled_ner.training.sentence_batches import (
    GoldWindow,
    WindowBatches,
    WindowInputs,
    gold_windows,
)
from decoupled_ner.training.sentence_data import SentenceData


class WindowData(SentenceData):
    """Sentences as windows of what a model reads. The model says how it reads them by `read_with`;
    ``lost_entities`` then counts the entities that it can't express."""

    lost_entities: int
    _inputs: WindowInputs
    _windows: Sequence[GoldWindow]

    def read_with(self, inputs: WindowInputs) -> None:
        """Cut the training sentences into windows.

        Raises:
            InputError: none of them has an entity.
        """
        self.require_entities()
        self._inputs = inputs
        self._windows, self.lost_entities = gold_windows(inputs, self.training_sentences)

    def items_per_epoch(self) -> int:
        return len(self._windows)

    def training_batches(self, rank: int, world_size: int) -> WindowBatches:
        return WindowBatches(
            self._inputs,
            self._windows,
            batch_size=self.batch_size,
            seed=self.seed,
            rank=rank,
            world_size=world_size,
        )
