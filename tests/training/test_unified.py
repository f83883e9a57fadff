"""Training: two sentences are learnt by heart, saved, loaded, and answered the same."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from decoupled_ner import DecoupledNER, Sentence
from decoupled_ner.candidates import CandidateGenerator, GazetteerMatches, NGrams, WordNGrams
from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.data.swaps import swapped_mentions
from decoupled_ner.inference.decoding import f1_bias
from decoupled_ner.models.tagger_builder import TaggerRecipe
from decoupled_ner.training.base import EncoderTraining, warmup_linear
from decoupled_ner.training.cli import BestState, PatientStopping, ResumePoint
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.training.tagger import TaggerTraining
from decoupled_ner.training.unified import UnifiedTraining
from decoupled_ner.training.window_data import WindowData
from decoupled_ner.types import InputError, Region, entity_at


def modules(
    sentences: list[Sentence],
    folder: Path,
    encoder: str,
    candidates: CandidateGenerator | None = None,
    gazetteer: str | None = None,
    **settings: object,
) -> tuple[UnifiedTraining, UnifiedData]:
    for split in ("train", "dev"):
        write_jsonl(sentences, folder / f"{split}.jsonl")
    candidates = candidates or NGrams(max_length=4)
    data = UnifiedData(
        str(folder), encoder, candidates, batch_size=8, negatives_per_positive=None,
        gazetteer=gazetteer,
    )  # fmt: skip
    model = UnifiedTraining(encoder, data.labels, dropout=0.0, lr=3e-3, warmup=0.0, **settings)
    return model, data


def trainer(folder: Path, epochs: int, **settings: object) -> pl.Trainer:
    return pl.Trainer(
        default_root_dir=folder, max_epochs=epochs, accelerator="cpu", logger=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
        **{"enable_checkpointing": False, **settings},
    )  # fmt: skip


# Lightning's note on loaders without workers is about speed, and on treespecs about itself.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*smaller than the logging interval"),
    pytest.mark.filterwarnings("ignore:`isinstance"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory"),
]


def test_overfit_save_load_same_answer(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
):
    model, data = modules(two_sentences, tmp_path, tiny_encoder)
    learns_by_heart(two_sentences, 40, tmp_path, model, data)


def test_with_a_gazetteer_that_travels_with_the_model(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
) -> None:
    entities = [entity for sentence in two_sentences for entity in sentence.entities]
    dictionary = tmp_path / "dictionary.tsv"
    dictionary.write_text("".join(f"{e.text}\t{e.label}\n" for e in entities))
    model, data = modules(
        two_sentences, tmp_path, tiny_encoder, gazetteer=str(dictionary), alpha=0.0
    )
    learns_by_heart(two_sentences, 30, tmp_path, model, data)
    reading = model.model.gazetteer_classifier
    assert reading is not None and data.gazetteer is not None
    for column, label in enumerate(data.gazetteer.labels):
        assert reading.weight[:, column].argmax() == data.labels.index(label)
    assert model.facts()["gazetteer_digest"] == data.gazetteer.digest
    dictionary.unlink()  # the model has its own
    DecoupledNER.from_pretrained(tmp_path / "model", device="cpu")
    (tmp_path / "words.tsv").write_text("昨天\tO\n")  # no entity in it, and no less read
    _, data = modules(two_sentences, tmp_path, tiny_encoder, gazetteer=str(tmp_path / "words.tsv"))
    batch = data.training_batches(0, 1)[0, 0]
    assert batch.known is not None and batch.known.shape[1] == len(data.gazetteer.labels) == 1
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(InputError, match="holds no mention"):
        modules(two_sentences, tmp_path, tiny_encoder, gazetteer=str(tmp_path / "empty.txt"))


def test_a_run_goes_on_with_the_gazetteer_that_it_began_with(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
) -> None:
    for name, label in (("first", "PER"), ("second", "ORG")):
        (tmp_path / f"{name}.tsv").write_text(f"李白\t{label}\n")
    checkpoint = tmp_path / "last.ckpt"

    def fit(gazetteer: str | None, epochs: int, start: Path | None) -> None:
        model, data = modules(two_sentences, tmp_path, tiny_encoder, gazetteer=gazetteer)
        made = trainer(tmp_path, epochs)
        made.fit(model, data, ckpt_path=start, weights_only=True)
        made.save_checkpoint(checkpoint)

    fit(str(tmp_path / "first.tsv"), 1, None)
    with pytest.raises(InputError, match="this run began with another gazetteer"):
        fit(str(tmp_path / "second.tsv"), 2, checkpoint)
    _, without = modules(two_sentences, tmp_path, tiny_encoder)
    with pytest.raises(InputError, match="this run began with another gazetteer"):
        without.load_state_dict(torch.load(checkpoint, weights_only=True)["UnifiedData"])
    fit(str(tmp_path / "first.tsv"), 2, checkpoint)


def test_a_run_goes_on_with_the_pairs_that_it_began_with(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
) -> None:
    dictionary = tmp_path / "dictionary.tsv"
    dictionary.write_text("昨天\tPER\n李白\tPER\n")

    def data(swaps: float) -> UnifiedData:
        _, made = modules(two_sentences, tmp_path, tiny_encoder, GazetteerMatches(str(dictionary)))
        swap = (swaps, str(dictionary) if swaps else None, made.labels, two_sentences)
        made.swaps = swapped_mentions(*swap)
        return made

    plain, swapped = data(0.0).state_dict(), data(0.5).state_dict()
    data(0.0).load_state_dict(plain)
    for changed, swaps in ((False, 0.5), (True, 0.0)):
        if changed:  # under the same path
            dictionary.write_text("李白\tPER\n")
        with pytest.raises(InputError, match="this run began with another set of pairs"):
            data(swaps).load_state_dict(plain)
    with pytest.raises(InputError, match="this run began with another set of pairs"):
        data(0.5).load_state_dict(swapped)


def test_an_english_roberta_learns_saves_and_loads_too(
    english_sentences: list[Sentence], tmp_path: Path, tiny_roberta: str
):
    model, data = modules(english_sentences, tmp_path, tiny_roberta, WordNGrams(max_words=2))
    learns_by_heart(english_sentences, 120, tmp_path, model, data)


def learns_by_heart(
    sentences: list[Sentence],
    epochs: int,
    tmp_path: Path,
    model: UnifiedTraining,
    data: UnifiedData,
) -> None:
    trainer(tmp_path, epochs, limit_val_batches=0).fit(model, data)
    ner = model.recognizer()
    assert ner.config.context_reach == []  # two sentences don't tell how far contexts reach
    texts = [sentence.text for sentence in sentences]
    found = ner.predict_batch(texts)
    for sentence, entities in zip(sentences, found, strict=True):
        assert [(e.start, e.end, e.label) for e in entities] == [
            (e.start, e.end, e.label) for e in sentence.entities
        ]
    loaded = DecoupledNER.from_pretrained(ner.save_pretrained(tmp_path / "model"), device="cpu")
    for entities, again in zip(found, loaded.predict_batch(texts), strict=True):
        assert [e.region for e in entities] == [e.region for e in again]
        assert [e.score for e in entities] == pytest.approx([e.score for e in again], abs=1e-5)


def test_a_classifier_without_weight_stays_as_it_was(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
):
    model, data = modules(two_sentences, tmp_path, tiny_encoder, alpha=0.0, weight_decay=0.5)
    before = {name: value.clone() for name, value in model.model.state_dict().items()}
    trainer(tmp_path, 1).fit(model, data)
    after = model.model.state_dict()
    for name, value in before.items():
        untouched = name.startswith("mention_classifier")
        assert torch.equal(value, after[name]) == untouched or name.endswith("position_ids"), name


def test_accumulated_batches_equal_one_large_batch(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
):
    weights = []
    for batch_size, accumulate in ((24, 1), (12, 2)):
        model, data = modules(two_sentences, tmp_path, tiny_encoder)
        data.batch_size = batch_size
        sampled = data.pairs()
        data._pairs = (sampled[0], sampled[1][: 24 - len(sampled[0])])  # an even number of pairs
        trainer(tmp_path, 1, accumulate_grad_batches=accumulate).fit(model, data)
        weights.append(model.model.state_dict())
    for name, value in weights[0].items():
        if not name.endswith("key.bias"):  # its true gradient is zero, and Adam sees its rounding
            torch.testing.assert_close(value, weights[1][name], rtol=1e-3, atol=2e-5, msg=name)


def test_outside_bias_corrects_for_the_share_of_negatives(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
):
    model, data = modules(two_sentences, tmp_path, tiny_encoder, outside_bias="auto")
    data.negatives_per_positive = 2.0
    trainer(tmp_path, 1, limit_train_batches=1).fit(model, data)
    drawn, pool = 2 * 4, len(data.pairs()[1])
    assert data.negatives_per_epoch() == drawn < pool
    assert model.model.config.outside_bias == pytest.approx(math.log(pool / drawn))


def test_an_entity_is_predicted_where_f1_is_highest():
    p = torch.rand(200_000, generator=torch.Generator().manual_seed(0)) ** 4
    thresholds = torch.linspace(0.05, 0.95, 181)
    found = torch.stack([p[p > t].sum() for t in thresholds])
    predicted = torch.stack([(p > t).sum() for t in thresholds])
    f1 = 2 * found / (predicted + p.sum())  # in expectation, of what p says
    best = thresholds[f1.argmax()].item()
    # O and an entity of probability p are level once f1_bias is added to the logit of O
    assert 1 / (1 + math.exp(-f1_bias(f1.max().item()))) == pytest.approx(best, abs=0.01)
    assert f1_bias(1.0) == 0 and f1_bias(0.0) == f1_bias(0.2) < f1_bias(0.5) < 0


def test_the_bias_follows_the_f1_of_the_epoch_before(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
):
    model, data = modules(two_sentences, tmp_path, tiny_encoder, outside_bias="f1")
    data.negatives_per_positive = 2.0
    seen: list[tuple[float, float]] = []

    class Watch(pl.Callback):
        def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
            if not trainer.sanity_checking:
                f1 = trainer.callback_metrics["dev/f1"].item()
                seen.append((module.model.config.outside_bias, f1))

    trainer(tmp_path, 6, callbacks=[Watch()]).fit(model, data)
    prior = math.log(len(data.pairs()[1]) / data.negatives_per_epoch())
    expected = [prior + f1_bias(f1) for f1 in (1.0, *(f1 for _, f1 in seen))][:-1]
    assert [bias for bias, _ in seen] == pytest.approx(expected)
    assert len(set(expected)) > 1
    # an earlier state brings its own
    fresh, _ = modules(two_sentences, tmp_path, tiny_encoder, outside_bias="f1")
    fresh.load_state_dict(model.state_dict())
    fresh.trainer = model.trainer
    assert fresh.recognizer().config.outside_bias == pytest.approx(expected[-1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"overlap": "bogus"}, "no overlap policy 'bogus'; choose one of best, outermost, nested"),
        ({"alpha": 7.0}, r"alpha=7.0 must be in \[0, 1\]"),
        ({"beta": -0.1}, r"beta=-0.1 must be in"),
        ({"dropout": 1.5}, r"dropout=1.5 must be in"),
        ({"max_mention_tokens": 2}, "max_mention_tokens=2 must be at least 3"),
        ({"max_context_tokens": 3}, "max_context_tokens=3 at least 4"),
        ({"lr": -1.0}, "lr=-1.0 must not be below 0"),
        ({"warmup": 2.0}, r"warmup=2.0 must be in \[0, 1\]"),
        (
            {"class_weights": "balanced", "outside_bias": "f1"},
            "outside_bias=f1 knows nothing of class_weights=balanced",
        ),
    ],
)
def test_settings_out_of_range_are_told_at_once(
    settings: dict[str, Any], message: str, tiny_encoder: str
):
    with pytest.raises(InputError, match=message):
        UnifiedTraining(tiny_encoder, ["O", "PER"], **settings)


def test_two_encoders_have_one_vocabulary(tmp_path: Path, tiny_encoder: str):
    shutil.copytree(tiny_encoder, tmp_path / "other")
    tokenizer = json.loads((tmp_path / "other" / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["北"], vocabulary["京"] = vocabulary["京"], vocabulary["北"]
    (tmp_path / "other" / "tokenizer.json").write_text(json.dumps(tokenizer))
    given = {"context_encoder": str(tmp_path / "other"), "share_encoders": False}
    with pytest.raises(InputError, match="have different vocabularies"):
        UnifiedTraining(tiny_encoder, ["O", "PER"], **given)


def test_training_without_negatives_is_refused(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
):
    model, data = modules(two_sentences, tmp_path, tiny_encoder)
    data.negatives_per_positive = 0.0
    with pytest.raises(InputError, match="there are no negatives"):
        model.build(data)


def test_a_run_that_stops_in_an_epoch_goes_on_in_it(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
):
    class Stop(pl.Callback):  # as --trainer.max_time does
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            trainer.should_stop = trainer.global_step == 3

    def fit(folder: Path, stop: bool, start: Path | None = None) -> dict[str, torch.Tensor]:
        model, data = modules(two_sentences, tmp_path, tiny_encoder, class_weights="balanced")
        data.batch_size = 2
        point = ResumePoint(str(folder))
        callbacks = [*([Stop()] if stop else []), point]
        settings = {"enable_checkpointing": True, "callbacks": callbacks, "num_sanity_val_steps": 0}
        run = trainer(tmp_path, 2, **settings)
        run.fit(model, data, ckpt_path=start, weights_only=False)
        assert stop == (run.global_step == 3)
        return model.state_dict()

    whole = fit(tmp_path / "whole", False)
    fit(tmp_path / "cut", True)
    again = fit(tmp_path / "cut", False, tmp_path / "cut" / "last.ckpt")
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


def test_the_best_state_is_known_where_the_run_was_moved(tmp_path: Path):
    path = str(tmp_path / "old" / "best.ckpt")
    before = BestState(tmp_path / "old", "best", monitor="dev/f1", mode="max")
    before.best_model_path = before.kth_best_model_path = path
    before.best_model_score, before.best_k_models = torch.tensor(0.5), {path: torch.tensor(0.5)}
    after = BestState(tmp_path / "new", "best", monitor="dev/f1", mode="max")
    after.load_state_dict(before.state_dict())
    moved = str(tmp_path / "new" / "best.ckpt")
    assert after.best_model_path == moved and list(after.best_k_models) == [moved]
    assert after.best_model_score == 0.5 and after.last_model_path == ""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size=0 must be at least 1"),
        ({"num_workers": -1}, "num_workers=-1 at least 0"),
        ({"negatives_per_positive": -1.0}, "negatives_per_positive=-1.0 must not be below 0"),
    ],
)
def test_data_settings_out_of_range_are_told_at_once(
    settings: dict[str, Any],
    message: str,
    two_sentences: list[Sentence],
    tmp_path: Path,
    tiny_encoder: str,
):
    write_jsonl(two_sentences, tmp_path / "train.jsonl")
    with pytest.raises(InputError, match=message):
        UnifiedData(str(tmp_path), tiny_encoder, NGrams(), **settings)


class Scripted(pl.LightningModule):
    """Reaches a given F1 on dev after each epoch."""

    def __init__(self, f1: Sequence[float]) -> None:
        super().__init__()
        self.f1, self.weight = f1, torch.nn.Parameter(torch.zeros(()))

    def train_dataloader(self) -> list[Any]:
        return [torch.zeros(1)]

    val_dataloader = train_dataloader

    def training_step(self, batch: Any) -> Any:
        return self.weight * 1.0

    def validation_step(self, batch: Any) -> None:
        self.log("dev/f1", self.f1[self.current_epoch])

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.parametrize(
    ("f1", "epochs"),
    [([0.1, 0.2, 0.1, 0.2, 0.3], 4), ([0.0, 0.0, 0.0, 0.2, 0.1, 0.2, 0.3], 6), ([0.0] * 5, 5)],
)
def test_early_stopping_waits_for_the_first_entity(f1: list[float], epochs: int, tmp_path: Path):
    stop = PatientStopping("dev/f1", mode="max", patience=2)
    training = trainer(tmp_path, len(f1), callbacks=[stop])
    training.fit(Scripted(f1))
    assert training.current_epoch == epochs


def test_what_early_stopping_ended_stays_ended(tmp_path: Path):
    f1, seen = [0.5, 0.4, 0.3, 0.9, 0.9], []
    for state in (None, tmp_path / "last.ckpt"):
        stop = PatientStopping("dev/f1", mode="max", patience=2)
        training = trainer(
            tmp_path, len(f1), callbacks=[stop, ResumePoint(str(tmp_path))],
            enable_checkpointing=True,
        )  # fmt: skip
        training.fit(Scripted(f1), ckpt_path=state)
        seen.append((training.current_epoch, training.global_step))
    assert seen == [(3, 3), (3, 3)]


def test_early_stopping_by_what_is_not_scored_is_told(tmp_path: Path):
    stop = PatientStopping("dev/f2", mode="max")
    with pytest.raises(InputError, match=r"monitor dev/f2: not scored; choose one of dev/f1"):
        trainer(tmp_path, 1, callbacks=[stop]).fit(Scripted([0.1]))


def test_every_epoch_has_all_positives_and_new_negatives(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
):
    _, data = modules(two_sentences, tmp_path, tiny_encoder)
    data.negatives_per_positive = 3.0
    batches = data.training_batches(0, 1)
    epochs = [batches.items(epoch) for epoch in range(3)]
    for items in epochs:
        assert [item for item in items if item.label] == data.pairs()[0]
        assert sum(item.label == 0 for item in items) == 12
    assert set(epochs[0]) != set(epochs[1]) and batches.items(1) == epochs[1]
    gold = {(i, e.region) for i, s in enumerate(two_sentences) for e in s.entities}
    negatives = {(item.sentence, item.region) for item in data.pairs()[1]}
    assert not gold & negatives


def test_train_mentions_propose_single_characters(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
):
    china = Sentence("中美会谈", (entity_at("中美会谈", 0, 1, "LOC"),))
    write_jsonl([*two_sentences, china], tmp_path / "train.jsonl")
    others = GazetteerMatches.from_mentions({"东京": ["LOC"]})
    data = UnifiedData(str(tmp_path), tiny_encoder, others, train_mentions=True)
    [candidate] = data.candidates.candidates("从中国来")
    assert (candidate.region, candidate.sources) == (Region(1, 2), ("train-mentions",))


def test_nothing_is_taken_from_dev_or_test(tmp_path: Path, tiny_encoder: str):
    for split, name in (("train", "东方"), ("dev", "明天"), ("test", "电话")):
        write_jsonl([Sentence(name, (entity_at(name, 0, 2, "PER"),))], tmp_path / f"{split}.jsonl")
    others = GazetteerMatches.from_mentions({"东京": ["LOC"]})
    data = UnifiedData(str(tmp_path), tiny_encoder, others, train_mentions=True, mention_swaps=1.0)
    assert data.candidates.propose("东方明天电话") == [Region(0, 2)]
    assert data.swaps.mentions == [[], ["东方"]]


@pytest.mark.parametrize(("mention", "selects"), [("明天", True), (None, False)])
def test_a_dev_without_entities_selects_no_state(
    mention: str | None, selects: bool, tmp_path: Path, tiny_encoder: str,
    capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    for split, name in (("train", "东方"), ("dev", mention)):
        entities = (entity_at(name, 0, 2, "PER"),) if name else ()
        write_jsonl([Sentence(name or "明天", entities)], tmp_path / f"{split}.jsonl")
    data = UnifiedData(str(tmp_path), tiny_encoder, GazetteerMatches.from_mentions({"东": ["LOC"]}))
    data.setup("fit")
    assert data.validates and data.selects_on_dev == selects
    assert ("no entity in dev, so the last state counts" in capsys.readouterr().out) != selects


def test_a_run_goes_on_behind_an_epoch(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
):
    """With what only counts between epochs: the F1 that the next outside bias is for."""
    kept = tmp_path / "kept.ckpt"

    class Watch(pl.Callback):
        def __init__(self) -> None:
            self.biases: list[float] = []

        def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
            self.biases.append(module.model.config.outside_bias)

        def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
            if not kept.exists():
                trainer.save_checkpoint(kept, weights_only=False)

    def fit(start: Path | None) -> tuple[list[float], dict[str, torch.Tensor]]:
        model, data = modules(two_sentences, tmp_path, tiny_encoder, outside_bias="f1")
        data.negatives_per_positive, watch = 2.0, Watch()
        run = trainer(tmp_path, 3, num_sanity_val_steps=0, callbacks=[watch])
        run.fit(model, data, ckpt_path=start, weights_only=False)
        return watch.biases, model.state_dict()

    (whole, weights), (rest, again) = fit(None), fit(kept)
    assert rest == whole[1:] and whole[1] != whole[0]
    assert all(torch.equal(value, again[name]) for name, value in weights.items())


def test_each_part_of_a_tagger_has_its_own_rate_and_warms_up(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
):
    for split in ("train", "dev"):
        write_jsonl(two_sentences, tmp_path / f"{split}.jsonl")
    data = WindowData(str(tmp_path), tiny_encoder, batch_size=2)
    parts = TaggerRecipe(head="crf", recurrent="bilstm", recurrent_size=4)
    model = TaggerTraining(tiny_encoder, data.labels, parts, lr=1e-5, new_lr=1e-3, warmup=0.5)
    run = trainer(tmp_path, 4, limit_val_batches=0)
    run.fit(model, data)  # four steps
    encoder = set(map(id, model.model.encoder.parameters()))
    for group in run.optimizers[0].param_groups:
        rate = 1e-5 if id(group["params"][0]) in encoder else 1e-3
        assert group["initial_lr"] == rate
        assert len({id(parameter) in encoder for parameter in group["params"]}) == 1
    assert [model.rate_by_step()(step) for step in range(4)] == [0.0, 0.5, 1.0, 0.5]


def test_averaged_over_ranks_a_loss_is_the_mean_over_all_items(monkeypatch: pytest.MonkeyPatch):
    totals, weights = torch.tensor([6.0, 1.0]), torch.tensor([3.0, 0.5])
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda weight: weight.fill_(3.5))
    two, one = (SimpleNamespace(trainer=SimpleNamespace(world_size=n)) for n in (2, 1))
    pairs = zip(totals, weights, strict=True)
    parts = [EncoderTraining.mean_over_ranks(two, *pair) for pair in pairs]  # type: ignore[arg-type]
    assert float(sum(parts)) / 2 == pytest.approx(7.0 / 3.5)  # DDP averages
    assert weights.tolist() == [3.0, 0.5]
    assert float(EncoderTraining.mean_over_ranks(one, totals[0], weights[0])) == 2.0  # type: ignore[arg-type]


def test_warmup_linear():
    rates = [warmup_linear(step, 10, 2) for step in range(11)]
    assert rates[:3] == [0.0, 0.5, 1.0]
    assert rates[3:] == pytest.approx([0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0.0])


def test_biases_and_norms_do_not_decay(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
):
    model, data = modules(two_sentences, tmp_path, tiny_encoder, weight_decay=0.3)
    assert isinstance(model, EncoderTraining)
    run = trainer(tmp_path, 1, limit_train_batches=1)
    run.fit(model, data)
    for group in run.optimizers[0].param_groups:
        vectors = {parameter.ndim <= 1 for parameter in group["params"]}
        assert vectors == {group["weight_decay"] == 0.0}


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_share_dev_without_repeats(world_size: int, tiny_encoder: str):
    data = UnifiedData("demo", tiny_encoder, NGrams(max_length=2))
    seen = []
    for rank in range(world_size):
        data.trainer = SimpleNamespace(  # type: ignore[assignment]
            global_rank=rank, world_size=world_size, is_global_zero=False
        )
        for batch in data.val_dataloader():
            assert len(batch.sentences) == len(batch.candidates) > 0
            seen += [sentence.id for sentence in batch.sentences]
    assert sorted(seen) == sorted(sentence.id for sentence in data.data.split("dev"))
