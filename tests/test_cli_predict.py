"""What ``predict``, ``explain`` and ``evaluate`` write, called in this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command import status

from decoupled_ner import DecoupledNER
from decoupled_ner.candidates import NGrams
from decoupled_ner.data.formats import read_file
from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.gazetteer import Gazetteer
from decoupled_ner.models.decoupled import DecoupledConfig, DecoupledModel
from decoupled_ner.models.encoder import load_encoder, load_encoder_config, load_tokenizer
from decoupled_ner.types import Region, Sentence, entity_at

LABEL = "PRODUCT-OR-SERVICE"


@pytest.fixture(scope="module")
def model(tiny_encoder: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Every candidate is an entity to it, and its own policy is ``nested``."""
    config = DecoupledConfig(
        encoder=load_encoder_config(tiny_encoder).to_dict(), labels=["O", LABEL], overlap="nested"
    )
    network = DecoupledModel.from_encoders(config, load_encoder(tiny_encoder), None)
    with torch.no_grad():
        network.global_classifier.weight.zero_()
        network.global_classifier.bias.copy_(torch.tensor([0.0, 3.0]))
    ner = DecoupledNER(network, load_tokenizer(tiny_encoder), NGrams(max_units=2), device="cpu")
    return str(ner.save_pretrained(tmp_path_factory.mktemp("cli") / "model"))


def test_conll_leaves_empty_texts_out_and_says_so(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "in.txt").write_text("北京\n\n \n上海\n\n", encoding="utf-8")
    arguments = ("predict", str(tmp_path / "in.txt"), "--model", model, "--overlap", "best")
    assert status(*arguments, "--format", "conll") == 0
    out, err = capsys.readouterr()
    begin = f"B-{LABEL}"
    assert out == f"北\t{begin}\n京\t{begin}\n\n \tO\n\n上\t{begin}\n海\t{begin}\n\n"
    assert err == "empty texts left out, which CoNLL can't hold: 2\n"
    assert status(*arguments, "--output", str(tmp_path / "out.conll")) == 0
    assert (tmp_path / "out.conll").read_text(encoding="utf-8") == out


def test_a_data_sets_sentences_keep_their_ids_and_its_files_stay(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    gold = tmp_path / "test.jsonl"
    write_jsonl([Sentence("北京", (entity_at("北京", 0, 2, LABEL),), id="first")], gold)
    before = gold.read_bytes()
    arguments = ("predict", "--dataset", str(tmp_path), "--model", model)
    assert status(*arguments) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "first"
    assert status(*arguments, "--output", str(gold)) == 2
    assert "test.jsonl is read: give --output another file" in capsys.readouterr().err
    assert gold.read_bytes() == before


def test_conll_refuses_half_of_a_surrogate_pair_and_says_where(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_jsonl([Sentence("好\ud800", id="odd")], tmp_path / "test.jsonl")
    arguments = ("predict", "--dataset", str(tmp_path), "--model", model, "--overlap", "best")
    assert status(*arguments, "--format", "conll") == 2
    assert "odd: CoNLL can't hold half of a surrogate pair" in capsys.readouterr().err


@pytest.mark.parametrize("overlap", [(), ("--overlap", "outermost")])
def test_conll_of_overlapping_entities_is_refused_before_anything_is_written(
    overlap: tuple[str, ...], model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = ("predict", "--text", "好", "--text", "北京", "--model", model, *overlap)
    for further in (("--format", "conll"), ("--output", str(tmp_path / "out.conll"))):
        assert status(*arguments, *further) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1
        assert "give --overlap best, or --format jsonl" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("overlap", "found"), [("best", 2), ("outermost", 2), ("nested", 3)])
def test_the_overlap_policy_can_be_chosen(
    overlap: str, found: int, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    chosen = ("--overlap", overlap)
    assert status("predict", "--text", "北京", "--model", model, *chosen) == 0
    assert len(json.loads(capsys.readouterr().out)["entities"]) == found
    write_jsonl([Sentence("北京", (entity_at("北京", 0, 1, LABEL),))], tmp_path / "test.jsonl")
    arguments = ("evaluate", model, "--dataset", str(tmp_path), "--bootstrap", "0", "--json")
    assert status(*arguments, *chosen) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["overlap"] == overlap
    assert result["overall"]["precision"] == pytest.approx(1 / found)
    assert status(*arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert "overlap" not in result and result["overall"]["precision"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_an_unknown_policy_is_one_line(command: str, capsys: pytest.CaptureFixture[str]):
    arguments = {
        "predict": ("predict", "--text", "字", "--model", "no/such"),
        "evaluate": ("evaluate", "no/such", "--dataset", "demo"),
    }
    assert status(*arguments[command], "--overlap", "flat") == 2
    err = capsys.readouterr().err
    assert "no overlap policy 'flat'; choose one of best" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("out.html", "<!doctype html>"),
        ("out.jsonl", '{"id": "", "text": "北京"'),
        ("out.conll", f"北\tB-{LABEL}"),
        ("out.bio", f"北\tB-{LABEL}"),
        ("out.bmes", f"北\tS-{LABEL}"),
    ],
)
def test_the_extension_tells_the_format(name: str, begins: str, model: str, tmp_path: Path):
    output = tmp_path / name
    arguments = ("predict", "--text", "北京", "--model", model, "--overlap", "best")
    assert status(*arguments, "--output", str(output)) == 0
    assert output.read_text(encoding="utf-8").startswith(begins)
    if name != "out.html":
        packed = tmp_path / f"{name}.xz"
        assert status(*arguments, "--output", str(packed)) == 0
        (sentence,) = read_file(packed).sentences
        assert [e.label for e in sentence.entities] == [LABEL, LABEL]
    assert status(*arguments, "--output", str(output), "--format", "jsonl") == 0
    assert json.loads(output.read_text(encoding="utf-8"))["text"] == "北京"


@pytest.mark.parametrize("name", ["out", "out.docx", "out.ann"])
def test_an_extension_that_tells_nothing_is_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / name
    assert status("predict", "--text", "字", "--model", "no/such", "--output", str(output)) == 2
    err = capsys.readouterr().err
    assert f"{name}: the extension doesn't tell the format" in err and err.count("\n") == 1


def columns_shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The columns of a printed table, each with its folded cells put together."""
    out = capsys.readouterr().out
    assert "…" not in out
    rows = [line.split("│")[1:-1] for line in out.splitlines() if "│" in line]
    return ["".join(cell.strip() for cell in column) for column in zip(*rows, strict=True)]


def test_narrow_tables_cut_no_name(
    model: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("COLUMNS", "80")
    assert status("explain", "internationalisierung", "--model", model) == 0
    columns = columns_shown(capsys)
    assert columns[0].startswith("internationalisierung")
    assert columns[2].startswith(LABEL) and columns[6].startswith("ngrams")
    write_jsonl([Sentence("北京", (entity_at("北京", 0, 1, LABEL),))], tmp_path / "test.jsonl")
    assert status("evaluate", model, "--dataset", str(tmp_path)) == 0
    assert columns_shown(capsys)[0] == f"all{LABEL}"


def test_explain_shows_brackets_as_they_are(
    model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(NGrams, "propose", lambda self, text: [Region(0, len(text))])
    for text in ("[MASK]", "[/b]"):
        assert status("explain", text, "--model", model) == 0
        assert columns_shown(capsys)[0] == text


def test_a_gazetteer_in_place_of_the_models_own(
    model: str, tiny_encoder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Gazetteer.from_mentions({"北京": [LABEL]})
    config = DecoupledConfig(
        encoder=load_encoder_config(tiny_encoder).to_dict(),
        labels=["O", LABEL],
        gazetteer_labels=list(own.labels),
    )
    network = DecoupledModel.from_encoders(config, load_encoder(tiny_encoder), None)
    with torch.no_grad():  # only what the gazetteer says counts
        network.global_classifier.weight.zero_()
        network.global_classifier.bias.copy_(torch.tensor([0.0, -3.0]))
        network.gazetteer_classifier.weight.copy_(torch.tensor([[0.0], [6.0]]))
    generator = NGrams(max_units=2)
    ner = DecoupledNER(network, load_tokenizer(tiny_encoder), generator, own, device="cpu")
    reading = str(ner.save_pretrained(tmp_path / "reading"))
    newer = tmp_path / "newer.tsv"
    newer.write_text(f"上海\t{LABEL}\n", encoding="utf-8")

    arguments = ("predict", "--text", "北京上海", "--model", reading)
    found = []
    for further in ((), ("--gazetteer", str(newer))):
        assert status(*arguments, *further) == 0
        found.append(json.loads(capsys.readouterr().out)["entities"])
    assert [[e["text"] for e in entities] for entities in found] == [["北京"], ["上海"]]

    explain = ("explain", "北京", "--model", reading)
    assert status(*explain, "--json") == 0
    knows = {c["text"]: c["known"] for c in json.loads(capsys.readouterr().out)}
    assert knows == {"北": {}, "京": {}, "北京": {LABEL: 1.0}}
    assert status(*explain) == 0
    assert f"{LABEL} 1.00" in columns_shown(capsys)[6]
    write_jsonl([Sentence("上海", (entity_at("上海", 0, 2, LABEL),))], tmp_path / "test.jsonl")
    evaluate = ("evaluate", reading, "--dataset", str(tmp_path), "--bootstrap", "0", "--json")
    for further, recall in (((), 0.0), (("--gazetteer", str(newer)), 1.0)):
        assert status(*evaluate, *further) == 0
        assert json.loads(capsys.readouterr().out)["overall"]["recall"] == recall
    assert status("predict", "--text", "北", "--model", model, "--gazetteer", str(newer)) == 2
    assert "this model was trained without a gazetteer" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-8", "gbk", "ascii"])
def test_what_the_output_cannot_hold_is_printed_as_json_has_it(
    encoding: str, model: str, tmp_path: Path
):
    (tmp_path / "test.jsonl").write_text('{"text": "东\\ud83d盟é😀", "entities": []}\n')
    command = (sys.executable, "-m", "decoupled_ner.cli", "predict", "--model", model)
    done = subprocess.run(
        [*command, "--dataset", str(tmp_path)],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
        encoding=encoding,
    )
    assert json.loads(done.stdout)["text"] == "东\ud83d盟é😀"
