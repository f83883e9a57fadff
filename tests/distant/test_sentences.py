"""Sentence splitting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoupled_ner.data.distant.sentences import sentence_spans

_TEXT = st.text(
    st.one_of(st.sampled_from("。！？.!?…”’」\"') \n\r\u3000，, ab京A1"), st.characters())
)


def split(text: str, max_length: int = 100) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text, max_length)]


@given(_TEXT, st.integers(1, 12))
def test_every_character_but_white_space_lies_in_one_sentence(text: str, max_length: int) -> None:
    spans = list(sentence_spans(text, max_length))
    covered = [i for start, end in spans for i in range(start, end)]
    assert covered == sorted(set(covered))
    assert {i for i, char in enumerate(text) if not char.isspace()} <= set(covered)
    for start, end in spans:
        part = text[start:end]
        assert 0 < len(part) <= max_length
        assert part == part.strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("他来了。我走了！真的？", ["他来了。", "我走了！", "真的？"]),
        ("他说：“来吧！”我去了。", ["他说：“来吧！”", "我去了。"]),
        ('真的!"你好"来了', ["真的!", '"你好"来了']),
        ("我……不知道", ["我……", "不知道"]),
        ("真的？！好。", ["真的？！", "好。"]),
        ("看 http://a.com/?q=1&b=2 这里", ["看 http://a.com/?q=1&b=2 这里"]),
        ("看 a.com/x??q=1 这里", ["看 a.com/x??q=1 这里"]),
        ("Mr. Smith left. He came.", ["Mr. Smith left.", "He came."]),
        ("约3.14米。", ["约3.14米。"]),
        ("标题\r\n\u3000\u3000正文\n", ["标题", "正文"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    assert split(text) == expected


def test_a_run_of_marks_that_ends_nothing_is_read_once() -> None:
    text = "!" * 200_000 + "a"  # from each mark on anew it would take minutes
    assert split(text, len(text)) == [text]


def test_long_sentences_are_cut_behind_the_last_pause_that_fits() -> None:
    assert split("一二三，四五六，七八九十", 8) == ["一二三，四五六，", "七八九十"]
    assert split("一二三四五六七", 3) == ["一二三", "四五六", "七"]
