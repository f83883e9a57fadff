"""The experiments that lie here: each run of theirs would begin, with settings that exist."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from command import status

from decoupled_ner.comparison import experiment as module
from decoupled_ner.comparison.experiment import plan, read_experiment
from decoupled_ner.data.catalog import DATASETS
from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.locations import find_recipe
from decoupled_ner.models.encoder import load_encoder_config
from decoupled_ner.training import launch
from decoupled_ner.training.cli import TrainingCLI
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.training.starts import Start
from decoupled_ner.training.unified import UnifiedTraining
from decoupled_ner.types import Sentence

FOLDER = Path(__file__).parents[2] / "benchmarks" / "experiments"


class Parsed(TrainingCLI):
    """Reads the arguments of a training, and builds nothing."""

    def _set_seed(self) -> None:
        pass

    def _add_instantiators(self) -> None:
        pass

    def instantiate_classes(self) -> None:
        pass

    def _run_subcommand(self, subcommand: str) -> None:
        pass


@cache
def parser_of(model: type[Any], data: type[Any], config: str) -> Any:
    arguments = [config, "--model.encoder=x", "--data.dataset=x"]
    return Parsed(model, data, Path("somewhere"), arguments).parser


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The settings of each training that would have begun; what is made before is there."""
    settings: list[Any] = []

    def train(
        model: type[Any], data: type[Any], name: str, folder: Path, given: Sequence[str],
        run: launch.Run, *more: Any,
    ) -> None:  # fmt: skip
        parser = parser_of(model, data, given[0])
        settings.append(parser.parse_args(["fit", *given, *run.arguments]).fit)

    small = load_encoder_config("zh-small")
    for place in (module, launch):
        monkeypatch.setattr(place, "load_encoder_config", lambda name: small)
        monkeypatch.setattr(
            place, "resolve_start", lambda init, encoder, *more: Start(encoder, init)
        )
    monkeypatch.setattr(module, "stage_one_run", lambda path: {})
    monkeypatch.setattr(module, "dataset_inputs", lambda name: {})
    monkeypatch.setattr(launch, "train", train)
    monkeypatch.setattr(sys, "argv", ["decoupled-ner"])
    return settings


def test_model_and_data_are_told_the_same() -> None:
    config = f"--config={find_recipe('unify', 'demo', small=True)}"
    parser = parser_of(UnifiedTraining, UnifiedData, config)
    given = ["--model.max_mention_tokens=16", "--seed_everything=7"]
    fit = parser.parse_args(["fit", config, "--model.encoder=x", "--data.dataset=x", *given]).fit
    assert fit.data.max_context_tokens == fit.model.max_context_tokens == 64
    assert fit.data.max_mention_tokens == 16 and fit.data.encoder == "x"
    assert fit.data.seed == fit.model.seed == 7


@pytest.mark.parametrize("dataset", ["weibo", "msra"])
def test_the_ablation_begins_with_four_rows_of_five_seeds(dataset: str) -> None:
    experiment = read_experiment(FOLDER / f"{dataset}-stage1.yaml")
    assert (experiment.dataset, len(experiment.seeds)) == (dataset, 5)
    names = [system.name.removeprefix("decoupled") for system in experiment.systems]
    assert names[:4] == ["", "+mention", "+context", "+both"]


def test_the_curve_of_msra_goes_through_the_ablation_and_no_other_run_is_made_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "load_encoder_config", lambda _: load_encoder_config("zh-small"))
    monkeypatch.setattr(module, "dataset_inputs", lambda _: {})  # its files need not be there
    ablation, scale, taggers = (
        {planned.command for planned in plan(read_experiment(FOLDER / f"{name}.yaml"), tmp_path)}
        for name in ("msra-stage1", "msra-scale", "msra-1k")
    )
    assert len(ablation) == 7 * 5
    assert len(ablation & scale) == 2 * 2  # two rows of two seeds
    assert not taggers & (ablation | scale)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_run_would_begin(
    path: Path, begun: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = read_experiment(path)
    monkeypatch.chdir(tmp_path)
    if experiment.dataset not in DATASETS:  # a folder that its file says how to make
        Path(experiment.dataset).mkdir(parents=True)
        for split in ("train", "dev", "test"):
            write_jsonl([Sentence("篮协成立了", ())], Path(experiment.dataset) / f"{split}.jsonl")
    assert experiment.name == path.stem and experiment.against is not None
    plans = list(plan(replace(experiment, seeds=(1,)), tmp_path))
    assert len(plans) == len(experiment.systems) * max(1, len(experiment.sizes))
    for planned in plans:
        assert status(*planned.command) == 0
    assert [settings.data.dataset for settings in begun] == [experiment.dataset] * len(plans)
