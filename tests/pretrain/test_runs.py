"""Whole runs of stage 1, as users start them: saved encoders, resuming, DDP, what starts where."""

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
from training.tiny import check_same_weights
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

from decoupled_ner.training.runs import encoder_slug

pytestmark = pytest.mark.slow

SETTINGS = """
data: {batch_size: 10, held_out: 0.1}
model: {lr: 1.0e-3, dropout: 0.0}
trainer:
  max_epochs: 2
  precision: 32-true
  enable_progress_bar: false
  enable_model_summary: false
resume_point: {every_n_steps: 2}
"""


class Stage:
    """Starts ``decoupled-ner pretrain STAGE`` with a tiny encoder."""

    def __init__(self, folder: Path, encoder: str, **data: str) -> None:
        self.folder, self.encoder, self.data = folder, encoder, data
        (folder / "tiny.yaml").write_text(SETTINGS)

    def start(self, runs: str, stage: str, *arguments: str) -> subprocess.Popen[str]:
        option = {"mention": "gazetteer", "context": "distant"}[stage]
        return self.command(
            runs, "pretrain", stage, f"--{option}", self.data[option], "--encoder", self.encoder,
            "--config", str(self.folder / "tiny.yaml"), *arguments,
        )  # fmt: skip

    def command(self, runs: str, *arguments: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "DECOUPLED_NER_RUNS": str(self.folder / runs)}
        return subprocess.Popen(
            [sys.executable, "-m", "decoupled_ner.cli", *arguments],
            env={**environment, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, runs: str, stage: str, *arguments: str) -> str:
        return finished(self.start(runs, stage, *arguments))

    def result(self, runs: str, stage: str) -> Path:
        return self.folder / runs / "pretrain" / stage / encoder_slug(self.encoder) / "seed-1"


def finished(process: subprocess.Popen[str]) -> str:
    try:
        output, _ = process.communicate(timeout=200)
    finally:
        process.kill()  # nothing is left behind where it takes too long
    assert process.returncode == 0, output
    return output


@pytest.fixture
def stage(tmp_path: Path, masked_lm: str, gazetteer: str, distant: str) -> Stage:
    return Stage(tmp_path, masked_lm, gazetteer=gazetteer, distant=distant)


@pytest.fixture
def same_weights() -> Callable[[Path, Path, float], None]:
    def check(first: Path, second: Path, tolerance: float) -> None:
        weights = (run / "encoder" / "model.safetensors" for run in (first, second))
        check_same_weights(*weights, tolerance)

    return check


def test_mention_then_context_then_unified(stage: Stage, masked_lm: str):
    said = stage.run("runs", "mention", "--data.exclude_mentions_of", "demo")
    mention = stage.result("runs", "mention")
    assert f"starts from {masked_lm}" in said and f"encoder {mention / 'encoder'}" in said
    result = json.loads((mention / "result.json").read_text())
    assert result["stage"] == "mention" and result["init"] == masked_lm
    assert {"accuracy", "f1", "f1/PER", "f1/GPE", "f1/O"} <= result["held_out"].keys()
    assert result["entries"].keys() == {"O", "PER", "GPE"}
    before, after = (
        AutoModelForMaskedLM.from_pretrained(folder) for folder in (masked_lm, mention / "encoder")
    )
    for name, weight in before.cls.state_dict().items():
        tied = name.endswith("decoder.weight")
        assert torch.equal(weight, after.cls.state_dict()[name]) != tied

    said = stage.run("runs", "context")
    context = stage.result("runs", "context")
    assert f"starts from {mention / 'encoder'}, the newest stage-1 encoder that fits" in said
    result = json.loads((context / "result.json").read_text())
    assert result["init"] == str(mention / "encoder") and result["encoder"] == masked_lm
    assert {"mlm", "mlm_accuracy", "accuracy", "f1/PER"} <= result["held_out"].keys()
    assert (context / "curves.svg").is_file() and (context / "config.yaml").is_file()
    encoder = AutoModel.from_pretrained(context / "encoder")
    tokens = AutoTokenizer.from_pretrained(context / "encoder")("任正非", return_tensors="pt")
    assert encoder(**tokens).last_hidden_state.shape[-1] == encoder.config.hidden_size

    small = ("--data.train_sentences=20", "--data.negatives_per_positive=1")
    short = ("--trainer.max_epochs=1", "--trainer.precision=32-true")
    unify = ("unify", "demo", "--encoder", masked_lm, *small, *short)
    said = finished(stage.command("runs", *unify, "--trainer.enable_progress_bar=false"))
    assert f"starts from {context / 'encoder'}, the newest" in said
    folder = stage.folder / "runs" / "unify" / "demo" / encoder_slug(masked_lm) / "seed-1"
    result = json.loads((folder / "result.json").read_text())
    assert result["init"] == str(context / "encoder") and result["encoder"] == masked_lm


def test_context_first_then_mention_from_a_path(stage: Stage):
    said = stage.run("runs", "context", "--name", "context-social", "--trainer.max_epochs=1")
    assert "no mention run" in said
    context = stage.result("runs", "context-social") / "encoder"
    said = stage.run("runs", "mention", "--init", "auto", "--trainer.max_epochs=1")
    assert f"starts from {context}, the newest" in said
    stage.encoder = str(context)
    stage.run("runs", "mention", "--trainer.max_epochs=1")  # by name the same run again
    runs = context.parents[3] / "mention" / context.parents[1].name
    assert len(list(runs.glob("seed-1*"))) == 2


BOTH = pytest.mark.parametrize("name", ["mention", "context"])
EFFORT = ("steps", "items_seen", "tokens_seen")


def effort(folder: Path) -> dict[str, int]:
    result = json.loads((folder / "result.json").read_text())
    assert result["train_seconds"] > 0
    return {key: result[key] for key in EFFORT}


@BOTH
def test_resuming_after_a_kill_gives_the_same_weights(
    stage: Stage, name: str, same_weights: Callable[[Path, Path, float], None]
):
    stage.run("whole", name)
    process = stage.start("killed", name)
    checkpoint = stage.result("killed", name) / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    whole, killed = (stage.result(runs, name) for runs in ("whole", "killed"))
    assert not (killed / "encoder").exists(), "killed too late to show anything"
    stage.run("killed", name, "--ckpt_path", "last")
    same_weights(whole, killed, 0.0)
    assert effort(killed) == effort(whole) and all(effort(whole).values())


@BOTH
def test_two_processes_equal_one(
    stage: Stage, name: str, same_weights: Callable[[Path, Path, float], None]
):
    # Dropout draws other numbers in other processes.
    config = Path(stage.encoder) / "config.json"
    without = stage.folder / "encoder-without-dropout"
    without.mkdir()
    for file in config.parent.iterdir():
        (without / file.name).write_bytes(file.read_bytes())
    settings = json.loads(config.read_text()) | {"hidden_dropout_prob": 0.0}
    (without / "config.json").write_text(json.dumps(settings))
    stage.encoder = str(without)
    stage.run("one", name)
    stage.run("two", name, "--trainer.devices=2", "--trainer.accelerator=cpu")
    one, two = (stage.result(runs, name) for runs in ("one", "two"))
    same_weights(one, two, 2e-4)
    first, second = (json.loads((run / "result.json").read_text()) for run in (one, two))
    assert second["held_out"] == pytest.approx(first["held_out"], abs=1e-3)
    assert effort(two) == effort(one)


def test_a_bare_run_says_what_it_takes(stage: Stage, masked_lm: str):
    few = ("--data.entries_per_epoch=32", "--trainer.max_epochs=1", "--trainer.precision=32-true")
    quiet = "--trainer.enable_progress_bar=false"
    arguments = ("pretrain", "mention", "--encoder", masked_lm, *few, quiet)
    said = finished(stage.command("runs", *arguments))
    assert "gazetteer: the small dictionaries in gazetteers/seed" in said
    result = json.loads((stage.result("runs", "mention") / "result.json").read_text())
    assert result["entries"].keys() == {"O", "PER", "ORG", "GPE", "LOC"}
