"""From a text's scored candidates to its entities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from statistics import mean

import torch
from torch import Tensor

from decoupled_ner.candidates.overlap import resolve
from decoupled_ner.gazetteer import KnownTypes
from decoupled_ner.metrics import Counts, scores, span_counts
from decoupled_ner.models.decoupled import DecoupledConfig
from decoupled_ner.types import Candidate, Entity, InputError, Sentence

#: From 0.6 down to -3: of equal ones the first is taken.
_BIASES = [0.3 * step for step in range(2, -11, -1)]


@dataclass(frozen=True, slots=True)
class ScoredCandidate:
    """A candidate with what each classifier says of it: label → probability, ``O`` included.

    ``known``: type → share of the mention's weight, by the gazetteer that the model reads; empty
    where there is none or it has no such mention. ``proposer``: the score that a proposer which the
    model reads gives the region, any real number, a low one where it can't score it; None where it
    reads none. ``label`` is the global classifier's choice; ``global_`` has the outside bias and
    both of these in it.
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
    proposer: float | None


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
    best, choices = probabilities(logits, config.outside_bias)[:, 0].max(dim=-1)
    return resolve(
        [
            Entity(c.start, c.end, text[c.start : c.end], config.labels[choice], score)
            for c, choice, score in zip(candidates, choices.tolist(), best.tolist(), strict=True)
            if choice != 0
        ],
        config.overlap,
    )


def f1_bias(f1: float) -> float:
    """What to add to the logit of ``O`` so that an entity is predicted from a probability of half
    the F1 on: the threshold at which F1 is highest, if probabilities are what they say (Lipton,
    Elkan and Naryanaswamy 2014, "Optimal thresholding of classifiers to maximize F1 measure",
    arXiv:1402.1892, theorem 1). It is negative, and 0 for a perfect F1. An F1 below 0.2 counts as
    0.2, so that a model that has hardly learnt predicts no flood.
    """
    threshold = max(f1, 0.2) / 2
    return math.log(threshold / (1 - threshold))


def bias_for_f1(
    gold: Sequence[Sentence],
    candidates: Sequence[Sequence[Candidate]],
    logits: Sequence[Tensor],
    config: DecoupledConfig,
) -> float:
    """The outside bias with the highest F1 on these sentences, whose candidates have these logits.
    A few hundred entities make F1 jump from bias to bias, so each takes the mean with its two
    neighbours on either side."""
    config, found = copy(config), []
    for bias in _BIASES:
        config.outside_bias = bias
        predicted = [
            decode(sentence.text, proposed, three, config)
            for sentence, proposed, three in zip(gold, candidates, logits, strict=True)
        ]
        found.append(scores(sum(span_counts(gold, predicted).values(), Counts())).f1)
    means = [mean(found[max(0, i - 2) : i + 3]) for i in range(len(found))]
    return _BIASES[means.index(max(means))]


def gold_labels(
    gold: Sequence[Sentence], candidates: Sequence[Sequence[Candidate]], labels: Sequence[str]
) -> Tensor:
    """The ids (R,) of the gold labels of R candidates.

    Raises:
        InputError: a gold label is none of ``labels``.
    """
    if unknown := sorted({e.label for sentence in gold for e in sentence.entities} - {*labels}):
        raise InputError(
            f"the sentences have entities of {unknown[0]!r}, the model has {', '.join(labels[1:])}"
        )
    ids = []
    for sentence, proposed in zip(gold, candidates, strict=True):
        known = {entity.region: labels.index(entity.label) for entity in sentence.entities}
        ids += [known.get(candidate.region, 0) for candidate in proposed]
    return torch.tensor(ids, dtype=torch.long)


def explanations(
    text: str,
    candidates: Sequence[Candidate],
    logits: Tensor,
    config: DecoupledConfig,
    known: KnownTypes | None,
    scores: Sequence[float | None] | None = None,
) -> list[ScoredCandidate]:
    """Every candidate with its three distributions, and what a gazetteer and a proposer say."""
    explained = []
    for candidate, three, score in zip(
        candidates,
        probabilities(logits, config.outside_bias),
        [None] * len(candidates) if scores is None else scores,
        strict=True,
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
                proposer=score,
            )
        )
    return explained
