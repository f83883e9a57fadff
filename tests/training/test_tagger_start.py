"""What a tagger starts from, and that every baseline's recipe parses."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from pytorch_lightning.cli import LightningArgumentParser
from torch.optim import AdamW, NAdam

from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.locations import find_recipe, recipe_folder
from decoupled_ner.models.tagger_builder import TaggerRecipe
from decoupled_ner.training import tagger
from decoupled_ner.training.launch import Run, _tagger_start, reads_encoder, train_tagger
from decoupled_ner.training.tagger import BASE_LR, SMALL_LR, TaggerTraining
from decoupled_ner.training.window_data import WindowData
from decoupled_ner.types import InputError, Sentence, entity_at

RECIPES = sorted(recipe_folder("baselines").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_parses(path: Path) -> None:
    recipe = yaml.safe_load(path.read_text())
    parser = LightningArgumentParser()
    parser.add_lightning_class_args(TaggerTraining, "model")
    parser.add_lightning_class_args(WindowData, "data")
    given = {key: deepcopy(recipe[key]) for key in ("model", "data")}
    given["model"] |= {"encoder": "zh-small", "labels": ["O", "PER"]}
    given["data"] |= {"encoder": "zh-small", "dataset": "demo"}
    parser.parse_object(given)
    assert recipe["trainer"]["max_epochs"] > 0
    mixed = path.stem.endswith("-mixed")
    assert mixed == bool(recipe["data"].get("extra"))
    assert reads_encoder(path) == recipe["model"]["use_encoder"]


def test_bilstm_cnn_has_the_published_optimizer_rate_and_dropout() -> None:
    model = yaml.safe_load(find_recipe("baselines", "bilstm-cnn").read_text())["model"]
    found = model["optimizer"], model["new_lr"], model["parts"]["dropout"]
    assert found == ("nadam", 0.0105, 0.5)


def test_init_means_what_it_means_for_unify(tiny_encoder: str) -> None:
    recipe = find_recipe("baselines", "bert-crf")
    assert _tagger_start(recipe, "none", tiny_encoder) is None
    named = _tagger_start(recipe, "some/folder", tiny_encoder)
    assert named is not None and named.encoder == "some/folder"
    newest = _tagger_start(recipe, "auto", tiny_encoder)
    assert newest is not None and newest.encoder == tiny_encoder
    assert "no mention or context run" in newest.reason


def test_an_init_that_can_mean_nothing_is_told(tiny_encoder: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a tagger has one encoder"):
        train_tagger("bert-crf", "demo", Run(tiny_encoder), "a,b")
    with pytest.raises(InputError, match="bilstm-crf reads no encoder: leave out --init"):
        train_tagger("bilstm-crf", "demo", Run(tiny_encoder), "auto")
    (tmp_path / "empty.yaml").write_text("data: {}\n")
    with pytest.raises(InputError, match="no recipe of a tagger"):
        train_tagger(str(tmp_path / "empty.yaml"), "demo", Run(tiny_encoder), "auto")


def test_units_that_express_no_entity_are_told(
    tiny_encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = WindowData("demo", tiny_encoder, train_sentences=9)

    def built(parts: TaggerRecipe) -> TaggerTraining:
        module = TaggerTraining(tiny_encoder, data.labels, parts, use_encoder=False)
        module.build(data)
        return module

    with pytest.raises(InputError, match=r"lr=0.5 is the encoder's"):
        TaggerTraining(tiny_encoder, data.labels, TaggerRecipe(), use_encoder=False, lr=0.5)
    with pytest.raises(InputError, match=r"no entity in train .* than 'whitespace'"):
        built(TaggerRecipe(unit_dim=4, units="whitespace"))
    module = built(TaggerRecipe(unit_dim=4))
    assert data.items_per_epoch() == 9 and data.lost_entities == 0
    assert module.model is not None and module.model.config.trained_on == data.trained_on
    monkeypatch.setattr(TaggerTraining, "data", data)
    assert module.facts() == {"lr": None, "lost_training_entities": 0}  # there is no encoder


def test_nothing_of_dev_or_test_is_counted(tiny_encoder: str, tmp_path: Path) -> None:
    for split, text in (("train", "他去北京"), ("dev", "她看上海"), ("test", "我在广州")):
        whole = Sentence(text * 3, (entity_at(text * 3, 2, 4, "GPE"),))
        write_jsonl([whole], tmp_path / f"{split}.jsonl")
    (tmp_path / "words.tsv").write_text("北京\t5\n上海\t5\n广州\t5\n", encoding="utf-8")
    parts = TaggerRecipe(
        unit_dim=4,
        bigram_dim=4,
        character_dim=4,
        lexicon=str(tmp_path / "words.tsv"),
        lexicon_dim=4,
    )
    data = WindowData(str(tmp_path), tiny_encoder)
    module = TaggerTraining(tiny_encoder, data.labels, parts, use_encoder=False)
    module.build(data)
    assert module.inputs.lexicon is not None
    assert module.inputs.lexicon.frequencies.tolist() == [8, 5, 5]
    for name, vocabulary in module.inputs.vocabularies.items():
        assert set("".join(vocabulary.items)) == set("他去北京"), name


@pytest.mark.parametrize(("name", "kind"), [("adamw", AdamW), ("nadam", NAdam)])
def test_the_optimizer_is_the_named_one(
    name: Any, kind: type, tiny_encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, data = TaggerRecipe(unit_dim=4), WindowData("demo", tiny_encoder, train_sentences=9)
    module = TaggerTraining(
        tiny_encoder, data.labels, parts, False, new_lr=0.1, optimizer=name, weight_decay=0.5
    )
    module.build(data)
    monkeypatch.setattr(TaggerTraining, "trainer", SimpleNamespace(precision="32-true"))
    monkeypatch.setattr(TaggerTraining, "rate_by_step", lambda self: lambda step: 1.0)
    optimizer = module.configure_optimizers()["optimizer"]
    assert type(optimizer) is kind and {group["lr"] for group in optimizer.param_groups} == {0.1}
    weights = [module.model.scorer.weight, module.model.scorer.bias]  # type: ignore[union-attr]
    before = [weight.detach().clone() for weight in weights]
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    torch.testing.assert_close(weights[0], 0.95 * before[0])  # decay that no moment sees
    assert torch.equal(weights[1], before[1])


def test_the_rate_is_the_encoders_unless_it_is_given(
    tiny_encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rate(**given: float) -> float:
        return TaggerTraining(tiny_encoder, ["O", "PER"], TaggerRecipe(), **given).lr

    assert (rate(), rate(lr=1e-5)) == (SMALL_LR, 1e-5)
    monkeypatch.setattr(tagger, "is_small", lambda config: False)
    assert (rate(), rate(lr=1e-5)) == (BASE_LR, 1e-5)


@pytest.mark.parametrize(
    ("recipe", "settings", "message"),
    [
        (TaggerRecipe(unit_dim=4), {"new_lr": -1.0}, "new_lr=-1.0 must not be below 0"),
        (TaggerRecipe(unit_dim=4), {"optimizer": "sgd"}, "no optimizer 'sgd': use adamw or nadam"),
        (TaggerRecipe(encoder="another"), {}, "name the encoder with --encoder"),
    ],
)
def test_settings_that_would_be_taken_otherwise_are_told(
    recipe: TaggerRecipe, settings: dict[str, Any], message: str, tiny_encoder: str
) -> None:
    with pytest.raises(InputError, match=message):
        TaggerTraining(tiny_encoder, ["O", "PER"], recipe, **settings)


def test_nothing_trains_on_test(tiny_encoder: str) -> None:
    with pytest.raises(InputError, match="a model is scored on test, and never trained on it"):
        WindowData("demo", tiny_encoder, fit_on="train+test")
