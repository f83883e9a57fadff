"""How probable each region is to be exactly one entity, whatever else a CRF might tag.

A candidate generator wants this of a tagger: the k best tag sequences spend their k on combinations
of the same few doubts, while a doubtful region's probability takes all sequences into account.

B rows, N units, T tags, X entity types, L lengths.
"""

from __future__ import annotations

import torch
from torch import Tensor

from decoupled_ner.models.crf import FORBIDDEN, LinearChainCRF
from decoupled_ner.models.tags import TagSet


def segment_probabilities(
    crf: LinearChainCRF, tags: TagSet, emissions: Tensor, mask: Tensor, max_length: int
) -> Tensor:
    """The exact probability of every segment of up to ``max_length`` units to be an entity.

    Args:
        emissions, mask: (B, N, T) and (B, N), as the CRF takes them.

    Returns:
        (B, N, L, X): ``[b, i, l, x]`` for the ``l + 1`` units from ``i`` on, 0 where they reach
        into the padding. L is ``max_length``, or N where that is less.
    """
    alphas, betas, log_z = crf.forward_backward(emissions, mask)
    begin, inside = tags.of_types("B"), tags.of_types("I")
    is_bio = tags.scheme == "BIO"
    single, last = (begin, inside) if is_bio else (tags.of_types("S"), tags.of_types("E"))
    after = _leaving(crf, tags, emissions, mask, betas) if is_bio else betas
    transitions = crf.scores()[1]

    found = [alphas[..., single] + after[..., single]]
    running, before = alphas[..., begin], begin  # entities that began at i and are still open
    for length in range(1, min(max_length, emissions.shape[1])):
        ending = (emissions + after)[:, length:, last] + transitions[before, last]
        running = running[:, :-1]
        found.append(_pad(running + ending, length))
        running = running + emissions[:, length:, inside] + transitions[before, inside]
        before = inside
    probabilities = (torch.stack(found, dim=2) - log_z[:, None, None, None]).exp()
    return probabilities * _inside(mask, len(found)).unsqueeze(3)


def _leaving(
    crf: LinearChainCRF, tags: TagSet, emissions: Tensor, mask: Tensor, betas: Tensor
) -> Tensor:
    """β without the paths that prolong the entity, (B, N, T): in BIO what follows says where an
    entity ends."""
    _, transitions, end = crf.scores()
    continues = torch.zeros_like(transitions, dtype=torch.bool)
    for prefix in "BI":
        continues[tags.of_types(prefix), tags.of_types("I")] = True
    moves = transitions.masked_fill(continues, FORBIDDEN)
    following = (emissions + betas)[:, 1:].unsqueeze(2)  # (B, N - 1, 1, T)
    left = torch.logsumexp(moves + following, dim=3)
    ends = end.to(left.dtype).expand(len(left), -1)
    inner = torch.where(mask[:, 1:, None], left, ends.unsqueeze(1))
    return torch.cat([inner, ends.unsqueeze(1)], dim=1)


def _pad(scores: Tensor, missing: int) -> Tensor:
    """(B, N - missing, X) → (B, N, X)."""
    return torch.nn.functional.pad(scores, (0, 0, 0, missing))


def _inside(mask: Tensor, lengths: int) -> Tensor:
    """Whether a segment lies in the row's units, (B, N, L)."""
    units = mask.sum(1)[:, None, None]
    starts = torch.arange(mask.shape[1], device=mask.device)[None, :, None]
    return starts + torch.arange(1, lengths + 1, device=mask.device) <= units
