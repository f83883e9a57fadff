"""How a model reads what its proposer thinks of a region, beside mention and context.

The two readings of the decoupled model never see a mention in its context: ``h_m`` knows the
mention alone, ``h_c`` the hole that it leaves. A proposer scores regions of the whole sentence. Its
score joins the global logits with three numbers, fitted on sentences that neither was trained on.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from decoupled_ner.types import InputError

#: The score of a region that the proposer gives none (it is too wide, or cuts a word), unless all
#: others of its text score less.
UNSCORED = -10.0

#: Keeps the numbers finite where a few sentences can be told apart perfectly.
_RIDGE = 0.1


class Reading(NamedTuple):
    """``scale · logits``, and for every label but ``O`` ``+ weight · score + offset``; the scale is
    above 0."""

    scale: float
    weight: float
    offset: float

    def apply(self, logits: Tensor, scores: Tensor) -> Tensor:
        """Global logits (R, L), ``O`` first, and the proposer's scores (R,) → logits (R, L)."""
        return _read(torch.tensor(self, dtype=logits.dtype), logits, scores)

    @classmethod
    def fit(cls, logits: Tensor, scores: Tensor, labels: Tensor) -> Reading:
        """The reading with the least cross-entropy on R candidates: logits (R, L), scores (R,),
        gold labels (R,).

        Raises:
            InputError: there is no entity among them, or nothing else.
        """
        if not 0 < int((labels > 0).sum()) < len(labels):
            raise InputError(
                "a proposer's scores can't be weighed: the candidates of the sentences given hold"
                " no entity, or nothing else"
            )
        # The scale is an exponential: below 0 it would turn the model's answers, and what pruning
        # takes for the furthest that contexts reach, into their opposites.
        values = torch.zeros(3, dtype=torch.double, requires_grad=True)
        optimizer = torch.optim.LBFGS([values], max_iter=200, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            numbers = torch.cat([values[:1].exp(), values[1:]])
            read = _read(numbers, logits.double(), scores.double())
            total = F.cross_entropy(read, labels, reduction="sum")
            total = total + _RIDGE * values.square().sum()
            total.backward()
            return total

        optimizer.step(loss)
        scale, weight, offset = values.tolist()
        return cls(math.exp(scale), weight, offset)


def _read(values: Tensor, logits: Tensor, scores: Tensor) -> Tensor:
    scale, weight, offset = values
    inside = scale * logits[:, 1:] + (weight * scores + offset)[:, None]
    return torch.cat([scale * logits[:, :1], inside], dim=1)
