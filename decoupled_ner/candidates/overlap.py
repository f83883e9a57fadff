"""What becomes of predicted entities that overlap."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Sequence
from math import log

from decoupled_ner.types import Entity, InputError

Weight = Callable[[Entity], float]


def resolve(
    entities: Sequence[Entity], policy: str = "best", weight: Weight | None = None
) -> list[Entity]:
    """The entities that stay, sorted by start, then end. The answer doesn't depend on their order.

    - ``best``: those without overlaps whose weights have the highest sum.
    - ``outermost``: the rule of the paper's authors. Entities inside another one go; but an entity
      that consists of exactly two adjacent ones of its own type goes itself, and they stay.
      Crossing entities stay.
    - ``nested``: of two that cross, the one with the lower weight goes; nested ones stay.

    Of several labels for one region the one with the highest weight is kept, whatever the policy.

    Args:
        entities: predicted entities.
        policy: ``best``, ``outermost`` or ``nested``.
        weight: `evidence` by default; must be positive.

    Raises:
        InputError: there is no such policy.
    """
    check_policy(policy)
    weigh = weight or evidence
    by_region: dict[tuple[int, int], Entity] = {}
    for entity in sorted(entities, key=lambda e: (-weigh(e), e.label)):
        by_region.setdefault((entity.start, entity.end), entity)
    kept = _POLICIES[policy](list(by_region.values()), weigh)
    return sorted(kept, key=lambda e: (e.start, e.end))


def evidence(entity: Entity) -> float:
    """-log(1 - score), so that a sum of weights is the evidence that not all of them are wrong.

    With the scores themselves as weights two doubtful short entities (.55 + .55) would beat one
    certain long entity (.98). Unlike log-odds it is positive for every score, so that an entity
    that overlaps no other always stays.
    """
    return -log(max(1.0 - entity.score, 1e-7)) + 1e-9


def _best(entities: list[Entity], weigh: Weight) -> list[Entity]:
    """Weighted interval scheduling. Equal sums: the one that covers more characters."""
    order = sorted(entities, key=lambda e: (e.end, e.start))
    ends = [entity.end for entity in order]
    totals = [(0.0, 0)]  # of the first n entities: weight, characters
    before: list[int] = []  # how many entities end before each starts
    for entity in order:
        before.append(bisect_right(ends, entity.start, hi=len(before)))
        total, covered = totals[before[-1]]
        taken = (total + weigh(entity), covered + entity.end - entity.start)
        totals.append(max(taken, totals[-1]))
    kept = []
    count = len(order)
    while count:
        if totals[count] == totals[count - 1]:
            count -= 1
        else:
            kept.append(order[count - 1])
            count = before[count - 1]
    return kept


def _outermost(entities: list[Entity], weigh: Weight) -> list[Entity]:
    """Needs no weights: what goes depends on regions and labels alone."""
    ends: dict[tuple[int, str], set[int]] = defaultdict(set)  # of a start and a label
    starts: dict[tuple[int, str], set[int]] = defaultdict(set)  # of an end and a label
    for entity in entities:
        ends[entity.start, entity.label].add(entity.end)
        starts[entity.end, entity.label].add(entity.start)
    # The others are exactly two of their type.
    whole = [e for e in entities if ends[e.start, e.label].isdisjoint(starts[e.end, e.label])]
    kept, farthest = [], 0
    for entity in sorted(whole, key=lambda e: (e.start, -e.end)):  # what contains comes first
        if entity.end > farthest:
            kept.append(entity)
            farthest = entity.end
    return kept


def _nested(entities: list[Entity], weigh: Weight) -> list[Entity]:
    kept: list[Entity] = []
    ends: dict[int, int] = {}  # of those kept that start at a character, the last end
    starts: dict[int, int] = {}  # of those kept that end there, the first start
    for entity in sorted(entities, key=lambda e: (-weigh(e), e.start, e.end)):
        start, end = entity.start, entity.end
        inside = range(start + 1, end)
        if any(ends.get(i, end) > end or starts.get(i, start) < start for i in inside):
            continue  # it crosses one that weighs more
        kept.append(entity)
        ends[start] = max(end, ends.get(start, end))
        starts[end] = min(start, starts.get(end, start))
    return kept


_POLICIES: dict[str, Callable[[list[Entity], Weight], list[Entity]]] = {
    "best": _best,
    "outermost": _outermost,
    "nested": _nested,
}


def check_policy(policy: str) -> None:
    """Raise an `InputError` unless there is such a policy."""
    if policy not in _POLICIES:
        raise InputError(f"no overlap policy {policy!r}; choose one of {', '.join(_POLICIES)}")
