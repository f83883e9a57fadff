"""Generators in saved models: the project's, those that users register, and no others."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from decoupled_ner.candidates import (
    CandidateGenerator,
    MergedNeighbours,
    NGrams,
    Union,
    generator_from_config,
    register_generator,
    registry,
    to_config,
)
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.types import InputError, Region

PLUGIN = """
from decoupled_ner.candidates import NGrams, register_generator

@register_generator
class Shouts(NGrams):
    name = "shouts"
"""


class First(CandidateGenerator):
    """Proposes the first characters."""

    name = "first"

    def __init__(self, length: object = 1) -> None:
        self.length = length

    def propose(self, text):
        return [Region(0, self.length)] if len(text) >= self.length else []

    def init_args(self):
        return {"length": self.length}


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    registry._import_plugins.cache_clear()


def test_a_registered_class_travels():
    assert register_generator(First) is First
    config = to_config(Union([NGrams(2), First(3)]))
    again = generator_from_config(config)
    assert isinstance(again, Union) and isinstance(again.generators[1], First)
    assert again.generators[1].propose("abcd") == [Region(0, 3)]
    assert to_config(again) == config


def test_an_unregistered_class_is_told_before_training(tiny_encoder: str):
    with pytest.raises(InputError, match=r"First can't be saved.*@register_generator") as told:
        UnifiedData("demo", tiny_encoder, Union([NGrams(2), First()]))
    assert "\n" not in str(told.value)
    register_generator(First)
    assert UnifiedData("demo", tiny_encoder, First()).candidates.generators[0].name == "first"


def test_arguments_must_be_json():
    register_generator(First)
    with pytest.raises(InputError, match=r"init_args of .*First must be JSON values"):
        to_config(First({1, 2}))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("NGrams", [1], "NGrams stand as name: value"),
        ("Union", {"generators": None}, "generators are a list"),
        ("GazetteerMatches", {"mentions": ["北京"]}, "stand as {mention: [type, ...]}"),
        ("GazetteerMatches", {"mentions": {"北京": []}}, "stand as {mention: [type, ...]}"),
        ("GazetteerMatches", {"paths": []}, "no gazetteer is named"),
        ("GazetteerMatches", {"mentions": {"北京": "GPE"}}, "stand as {mention: [type, ...]}"),
        ("NGrams", {"sizes": 2}, "NGrams.*sizes"),
        ("NGrams", {"max_length": "8"}, "NGrams: max_length='8' must be int"),
        ("JiebaNouns", {"tags": ["n*", 1]}, "1] must be a list of text"),
        ("WordNGrams", {"connectors": "of the"}, "connectors='of the' must be a list of text"),
        ("DictionaryNames", {"min_length": 2.0}, "min_length=2.0 must be int"),
        ("GazetteerMatches", {"whole_words": "yes"}, "whole_words='yes' must be bool"),
        ("Union", {"generators": [], "max_length": "9"}, "max_length='9' must be int or null"),
    ],
)
def test_arguments_that_do_not_fit_are_told(name: str, arguments: Any, message: str):
    config = {"class_path": f"decoupled_ner.candidates.{name}", "init_args": arguments}
    with pytest.raises(InputError, match=message.replace("{", r"\{").replace("[", r"\[")):
        generator_from_config(config)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("NGrams", {"max_length": True}),
        ("GazetteerMatches", {"mentions": {"北京": ["GPE"]}, "whole_words": 1}),
        ("Union", {"generators": [to_config(NGrams())], "max_length": None}),
        ("Union", {"generators": [to_config(NGrams())], "max_length": 9}),
        ("MergedNeighbours", {"tags": ["n"], "model": None}),
    ],
)
def test_what_serves_is_taken_and_written_again(name: str, arguments: dict[str, Any]):
    config = {"class_path": f"decoupled_ner.candidates.{name}", "init_args": arguments}
    again = to_config(generator_from_config(config))
    assert again["init_args"].items() >= arguments.items()
    generator_from_config(json.loads(json.dumps(again)))


def test_what_could_not_be_loaded_is_not_saved():
    with pytest.raises(InputError, match=r"max_length=12.0 must be int"):
        to_config(MergedNeighbours(max_length=12.0))  # type: ignore[arg-type]


def test_a_name_of_ours_is_not_enough():
    class NGrams(First):
        """Called as one of the project's."""

    with pytest.raises(InputError, match="can't be saved"):
        to_config(NGrams())


def test_a_path_is_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "evil_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="import the module that registers it"):
        generator_from_config({"class_path": "evil_module.Evil", "init_args": {}})
    assert "evil_module" not in sys.modules


def install(folder: Path, module: str, code: str) -> None:
    """A package with a plug-in, as pip would leave it."""
    (folder / f"{module}.py").write_text(code)
    facts = folder / f"{module}-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[{registry.ENTRY_POINTS}]\nshouts = {module}\n")


def test_an_installed_package_registers_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install(tmp_path, "shouting_plugin", PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    config = {"class_path": "shouting_plugin.Shouts", "init_args": {"max_units": 2}}
    generator = generator_from_config(config)
    assert generator.name == "shouts" and generator.propose("ab")
    assert to_config(generator)["class_path"] == config["class_path"]


def test_a_broken_plugin_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install(tmp_path, "broken_plugin", "import no_such_module_here")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="broken_plugin, a plug-in, can't be imported"):
        generator_from_config({"class_path": "broken_plugin.Shouts", "init_args": {}})
