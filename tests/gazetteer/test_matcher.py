"""The matcher equals brute force in every mode, on any characters."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from decoupled_ner.gazetteer import Gazetteer, Match, MatchMode
from decoupled_ner.gazetteer.matcher import check_mode
from decoupled_ner.types import InputError

# Few characters, so that mentions overlap, nest and repeat; astral ones, spaced and unspaced.
ALPHABET = "ab1é京大学😀𠮷 "
MENTIONS = st.lists(st.text(ALPHABET, min_size=1, max_size=4), max_size=12, unique=True)
TEXTS = st.text(ALPHABET, max_size=40)
UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI")


def gazetteer_of(mentions: list[str]) -> Gazetteer:
    return Gazetteer.from_mentions({mention: [f"T{len(mention)}"] for mention in mentions})


def brute_force(
    mentions: list[str], text: str, mode: MatchMode, min_length: int, whole_words: bool
) -> list[Match]:
    found = [
        (start, end)
        for end in range(1, len(text) + 1)
        for start in range(end)
        if text[start:end] in mentions and end - start >= min_length
    ]
    if whole_words:
        found = [f for f in found if not inside(text, f[0]) and not inside(text, f[1])]
    if mode == "longest":
        found = leftmost_longest(found)
    elif mode == "overlapping":
        found = [f for f in found if not any(covers(other, f) for other in found)]
    return [(start, end, f"T{end - start}") for start, end in found]


def leftmost_longest(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for start, end in sorted(found, key=lambda f: (f[0], -f[1])):
        if not kept or start >= kept[-1][1]:
            kept.append((start, end))
    return kept


def covers(outer: tuple[int, int], inner: tuple[int, int]) -> bool:
    return outer != inner and outer[0] <= inner[0] and inner[1] <= outer[1]


def inside(text: str, place: int) -> bool:
    return 0 < place < len(text) and spaced(text[place - 1]) and spaced(text[place])


def spaced(char: str) -> bool:
    return char.isalnum() and not unicodedata.name(char, "").startswith(UNSPACED)


@pytest.mark.parametrize("mode", ["all", "longest", "overlapping"])
@pytest.mark.parametrize("whole_words", [False, True])
@given(mentions=MENTIONS, text=TEXTS, min_length=st.integers(1, 3))
@example(mentions=["ab", "b京大", "京"], text="ab京大", min_length=1)
def test_equals_brute_force(
    mode: MatchMode, whole_words: bool, mentions: list[str], text: str, min_length: int
) -> None:
    found = gazetteer_of(mentions).matcher.find(
        text, mode, min_length=min_length, whole_words=whole_words
    )
    assert found == brute_force(mentions, text, mode, min_length, whole_words)


@given(mentions=MENTIONS, text=TEXTS)
def test_entries_are_the_mentions_that_stand_there(mentions: list[str], text: str) -> None:
    gazetteer = gazetteer_of(mentions)
    for start, end, entry in gazetteer.matcher.find_entries(text):
        assert gazetteer.mentions[entry] == text[start:end]


def test_offsets_count_astral_characters_once() -> None:
    text = "😀北京😀大学👩‍👩‍👧北京大学"
    matcher = gazetteer_of(["北京", "大学", "北京大学", "👩‍👩‍👧"]).matcher
    found = matcher.find(text)
    assert [text[start:end] for start, end, _ in found] == [
        "北京", "大学", "👩‍👩‍👧", "北京", "北京大学", "大学",
    ]  # fmt: skip
    assert found[0][:2] == (1, 3)


def test_a_text_with_a_lone_surrogate_is_searched() -> None:
    assert gazetteer_of(["北京"]).matcher.find("\ud800北京\udfff") == [(1, 3, "T2")]
    assert gazetteer_of(["\ufffd\ufffd"]).matcher.find("a\ud800\ud801b") == []


def test_words_of_spaced_scripts_are_whole_on_demand() -> None:
    matcher = gazetteer_of(["art", "东"]).matcher
    text = "party art 华art东"
    assert [m[:2] for m in matcher.find(text)] == [(1, 4), (6, 9), (11, 14), (14, 15)]
    kept = matcher.find(text, whole_words=True)
    assert [m[:2] for m in kept] == [(6, 9), (11, 14), (14, 15)]
    matcher = gazetteer_of(["भारत", "cafe", "ार"]).matcher
    for text, found in (("भारतीय", []), ("cafe\u0301s", []), ("भारत cafe", ["भारत", "cafe"])):
        hits = matcher.find(text, whole_words=True)
        assert [text[start:end] for start, end, _ in hits] == found


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(InputError, match="'shortest': use one of all, longest, overlapping"):
        check_mode("shortest")
