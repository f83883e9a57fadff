"""What ``data export`` writes, called in this process."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command import status

from decoupled_ner.data.brat import read_brat
from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.data.formats import read_file
from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.types import Sentence, entity_at


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A data set with a line break in a text, an empty text, and entities that overlap."""
    broken, nested = "北京\r\n上海\n", "New York City"
    sentences = [
        Sentence(broken, (entity_at(broken, 4, 6, "GPE"),), "broken"),
        Sentence("", (), "empty"),
        Sentence(nested, (entity_at(nested, 0, 13, "GPE"), entity_at(nested, 4, 8, "X")), "nested"),
    ]
    path = tmp_path / "train.jsonl"
    write_jsonl(sentences, path)
    return path


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.xz", "out.conll", "out.bmes.gz"])
def test_what_is_exported_reads_back(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    output = tmp_path / name
    assert status("data", "export", "demo", "--split", "dev", "--output", str(output)) == 0
    out, err = capsys.readouterr()
    dev = load_dataset("demo").split("dev")
    assert out == f"{output}: demo, dev, {len(dev)} sentences\n" and err == ""
    read = read_file(output).sentences
    assert [(s.text, s.entities) for s in read] == [(s.text, s.entities) for s in dev]
    assert ("jsonl" in name) == (read == dev)  # with their ids


def test_texts_alone_are_a_line_each(odd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    output = tmp_path / "texts.txt"
    assert status("data", "export", str(odd), "--output", str(output)) == 0
    assert output.read_text(encoding="utf-8") == "北京 上海 \nNew York City\n"
    assert capsys.readouterr().err.splitlines() == [
        "empty texts left out: 1",
        "texts whose line breaks became spaces: 1",
    ]


def test_a_file_of_the_data_set_is_not_replaced(odd: Path, capsys: pytest.CaptureFixture[str]):
    before = odd.read_bytes()
    assert status("data", "export", str(odd.parent), "--output", str(odd)) == 2
    assert "train.jsonl is read: give --output another file" in capsys.readouterr().err
    assert odd.read_bytes() == before


def test_a_name_without_an_extension_is_a_folder_of_brat(odd: Path, tmp_path: Path):
    output = tmp_path / "brat"
    assert status("data", "export", str(odd), "--output", str(output)) == 0
    read, written = read_brat(output, whole=True).sentences, read_file(odd).sentences
    assert [(s.text, s.entities) for s in read] == [(s.text, s.entities) for s in written]


def test_words_are_tokens_where_that_is_asked_for(tmp_path: Path):
    text = "Ann flew to New York"
    entities = (entity_at(text, 0, 3, "PER"), entity_at(text, 12, 20, "LOC"))
    write_jsonl([Sentence(text, entities)], tmp_path / "train.jsonl")
    output = tmp_path / "out.conll"
    arguments = ("data", "export", str(tmp_path / "train.jsonl"), "--output", str(output))
    assert status(*arguments, "--words") == 0
    assert output.read_text() == "Ann\tB-PER\nflew\tO\nto\tO\nNew\tB-LOC\nYork\tI-LOC\n\n"
    assert read_file(output, "words").sentences[0].entities == entities
    for name in ("out.txt", "out.jsonl", "folder"):
        arguments = (*arguments[:-1], str(tmp_path / name))
        assert status(*arguments, "--words") == 2 and not (tmp_path / name).exists()


def test_what_is_no_file_is_written_to(odd: Path, tmp_path: Path):
    arguments = ("data", "export", str(odd), "--output")
    assert status(*arguments, str(tmp_path / "file.jsonl")) == 0
    written = (tmp_path / "file.jsonl").read_text(encoding="utf-8")
    (tmp_path / "old.jsonl").write_text("old")
    (tmp_path / "link.jsonl").symlink_to("old.jsonl")
    assert status(*arguments, str(tmp_path / "link.jsonl")) == 0
    assert (tmp_path / "link.jsonl").is_symlink()
    assert (tmp_path / "old.jsonl").read_text(encoding="utf-8") == written
    os.mkfifo(pipe := tmp_path / "pipe.jsonl")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_text, encoding="utf-8")
        assert status(*arguments, str(pipe)) == 0
        assert read.result(10) == written
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "out.conll",
            "sentence nested: X [4, 8) overlaps another entity: tags can't say so, JSONL",
        ),
        ("out.docx", "the extension doesn't tell the format; take .jsonl"),
        ("out.xz", "the extension doesn't tell the format; take .jsonl"),
        ("out.ann", "the extension doesn't tell the format; take .jsonl"),
        ("none/out.txt", "can't be written"),
    ],
)
def test_what_cant_be_written_is_one_line(
    name: str, message: str, odd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert status("data", "export", str(odd), "--output", str(tmp_path / name)) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err
    assert [line for line in err.splitlines() if line.startswith("error: ")] == [
        err.splitlines()[-1]
    ]
    assert [path.name for path in tmp_path.iterdir()] == [odd.name]
