"""Scores of the validation loop as torchmetrics metrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from decoupled_ner.metrics import Counts, count_array, scores
from decoupled_ner.metrics.budget import operating_points
from decoupled_ner.types import Entity, InputError, Sentence


class SpanF1(Metric):
    """Micro-averaged exact-match precision, recall and F1, and F1 by type.

    The states are integer counts that processes add up, so the result under DDP is the one of a
    single process whatever the shards, as long as no sentence is given to two of them (Lightning's
    own sampler repeats some to make shards equal).

    Args:
        types: the entity types; an entity of any other type is an error.
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    counts: Tensor  # [type, (correct, predicted, gold)], int64

    def __init__(self, types: Sequence[str]) -> None:
        super().__init__()
        if not types:
            raise InputError("SpanF1 needs at least one entity type")
        self.types = tuple(types)
        zeros = torch.zeros(len(self.types), 3, dtype=torch.long)
        self.add_state("counts", zeros, dist_reduce_fx="sum")

    def update(self, gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> None:
        """Count a batch of sentences.

        Raises:
            InputError: the numbers of sentences differ, or an entity's type is unknown.
        """
        counts = count_array(gold, predicted, self.types).sum(axis=0)
        self.counts += torch.from_numpy(counts).to(self.counts.device)

    def compute(self) -> dict[str, Tensor]:
        """``precision``, ``recall``, ``f1`` and ``f1/TYPE`` for each type, as scalars in [0, 1]."""
        by_type = [Counts(*row) for row in self.counts.tolist()]
        micro = scores(sum(by_type, Counts()))
        values = {"precision": micro.precision, "recall": micro.recall, "f1": micro.f1}
        for name, counts in zip(self.types, by_type, strict=True):
            values[f"f1/{name}"] = scores(counts).f1
        return {name: torch.tensor(value, device=self.device) for name, value in values.items()}


class RecallAtBudget(Metric):
    """Share of the gold entities among the best-scoring regions, as many as a budget allows.

    The threshold is that of all sentences together, so the states hold every score; under DDP they
    are put together, and the result is the one of a single process.

    Args:
        budget: regions a sentence, on average.
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    scores: list[Tensor]
    gold: list[Tensor]
    counts: Tensor  # sentences, entities

    def __init__(self, budget: float) -> None:
        super().__init__()
        self.budget = budget
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("gold", [], dist_reduce_fx="cat")
        self.add_state("counts", torch.zeros(2, dtype=torch.long), dist_reduce_fx="sum")

    def update(
        self, scores: NDArray[np.float32], gold_scores: NDArray[np.float32], entities: int
    ) -> None:
        """Add a sentence.

        Args:
            scores: of all its regions.
            gold_scores: of those that are entities.
            entities: how many it has, scored or not.
        """
        self.scores.append(torch.from_numpy(scores).to(self.counts.device))
        self.gold.append(torch.from_numpy(gold_scores).to(self.counts.device))
        self.counts += torch.tensor([1, entities], device=self.counts.device)

    def compute(self) -> Tensor:
        """The recall, a scalar in [0, 1]."""
        sentences, entities = self.counts.tolist()
        scores, gold = (dim_zero_cat(state).cpu().numpy() for state in (self.scores, self.gold))
        [point] = operating_points(scores, gold, sentences, entities, [self.budget])
        return torch.tensor(point.recall, device=self.counts.device)
