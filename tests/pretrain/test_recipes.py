"""The recipes of stage 1 parse, and the paper's say what the paper says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pytorch_lightning.cli import LightningArgumentParser

from decoupled_ner.candidates import JiebaNouns
from decoupled_ner.locations import find_recipe, recipe_folder
from decoupled_ner.training.context import ContextData, ContextTraining
from decoupled_ner.training.mention import MentionData, MentionTraining

RECIPES = sorted(recipe_folder("pretrain").glob("*.yaml"))
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
