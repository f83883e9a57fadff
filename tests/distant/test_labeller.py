"""The rules: what is labelled, and why the rest is not."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoupled_ner.data.distant.labeller import Fate, Labeller
from decoupled_ner.data.distant.settings import DistantSettings
from decoupled_ner.gazetteer import UNTYPED, Gazetteer
from decoupled_ner.types import InputError
from distant.corpus import ENTRIES, gazetteer

Found = tuple[int, str, str]  # sentence, text, fate


def found(texts: list[str], **settings: Any) -> list[Found]:
    matches = Labeller.build(gazetteer(), DistantSettings(**settings)).find(texts)
    columns = (column.tolist() for column in matches.columns())
    return [
        (sentence, texts[sentence][start:end], Fate(fate).name.lower())
        for sentence, start, end, _, fate in zip(*columns, strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        ("去北京大学", {}, [("北京大学", "labelled")]),  # the outermost
        ("在北京大学生活", {}, [("北京大学", "crossing")]),  # crosses a word
        ("在北京大学生活", {"crossing": "longest"}, [("北京大学", "labelled")]),
        ("在北京大学生活", {"words": False}, [("北京大学", "labelled")]),
        ("发展中国家", {}, []),  # inside a word
        ("发展中国家", {"words": False}, [("中国", "labelled")]),
        ("东方来了", {}, [("东方", "ambiguous")]),
        ("东方来了", {"min_share": 0.5}, [("东方", "labelled")]),
        ("文明来了", {}, [("文明", "ambiguous")]),
        ("文明来了", {"min_share": 0.6}, [("文明", "labelled")]),
        ("高峰来了", {"min_share": 0.0}, [("高峰", "ambiguous")]),  # O is more probable
        ("好喜欢你", {}, [("好喜欢", "weak")]),
        ("好喜欢你", {"min_weight": 0.3}, [("好喜欢", "labelled")]),
        ("某物", {}, [("某物", "untyped")]),
        ("王来了", {}, [("王", "short")]),
        ("去九江了", {"min_length": 3}, [("九江", "short")]),
        ("去北京大学", {"blacklist": ["北京大学"]}, [("北京大学", "blacklisted")]),
        ("吃北京烤鸭", {"blacklist": ["北京烤鸭"]}, [("北京烤鸭", "blacklisted")]),  # unknown
        ("大学生", {"blacklist": ["大学生"], "words": False}, [("大学生", "blacklisted")]),
        ("the NBA game", {}, [("NBA", "labelled")]),
        ("the xNBA game", {}, []),
        ("the xNBA game", {"whole_words": False}, [("NBA", "labelled")]),
    ],
)
def test_rules(text: str, settings: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert found([text], **settings) == [(0, *match) for match in expected]


def test_sentences_are_searched_apart() -> None:
    assert found(["在北", "京", "", "去北京\n", "北京\0九江"]) == [
        (3, "北京", "labelled"),
        (4, "北京", "labelled"),
        (4, "九江", "labelled"),
    ]
    assert found([]) == []


@given(st.lists(st.text(st.sampled_from("北京大学生中国家发展王小明NBx \ud800𠮷"))), st.booleans())
def test_rules_against_a_plain_search(texts: list[str], words: bool) -> None:
    known = {entry.mention: entry for entry in ENTRIES}
    entities = {mention for mention, entry in known.items() if entry.label != "O"}
    expected = []
    for index, text in enumerate(texts):
        spans = {
            (start, end)
            for start in range(len(text))
            for end in range(start + 1, len(text) + 1)
            if text[start:end] in (known if words else entities) and not _tears(text, start, end)
        }
        outermost = sorted(s for s in spans if not any(_inside(s, other) for other in spans))
        for start, end in outermost:
            mention = text[start:end]
            crosses = any(start < e and s < end for s, e in outermost if (s, e) != (start, end))
            if mention in entities:
                fate = "short" if mention == "王" else "crossing" if crosses else "labelled"
                expected.append((index, mention, fate))
    assert found(texts, words=words) == expected


def _tears(text: str, start: int, end: int) -> bool:
    """Whether the span begins or ends inside an English word."""
    around = (text[max(0, start - 1) : start + 1], text[end - 1 : end + 1])
    return any(len(pair) == 2 and pair.isascii() and pair.isalnum() for pair in around)


def _inside(span: tuple[int, int], other: tuple[int, int]) -> bool:
    return span != other and other[0] <= span[0] and span[1] <= other[1]


def test_it_travels_to_other_processes() -> None:
    labeller = Labeller.build(gazetteer(), DistantSettings())
    labeller.find(["北京"])
    copy = pickle.loads(pickle.dumps(labeller))
    assert [c.tolist() for c in copy.find(["去北京"]).columns()] == [
        c.tolist() for c in labeller.find(["去北京"]).columns()
    ]


def test_a_gazetteer_that_labels_nothing() -> None:
    untyped = Gazetteer.from_mentions({"北京": [UNTYPED]})
    with pytest.raises(InputError, match="no mention of the gazetteer passes the rules"):
        Labeller.build(untyped, DistantSettings())
    with pytest.raises(InputError, match="no mention of the gazetteer passes the rules"):
        Labeller.build(Gazetteer.from_entries([]), DistantSettings())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"crossing": "both"}, "crossing='both'"),
        ({"min_share": 1.5}, "min_share=1.5"),
        ({"min_sentence_length": 0}, "min_sentence_length=0"),
        ({"max_sentence_length": 2}, "at most max_sentence_length=2"),
        ({"max_occurrences": 0}, "max_occurrences=0"),
        ({"shard_bytes": 10}, "shard_bytes=10: use 1024 or more"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        DistantSettings(**settings)
