"""What `unify` makes of a name: recipe, data set, and the run's folder."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.training import launch
from decoupled_ner.training.cli import _differences
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.training.launch import Run
from decoupled_ner.training.unified import UnifiedTraining
from decoupled_ner.types import InputError


def test_settings_that_a_run_did_not_begin_with():
    pool = {"class_path": "a.Pool", "init_args": {"tags": ["n"]}}
    longer = {"class_path": "a.Pool", "init_args": {"tags": ["n", "v"]}}
    before = {
        "data": {"names": {}, "pool": None, "parts": [pool], "files": [], "path": "/a/x", "gone": 1}
    }
    same = {
        "data": {"names": {}, "pool": None, "parts": [pool], "files": [], "path": "/b/x", "new": 2}
    }
    assert list(_differences(before, same)) == []
    for name, value in (
        ("pool", pool), ("parts", [pool, pool]), ("files", ["a.jsonl"]), ("path", None),
        ("names", {"北京": ["GPE"]}),
    ):  # fmt: skip
        now = {"data": {**before["data"], name: value}}
        for first, second in ((before, now), (now, before)):
            [(found, _, _)] = _differences(first, second)
            assert found == f"data.{name}"
    [(found, _, _)] = _differences(before, {"data": {**before["data"], "parts": [longer]}})
    assert found == "data.parts.0.init_args.tags"


def test_a_run_does_not_start_from_what_it_moves_aside(tmp_path: Path):
    folder = tmp_path / "runs" / "mention"
    launch._check_start(folder, "zh-small")
    launch._check_start(folder, f"zh-small,{tmp_path}/runs/mention-2/encoder")
    for encoders in (f"{folder}/encoder", f"zh-small,{tmp_path}/runs/x/../mention"):
        with pytest.raises(InputError, match="where this run writes: give it another --name"):
            launch._check_start(folder, encoders)


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


def test_a_folder_called_as_a_recipe_is_not_mistaken(
    tmp_path: Path, launched: list[Any], monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "weibo-small").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InputError, match=r"a file or folder here: give \./weibo-small or /.*\.yaml"
    ):
        launch.unify("weibo-small", Run("zh-small"))
    launch.unify("./weibo-small", Run("zh-small"))
    assert Path(launched[0][1][0]).stem == "demo-small"


def test_a_slip_trains_on_nothing_else(launched: list[Any]):
    with pytest.raises(InputError, match="no recipe 'weibbo' in unify/; there are conll2003"):
        launch.unify("weibbo", Run("zh-small"))
    with pytest.raises(InputError, match="my/letters: no such file or folder"):
        launch.unify("my/letters", Run("zh-small"))
    launch.unify("weibo:nomm", Run("zh-small"))  # the data module then says what there is
    assert "--data.dataset=weibo:nomm" in launched[0][1]
    with pytest.raises(InputError, match=r"no data set 'weibo:nomm'.*weibo:nom"):
        load_dataset("weibo:nomm")


@pytest.mark.parametrize("selects", [True, False])
def test_the_state_that_is_best_on_dev_is_finished(selects: bool, tmp_path: Path):
    best, module = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    last = module.weight.detach().clone()
    module.seed, module.facts = 1, dict  # type: ignore[assignment]
    torch.save({"state_dict": best.state_dict()}, tmp_path / "best.ckpt")
    cli = SimpleNamespace(
        model=module,
        selects_on_dev=selects,
        best=SimpleNamespace(best_model_path=str(tmp_path / "best.ckpt")),
        trainer=SimpleNamespace(
            is_global_zero=True,
            current_epoch=2,
            global_step=4,
            strategy=SimpleNamespace(root_device=torch.device("cpu")),
        ),
        effort=SimpleNamespace(seconds=1.0, items=1, tokens=1),
    )
    found: list[torch.Tensor] = []

    def finish(done: Any, *_: object) -> None:
        found.append(done.model.weight.detach().clone())

    given: tuple[Any, ...] = (UnifiedTraining, UnifiedData, "x", tmp_path / "run", ["--config=x"])
    launch.train(*given, Run("x"), finish=finish, cli_class=lambda *_: cli)  # type: ignore[arg-type]
    assert torch.equal(found[0], best.weight if selects else last)
