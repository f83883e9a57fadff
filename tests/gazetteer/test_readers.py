"""Text dictionaries in the shapes in which they are published."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from decoupled_ner.disk import sha256_of
from decoupled_ner.gazetteer import Gazetteer
from decoupled_ner.gazetteer.readers import FORMATS, Row, read_rows
from decoupled_ner.types import InputError

from .ime_files import bcd, bdict, coded, scel


def rows(folder: Path, content: str | bytes, format: str) -> list[Row]:
    path = folder / "dictionary"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_rows(path, format))


COMMENTED = "\ufeff# a comment\n北京\r\n\n 上海 \n#话题\n简 爱"
CASES: list[tuple[str, str | bytes, list[Row]]] = [
    ("txt", COMMENTED, [Row("北京"), Row("上海"), Row("#话题"), Row("简 爱")]),
    ("txt", "北\u2028京\n", [Row("北\u2028京")]),
    ("txt", "北京\r上海\r\n南京", [Row("北京"), Row("上海"), Row("南京")]),
    ("word-tag-count", "丁一宇 nr 15\n", [Row("丁一宇", "nr", 15)]),
    ("word-tag-count", "A b 1 c 2\n", [Row("A", "b", 1), Row("A", "c", 2)]),
    ("word-count-tag", "北京 34488 ns\n东西 3\n", [Row("北京", "ns", 34488), Row("东西", None, 3)]),
    ("word-count", "\ufeff中国\t19\n发展 \t 3\n", [Row("中国", None, 19), Row("发展", None, 3)]),
    ("csv", '\ufeffcode,name\n11,"北京,市"\n12,"天""津"\n', [Row("北京,市"), Row('天"津')]),
    ("csv", 'Type,Name\nGPE,"北\n京"\n\n,上海\n', [Row("北\n京", "GPE"), Row("上海")]),
    ("tsv", '北京\tGPE\t2\n"上海\tGPE\n', [Row("北京", "GPE", 2), Row('"上海', "GPE")]),
    ("tsv", "weight\tmention\n0.5\t北京\n\t上海\n", [Row("北京", None, 0.5), Row("上海")]),
    ("json", '\ufeff[{"id": 4, "name": "法国"}, "日本"]', [Row("法国"), Row("日本")]),
    ("json", '{"台湾省": {"台北市": ["大安区"]}}', [Row("台湾省"), Row("台北市"), Row("大安区")]),
    ("json", '{"九江": "GPE", "东盟": 3}', [Row("九江", "GPE"), Row("东盟", None, 3)]),
    ("json", '{"九江": {"type": "GPE", "count": 3}}', [Row("九江", "GPE", 3)]),
    ("json", '{"省": {"type": ["区"]}}', [Row("省"), Row("type"), Row("区")]),
    ("jsonl", '{"name": " 九江\u3000", "type": " GPE "}\n', [Row("九江", "GPE")]),
    ("json", '["九江 ", " "]', [Row("九江")]),
    ("jsonl", '{"name": "九江", "type": ""}\n', [Row("九江")]),
    ("txt", "北京\n\ufeff上海\n", [Row("北京"), Row("上海")]),  # two files joined
    ("tsv", "张三\tName\n李四\tPER\n", [Row("张三", "Name"), Row("李四", "PER")]),
    ("tsv", "name\tnote\n张三\tx\n", [Row("张三")]),
    ("jsonl", '{"word": "九江", "tag": "GPE", "count": 2}\n', [Row("九江", "GPE", 2)]),
    ("jsonl", '"东盟"\n\n"九江"\n', [Row("东盟"), Row("九江")]),
    ("scel", scel([["北京"]]), [Row("北京")]),
    ("bdict", bdict(coded("北京")), [Row("北京")]),
    ("bcd", bcd(coded("北京")), [Row("北京")]),
]


@pytest.mark.parametrize(("format", "content", "expected"), CASES)
def test_formats(format: str, content: str | bytes, expected: list[Row], tmp_path: Path) -> None:
    assert rows(tmp_path, content, format) == expected


@pytest.mark.parametrize(
    ("format", "content", "message"),
    [
        ("txt", b"ok\n\xb1\xb1\xbe\xa9\n", ":2: not UTF-8"),
        ("word-tag-count", "北京 ns\n", ":1: expected 'word tag count'"),
        ("word-count-tag", "北京 1 2 3\n", ":1: expected 'word count"),
        ("word-count", "北京\t1\n北京 3\n", ":2: expected 'word TAB count'"),
        ("word-count", "北京\t3?\n", ":1: expected a count, got '3?'"),
        ("csv", "id,title\n1,北京\n", ":1: no column is called mention, name, "),
        ("tsv", "entity\ttype\n北京\tGPE\n", ":1: no column is called mention, name, "),
        ("csv", "name,count\n北京,nan\n", ":2: expected a count, got 'nan'"),
        ("json", '{"北京": NaN}', ": '北京': the count must be a number"),
        ("json", '{"九江": "GPE", "九江": "PER"}', ": '九江' stands twice in one object"),
        ("csv", "name,count\n北京,many\n", ":2: expected a count, got 'many'"),
        ("csv", 'name\n北京\n"上海\n南京\n', ":3: unexpected end of data: look at its quotes"),
        ("csv", 'name\n"' + "x" * 200_000 + '"\n', ":2: field larger"),
        ("json", "[1", "not JSON"),
        ("json", "3", "expected a JSON list or object"),
        ("json", "[3]", "expected a name or an object, got 3"),
        ("json", "[" * 100_000, "not JSON"),
        ("json", '{"九江": null}', None),
        ("jsonl", '"a"\n{"id": 3}\n', ":2: the object has no text"),
        ("json", '{"省": {"type": "GPE", "市": ["区"]}}', ": '省' has a type beside lists"),
        ("jsonl", '{"name": "a", "type": 3}\n', ":1: 'a': the type must be text"),
        ("jsonl", '{"name": "a", "count": true}\n', ":1: 'a': the count must be a number"),
    ],
)
def test_malformed_lines_are_named(
    format: str, content: str | bytes, message: str | None, tmp_path: Path
) -> None:
    if message is None:
        assert rows(tmp_path, content, format) == [Row("九江")]
        return
    with pytest.raises(InputError) as caught:
        rows(tmp_path, content, format)
    assert str(caught.value).startswith(str(tmp_path / "dictionary"))
    assert message in str(caught.value)


@pytest.mark.parametrize(("format", "header"), [("txt", b""), ("csv", b"name\n"), ("tsv", b"")])
def test_a_line_that_is_not_utf8_can_be_left_out(
    format: str, header: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "words"
    path.write_bytes(header + "北京\n".encode() + b"\xff\xfe\n" + "上海\n".encode())
    heard: list[InputError] = []
    found = [row.mention for row in read_rows(path, format, heard.append)]
    assert found == ["北京", "上海"]
    [error] = heard
    line = 3 if header else 2
    assert str(error).startswith(f"{path}:{line}: not UTF-8 (byte 0 of the line)")


def test_malformed_lines_can_be_left_out_and_heard_of(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("北京\t1\n上海\t3?\n南京\t2\n")
    heard: list[InputError] = []
    found = [row.mention for row in read_rows(path, "word-count", heard.append)]
    assert found == ["北京", "南京"]
    assert [str(error) for error in heard] == [f"{path}:2: expected a count, got '3?'"]


@pytest.mark.parametrize(
    ("format", "content", "expected"),
    [
        ("txt", "作者\n\n北京\n", [Row("北京")]),
        ("word-count", b"\xb4\xca \xc6\xb5\n\n\xe5\x8c\x97\t3\n", [Row("北", None, 3)]),
        ("csv", '"of 2022\n\nname\n北京\n', [Row("北京")]),
        ("tsv", "作者\n词\t类\n北京\tGPE\n", [Row("北京", "GPE")]),
        ("json", '["作者", "2022", "北京"]', [Row("北京")]),
        ("scel", scel([["作者", "2022", "北京"]]), [Row("北京")]),
        ("word-count", "词 频\n\n北京 3\n", ":3: expected 'word TAB count'"),
        ("csv", "作者\n2022\nname,count\n北京,many\n", ":4: expected a count"),
        ("csv", '作者\n2022\nname\n北京\n"上海\n', ":5: unexpected end of data"),
        ("csv", "name\n2022\n北京\n", ":3: no column is called"),
    ],
)
def test_what_stands_at_the_top_is_not_looked_at(
    format: str, content: str | bytes, expected: list[Row] | str, tmp_path: Path
) -> None:
    path = tmp_path / "dictionary"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            list(read_rows(path, format, skip=2))
    else:
        assert list(read_rows(path, format, skip=2)) == expected


@pytest.mark.parametrize(
    "read",
    [
        *(partial(read_rows, format=format) for format in ("txt", "csv", "json", "scel", "bdict")),
        sha256_of,
        lambda path: Gazetteer.load(path.parent),
    ],
)
def test_what_may_not_be_read_is_one_line(
    read: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    path = tmp_path / "gazetteer.safetensors"
    path.touch()
    for name in ("open", "read_text", "read_bytes"):  # root may read whatever its mode is
        monkeypatch.setattr(Path, name, refuse)
    with pytest.raises(InputError, match=r"gazetteer\.safetensors: can't be read \(Permission"):
        list(read(path))


def test_the_ending_names_the_format(tmp_path: Path) -> None:
    path = tmp_path / "names.TSV"
    path.write_text("北京\tGPE\n")
    assert list(read_rows(path)) == [Row("北京", "GPE")]


def test_unknown_formats_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no reader for 'xls': name one of txt, "):
        list(read_rows(tmp_path / "names.xls"))
    with pytest.raises(InputError, match="no such file"):
        list(read_rows(tmp_path / "names.txt"))


def test_readers_stream(tmp_path: Path) -> None:
    """The first row is there before the malformed last line is read."""
    path = tmp_path / "names"
    path.write_bytes(b"a\tb\n" * 10_000 + b"\xff\n")
    assert next(iter(read_rows(path, "tsv"))) == Row("a", "b")
    with pytest.raises(InputError, match=":10001: not UTF-8"):
        list(read_rows(path, "tsv"))


@pytest.mark.real_data
def test_real_dictionaries(real_data: Path) -> None:
    """Line counts and the odd lines of published files."""
    folder = real_data / "gazetteers"
    people = list(read_rows(folder / "per" / "hanlp_person.txt", "word-tag-count"))
    assert people[1] == Row("丁一宇", "nr", 15)
    assert len(list(read_rows(folder / "gpe" / "countries_zh.json"))) == 193
    assert [r.mention for r in read_rows(folder / "gpe" / "provinces.csv")][:2] == [
        "北京市",
        "天津市",
    ]
    heard: list[InputError] = []
    places = folder / "mixed" / "thuocl_place.txt"
    assert len(list(read_rows(places, "word-count", heard.append))) == 44_802
    assert len(heard) == 2
    assert set(FORMATS) >= {"scel", "bdict", "bcd"}
