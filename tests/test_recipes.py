"""Every recipe parses under LightningCLI, and the paper's say what the paper says."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytorch_lightning.cli import LightningArgumentParser

from decoupled_ner.candidates import JiebaNouns
from decoupled_ner.candidates.registry import generator_from_config
from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.data.negatives import negative_pools
from decoupled_ner.locations import dataset_recipe, find_recipe, recipe_folder
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.training.unified import UnifiedTraining
from decoupled_ner.types import InputError

RECIPES = sorted(recipe_folder("unify").glob("*.yaml"))
#: Where candidates come from: recipes of Weibo and MSRA, each in two sizes.
SOURCES = [f"weibo-{name}" for name in ("ltp", "tagger", "paper", "proposer", "union")]
SOURCES += ["msra-proposer"]
PAPER = {"ontonotes4": (64, 4), "msra": (64, 4), "weibo": (32, 10)}


def recipe_of(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((recipe_folder("unify") / f"{name}.yaml").read_text()))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_parses(path: Path):
    recipe = yaml.safe_load(path.read_text())
    parser = LightningArgumentParser()
    parser.add_lightning_class_args(UnifiedTraining, "model")
    parser.add_lightning_class_args(UnifiedData, "data")
    given = {key: deepcopy(recipe[key]) for key in ("model", "data")}
    given["model"] |= {"encoder": "zh-small", "labels": ["O", "PER"]}
    given["data"] |= {"encoder": "zh-small"}
    parser.parse_object(given)
    assert recipe["trainer"]["max_epochs"] > 0
    if path.stem.removesuffix("-small") not in SOURCES:  # which need a model
        assert generator_from_config(recipe["data"]["candidates"]).propose("北京 and New York")


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_settings(name: str):
    recipe = recipe_of(name)
    assert recipe["model"]["lr"] == 5e-6
    assert recipe["model"]["alpha"] == recipe["model"]["beta"] == 0.5
    assert recipe["data"]["negatives_per_positive"] is None
    assert (recipe["data"]["batch_size"], recipe["trainer"]["max_epochs"]) == PAPER[name]


@pytest.mark.parametrize("size", ["", "-small"])
def test_the_joint_recipe_adds_a_proposer_alone(size: str):
    plain, joint = recipe_of(f"weibo{size}"), recipe_of(f"weibo-joint{size}")
    proposer = joint["model"].pop("proposer")
    assert proposer["gamma"] > 0
    assert proposer["lr"] == recipe_of(f"proposer/default{size}")["model"]["new_lr"]
    assert joint["model"].pop("read_proposer")
    assert joint == plain


@pytest.mark.parametrize("size", ["", "-small"])
@pytest.mark.parametrize("source", SOURCES)
def test_recipes_of_candidate_sources_differ_in_these_alone(source: str, size: str):
    plain, other = recipe_of(source.partition("-")[0] + size), recipe_of(source + size)
    generators = other["data"]["candidates"]["init_args"]["generators"]
    proposes = any(g["class_path"].endswith("ProposerCandidates") for g in generators)
    assert proposes == ("train_candidates" in other["data"])  # which it has not seen
    assert proposes == other["model"].pop("read_proposer", False)
    assert other["data"]["train_mentions"] == (source == "weibo-union")
    for data in (plain["data"], other["data"]):
        for name in ("candidates", "train_mentions", "train_candidates", "negative_nouns"):
            data.pop(name, None)
    assert other == plain


@pytest.mark.parametrize("source", SOURCES)
def test_both_sizes_take_the_same_candidates_of_their_own_encoder(source: str):
    small, base = (
        (recipe_folder("unify") / f"{source}{s}.yaml").read_text() for s in ("-small", "")
    )
    of_base = yaml.safe_load(small.replace("/zh-small/", "/bert-base-chinese/"))["data"]
    assert of_base | {"negatives_per_positive": None} == yaml.safe_load(base)["data"]
    assert find_recipe("unify", source, small=False).name == f"{source}.yaml"


@pytest.mark.parametrize("source", ["weibo-paper", "msra-proposer"])
def test_another_model_takes_the_place_of_the_last_generators(source: str, tmp_path: Path):
    parser = LightningArgumentParser()
    parser.add_argument("--config", action="config")
    parser.add_lightning_class_args(UnifiedData, "data")
    given = recipe_of(source)["data"]
    (tmp_path / "data.yaml").write_text(yaml.safe_dump({"data": given | {"encoder": "zh-small"}}))
    another = "--data.candidates.generators.model=another"
    read = parser.parse_args([f"--config={tmp_path / 'data.yaml'}", another])
    *before, last = read.data.candidates.init_args.generators
    wanted = given["candidates"]["init_args"]["generators"]
    assert [g.class_path for g in (*before, last)] == [g["class_path"] for g in wanted]
    assert last.init_args.model == "another"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_no_negatives_are_made_twice(path: Path):
    data = yaml.safe_load(path.read_text())["data"]
    assert data.get("negative_nouns") not in data["candidates"]["init_args"]["generators"]


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_nouns_are_negatives(name: str):
    sentences = load_dataset("demo").split("dev")[:40]
    recipe = yaml.safe_load(find_recipe("unify", name).read_text())
    assert recipe["data"].get("negative_candidates", True)
    candidates = generator_from_config(recipe["data"]["candidates"])
    pools = negative_pools(sentences, [candidates], recipe["data"]["negative_edits"])
    nouns = negative_pools(sentences, [JiebaNouns()], "sentence")
    assert any(nouns) and all(set(few) <= set(all_) for few, all_ in zip(nouns, pools, strict=True))


def test_data_sets_take_the_recipe_of_their_name_or_the_default():
    assert dataset_recipe("weibo:nom", small=True).name == "weibo-small.yaml"
    assert dataset_recipe("msra").name == "msra.yaml"
    for other in ("cluener", "/some/where/weibo", "C:/weibo"):
        assert dataset_recipe(other).name == "demo.yaml"


def test_small_encoders_take_small_recipes():
    assert find_recipe("unify", "weibo", small=True).name == "weibo-small.yaml"
    assert find_recipe("unify", "weibo", small=False).name == "weibo.yaml"
    with pytest.raises(InputError, match="there are conll2003"):
        find_recipe("unify", "nothing")
