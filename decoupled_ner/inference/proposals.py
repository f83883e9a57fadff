"""The candidates of texts, and what a proposer that is read gives each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from decoupled_ner.candidates.union import Union
from decoupled_ner.inference.proposer import BestRegions
from decoupled_ner.inference.reading import UNSCORED
from decoupled_ner.inference.regions import ScoredRegions
from decoupled_ner.types import Candidate, InputError


def readable_proposer(union: Union) -> BestRegions:
    """The proposer among a union's generators, whose scores can be read.

    Raises:
        InputError: there is none.
    """
    for generator in union.generators:
        if isinstance(generator, BestRegions):
            return generator
    raise InputError(
        "read_proposer needs a proposer among the candidate generators, in no further union"
    )


def scored_candidates(
    union: Union, texts: Sequence[str]
) -> tuple[list[list[Candidate]], list[list[float]]]:
    """The union's candidates for each text, and what its proposer gives each of them, in one pass
    of the proposer.

    Raises:
        InputError: there is no proposer.
    """
    proposer = readable_proposer(union)
    rest = [generator for generator in union.generators if generator is not proposer]
    found = proposer.proposer.scored(texts)
    own = [
        [Candidate(region.start, region.end, (proposer.name,)) for region in chosen]
        for chosen in map(proposer.chosen, found)
    ]
    others = Union(rest).candidates_batch(texts) if rest else [[] for _ in texts]
    candidates = [union.join(pair) for pair in zip(others, own, strict=True)]
    return candidates, [_scores(*pair) for pair in zip(found, candidates, strict=True)]


def _scores(found: ScoredRegions, candidates: Sequence[Candidate]) -> list[float]:
    scores = found.scores_of([(candidate.start, candidate.end) for candidate in candidates])
    missing = min(UNSCORED, float(found.scores.min(initial=UNSCORED)))
    scores[np.isnan(scores)] = missing
    return list(scores.tolist())
