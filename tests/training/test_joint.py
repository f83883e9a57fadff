"""A proposer on the model's own encoder: trained, saved and used with the model."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from decoupled_ner import DecoupledNER, Sentence
from decoupled_ner.candidates import NGrams, Union, candidate_report
from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.data.pairs import PairBatch
from decoupled_ner.inference.budget_curve import add_curve
from decoupled_ner.inference.own_proposer import OwnProposer
from decoupled_ner.inference.proposer import Proposer, ProposerCandidates, proposers_in
from decoupled_ner.inference.regions import ScoredRegions
from decoupled_ner.models.decoupled import DecoupledModel
from decoupled_ner.models.proposer import ProposerConfig
from decoupled_ner.models.proposer_inputs import build_proposer
from decoupled_ner.training import unified
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.training.joint import JointProposer
from decoupled_ner.training.unified import UnifiedTraining
from decoupled_ner.types import InputError, entity_at
from training.tiny import Run

JOINT = JointProposer(
    batch_size=2, budget=2.0, word_dim=4, size=32, max_width=8, dropout=0.0, lr=3e-3
)
RECIPE = """
  proposer:
    gamma: 0.5
    batch_size: 3
    budget: 2
    segmenters: [jieba]
    word_dim: 4
    size: 16
    max_width: 8
    dropout: 0.0
trainer:"""

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*smaller than the logging interval"),
    pytest.mark.filterwarnings("ignore:`isinstance"),
]


def modules(
    folder: Path, encoder: str, joint: JointProposer | None, **settings: Any
) -> tuple[UnifiedTraining, UnifiedData]:
    """Single characters are the only other candidates, so no entity is proposed but by the head."""
    data = UnifiedData(
        str(folder), encoder, NGrams(max_length=1), batch_size=8, negatives_per_positive=None
    )
    settings = {"dropout": 0.0, "lr": 3e-3, "warmup": 0.0, **settings}
    return UnifiedTraining(encoder, data.labels, proposer=joint, **settings), data


def fit(folder: Path, model: UnifiedTraining, data: UnifiedData, **settings: Any) -> pl.Trainer:
    trainer = pl.Trainer(
        default_root_dir=folder, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
        **settings,
    )  # fmt: skip
    trainer.fit(model, data)
    return trainer


@pytest.fixture
def folder(two_sentences: list[Sentence], tmp_path: Path) -> Path:
    for split in ("train", "dev"):
        write_jsonl(two_sentences, tmp_path / f"{split}.jsonl")
    return tmp_path


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: str) -> DecoupledNER:
    """A model that has two sentences by heart."""
    folder = tmp_path_factory.mktemp("learnt")
    sentences = load_dataset("demo").split("train")[:2]
    for split in ("train", "dev"):
        write_jsonl(sentences, folder / f"{split}.jsonl")
    entities = sum(len(sentence.entities) for sentence in sentences)
    model, data = modules(folder, tiny_encoder, replace(JOINT, budget=entities / 2))
    trainer = fit(folder, model, data, max_epochs=40, check_val_every_n_epoch=40)
    assert trainer.callback_metrics["dev/proposer_recall"].item() == 1.0
    assert trainer.callback_metrics["dev/f1"].item() == 1.0
    return model.recognizer()


def test_sentences_learnt_by_heart_are_proposed_and_labelled(learnt: DecoupledNER):
    for sentence in load_dataset("demo").split("train")[:2]:
        found = [(e.start, e.end, e.label) for e in learnt.predict_regions(sentence.text)]
        assert found == [(e.start, e.end, e.label) for e in sentence.entities]
        explained = learnt.explain(sentence.text)
        own = [(c.start, c.end) for c in explained if "proposer" in c.sources]
        assert own == [(entity.start, entity.end) for entity in sentence.entities]


def test_saved_and_loaded_it_answers_the_same(learnt: DecoupledNER, tmp_path: Path):
    texts = [sentence.text for sentence in load_dataset("demo").split("train")[:4]]
    moved = learnt.save_pretrained(tmp_path / "model").rename(tmp_path / "moved")
    loaded = DecoupledNER.from_pretrained(moved, device="cpu")
    candidates = learnt.generator.candidates_batch(texts)
    assert loaded.generator.candidates_batch(texts) == candidates
    assert [g.name for g in loaded.generator.generators] == ["ngrams", "proposer"]
    for one, two in zip(learnt.predict_batch(texts), loaded.predict_batch(texts), strict=True):
        assert [(e.region, e.label) for e in one] == [(e.region, e.label) for e in two]
    with ThreadPoolExecutor(4) as pool:
        for again in pool.map(loaded.generator.candidates_batch, [texts] * 8):
            assert again == candidates
    half = DecoupledNER.from_pretrained(moved, device="cpu", dtype="bfloat16")
    assert half.generator.candidates_batch(texts) == candidates  # thresholds are those of float32
    again = DecoupledNER(loaded.model, loaded.tokenizer, loaded.generator, device="cpu")
    assert [g.name for g in again.generator.generators] == ["ngrams", "proposer"]


def test_the_encoder_is_held_and_saved_once(learnt: DecoupledNER, tmp_path: Path):
    saved = learnt.save_pretrained(tmp_path / "model")
    [weights] = saved.rglob("*.safetensors")
    names = load_file(weights).keys()
    plain = DecoupledModel(type(learnt.config)(**{**learnt.config.to_dict(), "proposer": None}))
    assert {name for name in names if not name.startswith("proposer.")} == plain.state_dict().keys()
    assert not any(name.startswith("proposer.encoder") for name in names)
    assert learnt.model.proposer is not None
    assert learnt.model.proposer.encoder is learnt.model.mention_encoder
    config = json.loads((saved / "config.json").read_text())
    assert "encoder" not in config["proposer"] and "roposer" not in json.dumps(config["candidates"])


def test_it_is_one_generator_of_a_report(learnt: DecoupledNER, tmp_path: Path):
    sentences = load_dataset("demo").split("train")[:2]
    report = candidate_report(sentences, learnt.generator)
    rows = {row["name"]: row["recall"] for row in report["generators"]}
    assert rows["proposer"] == 1.0 > rows["ngrams"]
    add_curve(report, learnt.generator, sentences, tmp_path / "curve.svg")
    assert report["curve"][-1]["recall"] == 1.0


def test_its_tags_are_those_of_training(folder: Path, tiny_encoder: str):
    model, data = modules(folder, tiny_encoder, JOINT)
    fit(folder, model, data, max_epochs=1, limit_train_batches=1)
    [own] = proposers_in(model.recognizer().generator)
    texts = [sentence.text for sentence in data.training_sentences]
    pieces = data.training_batches(0, 1).windows.inputs.encode_batch(texts)
    for [trained], [used] in zip(pieces, own.proposer.inputs.encode_batch(texts), strict=True):
        assert trained.word_tags.tolist() == used.word_tags.tolist() and trained.word_tags.any()


class FirstStep(pl.Callback):
    """The loss of the first step by the definitions, and as training had it."""

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: UnifiedTraining, batch: PairBatch, batch_idx: int
    ) -> None:
        with torch.no_grad():
            output = module.model(*batch.inputs)
            three = (output.global_logits, output.mention_logits, output.context_logits)
            pairs = [F.cross_entropy(logits, batch.labels).item() for logits in three]
            scores = module.model.proposer(batch.windows).flatten(1).tolist()
        windows = 0.0
        for row, gold in zip(scores, batch.windows["gold"].flatten(1).tolist(), strict=True):
            others = sum(math.exp(s) for s, is_gold in zip(row, gold, strict=True) if not is_gold)
            found = sum(math.exp(-s) for s, is_gold in zip(row, gold, strict=True) if is_gold)
            windows += math.log(1 + others) + math.log(1 + found)
        self.wanted = pairs[0] + 0.3 * pairs[1] + 0.7 * pairs[2] + 0.25 * windows / len(scores)

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, *_: Any) -> None:
        self.loss = outputs["loss"].item()


def test_the_loss_is_the_weighted_sum(folder: Path, tiny_encoder: str):
    settings = {"alpha": 0.3, "beta": 0.7}
    model, data = modules(folder, tiny_encoder, replace(JOINT, gamma=0.25), **settings)
    step = FirstStep()
    fit(folder, model, data, max_epochs=1, limit_train_batches=1, callbacks=[step])
    assert step.loss == pytest.approx(step.wanted, rel=1e-4)


def test_without_gamma_nothing_changes(folder: Path, tiny_encoder: str):
    states = []
    for joint in (None, replace(JOINT, gamma=0.0)):
        model, data = modules(folder, tiny_encoder, joint)
        fit(folder, model, data, max_epochs=1, limit_train_batches=2)
        assert data.training_batches(0, 1)[0, 0].windows is None
        assert [g.name for g in model.recognizer().generator.generators] == ["ngrams"]
        states.append(model.model.state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert not any("proposer" in name for name in states[0])


def test_windows_go_with_the_batches_exactly(folder: Path, tiny_encoder: str):
    """Every window as often as any other, in the same steps for any number of processes."""
    write_jsonl(load_dataset("demo").split("train")[:7], folder / "train.jsonl")
    model, data = modules(folder, tiny_encoder, JOINT)
    inputs = JOINT.add_to(model.model, model.tokenizer, ["北京"], 1)
    data.train_proposer(inputs, 4)
    whole, parts = data.training_batches(0, 1), [data.training_batches(r, 2) for r in range(2)]
    steps = [(epoch, number) for epoch in range(3) for number in range(len(whole))]
    assert len(whole) % 2  # an epoch of pairs ends within one of windows, which has two batches
    seen: list[list[list[int]]] = []
    for step in steps:
        rows = [batch[step].windows["token_ids"] for batch in (whole, *parts)]
        one, first, second = ([[i for i in row if i] for row in ids.tolist()] for ids in rows)
        assert sorted(one) == sorted(first + second) and first and second
        seen.append(sorted(one))
    for first, second in zip(seen[::2], seen[1::2], strict=False):
        assert len({tuple(row) for row in first + second}) == 7
    again = data.training_batches(0, 1)[steps[-1]].windows["token_ids"]
    assert torch.equal(again, whole[steps[-1]].windows["token_ids"])


def test_training_never_asks_it_about_training_sentences(
    folder: Path, tiny_encoder: str, monkeypatch: pytest.MonkeyPatch
):
    dev = load_dataset("demo").split("dev")[:3]
    write_jsonl(dev, folder / "dev.jsonl")
    asked: list[str] = []
    scored = Proposer.scored

    def scored_on(self: Proposer, texts: Sequence[str], *more: Any, **named: Any) -> object:
        asked.extend(texts)
        return scored(self, texts, *more, **named)

    monkeypatch.setattr(Proposer, "scored", scored_on)
    model, data = modules(folder, tiny_encoder, JOINT)
    fit(folder, model, data, max_epochs=2, num_sanity_val_steps=0)
    assert asked == [sentence.text for sentence in dev] * 2  # anew in each epoch
    asked.clear()
    model.recognizer()
    thresholds, reach = asked[: len(dev)], asked[len(dev) :]
    assert thresholds == [sentence.text for sentence in dev]
    assert set(reach) <= {sentence.text for sentence in data.training_sentences}
    assert data.pairs() == modules(folder, tiny_encoder, None)[1].pairs()  # nor are its negatives


def test_each_epoch_proposes_on_dev_anew(
    folder: Path, tiny_encoder: str, monkeypatch: pytest.MonkeyPatch
):
    found: list[tuple[list[ScoredRegions], float]] = []
    model, data = modules(folder, tiny_encoder, JOINT)
    start = UnifiedTraining.on_validation_epoch_start

    def started(self: UnifiedTraining) -> None:
        start(self)
        assert self._dev.own is not None
        assert not self.model.training and not self.model.proposer.training
        found.append(self._dev.own)

    monkeypatch.setattr(UnifiedTraining, "on_validation_epoch_start", started)
    fit(folder, model, data, max_epochs=2, num_sanity_val_steps=0)
    assert len(found) == 2 and found[0] != found[1]
    assert sum(len(own) for own in found[1].by_text.values()) == 4  # a budget of 2 a sentence
    assert model.model.training and model.model.proposer.training


def test_of_two_encoders_it_has_that_of_contexts(folder: Path, tiny_encoder: str):
    model, _ = modules(folder, tiny_encoder, JOINT, share_encoders=False)
    JOINT.add_to(model.model, model.tokenizer, ["北京"], 1)
    assert model.model.proposer.encoder is model.model.context_encoder is not None


def test_mistakes_are_told(folder: Path, tiny_encoder: str, tmp_path: Path):
    model, data = modules(folder, tiny_encoder, JOINT)
    data.fit_on = "train+dev"
    with pytest.raises(InputError, match="needs a dev split"):
        fit(folder, model, data, max_epochs=1)
    model, data = modules(folder, tiny_encoder, JOINT)
    config = ProposerConfig(size=8, max_width=2, budget=1.0)
    proposer = Proposer(*build_proposer(tiny_encoder, config, [], []), device="cpu")
    proposer.choose_thresholds(data.training_sentences, [1.0])
    saved = proposer.save_pretrained(tmp_path / "proposer")
    data.candidates = Union([ProposerCandidates(saved, device="cpu")])
    with pytest.raises(InputError, match="takes no other one"):
        fit(folder, model, data, max_epochs=1)
    with pytest.raises(InputError, match="saved with that model"):
        OwnProposer(proposer).init_args()


@pytest.fixture
def joint_run(tiny_run: Run) -> Run:
    recipe = tiny_run.recipe.read_text()
    assert recipe.count("\ntrainer:") == 1
    tiny_run.recipe.write_text(recipe.replace("\ntrainer:", RECIPE))
    return tiny_run


@pytest.mark.slow
def test_resuming_after_a_kill_gives_the_same_weights(
    joint_run: Run, same_weights: Callable[[Path, Path, float], None]
):
    whole = joint_run.run("whole")
    process = joint_run.start("killed")
    checkpoint = joint_run.result("killed") / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 90
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (joint_run.result("killed") / "model").exists(), "killed too late to show anything"
    resumed = joint_run.run("killed", "--ckpt_path", "last")
    same_weights(whole, resumed, 0.0)
    first, second = (
        json.loads((f / "model" / "config.json").read_text()) for f in (whole, resumed)
    )
    assert first["proposer"]["operating_points"] == second["proposer"]["operating_points"]
    counts = [json.loads((f / "result.json").read_text())["tokens_seen"] for f in (whole, resumed)]
    assert counts[0] == counts[1] > 0


@pytest.mark.slow
def test_two_processes_equal_one(joint_run: Run, same_weights: Callable[[Path, Path, float], None]):
    one = joint_run.run("one", "--trainer.max_epochs=1")
    more = ("--trainer.devices=2", "--trainer.accelerator=cpu", "--trainer.max_epochs=1")
    two = joint_run.run("two", *more)
    same_weights(one, two, 2e-4)
    first, second = (json.loads((folder / "result.json").read_text()) for folder in (one, two))
    assert first["dev_f1"] == pytest.approx(second["dev_f1"], abs=0.05)
    assert first["tokens_seen"] == second["tokens_seen"] > 0


def test_the_finished_model_reads_its_proposer(
    folder: Path, tiny_encoder: str, monkeypatch: pytest.MonkeyPatch
):
    model, data = modules(folder, tiny_encoder, JOINT, read_proposer=True, outside_bias="f1")
    fit(folder, model, data, max_epochs=2)
    measure = unified.own_candidates

    def measured(model: DecoupledModel, *given: Any) -> Any:
        assert not model.training and not model.mention_encoder.training  # else with dropout
        return measure(model, *given)

    monkeypatch.setattr(unified, "own_candidates", measured)
    model.model.train()  # as Lightning leaves it
    ner = model.recognizer()
    assert len(ner.config.proposer_reading) == 3
    assert model.facts()["proposer_reading"] == ner.config.proposer_reading
    assert model.facts()["outside_bias"] == pytest.approx(ner.config.outside_bias)
    loaded = DecoupledNER.from_pretrained(ner.save_pretrained(folder / "model"), device="cpu")
    text = data.data.split("dev")[0].text
    assert all(candidate.proposer is not None for candidate in loaded.explain(text))
    again = zip(loaded.explain(text), ner.explain(text), strict=True)
    assert all(a.global_ == pytest.approx(b.global_, abs=1e-5) for a, b in again)


def test_the_numbers_of_an_earlier_run_are_read_as_they_are(folder: Path, tiny_encoder: str):
    numbers = [0.5, 0.75, -1.25]
    model, data = modules(folder, tiny_encoder, JOINT, read_proposer=numbers, outside_bias=0.5)
    fit(folder, model, data, max_epochs=1)
    config = model.recognizer().config
    assert config.proposer_reading == numbers and config.outside_bias == 0.5
    model, data = modules(folder, tiny_encoder, JOINT, read_proposer=numbers, outside_bias="auto")
    data.negatives_per_positive = 1.0
    fit(folder, model, data, max_epochs=1)
    assert model.prior_bias > 0 and model.recognizer().config.outside_bias == 0.0
    with pytest.raises(InputError, match=r"give --model\.outside_bias too"):
        modules(folder, tiny_encoder, JOINT, read_proposer=numbers, outside_bias="f1")
    with pytest.raises(InputError, match="true, false, or three numbers"):
        modules(folder, tiny_encoder, JOINT, read_proposer=[0.5])
    with pytest.raises(InputError, match="of which the first is above 0"):
        modules(folder, tiny_encoder, JOINT, read_proposer=[-0.5, 0.5, 1.0])


def test_one_that_is_only_read_is_not_enough(folder: Path, tiny_encoder: str):
    made = Proposer(*build_proposer(tiny_encoder, ProposerConfig(size=8), [], []), device="cpu")
    silent = ProposerCandidates(made.save_pretrained(folder / "proposer"), budget=0, device="cpu")
    with pytest.raises(InputError, match="give other generators too"):
        UnifiedData(str(folder), tiny_encoder, silent)
    assert UnifiedData(str(folder), tiny_encoder, Union([NGrams(max_length=1), silent]))


def test_a_trained_one_is_read_where_the_data_name_it(folder: Path, tiny_encoder: str):
    made = Proposer(*build_proposer(tiny_encoder, ProposerConfig(size=8), [], []), device="cpu")
    path = str(made.save_pretrained(folder / "proposer"))
    settings = {"batch_size": 8, "negatives_per_positive": None, "proposer": path}
    data = UnifiedData(str(folder), tiny_encoder, NGrams(max_length=3), **settings)
    plain = UnifiedData(
        str(folder), tiny_encoder, NGrams(max_length=3), negatives_per_positive=None
    )
    assert data.pairs() == plain.pairs()
    model = UnifiedTraining(tiny_encoder, data.labels)
    fit(folder, model, data, max_epochs=1)
    ner = model.recognizer()
    assert len(ner.config.proposer_reading) == 3
    assert all(c.proposer is not None for c in ner.explain(data.data.split("dev")[0].text))

    unread = UnifiedTraining(tiny_encoder, data.labels, read_proposer=False)
    fit(folder, unread, data, max_epochs=1)
    assert unread.recognizer().config.proposer_reading == []
    with pytest.raises(InputError, match="a proposer stands among the candidates already"):
        UnifiedData(str(folder), tiny_encoder, data.candidates, **settings)
    joint = UnifiedTraining(tiny_encoder, data.labels, proposer=JOINT)
    with pytest.raises(InputError, match="takes no other one"):
        fit(folder, joint, data, max_epochs=1)


def test_reading_that_cannot_be_fitted_loses_no_model(
    folder: Path, tiny_encoder: str, capsys: pytest.CaptureFixture[str]
):
    text = "他在中国国际航空股份有限公司"  # wider than what the head scores
    [label, *_] = UnifiedData(str(folder), tiny_encoder, NGrams(max_length=1)).labels[1:]
    write_jsonl([Sentence(text, (entity_at(text, 2, 14, label),))], folder / "dev.jsonl")
    settings = {"read_proposer": True, "outside_bias": "f1"}
    model, data = modules(folder, tiny_encoder, JOINT, **settings)
    fit(folder, model, data, max_epochs=2, limit_train_batches=1)
    bias = model.outside_bias.item()
    ner = model.recognizer()
    assert "the model does not read its proposer: " in capsys.readouterr().out
    assert ner.config.proposer_reading == [] and ner.config.outside_bias == bias != 0
    assert "proposer_reading" not in model.facts()

    write_jsonl([Sentence(text)], folder / "dev.jsonl")
    model, data = modules(folder, tiny_encoder, JOINT, **settings)
    with pytest.raises(InputError, match="no entity in dev"):
        fit(folder, model, data, max_epochs=1)


def test_reading_needs_a_proposer_and_a_dev_split(folder: Path, tiny_encoder: str):
    model, data = modules(folder, tiny_encoder, None, read_proposer=True)
    with pytest.raises(InputError, match="needs a proposer among the candidate generators"):
        fit(folder, model, data, max_epochs=1)
    (folder / "dev.jsonl").unlink()
    model, data = modules(folder, tiny_encoder, JOINT, read_proposer=True)
    with pytest.raises(InputError, match=r"dev split that is not trained on.*leave out data\.prop"):
        fit(folder, model, data, max_epochs=1)
