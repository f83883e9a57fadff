"""Input-method dictionaries: read whole, and never hang or grow on damaged ones."""

from __future__ import annotations

import random
import re
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from decoupled_ner.gazetteer.ime import read_bdict, read_scel
from decoupled_ner.types import InputError

from .ime_files import ascii_word, bcd, bdict, coded, romanised, scel, u16, utf16, zero_length

Reader = Callable[[Path], Iterator[str]]
FIRST_GROUP = 0x1544 + 28  # after the three syllables that `scel` writes
#: How many words the file's own header counts, the first and the last.
REAL_FILES = {
    "sample_small.scel": (145, "把改革放在首位", "左倾错误"),
    "idioms.scel": (1657, "阿保之功", "葄枕图史"),
    "large.scel": (43473, "阿爸的刀", "ZywOo"),
    "hardware.bdict": (913 + 203 + 198, "计算机硬件", "Xeon处理器"),
    "travel.bdict": (302, "福建土楼", "慈山"),
    "movie.bdict": (65476 + 1, "北京乐与路", "赤裸战士"),
    "baidu.bcd": (10854, "白名单库", "易存储"),
}
NAMES_THE_BYTE = re.compile(r": byte 0x[0-9a-f]+: .+")


def read(reader: Reader, content: bytes, folder: Path) -> list[str]:
    path = folder / "dictionary"
    path.write_bytes(content)
    return list(reader(path))


def test_scel_words_in_order(tmp_path: Path) -> None:
    content = scel([["北京", "背景"], ["A股"], ["😀脸"]])
    assert read(read_scel, content, tmp_path) == ["北京", "背景", "A股", "😀脸"]


def test_scel_words_begin_where_the_syllables_end(tmp_path: Path) -> None:
    syllables = [*(f"py{i}" for i in range(413)), *"ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    content = scel([["北京"]], syllables=syllables)
    assert read(read_scel, content, tmp_path) == ["北京"]


def test_scel_without_groups_has_no_words(tmp_path: Path) -> None:
    content = scel([], syllables=(), tail=b"\x31\x00\x01\x00 hot words of some kind")
    assert read(read_scel, content, tmp_path) == []


def test_scel_blacklist_is_left_out(tmp_path: Path) -> None:
    content = scel([["北京"]], blacklist=["南京", "东京"])
    assert read(read_scel, content, tmp_path) == ["北京"]


@pytest.mark.parametrize("promised", [0, 1, 99])
def test_scel_wrong_count_loses_nothing(tmp_path: Path, promised: int) -> None:
    content = scel([["北京"], ["南京"]], promised=promised)
    assert read(read_scel, content, tmp_path) == ["北京", "南京"]


def test_scel_trailing_block_of_another_kind_is_left_out(tmp_path: Path) -> None:
    content = scel([["北京"]], tail=u16(0, 77) + b"whatever")
    assert read(read_scel, content, tmp_path) == ["北京"]


@pytest.mark.parametrize("promised", [0, 1])
def test_scel_damage_is_told_whatever_was_promised(tmp_path: Path, promised: int) -> None:
    content = bytearray(scel([["北京"], ["南京"], ["东京"]], promised=promised))
    content[content.index("南京".encode("utf-16-le")) - 2] = 255  # the length of the word
    with pytest.raises(InputError, match="more bytes, only"):
        read(read_scel, bytes(content), tmp_path)


def test_bdict_sections(tmp_path: Path) -> None:
    content = bdict(coded("北京") + coded("T恤"), ascii_word("xdr2"), romanised("Xeon处理器"))
    assert read(read_bdict, content, tmp_path) == ["北京", "T恤", "xdr2", "Xeon处理器"]


@pytest.mark.parametrize("second", [0x50, 0x60])
def test_bdict_sections_do_not_overlap(tmp_path: Path, second: int) -> None:
    parts = [coded("北京"), *[b""] * (second // 16 - 5), ascii_word("xdr2")]
    content = bytearray(bdict(*parts))
    assert read(read_bdict, bytes(content), tmp_path) == ["北京", "xdr2"]
    content[second : second + 4] = (0x354).to_bytes(4, "little")  # its start, within the first
    with pytest.raises(InputError, match=rf"dictionary: byte {second:#x}: a section at 0x354, "):
        read(read_bdict, bytes(content), tmp_path)


def test_bcd_mixes_all_kinds(tmp_path: Path) -> None:
    entries = [coded("北京", 1000), ascii_word("x"), zero_length("俩不"), romanised("处理器")]
    words = ["北京", "x", "俩不", "处理器"]
    assert read(read_bdict, bcd(*entries), tmp_path) == words


@pytest.mark.parametrize(
    ("reader", "content", "byte"),
    [
        (read_scel, b"PK\x03\x04", 0x0),
        (read_scel, scel([["北京"]])[:0x130], 0x1540),
        (read_scel, scel([["北京"]])[:-4], FIRST_GROUP + 16),
        (read_scel, scel([], promised=1, tail=u16(0, 4)), FIRST_GROUP),
        (read_scel, scel([], promised=1, tail=u16(1, 3)), FIRST_GROUP),
        (read_scel, scel([], promised=1, tail=u16(1, 0, 60_000)), FIRST_GROUP + 6),
        (read_scel, scel([], promised=1, tail=u16(1, 0, 2, 0xD800, 0)), FIRST_GROUP + 6),
        (read_bdict, b"", 0x0),
        (read_bdict, b"biptbdsw", 0x40),
        (read_bdict, bdict(coded("北京"))[:-2], 0x350),
        (read_bdict, bcd(coded("北京"))[:-2], 0x358),
        (read_bdict, bcd(u16(3, 0) + b"ab\xff"), 0x354),
        (read_bdict, bcd(u16(0, 0, 2, 60_000) + utf16("ab")), 0x35C),
    ],
)
def test_damage_is_told_by_its_byte(
    reader: Reader, content: bytes, byte: int, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"dictionary: byte {byte:#x}: "):
        read(reader, content, tmp_path)


def mutations(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """The content with bytes changed, removed, doubled or cut off."""
    chance = random.Random(seed)
    for _ in range(count):
        mutated = bytearray(content)
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(mutated))
            match chance.randrange(4):
                case 0:
                    mutated[place] = chance.randrange(256)
                case 1:
                    mutated[place : place + 2] = b"\xff\xff"
                case 2:
                    del mutated[place : place + chance.randint(1, 9)]
                case _:
                    mutated[place:place] = mutated[place : place + chance.randint(1, 99)]
        yield bytes(mutated[: chance.randrange(len(mutated))] if chance.random() < 0.2 else mutated)


def survives(reader: Reader, content: bytes, folder: Path) -> bool:
    """Whether it could be read; where not, the error names the byte. Memory stays in bounds."""
    tracemalloc.start()
    try:
        words = read(reader, content, folder)
        assert sum(len(utf16(word)) for word in words) <= 2 * len(content)
        return True
    except InputError as error:
        assert NAMES_THE_BYTE.search(str(error)), error
        return False
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 60 * len(content) + 100_000


@pytest.mark.parametrize(
    ("reader", "content"),
    [
        (read_scel, scel([["北京", "背景"], ["A股"], ["上海"] * 20], blacklist=["南京"])),
        (read_bdict, bdict(coded("北京") * 9, ascii_word("xdr2") * 5, romanised("处理器") * 5)),
        (
            read_bdict,
            bcd(*[coded("北京"), ascii_word("x"), zero_length("不"), romanised("器")] * 5),
        ),
    ],
    ids=["scel", "bdict", "bcd"],
)
def test_mutated_files(reader: Reader, content: bytes, tmp_path: Path) -> None:
    # the head of these files is nearly all padding: mutate what comes after it too
    start = 0x1540 if reader is read_scel else 0x350
    bodies = (content[:start] + body for body in mutations(content[start:], 300, seed=1))
    heads = (head + content[start:] for head in mutations(content[:start], 100, seed=2))
    outcomes = [survives(reader, mutated, tmp_path) for mutated in [*bodies, *heads]]
    assert {True, False} == set(outcomes)


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL_FILES)
def test_real_files(real_data: Path, name: str) -> None:
    path = real_data / "ime" / name
    words = list((read_scel if path.suffix == ".scel" else read_bdict)(path))
    assert (len(words), words[0], words[-1]) == REAL_FILES[name]
    assert all(word.isprintable() for word in words)


@pytest.mark.real_data
def test_real_hot_word_update_is_empty(real_data: Path) -> None:
    assert list(read_scel(real_data / "ime" / "hotcell_empty.scel")) == []


@pytest.mark.real_data
@pytest.mark.parametrize("name", [*REAL_FILES, "hotcell_empty.scel"])
def test_mutated_real_files(real_data: Path, tmp_path: Path, name: str) -> None:
    reader = read_scel if name.endswith("scel") else read_bdict
    content = (real_data / "ime" / name).read_bytes()
    count = min(60, 10_000_000 // len(content))
    outcomes = {survives(reader, mutated, tmp_path) for mutated in mutations(content, count, 3)}
    assert outcomes == {True, False} or (name not in REAL_FILES and True in outcomes)
