import time
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoupled_ner.candidates.overlap import evidence, resolve
from decoupled_ner.types import Entity, InputError


def entity(start, end, label="PER", score=0.9):
    return Entity(start, end, "x" * (end - start), label, score)


one_entity = st.builds(
    lambda start, length, label, score: entity(start, start + length, label, score),
    st.integers(0, 8),
    st.integers(1, 5),
    st.sampled_from(["PER", "ORG"]),
    st.sampled_from([0.3, 0.4, 0.6, 0.77, 0.9, 0.99, 1.0]) | st.floats(0, 1),
)
entities = st.lists(one_entity, max_size=8)


def overlap(first, second):
    return first.start < second.end and second.start < first.end


def contains(outer, inner):
    same = (outer.start, outer.end) == (inner.start, inner.end)
    return not same and outer.start <= inner.start and inner.end <= outer.end


@given(entities)
def test_best_is_the_best_of_all_sets(given_entities):
    sets = (
        chosen
        for size in range(len(given_entities) + 1)
        for chosen in combinations(given_entities, size)
        if not any(overlap(a, b) for a, b in combinations(chosen, 2))
    )
    best = max(sum(map(evidence, chosen)) for chosen in sets)
    resolved = resolve(given_entities, "best")
    assert not any(overlap(a, b) for a, b in combinations(resolved, 2))
    assert sum(map(evidence, resolved)) == pytest.approx(best)


@given(entities, st.randoms(), st.sampled_from(["best", "outermost", "nested"]))
def test_order_of_the_input_does_not_matter(given_entities, random, policy):
    resolved = resolve(given_entities, policy)
    shuffled = list(given_entities)
    random.shuffle(shuffled)
    assert resolve(shuffled, policy) == resolved
    assert resolve(resolved, policy) == resolved or policy == "outermost"
    assert resolved == sorted(resolved, key=lambda e: (e.start, e.end))
    regions = [(e.start, e.end) for e in resolved]
    assert len(set(regions)) == len(regions)


@given(entities, st.sampled_from(["best", "outermost", "nested"]))
def test_what_overlaps_nothing_stays(given_entities, policy):
    resolved = resolve(given_entities, policy)
    for one in given_entities:
        if sum(overlap(one, other) for other in given_entities) == 1:
            assert one in resolved


@given(entities)
def test_nested_keeps_no_two_that_cross(given_entities):
    resolved = resolve(given_entities, "nested")
    for a, b in combinations(resolved, 2):
        assert not overlap(a, b) or contains(a, b) or contains(b, a)
    for dropped in given_entities:
        if not any((k.start, k.end) == (dropped.start, dropped.end) for k in resolved):
            rivals = [k for k in resolved if overlap(k, dropped)]
            assert any(evidence(k) >= evidence(dropped) for k in rivals)


def outermost_plainly(given_entities):
    def is_two(outer):
        own = [e for e in given_entities if e.label == outer.label]
        starts = {e.end for e in own if e.start == outer.start}
        return bool(starts & {e.start for e in own if e.end == outer.end})

    whole = [e for e in given_entities if not is_two(e)]
    return [e for e in whole if not any(contains(outer, e) for outer in whole)]


def nested_plainly(given_entities):
    kept = []
    for one in sorted(given_entities, key=lambda e: (-evidence(e), e.start, e.end)):
        if not any(overlap(one, k) and not contains(one, k) and not contains(k, one) for k in kept):
            kept.append(one)
    return kept


@given(st.lists(one_entity, max_size=25, unique_by=lambda e: (e.start, e.end)))
def test_policies_equal_the_plain_comparison_of_all_pairs(given_entities):
    for policy, plainly in (("outermost", outermost_plainly), ("nested", nested_plainly)):
        expected = sorted(plainly(given_entities), key=lambda e: (e.start, e.end))
        assert resolve(given_entities, policy) == expected


@pytest.mark.parametrize("policy", ["best", "outermost", "nested"])
def test_the_entities_of_a_long_text_take_no_time(policy):
    many = [entity(i, i + 1 + i % 4, "PER", 0.1 + i % 7 / 10) for i in range(30_000)]
    started = time.process_time()
    assert resolve(many, policy)
    assert time.process_time() - started < 10  # all pairs would take minutes


def test_two_doubtful_ones_do_not_beat_a_certain_one():
    doubtful = [entity(0, 2, score=0.55), entity(2, 4, score=0.55)]
    certain = entity(0, 4, "ORG", 0.98)
    assert resolve([*doubtful, certain]) == [certain]
    assert resolve([*doubtful, certain], weight=lambda e: e.score) == doubtful


def test_ties_go_to_what_covers_more():
    assert resolve([entity(0, 2), entity(0, 3)]) == [entity(0, 3)]
    assert resolve([entity(0, 2, "PER"), entity(0, 2, "ORG")]) == [entity(0, 2, "ORG")]


def test_improbable_labels_stay_where_nothing_rivals_them():
    assert resolve([entity(0, 2, score=0.0)]) == [entity(0, 2, score=0.0)]


def test_outermost_drops_what_lies_inside():
    outer, inner, crossing = entity(0, 4, "ORG"), entity(0, 2, "GPE", 1.0), entity(3, 6, score=0.1)
    assert resolve([outer, inner, crossing], "outermost") == [outer, crossing]


def test_outermost_splits_what_is_exactly_two_of_its_type():
    outer, left, right = entity(0, 4, "GPE", 1.0), entity(0, 2, "GPE"), entity(2, 4, "GPE")
    assert resolve([outer, left, right], "outermost") == [left, right]
    assert resolve([outer, left, entity(2, 4, "ORG")], "outermost") == [outer]
    assert resolve([outer, left, entity(3, 4, "GPE")], "outermost") == [outer]
    assert resolve([entity(0, 4, "ORG"), left, right], "outermost") == [entity(0, 4, "ORG")]


def test_nested_keeps_what_nests():
    outer, inner, crossing = entity(0, 4), entity(1, 2, score=0.1), entity(3, 6, score=0.5)
    assert resolve([outer, inner, crossing], "nested") == [outer, inner]


def test_unknown_policy():
    with pytest.raises(InputError, match="choose one of best, outermost, nested"):
        resolve([], "flat")
