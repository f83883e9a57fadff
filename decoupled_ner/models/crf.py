"""A linear-chain conditional random field, exact and vectorised over the batch.

``p(y | x) ∝ exp(start[y_1] + Σ_t emission_t[y_t] + Σ_t transition[y_{t-1}, y_t] + end[y_N])``

Lafferty et al. 2001; partial labels as Tsuboi et al. 2008. B sequences, N units, T tags, K paths.
``mask`` is (B, N) bool, True for a row's first units (at least one) and False for the padding.
Scores are float32, inside autocast too, or float64 where emissions are. Sums over paths are matrix
products of exponentials, in float64 (MPS has none: float32), which is several times as fast as
``logsumexp`` over every pair of tags (``benchmarks/crf.py``). So what is less probable than its
unit's best tag by a factor of e⁷⁰⁸ (e⁸⁷) counts as if it were by that factor.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

#: The score of what is forbidden, in sums. ``exp`` of it is exactly 0 in float32, and unlike
#: ``-inf`` it gives no NaN gradient where every alternative is forbidden.
FORBIDDEN = -1e4


class Paths(NamedTuple):
    """The K best tag sequences, best first. Where fewer exist, their scores are ``-inf``."""

    tags: Tensor  # (B, K, N), 0 in the padding
    scores: Tensor  # (B, K), unnormalised; subtract the log-partition for log-probabilities


class LinearChainCRF(nn.Module):
    """Scores, decodes and normalises tag sequences; what is forbidden has probability 0.

    Args:
        starts, transitions, ends: what is allowed, bool: (T,), (T from, T to), (T,).
        learned: whether transitions have scores of their own. Without, only the constraints
            remain, and this is how a model without a CRF layer decodes.
    """

    starts_allowed: Tensor
    transitions_allowed: Tensor
    ends_allowed: Tensor

    def __init__(
        self, starts: Tensor, transitions: Tensor, ends: Tensor, *, learned: bool = True
    ) -> None:
        super().__init__()
        tags = len(starts)
        self.start = nn.Parameter(torch.zeros(tags), requires_grad=learned)
        self.transition = nn.Parameter(torch.zeros(tags, tags), requires_grad=learned)
        self.end = nn.Parameter(torch.zeros(tags), requires_grad=learned)
        # Persistent, since from_pretrained fills only what a checkpoint holds.
        self.register_buffer("starts_allowed", starts)
        self.register_buffer("transitions_allowed", transitions)
        self.register_buffer("ends_allowed", ends)

    def reset_parameters(self) -> None:
        """Small random scores where they are learned, zeros elsewhere."""
        for scores in (self.start, self.transition, self.end):
            if scores.requires_grad:
                nn.init.uniform_(scores, -0.1, 0.1)
            else:
                nn.init.zeros_(scores)

    def log_likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """(B, N, T), (B, N), (B, N) → log p(tags | emissions), (B,). Tags in the padding are
        ignored, whatever they are."""
        return self.path_score(emissions, tags, mask) - self.log_partition(emissions, mask)

    def partial_log_likelihood(self, emissions: Tensor, allowed: Tensor, mask: Tensor) -> Tensor:
        """Log-probability that every unit's tag is among its allowed ones, (B,).

        Args:
            allowed: (B, N, T) bool, at least one tag a unit, at least one legal path a row.
        """
        restricted = _precise(emissions).masked_fill(~allowed, FORBIDDEN)
        # Where no row has a second unit, no transition has a part; DDP waits for its gradient.
        unused = 0.0 * self.transition.sum()
        return self.log_partition(restricted, mask) - self.log_partition(emissions, mask) + unused

    def path_score(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """The unnormalised score of one tag sequence a row, (B,)."""
        start, _, end = self.scores()
        tags = tags.clamp(min=0)  # the padding may be -100
        last = tags.gather(1, mask.sum(1, keepdim=True) - 1).squeeze(1)
        steps = self._path_steps(_precise(emissions), tags, mask)
        return start[tags[:, 0]] + steps.sum(1) + end[last]

    def log_partition(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """log Z: the log-sum-exp of all legal paths' scores, (B,)."""
        return self._log_partition(self._forward_scores(_precise(emissions), mask))

    def marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """p(y_t = tag | x), (B, N, T); 0 in the padding."""
        alphas, betas, log_z = self.forward_backward(emissions, mask)
        probabilities = (alphas + betas - log_z[:, None, None]).exp()
        return probabilities.masked_fill(~mask.unsqueeze(2), 0.0)

    def forward_backward(self, emissions: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """α and β, (B, N, T), and log Z, (B,): ``α_t[y] + β_t[y] - log Z`` is log p(y_t = y). In
        the padding α repeats the last unit's and β has the end scores."""
        emissions = _precise(emissions)
        alphas = self._forward_scores(emissions, mask)
        return alphas, self._backward_scores(emissions, mask), self._log_partition(alphas)

    def segment_terms(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Two (B, N) tensors, ``opening`` and ``closing``, whose sum ``opening[i] + closing[j]`` is
        the exact log-probability that units i to j (included) all have the tags given."""
        alphas, betas, log_z = self.forward_backward(emissions, mask)
        tags = tags.clamp(min=0)
        so_far = self._path_steps(_precise(emissions), tags, mask).cumsum(1)
        opening = alphas.gather(2, tags.unsqueeze(2)).squeeze(2) - so_far
        closing = betas.gather(2, tags.unsqueeze(2)).squeeze(2) + so_far
        return opening, closing - log_z.unsqueeze(1)

    def best_paths(self, emissions: Tensor, mask: Tensor, k: int = 1) -> Paths:
        """The ``k`` best legal paths by list Viterbi."""
        emissions = _precise(emissions)
        start, transitions, end = self.scores(forbidden=-torch.inf)
        batch, _, tags = emissions.shape
        scores = emissions.new_full((batch, tags, k), -torch.inf)
        scores[:, :, 0] = start + emissions[:, 0]
        stay = torch.arange(tags * k, device=emissions.device).view(1, tags, k)
        pointers = []  # each (B, T, K): which of the T·K paths before it a path prolongs
        for t in range(1, emissions.shape[1]):
            prolonged = scores.unsqueeze(3) + transitions.unsqueeze(1)  # (B, T from, K, T to)
            best, came_from = _best(prolonged.flatten(1, 2), k)  # (B, K, T)
            here = mask[:, t, None, None]
            step = best.transpose(1, 2) + emissions[:, t].unsqueeze(2)
            scores = torch.where(here, step, scores)
            pointers.append(torch.where(here, came_from.transpose(1, 2), stay))
        final, slot = _best((scores + end.unsqueeze(1)).flatten(1), k)  # (B, K)
        return Paths(_trace_back(pointers, slot, k) * mask.unsqueeze(1), final)

    def scores(self, forbidden: float = FORBIDDEN) -> tuple[Tensor, Tensor, Tensor]:
        """Start (T,), transition (T, T) and end (T,) scores with the forbidden ones masked."""
        return (
            self.start.float().masked_fill(~self.starts_allowed, forbidden),
            self.transition.float().masked_fill(~self.transitions_allowed, forbidden),
            self.end.float().masked_fill(~self.ends_allowed, forbidden),
        )

    def _path_steps(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """What each unit adds to its path's score, start and end aside, (B, N); else 0."""
        _, transitions, _ = self.scores()
        steps = emissions.gather(2, tags.unsqueeze(2)).squeeze(2)
        moves = nn.functional.pad(transitions[tags[:, :-1], tags[:, 1:]], (1, 0))
        return (steps + moves).masked_fill(~mask, 0.0)

    def _forward_scores(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """α (B, N, T): log-sum-exp of the paths that end here."""
        start, transitions, _ = self.scores()
        moves, wide = _wide(transitions).exp(), _wide(emissions)
        alphas = [start + wide[:, 0]]
        for t in range(1, emissions.shape[1]):
            step = _log_matmul(alphas[-1], moves) + wide[:, t]
            alphas.append(torch.where(mask[:, t, None], step, alphas[-1]))
        return torch.stack(alphas, dim=1).to(emissions.dtype)

    def _backward_scores(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """β (B, N, T): log-sum-exp of what can follow."""
        _, transitions, end = self.scores()
        moves, wide = _wide(transitions).t().exp(), _wide(emissions)
        end = _wide(end)
        betas = [end.expand(len(emissions), -1)]
        for t in range(emissions.shape[1] - 1, 0, -1):
            step = _log_matmul(wide[:, t] + betas[-1], moves)
            betas.append(torch.where(mask[:, t, None], step, end))
        return torch.stack(betas[::-1], dim=1).to(emissions.dtype)

    def _log_partition(self, alphas: Tensor) -> Tensor:
        return torch.logsumexp(alphas[:, -1] + self.scores()[2], dim=1)


def _precise(emissions: Tensor) -> Tensor:
    """Half precisions as float32, and float64 as it is."""
    return emissions.to(torch.promote_types(emissions.dtype, torch.float32))


def _wide(scores: Tensor) -> Tensor:
    return scores.to(torch.float32 if scores.device.type == "mps" else torch.float64)


def _log_matmul(scores: Tensor, weights: Tensor) -> Tensor:
    """``log(exp(scores) @ weights)``, (B, T) and (T, T) → (B, T), without overflow."""
    best = scores.detach().amax(1, keepdim=True)
    with torch.autocast(scores.device.type, enabled=False):  # where there is no float64
        sums = (scores - best).exp() @ weights
    return sums.clamp_min(torch.finfo(sums.dtype).tiny).log() + best


def _best(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The ``k`` highest along dimension 1, and where they are."""
    if k == 1:  # several times faster than topk
        return torch.max(scores, dim=1, keepdim=True)
    return torch.topk(scores, k, dim=1)


def _trace_back(pointers: list[Tensor], slot: Tensor, k: int) -> Tensor:
    """Tags (B, K, N) of the paths that end in ``slot`` (B, K), each ``tag · k + rank``."""
    tags = [slot // k]
    for pointer in reversed(pointers):
        slot = pointer.flatten(1).gather(1, slot)
        tags.append(slot // k)
    return torch.stack(tags[::-1], dim=2)
