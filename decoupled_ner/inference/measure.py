"""A loaded model measured on a split of a data set."""

from __future__ import annotations

import time
from collections.abc import Sequence

from decoupled_ner.data.catalog import Dataset
from decoupled_ner.inference.evaluate import Evaluation, evaluate
from decoupled_ner.inference.recognizer import Recognizer
from decoupled_ner.progress import batches
from decoupled_ner.types import Candidate, Entity, Sentence

_BATCH = 64


def measure(
    recognizer: Recognizer,
    dataset: Dataset,
    split: str = "test",
    *,
    trained_on: Sequence[Sentence] | None = None,
    bootstrap: int = 1000,
) -> tuple[Evaluation, float]:
    """Score ``recognizer`` on a split, with a progress bar on the terminal.

    Args:
        trained_on: what tells seen mentions and leaked sentences from others; by default train.

    Returns:
        The evaluation, and the seconds that prediction took.

    Raises:
        InputError: there is no such split.
    """
    gold = dataset.split(split)
    predicted: list[list[Entity]] = []
    proposed: list[list[Candidate]] = []
    started = time.perf_counter()
    for batch in batches(gold, _BATCH, f"predicting {split}"):
        entities, candidates = recognizer.recognize([sentence.text for sentence in batch])
        predicted += entities
        proposed += candidates or []
    seconds = time.perf_counter() - started
    regions = [[c.region for c in found] for found in proposed] if proposed else None
    if trained_on is None and split != "train":
        trained_on = dataset.splits.get("train")
    evaluation = evaluate(
        gold, predicted, candidates=regions, train=trained_on, bootstrap=bootstrap
    )
    return evaluation, seconds
