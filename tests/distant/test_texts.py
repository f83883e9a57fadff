"""Reading text as a stream of blocks."""

from __future__ import annotations

import gzip
import json
import lzma
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from decoupled_ner.data.distant.texts import Paragraph, paragraphs, read_blocks, text_files
from decoupled_ner.types import InputError

_TEXT = st.text(st.one_of(st.sampled_from("。\n\r中𠮷a"), st.characters(codec="utf-8")))


def read(path: Path, size: int) -> list[Paragraph]:
    return [p for block in read_blocks(text_files([path])[0], size) for p in paragraphs(block)]


@given(_TEXT, st.integers(4, 20))
@example("𠮷" * 9, 4)
@example("\ufeff北京\n\n。。\n", 4)
def test_blocks_of_any_size_give_the_same_characters_at_the_same_places(
    text: str, size: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.txt"
        path.write_bytes(text.encode())
        found = read(path, size)
    lines = text.removeprefix("\ufeff").split("\n")
    for line, offset, part in found:
        assert lines[line - 1][offset : offset + len(part)] == part
    assert sum(len(part) for _, _, part in found) == sum(map(len, lines))


def test_a_long_line_is_cut_behind_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("一二。三四五六七八九十", encoding="utf-8")
    first, second, *_ = read(path, 20)
    assert first == (1, 0, "一二。")
    assert second[:2] == (1, 3)


def test_packed_files(tmp_path: Path) -> None:
    content = ("北京\n" * 500).encode()
    (tmp_path / "a.txt").write_bytes(content)
    (tmp_path / "a.txt.xz").write_bytes(lzma.compress(content))
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(content))
    plain = read(tmp_path / "a.txt", 100)
    assert read(tmp_path / "a.txt.xz", 100) == plain
    assert read(tmp_path / "a.txt.gz", 100) == plain


def test_endings_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "A.TXT.GZ").write_bytes(gzip.compress("北京\n".encode()))
    (tmp_path / "B.JSONL").write_text('{"text": "上海", "by": "北京"}\n', encoding="utf-8")
    assert read(tmp_path / "A.TXT.GZ", 100)[0] == (1, 0, "北京")
    assert read(tmp_path / "B.JSONL", 100) == [(1, 0, "上海")]
    (tmp_path / "c.bz2").touch()
    with pytest.raises(InputError, match=r"only \.xz and \.gz are unpacked here"):
        read(tmp_path / "c.bz2", 100)


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    texts = ["北京\n九江", "", "\ud800好" * 40]
    lines = "\n\n".join(json.dumps({"text": text, "more": 1}) for text in texts)
    path.write_bytes(gzip.compress(lines.encode()))
    expected = [(1, 0, "北京\n九江"), (3, 0, ""), (5, 0, "\ufffd好" * 40)]
    assert read(path, 10) == expected  # a line is longer than a block
    assert read(path, 10_000) == expected


def test_positions_grow_to_the_size_of_all_files(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text("北京\n" * 50, encoding="utf-8")
    files = text_files([tmp_path / "a", tmp_path / "b"])
    positions = [block.position for file in files for block in read_blocks(file, 64)]
    assert positions == sorted(positions)
    assert positions[-1] == 2 * 50 * 7


def test_shards_sort_in_the_order_of_the_text(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text("北京\n" * 50, encoding="utf-8")
    files = text_files([tmp_path / "b", tmp_path / "a"])
    names = [block.shard for file in files for block in read_blocks(file, 64)]
    assert names == sorted(set(names))


def test_sources_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    paths = [tmp_path / "a.txt", tmp_path / "other" / "a.txt"]
    for path in paths:
        path.touch()
    assert [file.name for file in text_files(paths[:1])] == ["a.txt"]
    assert [file.name for file in text_files(paths)] == [str(path) for path in paths]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", "好\n".encode() * 30 + b"\xff", "a.txt:31: not UTF-8"),
        ("a.txt.xz", lzma.compress(b"x" * 999)[:-9], "damaged .xz file"),
        ("a.txt.xz", b"no archive", "damaged .xz file"),
        ("a.txt.gz", gzip.compress(b"x" * 999, mtime=0)[:-9], "damaged .gz file"),
        ("a.txt.gz", b"no archive", "can't be read"),
        ("a.tar.gz", b"", "only .xz and .gz are unpacked here"),
        ("a.TGZ", b"", "only .xz and .gz are unpacked here"),
        ("a.jsonl", b'{"text": "x"}\n{"text": 1}', "a.jsonl:2: expected a JSON object"),
        ("a.jsonl", b'["text"]', "a.jsonl:1: expected a JSON object"),
        ("a.jsonl", b'{"text"', "a.jsonl:1: not JSON"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=reason):
        read(tmp_path / name, 16)


def test_what_is_no_list_of_files(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(InputError, match="no text to read"):
        text_files([])
    with pytest.raises(InputError, match="no such text file"):
        text_files([tmp_path / "b"])
    (tmp_path / "other.txt").symlink_to(tmp_path / "a.txt")
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match="given twice"):
        text_files([tmp_path / "a.txt", tmp_path / "other.txt"])
    with pytest.raises(InputError, match="given twice"):
        text_files([tmp_path / "a", tmp_path / "a"])
