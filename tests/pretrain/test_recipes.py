"""The recipes of stage 1 parse, and the paper's say what the paper says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pytorch_lightning.cli import LightningArgumentParser

from decoupled_ner.candidates import JiebaNouns
from decoupled_ner.locations import find_recipe, recipe_folder
from decoupled_ner.training.budget import StepResumePoint
from decoupled_ner.training.context import ContextData, ContextTraining
from decoupled_ner.training.masked_lm import MaskedLMTraining
from decoupled_ner.training.masked_lm_data import MaskedLMData
from decoupled_ner.training.mention import MentionData, MentionTraining

EVERY = sorted(recipe_folder("pretrain").glob("*.yaml"))
ENCODERS = [path for path in EVERY if path.stem.startswith("encoder-")]
RECIPES = [path for path in EVERY if path not in ENCODERS]
CLASSES = {"mention": (MentionTraining, MentionData), "context": (ContextTraining, ContextData)}


def parsed(stage: str, path: Path) -> tuple[dict[str, Any], Any]:
    recipe = yaml.safe_load(path.read_text())
    parser = LightningArgumentParser()
    for group, kind in zip(("model", "data"), CLASSES[stage], strict=True):
        parser.add_lightning_class_args(kind, group)
    data = {"encoder": "zh-small", **({"distant": "folder"} if stage == "context" else {})}
    given = {
        "model": {"encoder": "zh-small", "labels": ["O", "PER"], **recipe.get("model", {})},
        "data": {**data, **recipe.get("data", {})},
    }
    return recipe, parser.parse_object(given)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_parses(path: Path):
    stages = [stage for stage in CLASSES if path.stem.startswith(stage)] or list(CLASSES)
    for stage in stages:
        recipe, config = parsed(stage, path)
        assert config.model.lr > 0
        assert recipe.get("trainer", {"max_epochs": 1})["max_epochs"] > 0
        for name in ("possible_names", "outside_regions"):
            if name in recipe.get("data", {}):
                assert config.data[name].class_path.endswith(JiebaNouns.__name__)


@pytest.mark.parametrize("path", ENCODERS, ids=lambda path: path.stem)
def test_encoder_recipe_parses(path: Path):
    recipe = yaml.safe_load(path.read_text())
    parser = LightningArgumentParser()
    parser.add_lightning_class_args(MaskedLMTraining, "model")
    parser.add_lightning_class_args(MaskedLMData, "data")
    parser.add_lightning_class_args(StepResumePoint, "resume_point")
    given = {key: recipe.get(key, {}) for key in ("model", "data", "resume_point")}
    given["model"] |= {"vocabulary": "zh-small"}
    given["data"] |= {"text": ["raw.txt"]}
    given["resume_point"] |= {"dirpath": "checkpoints"}
    config = parser.parse_object(given)
    assert config.model.steps > 2 * config.model.warmup_steps
    assert recipe["trainer"]["max_epochs"] == -1  # the budget ends the run
    assert recipe["trainer"]["val_check_interval"] <= config.model.steps
    if path.stem != "encoder-adapt":
        assert config.model.hidden_size % config.model.heads == 0


def test_sizes_of_encoders():
    sizes = {}
    for path in ENCODERS:
        model = yaml.safe_load(path.read_text())["model"]
        sizes[path.stem] = (model.get("layers"), model.get("hidden_size"))
    assert sizes == {
        "encoder-adapt": (None, None),
        "encoder-tiny": (2, 64),
        "encoder-shallow": (2, 320),
        "encoder-small": (6, 320),
        "encoder-medium": (12, 512),
        "encoder-base": (12, 768),
    }


@pytest.mark.parametrize(("stage", "batch"), [("mention", 128), ("context", 64)])
def test_the_papers_settings(stage: str, batch: int):
    recipe = yaml.safe_load(find_recipe("pretrain", stage).read_text())
    assert recipe["model"]["lr"] == 2e-5
    assert recipe["data"]["batch_size"] == batch
    assert recipe["trainer"]["max_epochs"] == 10
    if stage == "context":
        assert recipe["model"]["mlm_weight"] == recipe["model"]["type_weight"] == 1


def test_small_encoders_take_small_recipes():
    assert find_recipe("pretrain", "context", small=True).name == "context-small.yaml"
    assert find_recipe("pretrain", "context", small=False).name == "context.yaml"
