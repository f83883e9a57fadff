"""Whole runs of encoder pre-training, as users start them."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import torch
from training.tiny import check_same_weights
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

from decoupled_ner.cli import main
from decoupled_ner.models.encoder import load_encoder, load_tokenizer
from decoupled_ner.training.runs import encoder_slug
from pretrain.corpus_text import write_text

# A whole run meets warnings that libraries have for each other.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SETTINGS = """
data: {batch_size: 8, block_length: 32, lines: 0.5, held_out: 0.1, validation_blocks: 20}
model: {layers: 1, hidden_size: 32, heads: 2, lr: 1.0e-3, warmup_steps: 4, steps: 30}
trainer:
  max_epochs: -1
  check_val_every_n_epoch: null
  val_check_interval: 10
  num_sanity_val_steps: 0
  gradient_clip_val: 1.0
  log_every_n_steps: 5
  precision: 32-true
  enable_progress_bar: false
  enable_model_summary: false
resume_point: {every_n_steps: 5}
"""


GIVEN = ("--vocabulary", "zh-small")  # which saves the time to train one


class Runs:
    """Starts ``decoupled-ner pretrain encoder`` on a little text."""

    def __init__(self, folder: Path, runs: str = "runs") -> None:
        self.folder, self.runs = folder, folder / runs
        self.text = folder / "raw.txt"
        self.recipe = folder / "few.yaml"
        if not self.text.exists():
            write_text(folder, 300)
            self.recipe.write_text(SETTINGS)

    def arguments(self, *more: str) -> list[str]:
        return ["pretrain", "encoder", str(self.recipe), "--text", str(self.text), *more]

    def run(self, *more: str) -> str:
        """In this process; returns what it said, and fails as a user's call would."""
        said = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
            patch.setenv("DECOUPLED_NER_RUNS", str(self.runs))
            try:
                main(self.arguments(*more))
            except SystemExit as error:
                assert not error.code, said.getvalue()
        return said.getvalue()

    def fails(self, *more: str) -> str:
        with pytest.raises(AssertionError) as failed:
            self.run(*more)
        return str(failed.value)

    def start(self, *more: str) -> subprocess.Popen[str]:
        """In a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "decoupled_ner.cli", *self.arguments(*more)],
            env={**os.environ, "DECOUPLED_NER_RUNS": str(self.runs), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def start_and_wait(self, *more: str) -> None:
        process = self.start(*more)
        try:
            output, _ = process.communicate(timeout=200)
        finally:
            process.kill()
        assert process.returncode == 0, output

    def folder_of(self, name: str = "few", encoder: str = "scratch") -> Path:
        return self.runs / "pretrain" / name / encoder / "seed-1"

    def weights(self, name: str = "few") -> Path:
        return self.folder_of(name) / name / "model.safetensors"

    def result(self, name: str = "few") -> dict[str, object]:
        return dict(json.loads((self.folder_of(name) / "result.json").read_text()))


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def logged(folder: Path, column: str) -> list[float]:
    return [
        float(row[column])
        for path in sorted(folder.glob("logs/part-*/metrics.csv"))
        for row in csv.DictReader(path.read_text().splitlines())
        if row.get(column)
    ]


def test_from_scratch_with_its_own_vocabulary_then_adapted(runs: Runs):
    output = runs.run("--data.vocabulary_size", "8000")
    folder = runs.folder_of()
    encoder = folder / "few"
    assert f"encoder {encoder}, loss" in output
    model = AutoModelForMaskedLM.from_pretrained(encoder)
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    assert model.config.vocab_size == len(tokenizer) <= 8000
    logits = model(**tokenizer("今天在[MASK]京", return_tensors="pt")).logits
    assert logits.shape == (1, 7, len(tokenizer)) and torch.isfinite(logits).all()
    assert AutoModel.from_pretrained(encoder).config.num_hidden_layers == 1
    assert load_encoder(str(encoder)) and load_tokenizer(str(encoder)).mask_token == "[MASK]"
    result = runs.result()
    assert result["steps"] == 30 and result["finished"] and result["stage"] == "encoder"
    blocks = 15 * 8 * 32
    assert blocks + 0.85 * blocks < result["tokens_seen"] <= 2 * blocks  # half are lines
    assert result["held_out"].keys() == {"mlm", "mlm_accuracy"}
    assert result["corpus"]["texts"].keys() == {"raw.txt"}
    card = (encoder / "README.md").read_text()
    assert "single lines in 50% of the steps" in card
    assert "blocks of 32" in card and "raw.txt" in card and "masked accuracy" in card
    assert "| case | uncased" in card
    assert len(logged(folder, "dev/mlm_accuracy")) == 4  # thrice, and at the end
    rates = logged(folder, "lr-AdamW/pg1")
    assert max(rates) == 1e-3 and rates[-1] < 2e-4
    assert logged(folder, "train/tokens_per_second")

    # Adapting goes on from it, with its vocabulary, whatever size the recipe makes.
    output = runs.run("--encoder", str(encoder), "--name", "adapted", "--model.steps", "6")
    adapted = runs.folder_of("adapted", encoder_slug(str(encoder))) / "adapted"
    assert f"goes on from {encoder}" in output
    before, after = (AutoModelForMaskedLM.from_pretrained(path) for path in (encoder, adapted))
    for name, weight in before.state_dict().items():
        assert (after.state_dict()[name] - weight).abs().max() < 0.02
    assert not torch.equal(
        before.get_input_embeddings().weight, after.get_input_embeddings().weight
    )
    assert AutoTokenizer.from_pretrained(adapted).get_vocab() == tokenizer.get_vocab()


def test_killed_and_resumed_gives_the_same_weights(tmp_path: Path, runs: Runs):
    settings = (*GIVEN, "--model.dropout=0.1")
    runs.start_and_wait(*settings)
    killed = Runs(tmp_path, "killed")
    process = killed.start(*settings)
    checkpoint = killed.folder_of() / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not killed.weights().exists(), "killed too late to show anything"
    killed.start_and_wait(*settings, "--ckpt_path", "last")
    check_same_weights(runs.weights(), killed.weights(), 0.0)
    assert runs.result()["held_out"] == killed.result()["held_out"]


def test_pieces_make_the_run_of_one(tmp_path: Path, runs: Runs):
    runs.run(*GIVEN)
    pieces = Runs(tmp_path, "pieces")
    said = pieces.run(
        *GIVEN, "--model.piece_minutes", "0.0001"
    )  # looks at the clock every ten steps
    assert "--ckpt_path last goes on" in said
    result = pieces.result()
    assert result["steps"] == 10 and not result["finished"]
    pieces.run(*GIVEN, "--ckpt_path", "last")
    check_same_weights(runs.weights(), pieces.weights(), 0.0)
    assert pieces.result()["steps"] == 30 and pieces.result()["finished"]


def test_any_state_can_be_finished_and_a_finished_run_made_longer(tmp_path: Path, runs: Runs):
    runs.run(*GIVEN, "--model.piece_minutes", "0.0001")
    said = runs.run(*GIVEN, "--finish", "--model.decay_share", "0.5")
    assert "ends it" not in said
    result = runs.result()
    assert result["finished"] and result["steps"] == 20
    assert "has 20 steps already" in runs.fails(*GIVEN, "--ckpt_path", "last", "--finish")
    before = runs.weights().read_bytes()
    # From the state before its decay it becomes the run that was never finished early, even where
    # it is killed between its last step and the encoder's file.
    result_file = runs.folder_of() / "result.json"
    written = result_file.read_bytes()
    runs.run(*GIVEN, "--ckpt_path", "stable")
    result_file.write_bytes(written)
    runs.weights().write_bytes(before)
    runs.run(*GIVEN, "--ckpt_path", "last")
    assert runs.result()["steps"] == 30
    whole = Runs(tmp_path, "whole")
    whole.run(*GIVEN)
    check_same_weights(whole.weights(), runs.weights(), 0.0)


def test_an_end_that_is_over_already_is_none(runs: Runs):
    runs.run(*GIVEN, "--model.piece_minutes", "0.0001")
    said = runs.fails(*GIVEN, "--model.steps", "6", "--ckpt_path", "last")
    assert (
        "has 10 steps already, 6 or more: give more --model.steps" in said
        and "Traceback" not in said
    )
    assert not runs.result()["finished"]
    runs.run(*GIVEN, "--finish")


def test_only_a_run_that_can_begin_touches_what_an_ended_one_left(runs: Runs):
    runs.run(*GIVEN, "--model.steps", "10")
    states = [runs.folder_of() / "checkpoints" / f"{name}.ckpt" for name in ("last", "stable")]
    before = [state.read_bytes() for state in states]
    runs.fails(*GIVEN, "--model.stepz", "20", "--ckpt_path", "stable")
    assert "has 10 steps already" in runs.fails(*GIVEN, "--ckpt_path", "last")
    assert "has 10 steps already" in runs.fails(*GIVEN, "--model.steps", "10", "--finish")
    assert [state.read_bytes() for state in states] == before
    runs.run(*GIVEN, "--model.steps", "20", "--ckpt_path", "stable")
    assert runs.result()["steps"] == 20


def test_a_finished_run_that_was_not_saved_is_saved_when_it_is_resumed(runs: Runs):
    runs.run(*GIVEN, "--model.steps", "10")
    held_out, weights = runs.result()["held_out"], runs.weights().read_bytes()
    (runs.folder_of() / "result.json").unlink()
    runs.weights().unlink()
    runs.run(*GIVEN, "--model.steps", "10", "--ckpt_path", "last")
    assert runs.weights().read_bytes() == weights
    assert runs.result()["finished"] and runs.result()["held_out"] == held_out


def test_a_run_goes_on_with_its_own_blocks_alone(tmp_path: Path, runs: Runs):
    runs.run(*GIVEN, "--model.steps", "10")
    states = [runs.folder_of() / "checkpoints" / f"{name}.ckpt" for name in ("last", "stable")]
    before = [state.read_bytes() for state in states]
    longer = ("--model.steps", "20", "--ckpt_path", "stable")
    more = tmp_path / "𠮷.txt"  # a name beyond the basic plane is one like any other
    more.write_text(runs.text.read_text(encoding="utf-8") * 2, encoding="utf-8")
    assert "began with another texts" in runs.fails(*GIVEN, "--text", str(more), *longer)
    words = load_tokenizer("zh-small").get_vocab()
    (tmp_path / "vocab.txt").write_text("\n".join(sorted(words)) + "\n", encoding="utf-8")
    other = ("--vocabulary", str(tmp_path / "vocab.txt"))
    assert "began with another tokenizer" in runs.fails(*other, *longer)
    other = ("--data.block_length", "16")
    assert "began with another block_length" in runs.fails(*GIVEN, *other, *longer)
    said = runs.fails(*GIVEN, "--model.steps", "6", "--ckpt_path", "stable")
    assert "the decay began at step 6" in said and "Traceback" not in said
    assert [state.read_bytes() for state in states] == before
    runs.run(*GIVEN, *longer)


def test_a_decay_that_runs_is_not_begun_again(runs: Runs):
    runs.run(*GIVEN, "--model.decay_share", "0.8", "--model.piece_minutes", "0.0001")
    stable = runs.folder_of() / "checkpoints" / "stable.ckpt"
    before = stable.read_bytes()
    runs.run(*GIVEN, "--model.decay_share", "0.8", "--finish")
    assert runs.result()["steps"] == 30 and stable.read_bytes() == before


def test_blocks_that_the_encoder_can_not_read_leave_an_earlier_run(runs: Runs):
    runs.run(*GIVEN, "--model.steps", "4")
    said = runs.fails(*GIVEN, "--data.block_length", "600")
    assert "reads 512 tokens at most" in said
    assert runs.result()["steps"] == 4 and len(list(runs.folder_of().parent.glob("seed-*"))) == 1


def test_a_budget_of_time_ends_in_a_decay(runs: Runs):
    runs.run(
        *GIVEN, "--model.minutes", "0.02", "--model.decay_share", "0.5", "--model.steps", "null"
    )
    result = runs.result()
    steps = int(str(result["steps"]))
    assert result["finished"] and steps >= 20 and steps % 20 == 0  # as long as before it
    rates = logged(runs.folder_of(), "lr-AdamW/pg1")
    assert rates[-1] < 0.5 * max(rates)
    long = ("--model.minutes", "9", "--model.steps", "null")
    runs.run(*GIVEN, *long, "--model.piece_minutes", "0.0001")
    said = runs.fails(*GIVEN, "--ckpt_path", "last")
    assert "was to take 9 minutes: give --model.minutes again" in said
    runs.run(*GIVEN, "--finish")
    assert runs.result()["steps"] == 15  # ten, and the decay's share, whatever the recipe's are


def test_a_length_of_its_own_is_given_again(runs: Runs):
    runs.run(*GIVEN, "--model.steps", "60", "--model.piece_minutes", "0.0001")
    said = runs.fails(*GIVEN, "--ckpt_path", "last")
    assert "was to have 60 steps: give --model.steps again" in said and "Traceback" not in said
    runs.run(*GIVEN, "--finish")
    assert runs.result()["steps"] == 15


@pytest.mark.parametrize("lines", ["0", "0.5"])
def test_processes_and_parts_of_a_step_equal_one_batch(tmp_path: Path, runs: Runs, lines: str):
    short = ("--model.steps", "10", "--trainer.accelerator", "cpu", "--data.lines", lines)
    runs.run(*GIVEN, *short)
    parts: tuple[str, ...] = ()
    if lines == "0":  # half a batch of lines is no batch of half the size
        parts = ("--data.batch_size", "4", "--trainer.accumulate_grad_batches", "2")
    other = Runs(tmp_path, "other")
    other.start_and_wait(*GIVEN, *short, *parts, "--trainer.devices", "2")
    check_same_weights(runs.weights(), other.weights(), 2e-4)
    assert other.result()["held_out"] == pytest.approx(runs.result()["held_out"], abs=1e-4)
    assert other.result()["tokens_seen"] == runs.result()["tokens_seen"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--encoder", "zh-small"), "leave out --vocabulary"),
        (("--model.heads", "3"), "no multiple of twice heads"),
        (("--model.steps", "null"), "how long?"),
        (("--model.steps", "0"), "steps=0 must be at least 1"),
        (("--model.layers", "null"), "nothing to train: give --encoder"),
        (("--model.dropout", "1.5"), "dropout=1.5 must be in [0, 1]"),
        (("--model.decay_share", "1"), "decay_share=1.0 in (0, 1)"),
        (("--trainer.max_steps", "5"), "give --model.steps"),
        (("--data.mask_share", "2"), "mask_share=2.0 must be in"),
        (("--data.block_length", "4"), "block_length=4 must be at least 8"),
        (("--data.lines", "1.5"), "lines=1.5 must be in [0, 1]"),
        (("--data.batch_size", "0"), "batch_size=0 must be at least 1"),
        (("--data.processes", "0"), "processes=0 must be at least 1"),
        (("--data.validation_blocks=-1",), "validation_blocks=-1 must not be below 0"),
        (("--model.minutes", "0"), "minutes=0.0 must be above 0"),
        (("--model.piece_minutes=-1",), "piece_minutes=-1.0 must be above 0"),
        (("--name", "a/b"), "--name 'a/b': give the name of a folder"),
        (("--name", "logs"), "--name 'logs': give the name of a folder"),
        (("--ckpt_path", "last"), "nothing to resume"),
        (("--ckpt_path", "stable"), "no decay has begun"),
        (("--ckpt_path", "first"), "--ckpt_path takes 'last' or 'stable'"),
    ],
)
def test_mistakes_are_one_line(runs: Runs, arguments: tuple[str, ...], said: str):
    output = runs.fails(*GIVEN, *arguments)
    assert said in output.partition("error: ")[2] and "Traceback" not in output
    assert not (runs.runs / "corpora").exists()  # no work is done before
