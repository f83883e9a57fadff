"""What `unify` makes of a name: recipe, data set, and the run's folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.training import launch
from decoupled_ner.training.launch import Run
from decoupled_ner.types import InputError


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, list[str]]]:
    """Folder and arguments of each training that would have begun."""
    calls = []

    def train(*arguments: Any) -> None:
        folder, given = arguments[3:5]
        calls.append((folder, list(given)))

    monkeypatch.setattr(launch, "train", train)
    return calls


@pytest.mark.parametrize(
    ("name", "recipe", "dataset", "folder"),
    [
        ("weibo", "weibo-small", None, "weibo"),
        ("weibo:nom", "weibo-small", "weibo:nom", "weibo-nom"),
        ("weibo:all", "weibo-small", "weibo:all", "weibo-all"),
        ("msra", "msra-small", None, "msra"),
        ("resume", "demo-small", "resume", "resume"),
        ("weibo-small", "weibo-small", None, "weibo"),
    ],
)
def test_recipe_data_set_and_folder(
    name: str, recipe: str, dataset: str | None, folder: str, launched: list[Any]
):
    launch.unify(name, Run("zh-small"))
    [(run, arguments)] = launched
    assert Path(arguments[0].removeprefix("--config=")).stem == recipe
    given = [a.partition("=")[2] for a in arguments if a.startswith("--data.dataset=")]
    assert given == ([dataset] if dataset else [])
    assert run.parts[-4:] == ("unify", folder, "zh-small", "seed-1")


def test_files_of_the_users_own(
    tmp_path: Path, launched: list[Any], monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters.yaml").write_text("data: {}\n")
    monkeypatch.chdir(tmp_path)
    for name in ("letters", f"{tmp_path / 'letters'}?format=conll", "letters/.", "letters.yaml"):
        launch.unify(name, Run("zh-small"))
    configs = [Path(arguments[0].removeprefix("--config=")).name for _, arguments in launched]
    assert configs == ["demo-small.yaml"] * 3 + ["letters.yaml"]
    *of_path, of_recipe = [run.parts[-3] for run, _ in launched]
    assert len(set(of_path)) == 1 and re.fullmatch("letters-[0-9a-f]{8}", of_path[0])
    assert of_recipe == "letters"
    assert f"--data.dataset={tmp_path / 'letters'}?format=conll" in launched[1][1]
    assert not any(argument.startswith("--data.dataset") for argument in launched[3][1])


def test_a_slip_trains_on_nothing_else(launched: list[Any]):
    with pytest.raises(InputError, match="no recipe 'weibbo' in unify/; there are conll2003"):
        launch.unify("weibbo", Run("zh-small"))
    launch.unify("weibo:nomm", Run("zh-small"))  # the data module then says what there is
    assert "--data.dataset=weibo:nomm" in launched[0][1]
    with pytest.raises(InputError, match=r"no data set 'weibo:nomm'.*weibo:nom"):
        load_dataset("weibo:nomm")
