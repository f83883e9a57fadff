"""Negatives: edits of mentions against brute force, and never a gold region."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from decoupled_ner.candidates import GazetteerMatches, NGrams
from decoupled_ner.data.negatives import EditIndex, negative_pools, within_one_edit
from decoupled_ner.types import Region, Sentence, entity_at


@cache
def levenshtein(a: str, b: str) -> int:
    """The textbook recursion."""
    if not a or not b:
        return len(a) + len(b)
    return min(
        levenshtein(a[1:], b) + 1,
        levenshtein(a, b[1:]) + 1,
        levenshtein(a[1:], b[1:]) + (a[0] != b[0]),
    )


SHORT = st.text(alphabet="甲乙丙", max_size=5)


@given(SHORT, SHORT)
def test_within_one_edit_is_levenshtein(a: str, b: str):
    assert within_one_edit(a, b) == (levenshtein(a, b) <= 1)


@given(st.lists(st.text(alphabet="甲乙丙", min_size=2, max_size=4), max_size=3), SHORT)
def test_edit_index_equals_brute_force(mentions: list[str], text: str):
    expected = {
        Region(start, end)
        for start in range(len(text))
        for end in range(start + 1, len(text) + 1)
        if any(levenshtein(text[start:end], mention) <= 1 for mention in mentions)
    }
    assert set(EditIndex(mentions).regions(text)) == expected


def test_a_mention_of_one_character_matches_only_itself():
    assert list(EditIndex(["京"]).regions("京津冀")) == [Region(0, 1)]


def sentence(text: str, *entities: tuple[int, int, str]) -> Sentence:
    return Sentence(text, tuple(entity_at(text, *entity) for entity in entities))


def test_pools_hold_no_gold_region():
    sentences = [sentence("北京大学在北京", (0, 4, "ORG"), (5, 7, "GPE"))]
    pools = negative_pools(sentences, [NGrams(max_length=4)], "sentence")
    gold = {entity.region for entity in sentences[0].entities}
    assert pools[0] and not gold & set(pools[0])
    assert Region(0, 3) in pools[0]  # 北京大, one deletion from 北京大学
    assert Region(0, 2) in pools[0]  # 北京 where it is no entity of its own


def test_a_mention_with_a_space_beside_it_is_no_negative():
    pool = negative_pools(
        [sentence("to Rome, Ohio", (3, 7, "LOC"), (9, 13, "LOC"))], [], "sentence"
    )
    texts = {"to Rome, Ohio"[region.start : region.end] for region in pool[0]}
    assert texts == {"Rom", "ome", "Rome,", "Ohi", "hio"}


def test_a_mention_that_was_annotated_with_a_space_is_no_negative_without_it():
    rome = GazetteerMatches.from_mentions({"Rome": ["LOC"]})
    text, region = "to Rome now", Region(3, 7)
    annotated, bare = sentence(text, (2, 7, "LOC")), sentence(text)
    [pool, other] = negative_pools([annotated, bare], [rome], "sentence")
    assert region not in pool and other == [region]


def test_scope_of_edits():
    sentences = [sentence("王小明来了", (0, 3, "PER")), sentence("王小朋走了")]
    assert negative_pools(sentences, [], "none") == [[], []]
    of_sentence = negative_pools(sentences, [], "sentence")
    assert of_sentence[0] and of_sentence[1] == []
    assert Region(0, 3) in negative_pools(sentences, [], "dataset")[1]  # 王小朋 ~ 王小明


def test_candidates_become_negatives():
    sentences = [sentence("苹果发布手机", (0, 2, "ORG"))]
    generator = GazetteerMatches.from_mentions({"苹果": ["ORG"], "手机": ["ORG"]})
    assert negative_pools(sentences, [generator], "none") == [[Region(4, 6)]]
