"""Whole runs: what they write, resuming after kill -9, and DDP against one process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from decoupled_ner import DecoupledNER, load_model
from decoupled_ner.training.runs import dataset_slug, only_process
from training.tiny import Run

#: The last weights count: with dev in the training data nothing is selected on it.
LAST = "--data.fit_on=train+dev"

pytestmark = pytest.mark.slow


def test_a_run_writes_what_it_was(tiny_run: Run):
    folder = tiny_run.run("runs")
    result = json.loads((folder / "result.json").read_text())
    assert result["system"] == "decoupled" and result["split"] == "test"
    assert 0 <= result["overall"]["f1"] <= 1 and result["overall"]["candidate_recall"] > 0.3
    assert set(result["checksums"]) == {"train.jsonl", "dev.jsonl", "test.jsonl"}
    assert result["versions"]["torch"] == torch.__version__
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["data"]["batch_size"] == 10 and config["model"]["alpha"] == 0.5
    assert (folder / "logs" / "part-1" / "metrics.csv").is_file()
    assert list((folder / "logs" / "part-1").glob("events.out.tfevents*"))
    assert (folder / "report.html").is_file()
    ner = DecoupledNER.from_pretrained(folder / "model")
    assert isinstance(ner.predict_regions("篮协成立于1956年6月"), list)


def test_half_precision_trains_and_says_so(tiny_run: Run):
    folder = tiny_run.run("runs", "--trainer.max_epochs=1", "--trainer.precision=bf16-mixed")
    result = json.loads((folder / "result.json").read_text())
    assert result["dtype"] == "bfloat16" and 0 <= result["overall"]["f1"] <= 1
    weights = load_file(folder / "model" / "model.safetensors")
    assert all(weight.isfinite().all() for weight in weights.values())


def test_an_earlier_run_is_kept(tiny_run: Run):
    folder = tiny_run.run("runs", "--trainer.max_epochs=1")
    before = (folder / "result.json").read_text()
    tiny_run.run("runs", "--trainer.max_epochs=1")
    [moved] = folder.parent.glob("seed-1~*")
    assert (moved / "result.json").read_text() == before


def test_resuming_after_a_kill_gives_the_same_weights(
    tiny_run: Run, same_weights: Callable[[Path, Path, float], None]
):
    # all that a run carries from step to step and from epoch to epoch
    settings = (
        "--model.dropout=0.2",
        "--model.encoder_dropout=0.2",
        "--model.outside_bias=f1",
    )
    whole = tiny_run.run("whole", *settings)
    process = tiny_run.start("killed", *settings, "--trainer.max_epochs=2")
    checkpoint = tiny_run.result("killed") / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tiny_run.result("killed") / "model").exists(), "killed too late to show anything"
    other = tiny_run.start("killed", *settings, "--data.batch_size=3", "--ckpt_path", "last")
    output, _ = other.communicate(timeout=120)
    assert other.returncode == 2 and "data.batch_size=" in output.splitlines()[-1]
    assert "and would go on with 3: give it the same" in output
    resumed = tiny_run.run("killed", *settings, "--ckpt_path", "last")
    same_weights(whole, resumed, 0.0)
    first, second = (json.loads((run / "result.json").read_text()) for run in (whole, resumed))
    for name in ("steps", "items_seen", "tokens_seen"):
        assert first[name] == second[name] > 0
    for name in ("dev_f1", "outside_bias", "overall"):
        assert first[name] == second[name]


def test_two_processes_equal_one(tiny_run: Run, same_weights: Callable[[Path, Path, float], None]):
    settings = (LAST, "--model.class_weights=balanced")
    one = tiny_run.run("one", *settings)
    two = tiny_run.run("two", *settings, "--trainer.devices=2", "--trainer.accelerator=cpu")
    same_weights(one, two, 2e-4)
    first, second = (json.loads((run / "result.json").read_text()) for run in (one, two))
    assert first["overall"]["f1"] == pytest.approx(second["overall"]["f1"], abs=0.02)
    assert first["tokens_seen"] == second["tokens_seen"] > 0


def test_a_wrong_setting_leaves_the_earlier_run_alone(tiny_run: Run):
    folder = tiny_run.run("runs", "--trainer.max_epochs=1")
    for wrong, said in (
        ("--model.lrr=1", "lrr"),
        ("--data.batch_size=0", "error: batch_size=0 must be at least 1"),
        ("--trainer.devices=0", "error: "),
    ):
        output, _ = (process := tiny_run.start("runs", wrong)).communicate(timeout=120)
        assert process.returncode == 2
        assert said in output and "Traceback" not in output
        assert (folder / "model" / "config.json").is_file()
        assert [path.name for path in folder.parent.glob("[!.]*")] == ["seed-1"]


def test_two_processes_never_train_in_one_folder(tiny_run: Run):
    folder = tiny_run.result("runs")
    with only_process(folder):
        process = tiny_run.start("runs", "--trainer.max_epochs=1")
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 2 and "Traceback" not in output
    assert f"error: {folder}: another process is at work there" in output
    assert not folder.exists()
    tiny_run.run("runs", "--trainer.max_epochs=1")  # now that it is alone


def test_where_nothing_can_be_written_is_one_line(tiny_run: Run):
    (tiny_run.folder / "file").touch()
    process = tiny_run.start("file/runs", "--trainer.max_epochs=1")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "error: " in output and "can't be written" in output and "Traceback" not in output


def test_validating_less_often_than_an_epoch_lasts_is_one_line(tiny_run: Run):
    process = tiny_run.start("runs", "--trainer.val_check_interval=10000")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert output.splitlines()[-1].startswith("error: `val_check_interval` (10000) must be")
    assert "Traceback" not in output


def test_data_without_a_test_split_is_scored_on_dev(tiny_run: Run):
    (tiny_run.folder / "data" / "test.jsonl").unlink(missing_ok=True)
    folder = tiny_run.run("runs", "--trainer.max_epochs=1", "--data.fit_on=train")
    result = json.loads((folder / "result.json").read_text())
    assert result["split"] == "dev" and result["overall"]["f1"] == pytest.approx(result["dev_f1"])
    assert (folder / "report.html").is_file()


def test_nothing_to_resume_is_one_line(tiny_run: Run):
    process = tiny_run.start("none", "--ckpt_path", "last")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert output.startswith("error: nothing to resume")


def run_tagger(run: Run, runs: str, name: str, *arguments: str) -> Path:
    """Train one on the data of ``run``; its folder."""
    done = subprocess.run(
        [
            sys.executable, "-m", "decoupled_ner.cli", "tagger", name,
            "--dataset", str(run.folder / "data"), "--encoder", run.encoder, "--seed", "3",
            "--trainer.max_epochs=1", "--trainer.precision=32-true", *arguments,
        ],
        env={**os.environ, "DECOUPLED_NER_RUNS": str(run.folder / runs), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    system = f"{dataset_slug(str(run.folder / 'data'))}-{name}"
    [folder] = (run.folder / runs / "tagger" / system).glob("*/seed-3")
    return folder


def test_a_tagger_trains_under_the_same_report(tiny_run: Run):
    folder = run_tagger(tiny_run, "runs", "bert-crf")
    result = json.loads((folder / "result.json").read_text())
    assert result["system"] == "bert-crf" and result["lost_training_entities"] == 0
    assert result["overall"]["candidate_recall"] is None
    assert isinstance(load_model(folder / "model").predict_regions("他去了北京"), list)


@pytest.mark.parametrize("name", ["bert-bilstm-crf", "softlexicon"])
def test_two_processes_train_the_tagger_of_one(
    name: str, tiny_run: Run, same_weights: Callable[[Path, Path, float], None]
):
    parts = {"dropout": 0, "encoder_dropout": 0}
    if name == "softlexicon":
        lexicon = tiny_run.folder / "words.txt"
        lexicon.write_text("中国\n北京\n上海\n公司\n", encoding="utf-8")
        dims = dict.fromkeys(("unit_dim", "bigram_dim", "lexicon_dim"), 8)
        parts = {"dropout": 0, "embeddings": "null", "lexicon": lexicon, **dims}
    given = [f"--model.parts.{part}={value}" for part, value in parts.items()]
    one = run_tagger(tiny_run, "one", name, *given)
    two = run_tagger(
        tiny_run, "two", name, *given, "--trainer.devices=2", "--trainer.accelerator=cpu"
    )
    same_weights(one, two, 2e-4)
    first, second = (json.loads((run / "result.json").read_text()) for run in (one, two))
    assert first["dev_f1"] == second["dev_f1"]
    assert first["tokens_seen"] == second["tokens_seen"] > 0
