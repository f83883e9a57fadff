"""From a text's scored candidates to its entities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from decoupled_ner.candidates.overlap import resolve
from decoupled_ner.gazetteer import KnownTypes
from decoupled_ner.models.decoupled import DecoupledConfig
from decoupled_ner.types import Candidate, Entity


@dataclass(frozen=True, slots=True)
class ScoredCandidate:
    """A candidate with what each classifier says of it: label → probability, ``O`` included.

    ``known``: type → share of the mention's weight, by the gazetteer that the model reads; empty
    where there is none or it has no such mention. ``label`` is the global classifier's choice;
    ``global_`` has the outside bias in it.
    """

    start: int
    end: int
    text: str
    label: str
    sources: tuple[str, ...]
    global_: dict[str, float]
    mention: dict[str, float]
    context: dict[str, float]
    known: dict[str, float]


def probabilities(logits: Tensor, outside_bias: float) -> Tensor:
    """(R, 3, L) logits → probabilities; the bias goes to the global classifier's ``O`` alone."""
    shifted = logits.clone()
    shifted[:, 0, 0] += outside_bias
    return shifted.softmax(dim=-1)


def decode(
    text: str, candidates: Sequence[Candidate], logits: Tensor, config: DecoupledConfig
) -> list[Entity]:
    """The entities among ``candidates`` (logits (R, 3, L)) after overlaps are resolved."""
    if not candidates:
        return []
    scores, choices = probabilities(logits, config.outside_bias)[:, 0].max(dim=-1)
    return resolve(
        [
            Entity(c.start, c.end, text[c.start : c.end], config.labels[choice], score)
            for c, choice, score in zip(candidates, choices.tolist(), scores.tolist(), strict=True)
            if choice != 0
        ],
        config.overlap,
    )


def explanations(
    text: str,
    candidates: Sequence[Candidate],
    logits: Tensor,
    config: DecoupledConfig,
    known: KnownTypes | None,
) -> list[ScoredCandidate]:
    """Every candidate with its three distributions and what a gazetteer says of it."""
    explained = []
    for candidate, three in zip(
        candidates, probabilities(logits, config.outside_bias), strict=True
    ):
        global_, mention, context = (
            dict(zip(config.labels, row, strict=True)) for row in three.tolist()
        )
        mention_text = text[candidate.start : candidate.end]
        explained.append(
            ScoredCandidate(
                start=candidate.start,
                end=candidate.end,
                text=mention_text,
                label=config.labels[int(torch.argmax(three[0]))],
                sources=candidate.sources,
                global_=global_,
                mention=mention,
                context=context,
                known=known.shares(mention_text) if known else {},
            )
        )
    return explained
