"""The command line, as users type it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from decoupled_ner import DecoupledNER, predict_regions
from decoupled_ner.candidates import NGrams
from decoupled_ner.inference.model import _load_default
from decoupled_ner.models.decoupled import DecoupledConfig, DecoupledModel
from decoupled_ner.models.encoder import load_encoder, load_encoder_config, load_tokenizer
from decoupled_ner.types import InputError


@pytest.fixture(scope="module")
def model(tiny_encoder: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    config = DecoupledConfig(
        encoder=load_encoder_config(tiny_encoder).to_dict(),
        labels=["O", "PER", "ORG", "GPE", "LOC"],
        max_context_tokens=64,
    )
    network = DecoupledModel.from_encoders(config, load_encoder(tiny_encoder), None)
    torch.nn.init.normal_(network.global_classifier.weight)
    ner = DecoupledNER(network, load_tokenizer(tiny_encoder), NGrams(max_length=2), device="cpu")
    return str(ner.save_pretrained(tmp_path_factory.mktemp("cli") / "model"))


def run(*arguments: str, stdin: str = "", status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "decoupled_ner.cli", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def test_predict_reads_and_writes_every_form(model: str, tmp_path: Path):
    texts = ["篮协成立于1956年6月", "", "他去了北京"]
    (tmp_path / "in.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    done = run("predict", str(tmp_path / "in.txt"), "-", "--model", model, stdin="东盟峰会\n")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["text"] for line in lines] == [*texts, "东盟峰会"]
    for line in lines:
        for entity in line["entities"]:
            assert line["text"][entity["start"] : entity["end"]] == entity["text"]
    assert any(line["entities"] for line in lines)
    page = tmp_path / "page.html"
    run(
        "predict", "--text", "<b>北京</b>", "--model", model,
        "--format", "html", "--output", str(page),
    )  # fmt: skip
    assert "&lt;" in page.read_text() and "<b>北京" not in page.read_text()
    assert [path.name for path in tmp_path.glob("*.html")] == ["page.html"]
    conll = run("predict", "--text", "北京", "--model", model, "--format", "conll").stdout
    assert [line.split("\t")[0] for line in conll.splitlines() if line] == ["北", "京"]
    english = ("predict", "--text", "去 New York", "--model", model, "--words", "--format")
    conll = run(*english, "conll").stdout
    assert [line.split("\t")[0] for line in conll.splitlines() if line] == ["去", "New", "York"]
    assert "--words is for CoNLL" in run(*english, "jsonl", status=2).stderr
    shown = run("predict", "--text", "去北京", "--model", model, "--format", "terminal").stdout
    assert "".join(c for c in shown if c in "去北京") == "去北京"


def test_explain_and_evaluate(model: str, tmp_path: Path):
    explained = json.loads(run("explain", "篮协成立", "--model", model, "--json").stdout)
    assert explained[0]["sources"] == ["ngrams"]
    assert "mention only" in run("explain", "篮协成立", "--model", model).stdout
    report = tmp_path / "report.html"
    arguments = ("evaluate", model, "--dataset", "demo", "--bootstrap", "20")
    result = json.loads(run(*arguments, "--json", "--html", str(report)).stdout)
    assert result["split"] == "test" and 0 < result["overall"]["candidate_recall"] < 1
    assert set(result["errors"]) == {"type", "boundary", "missed", "spurious"}
    assert report.read_text().startswith("<!doctype html>")


def test_reports():
    data = json.loads(run("data", "report", "demo", "--json").stdout)
    assert data["splits"]["train"]["sentences"] == 600
    assert "train" in run("data", "report", "demo").stdout
    found = json.loads(run("candidates", "report", "--dataset", "demo", "--json").stdout)
    assert found["union"]["recall"] > 0.8
    assert found["union"]["f1_ceiling"] >= found["union"]["recall"]


def test_gazetteer_verbs(tmp_path: Path):
    built = str(tmp_path / "gazetteer")
    run("gazetteer", "build", built)
    assert json.loads(run("gazetteer", "report", built, "--json").stdout)["mentions"] > 500
    run("gazetteer", "add", built, "篮协", "ORG")
    assert json.loads(run("gazetteer", "lookup", built, "篮协", "--json").stdout)["type"] == "ORG"
    agreement = run("gazetteer", "report", built, "--dataset", "demo", "--json").stdout
    assert 0 < json.loads(agreement)["coverage"] < 1
    run("gazetteer", "remove", built, "篮协")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("predict", "nothing.txt"), "nothing.txt: no such file"),
        (
            ("predict", "--text", "字", "--model", "no/such/model"),
            "neither a directory nor a hub id",
        ),
        (("evaluate", ".", "--dataset", "demo"), "no config.json there"),
        (("evaluate", ".", "--dataset", "demo", "--html", "."), ". is a folder: name a file"),
        (("predict", "same.txt", "--output", "./same.txt"), "same.txt is read: give --output"),
        (
            ("candidates", "report", "--dataset", "demo", "--model", "x", "--recipe", "demo"),
            "leave out --recipe",
        ),
        (("data", "report", "nowhere"), "nowhere"),
        (("unify", "nothing"), "no recipe 'nothing' in unify/; there are conll2003"),
        (("unify", "demo", "--encoder", "no/such"), "'no/such' can't be loaded"),
        (("unify", "demo", "--model.encoder=x"), "--model.encoder: give --encoder in place of it"),
        (("tagger", "bert-fc", "--dataset", "demo", "--seed_everything", "7"), "give --seed in"),
        (
            ("unify", "demo", "--init", "none", "--model.lrr", "1"),
            "unrecognized arguments: --model",
        ),
        (("unify", "demo", "--ckpt_path", "elsewhere"), "--ckpt_path takes 'last'"),
        (("tagger", "bilstm", "--dataset", "demo", "--init", "auto"), "bilstm reads no encoder"),
        (("augment", "--dataset", "demo", "--output", "out.txt"), "name it .jsonl"),
        (("embeddings", "train", "--text", "none.txt"), "none.txt: no such text file"),
        (
            ("gazetteer", "build", "out", "--sources", "no-such"),
            "no recipe 'no-such' in gazetteers/",
        ),
        (("gazetteer", "report", ".", "--fold", "GPE=LOC"), "--fold and --split are for"),
        (("gazetteer", "report", ".", "--split", "dev"), "--fold and --split are for coverage"),
        (("distant", "audit", ".", "--fold", "GPE=LOC"), "--fold is for agreement with gold"),
        (("compare", "--dataset", "demo"), "give --dataset and --systems, or --experiment"),
        (("compare", "--dataset", "demo", "--systems", ","), "give names, with commas"),
    ],
)
def test_mistakes_are_one_line(
    arguments: tuple[str, ...], message: str, model: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if arguments[0] == "predict" and "--model" not in arguments:
        arguments = (*arguments, "--model", model)
    done = run(*arguments, status=2)
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_no_model_yet_says_what_to_do():
    code = "from decoupled_ner import predict_regions; predict_regions('北京')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "run `make demo`, or set DECOUPLED_NER_MODEL" in done.stderr


def test_a_run_in_a_models_place_is_one_line(model: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DECOUPLED_NER_MODEL", str(Path(model).parent))
    with pytest.raises(InputError, match=r"config\.json"):
        predict_regions("北京")


def test_threads_that_come_first_together_load_the_model_once(
    model: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DECOUPLED_NER_MODEL", model)
    load, loaded = DecoupledNER.from_pretrained, list[str]()

    def counted(directory: Path) -> DecoupledNER:
        loaded.append(str(directory))
        return load(directory, device="cpu")

    monkeypatch.setattr(DecoupledNER, "from_pretrained", counted)
    _load_default.cache_clear()
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(predict_regions, ["他在北京"] * 12))
    assert loaded == [model] and all(entities == found[0] for entities in found)


def test_predicting_imports_no_lightning():
    code = (
        "import sys, decoupled_ner.inference.load, decoupled_ner.candidates.union;"
        "print([m for m in ('pytorch_lightning', 'torchmetrics', 'ltp') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
