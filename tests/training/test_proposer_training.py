"""Training a proposer: two sentences by heart, folds that never see what they propose on."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import yaml
from pytorch_lightning.cli import LightningArgumentParser

from decoupled_ner.candidates import JiebaNouns, Union
from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.data.extra import ExtraTraining
from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.data.out_of_fold import FoldText, OutOfFold, fold_of
from decoupled_ner.inference.proposer import Proposer, ProposerCandidates
from decoupled_ner.inference.regions import ScoredRegions
from decoupled_ner.locations import recipe_folder, runs_folder
from decoupled_ner.models.pieces import Piece
from decoupled_ner.models.proposer_inputs import ProposerInputs
from decoupled_ner.training import proposer_runs
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.training.launch import Run
from decoupled_ner.training.proposer import ProposerData, ProposerTraining
from decoupled_ner.training.proposer_runs import (
    FOLD_FILE,
    proposer_folder,
    train_in_folds,
    train_proposer,
)
from decoupled_ner.training.runs import dataset_slug, encoder_slug
from decoupled_ner.training.sentence_batches import GoldWindow, WindowBatches
from decoupled_ner.types import InputError, Sentence
from training.tiny import check_same_weights

RECIPE = """
data:
  dataset: {data}
  batch_size: 10
model:
  lr: 1.0e-3
  dropout: 0.0
  size: 16
  word_dim: 4
  max_width: 8
  budget: 2
trainer:
  max_epochs: 2
  precision: 32-true
  enable_progress_bar: false
  enable_model_summary: false
resume_point:
  every_n_steps: 1
"""

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*smaller than the logging interval"),
    pytest.mark.filterwarnings("ignore:.*LightningCLI's args parameter"),
    pytest.mark.filterwarnings("ignore:.*is not supported by the model summary"),
    pytest.mark.filterwarnings("ignore:`isinstance"),
    pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning"),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A few sentences of the demo set, one of them twice in train."""
    folder = tmp_path / "data"
    folder.mkdir()
    demo = load_dataset("demo")
    train = demo.split("train")[:40]
    write_jsonl(
        [*train, Sentence(train[0].text, train[0].entities, "again")], folder / "train.jsonl"
    )
    write_jsonl(demo.split("dev")[:13], folder / "dev.jsonl")
    write_jsonl(demo.split("test")[:12], folder / "test.jsonl")
    return folder


@pytest.fixture
def recipe(tmp_path: Path, data: Path) -> str:
    path = tmp_path / "few.yaml"
    path.write_text(RECIPE.format(data=data))
    return str(path)


def test_two_sentences_by_heart(two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str):
    for split in ("train", "dev"):
        write_jsonl(two_sentences, tmp_path / f"{split}.jsonl")
    model = ProposerTraining(
        tiny_encoder, budget=2.0, size=32, max_width=8, dropout=0.0, lr=3e-3, warmup=0.0
    )
    module = ProposerData(str(tmp_path), tiny_encoder, batch_size=2)
    pl.Trainer(
        default_root_dir=tmp_path, max_epochs=60, accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False, check_val_every_n_epoch=60,
    ).fit(model, module)  # fmt: skip
    assert model.trainer.callback_metrics["dev/recall"].item() == 1.0
    proposer = model.proposer()
    proposer.choose_thresholds(two_sentences, [2.0])  # as many as there are entities
    generator = ProposerCandidates(proposer.save_pretrained(tmp_path / "model"), device="cpu")
    assert generator.trained_on == module.trained_on and module.trained_on["sentences"] == 2
    found = generator.propose_batch([sentence.text for sentence in two_sentences])
    assert found == [[entity.region for entity in s.entities] for s in two_sentences]


def test_a_fold_never_sees_what_it_proposes_on(
    data: Path, recipe: str, tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trained, proposed, inputs_of = set[str](), set[str](), dict[int, str]()
    encode, collate, scored = ProposerInputs.encode_batch, WindowBatches.collate, Proposer.scored

    def encode_batch(self: ProposerInputs, texts: Sequence[str]) -> list[list[Piece]]:
        pieces = encode(self, texts)
        inputs_of.update(
            {id(p): text for text, row in zip(texts, pieces, strict=True) for p in row}
        )
        return pieces

    def trained_on(self: WindowBatches, items: Sequence[GoldWindow]) -> object:
        trained.update(inputs_of[id(item.piece)] for item in items)
        return collate(self, items)

    def proposed_on(self: Proposer, texts: Sequence[str], **more: Any) -> list[ScoredRegions]:
        proposed.update(texts)
        return scored(self, texts, **more)

    monkeypatch.setattr(ProposerInputs, "encode_batch", encode_batch)
    monkeypatch.setattr(WindowBatches, "collate", trained_on)
    monkeypatch.setattr(Proposer, "scored", proposed_on)
    everything = {sentence.text for sentence in load_dataset(str(data)).split("train")}
    for fold in (1, 2):
        trained.clear()
        proposed.clear()
        folder = train_proposer(str(data), Run(tiny_encoder), recipe, (fold, 2))
        assert folder is not None
        assert proposed == {text for text in everything if fold_of(text, 2) == fold}
        assert trained == everything - proposed  # so dev is not looked at, and no duplicate leaks
        written = OutOfFold.read(folder / FOLD_FILE)
        assert {text.text for text in written.texts} == proposed
        assert len(written.texts) == len(proposed)


def test_extra_sentences_give_no_fold_what_it_proposes_on(
    data: Path, tiny_encoder: str, tmp_path: Path
):
    train = load_dataset(str(data)).split("train")
    copies = [Sentence("好" + s.text, (), f"{s.id}~1") for s in train]
    foreign = Sentence("外来的一句话", (), "more")
    write_jsonl([*train, *copies, foreign], tmp_path / "more.jsonl")
    extra = ExtraTraining(files=[str(tmp_path / "more.jsonl")])
    for fold in (1, 2):
        module = ProposerData(str(data), tiny_encoder, folds=2, fold=fold, extra=extra)
        kept = [s for s in train if fold_of(s.text, 2) != fold]
        wanted = [*(s.text for s in kept), *("好" + s.text for s in kept), foreign.text]
        assert sorted(s.text for s in module.training_sentences) == sorted(wanted)
        assert len(module.held_out_sentences) == len(train) - len(kept) > 0
    whole = ProposerData(str(data), tiny_encoder, extra=extra)
    assert len(whole.training_sentences) == 2 * len(train) + 1


@pytest.mark.parametrize("copied", ["{id}~1", "{id}~1~2"])
@pytest.mark.parametrize("folder", ["", "elsewhere/"])
def test_copies_of_what_is_not_seen_are_known_by_any_name(
    data: Path, tiny_encoder: str, tmp_path: Path, folder: str, copied: str
):
    train = load_dataset(str(data)).split("train")
    assert len({s.text for s in train}) > 5
    renamed = [replace(s, id=folder + s.id) for s in train]
    copies = [Sentence("好" + s.text, (), copied.format(id=s.id)) for s in renamed]
    write_jsonl([*renamed, *copies], tmp_path / "more.jsonl")
    extra = ExtraTraining(files=[str(tmp_path / "more.jsonl")])
    fold = ProposerData(str(data), tiny_encoder, folds=2, fold=1, extra=extra)
    less = ProposerData(str(data), tiny_encoder, train_sentences=5, extra=extra)
    for module in (fold, less):
        gold = [sentence.text for sentence in module.annotated_sentences]
        assert 0 < len(gold) < len(train)
        added = [s.text for s in module.training_sentences[len(gold) :]]
        assert sorted(added) == sorted("好" + text for text in gold)


def start(recipe: str, data: Path, encoder: str, runs: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "decoupled_ner.cli", "proposer", str(data)]
    return subprocess.Popen(
        [*command, "--recipe", recipe, "--encoder", encoder, *more],
        env={**os.environ, "DECOUPLED_NER_RUNS": str(runs), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def run(recipe: str, data: Path, encoder: str, runs: Path, *more: str) -> Path:
    process = start(recipe, data, encoder, runs, *more)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return runs / "proposer" / dataset_slug(str(data)) / encoder_slug(encoder) / "seed-1"


def test_finished_folds_are_kept_only_where_a_run_resumes(monkeypatch: pytest.MonkeyPatch):
    begun: list[tuple[int, int] | None] = []
    stopping = set[tuple[int, int] | None]()
    epochs: Iterator[int] = itertools.repeat(1)

    def start(
        dataset: str, run: Run, recipe: str, fold: tuple[int, int] | None, more: Sequence[str]
    ) -> None:
        begun.append(fold)
        if fold in stopping:
            raise KeyboardInterrupt
        folder = proposer_folder(dataset, run, fold)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "result.json").touch()
        if fold:
            facts = {"generator": "p", "dataset": "d", "checksums": {}, "budget": 2.0}
            made = OutOfFold(facts | {"epochs": next(epochs)}, (FoldText(str(fold), fold[0], ()),))
            made.write(folder / FOLD_FILE)

    monkeypatch.setattr(proposer_runs, "_start", start)
    for resume, count in ((False, 3), (False, 3), (True, 0)):
        begun.clear()
        train_in_folds("demo", Run("zh-small", resume=resume), "default", 2)
        assert len(begun) == count
        monkeypatch.setenv("DECOUPLED_NER_RUNS", os.path.relpath(runs_folder()))
    with pytest.raises(InputError, match="the folds were begun with demo default: give the same"):
        train_in_folds("demo", Run("zh-small", arguments=("--x=1",), resume=True), "default", 2)
    stopping.add((2, 2))  # what finished with other settings before is no part of this
    with pytest.raises(KeyboardInterrupt):
        train_in_folds("demo", Run("zh-small", arguments=("--x=1",)), "default", 2)
    begun.clear()
    stopping.clear()
    train_in_folds("demo", Run("zh-small", arguments=("--x=1",), resume=True), "default", 2)
    assert begun == [(2, 2)]
    begun.clear()
    stopping.add(None)  # no dev, say: told before the folds are trained
    with pytest.raises(KeyboardInterrupt):
        train_in_folds("demo", Run("zh-small"), "default", 2)
    assert begun == [None]
    stopping.clear()
    epochs = itertools.count()  # each fold with other settings
    with pytest.raises(InputError, match="different settings"):
        train_in_folds("demo", Run("zh-small"), "default", 2)


@pytest.mark.slow
def test_folds_train_a_decoupled_model(data: Path, recipe: str, tiny_encoder: str, tmp_path: Path):
    folder = run(recipe, data, tiny_encoder, tmp_path / "runs", "--folds", "2")
    result = json.loads((folder / "result.json").read_text())
    assert result["system"] == "proposer" and result["split"] == "test"
    assert [point["budget"] for point in result["dev"]][:3] == [1.0, 1.5, 2.0]
    assert 0 <= result["candidate_recall"] <= 1 and result["candidates_per_sentence"] > 0
    path = folder / "train-candidates.jsonl"
    texts = [sentence.text for sentence in load_dataset(str(data)).split("train")]
    written = OutOfFold.read(path)
    assert sorted(text.text for text in written.texts) == sorted(set(texts))
    assert all(text.fold == fold_of(text.text, 2) for text in written.texts)

    union = Union([JiebaNouns(), ProposerCandidates(folder / "model", device="cpu")])
    unified = UnifiedData(
        str(data), tiny_encoder, union, negative_edits="none", train_candidates=str(path)
    )
    recorded, nouns = written.generator(2.0), JiebaNouns()
    sentences = load_dataset(str(data)).split("train")
    wanted = {
        (index, region)
        for index, sentence in enumerate(sentences)
        for region in [*recorded.propose(sentence.text), *nouns.propose(sentence.text)]
        if region not in [entity.region for entity in sentence.entities]
    }
    assert {(pair.sentence, pair.region) for pair in unified.pairs()[1]} == wanted
    with pytest.raises(InputError, match="may have seen the training sentences"):
        UnifiedData(str(data), tiny_encoder, union)
    assert UnifiedData(str(data), tiny_encoder, union, negative_candidates=False).pairs()
    with pytest.raises(InputError, match=r"train-candidates\.jsonl are negatives: leave out"):
        UnifiedData(
            str(data), tiny_encoder, union, negative_candidates=False, train_candidates=str(path)
        )

    before = path.read_text()
    kept = (folder / "model" / "config.json").stat().st_mtime
    run(recipe, data, tiny_encoder, tmp_path / "runs", "--folds", "2", "--ckpt_path", "last")
    assert path.read_text() == before
    assert (folder / "model" / "config.json").stat().st_mtime == kept


@pytest.mark.slow
def test_resuming_after_a_kill_gives_the_same_weights(
    data: Path, recipe: str, tiny_encoder: str, tmp_path: Path
):
    fold = ("--fold", "1/2", "--trainer.max_epochs", "3")
    name = f"{dataset_slug(str(data))}-fold-1-of-2/{encoder_slug(tiny_encoder)}/seed-1"
    run(recipe, data, tiny_encoder, tmp_path / "whole", *fold)
    killed = tmp_path / "killed" / "proposer" / name
    process = start(recipe, data, tiny_encoder, tmp_path / "killed", *fold)
    deadline = time.monotonic() + 120
    while not (killed / "checkpoints" / "last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (killed / FOLD_FILE).exists(), "killed too late to show anything"
    run(recipe, data, tiny_encoder, tmp_path / "killed", *fold, "--ckpt_path", "last")
    whole = tmp_path / "whole" / "proposer" / name
    assert OutOfFold.read(killed / FOLD_FILE).texts == OutOfFold.read(whole / FOLD_FILE).texts


@pytest.mark.slow
def test_two_processes_equal_one(data: Path, recipe: str, tiny_encoder: str, tmp_path: Path):
    one = run(recipe, data, tiny_encoder, tmp_path / "one")
    more = ("--trainer.devices=2", "--trainer.accelerator=cpu")
    two = run(recipe, data, tiny_encoder, tmp_path / "two", *more)
    check_same_weights(*(f / "model" / "model.safetensors" for f in (one, two)), 2e-4)
    first, second = (json.loads((f / "result.json").read_text()) for f in (one, two))
    for a, b in zip(first["dev"], second["dev"], strict=True):
        assert a["recall"] == pytest.approx(b["recall"], abs=0.1)


@pytest.mark.parametrize("path", sorted(recipe_folder("unify/proposer").glob("*.yaml")))
def test_recipe_parses(path: Path):
    recipe = yaml.safe_load(path.read_text())
    parser = LightningArgumentParser()
    parser.add_lightning_class_args(ProposerTraining, "model")
    parser.add_lightning_class_args(ProposerData, "data")
    given = {key: dict(recipe[key]) for key in ("model", "data")}
    given["model"] |= {"encoder": "zh-small"}
    given["data"] |= {"encoder": "zh-small", "dataset": "demo"}
    parser.parse_object(given)
    assert recipe["trainer"]["max_epochs"] > 0


def test_mistakes_are_told(data: Path, tiny_encoder: str):
    with pytest.raises(InputError, match="fold 3 of 2"):
        ProposerData(str(data), tiny_encoder, folds=2, fold=3)
    with pytest.raises(InputError, match="needs a dev split"):
        ProposerData(str(data), tiny_encoder, fit_on="train+dev")
    with pytest.raises(InputError, match="too few sentences for 5000 folds"):
        ProposerData(str(data), tiny_encoder, folds=5000, fold=1)
