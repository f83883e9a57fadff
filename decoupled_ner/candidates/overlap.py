"""What becomes of predicted entities that overlap."""

from __future__ import annotations

from bisect import bisect_right
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
    if policy not in _POLICIES:
        raise InputError(f"no overlap policy {policy!r}; choose one of {', '.join(_POLICIES)}")
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
    split = {id(outer) for outer in entities if _is_two_of_its_type(outer, entities)}
    whole = [entity for entity in entities if id(entity) not in split]
    return [e for e in whole if not any(_contains(outer, e) for outer in whole)]


def _is_two_of_its_type(outer: Entity, entities: list[Entity]) -> bool:
    starts = {e.end for e in entities if e.start == outer.start and e.label == outer.label}
    ends = {e.start for e in entities if e.end == outer.end and e.label == outer.label}
    return bool(starts & ends)


def _nested(entities: list[Entity], weigh: Weight) -> list[Entity]:
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda e: (-weigh(e), e.start, e.end)):
        if not any(_cross(entity, other) for other in kept):
            kept.append(entity)
    return kept


def _contains(outer: Entity, inner: Entity) -> bool:
    return outer is not inner and outer.start <= inner.start and inner.end <= outer.end


def _cross(first: Entity, second: Entity) -> bool:
    overlap = first.start < second.end and second.start < first.end
    return overlap and not (_contains(first, second) or _contains(second, first))


_POLICIES: dict[str, Callable[[list[Entity], Weight], list[Entity]]] = {
    "best": _best,
    "outermost": _outermost,
    "nested": _nested,
}
