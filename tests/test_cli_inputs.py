"""What commands make of odd inputs, called in this process."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from command import status
from terminal import put_terminal

from decoupled_ner import DecoupledNER
from decoupled_ner.candidates import NGrams
from decoupled_ner.data.files import PACKED
from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.locations import recipe_folder
from decoupled_ner.models.decoupled import DecoupledConfig, DecoupledModel
from decoupled_ner.models.encoder import load_encoder, load_encoder_config, load_tokenizer
from decoupled_ner.types import Sentence, entity_at


@pytest.fixture(scope="module")
def model(tiny_encoder: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    config = DecoupledConfig(
        encoder=load_encoder_config(tiny_encoder).to_dict(), labels=["O", "PER"]
    )
    network = DecoupledModel.from_encoders(config, load_encoder(tiny_encoder), None)
    ner = DecoupledNER(network, load_tokenizer(tiny_encoder), NGrams(max_length=2), device="cpu")
    return str(ner.save_pretrained(tmp_path_factory.mktemp("cli") / "model"))


@pytest.mark.parametrize("form", ["jsonl", "conll", "html", "terminal"])
def test_an_empty_file_gives_no_sentence(
    form: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "empty.txt").touch()
    assert status("predict", str(tmp_path / "empty.txt"), "--model", model, "--format", form) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "0 entities in 0 sentences" in out if form == "html" else out == ""


def test_a_folder_or_an_unreadable_file_is_one_line(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    good, latin, closed = (tmp_path / name for name in ("good.txt", "latin.txt", "closed.txt"))
    good.write_text("他去了北京\n", encoding="utf-8")
    latin.write_bytes("ok\ncaf\xe9\n".encode("latin-1"))
    closed.touch()
    opened = Path.open

    def open_unless_closed(path: Path, *arguments: object, **options: object) -> object:
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", open_unless_closed)
    for path, message in (
        (tmp_path, "a folder; name the files in it"),
        (tmp_path / "none.txt", "no such file"),
        (good / "inside", "can't be read (Not a directory)"),
        (closed, "can't be read (Permission denied)"),
        (latin, "latin.txt:2: not UTF-8"),
    ):
        output = tmp_path / "out.jsonl"
        arguments = ("predict", str(good), str(path), "--model", model, "--output", str(output))
        assert status(*arguments) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("error: ") and err.count("\n") == 1
        assert message in err
        assert not output.exists() and len(list(tmp_path.iterdir())) == 3


def test_text_that_cannot_be_read_to_its_end_is_told_before_the_work(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    text = tmp_path / "a.txt"
    text.write_bytes("篮协\n".encode() * 200 + b"\xff\n")
    assert status("predict", str(text), "--model", model) == 2
    out, err = capsys.readouterr()
    assert not out and "a.txt:201: not UTF-8" in err and err.count("\n") == 1
    assert status("predict", str(text), "--model", model, "--limit", "2") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_packed_text_is_read_as_it_is(
    pack: Callable[[bytes], bytes], model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    content = "\ufeff他去了北京\r\n上海".encode()
    plain, packed = tmp_path / "a.txt", tmp_path / f"b.txt{PACKED[pack is gzip.compress]}"
    plain.write_bytes(content)
    packed.write_bytes(pack(content))
    assert status("predict", str(plain), "--model", model) == 0
    expected = capsys.readouterr().out
    assert status("predict", str(packed), "--model", model) == 0
    assert capsys.readouterr().out == expected and expected.count("\n") == 2
    packed.write_bytes(pack(content)[:-9])
    assert status("predict", str(packed), "--model", model) == 2
    err = capsys.readouterr().err.splitlines()[-1]
    assert err.startswith(f"error: {packed}: damaged {packed.suffix} file")


def test_a_pipe_is_read(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    read, write = os.pipe()
    os.write(write, "\ufeff北京\r\n上海".encode())
    os.close(write)
    assert status("predict", f"/dev/fd/{read}", "--model", model) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["北京", "上海"]


@pytest.mark.parametrize(("limit", "amount"), [((), "3/3"), (("--limit", "2"), "2/2")])
def test_predicting_files_shows_how_far_it_is(
    limit: tuple[str, ...],
    amount: str,
    model: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    (tmp_path / "in.txt").write_text("北京\n\n上海", encoding="utf-8")
    terminal = put_terminal(monkeypatch)
    arguments = ("predict", str(tmp_path / "in.txt"), "--model", model, *limit)
    assert status(*arguments, "--output", str(tmp_path / "out.jsonl")) == 0
    assert "predicting" in terminal.shown and f"{amount} sentences" in terminal.shown
    assert status(*arguments) == 0  # standard output is no terminal here
    assert capsys.readouterr().out == (tmp_path / "out.jsonl").read_text()
    before = terminal.shown
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert status(*arguments) == 0
    assert terminal.shown == before


def test_dictionaries_and_ngrams_are_added_to_a_report(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    text = "他在中华人民共和国工作"
    write_jsonl([Sentence(text, (entity_at(text, 2, 9, "GPE"),))], tmp_path / "dev.jsonl")
    first, second = (tmp_path / name for name in ("first.txt", "second.txt"))
    first.write_text("中华人民共和国\n", encoding="utf-8")
    second.write_text("工作\n", encoding="utf-8")
    arguments = ("candidates", "report", "--dataset", str(tmp_path), "--model", model)
    added = ("--gazetteer", str(first), "--gazetteer", str(second), "--ngrams", "7")
    assert status(*arguments, *added, "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["generators"]}
    assert {name: row["recall"] for name, row in rows.items()} == {
        "ngrams": 0.0,
        f"gazetteer:{first}": 1.0,
        f"gazetteer:{second}": 0.0,
        "ngrams:7": 1.0,
    }
    assert rows[f"gazetteer:{second}"]["candidates_per_sentence"] == 1.0
    assert status(*arguments, *added) == 0
    assert "…" not in capsys.readouterr().out
    for mistake, message in (
        (("--gazetteer", "nowhere.txt"), "nowhere.txt"),
        (("--ngrams", "0"), "must be at least 1"),
    ):
        assert status(*arguments, *mistake) == 2
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1


def test_candidates_of_a_data_set_without_a_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    china = Sentence("中美会谈", (entity_at("中美会谈", 0, 1, "LOC"),))
    for split in ("train", "dev"):
        write_jsonl([china], tmp_path / f"{split}.jsonl")
    assert status("candidates", "report", "--dataset", str(tmp_path), "--json") == 0
    out, err = capsys.readouterr()
    rows = {row["name"]: row for row in json.loads(out)["generators"]}
    assert err.count("\n") == 1 and "demo-small.yaml" in err
    assert {"jieba", "lac", "train-mentions"} <= rows.keys()
    assert rows["train-mentions"]["only_recall"] == 1.0
    (tmp_path / "train.jsonl").unlink()
    assert status("candidates", "report", "--dataset", str(tmp_path), "--json") == 0
    names = [row["name"] for row in json.loads(capsys.readouterr().out)["generators"]]
    assert "jieba" in names and "train-mentions" not in names
    arguments = ("candidates", "report", "--dataset", str(tmp_path), "--recipe", "conll2003")
    assert status(*arguments, "--json") == 0
    out, err = capsys.readouterr()
    assert [row["name"] for row in json.loads(out)["generators"]] == ["word-ngrams"]
    assert "conll2003-small.yaml" in err


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_what_a_split_holds_is_no_candidate_on_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], split: str
):
    recipe = yaml.safe_load((recipe_folder("unify") / "demo-small.yaml").read_text("utf-8"))
    recipe["data"]["fit_on"] = "test" if split == "test" else "train+dev"
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe), "utf-8")
    command = ("candidates", "report", "--dataset", "demo", "--recipe", str(path))
    assert status(*command, "--split", split) == 2
    err = capsys.readouterr().err
    told = "never trained on it" if split == "test" else f"all mentions of {split} are among"
    assert told in err and err.count("\n") == 1
