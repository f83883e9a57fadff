"""From a tagger's emissions to spans of units.

Everything runs on the CPU, where the many small steps of a CRF cost least, and in float64: a score
is a small difference of large sums. P windows of N units, T tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor

from decoupled_ner.labels import Span
from decoupled_ner.models.crf import LinearChainCRF
from decoupled_ner.models.pieces import Piece
from decoupled_ner.models.segments import segment_probabilities
from decoupled_ner.models.tags import TagSet

#: Units of the longest span that `TagDecoder.probable` looks at.
MAX_SEGMENT = 32

ScoredSpan = tuple[Span, float]


class TagDecoder:
    """Decodes emissions (P, N, T) with their mask (P, N) into the spans that each window owns.

    Args:
        crf: a model's; it is copied.
        tags: what its tags are.
    """

    def __init__(self, crf: LinearChainCRF, tags: TagSet) -> None:
        self._crf = deepcopy(crf).cpu()
        self._tags = tags

    @torch.inference_mode()
    def best(
        self, pieces: Sequence[Piece], emissions: Tensor, mask: Tensor
    ) -> list[list[ScoredSpan]]:
        """The spans in the best tag sequence. A score is the probability that all units of the span
        have their tags."""
        emissions, mask = emissions.cpu().double(), mask.cpu()
        tags = self._crf.best_paths(emissions, mask).tags[:, 0]
        opening, closing = self._crf.segment_terms(emissions, tags, mask)
        found = []
        for row, piece in enumerate(pieces):
            spans = self._owned_spans(piece, tags[row].tolist())
            terms = [opening[row, first] + closing[row, last - 1] for first, last, _ in spans]
            found.append([(s, min(1.0, t.exp().item())) for s, t in zip(spans, terms, strict=True)])
        return found

    @torch.inference_mode()
    def k_best(
        self, pieces: Sequence[Piece], emissions: Tensor, mask: Tensor, k: int
    ) -> list[set[tuple[int, int]]]:
        """The untyped spans in the ``k`` best tag sequences."""
        paths = self._crf.best_paths(emissions.cpu().double(), mask.cpu(), k)
        return [
            {
                (first, last)
                for tags, score in zip(paths.tags[row].tolist(), paths.scores[row], strict=True)
                if score.isfinite()
                for first, last, _ in self._owned_spans(piece, tags)
            }
            for row, piece in enumerate(pieces)
        ]

    @torch.inference_mode()
    def probable(
        self, pieces: Sequence[Piece], emissions: Tensor, mask: Tensor, min_probability: float
    ) -> list[list[ScoredSpan]]:
        """Every span of up to `MAX_SEGMENT` units that is an entity with at least this probability,
        with its most probable type; they may overlap. A score is the probability of an entity of
        any type."""
        by_type = segment_probabilities(
            self._crf, self._tags, emissions.cpu().double(), mask.cpu(), MAX_SEGMENT
        )
        of_any, best = by_type.sum(3), by_type.argmax(3)
        found: list[list[ScoredSpan]] = [[] for _ in pieces]
        for row, first, more in (of_any >= min_probability).nonzero().tolist():
            if pieces[row].owns(first):
                label = self._tags.labels.types[int(best[row, first, more])]
                score = min(1.0, of_any[row, first, more].item())
                found[row].append(((first, first + more + 1, label), score))
        return found

    def _owned_spans(self, piece: Piece, tags: Sequence[int]) -> list[Span]:
        spans = self._tags.decode(tags[: len(piece)])
        return [span for span in spans if piece.owns(span[0])]
