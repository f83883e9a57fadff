"""Where a run lies, and what it says of where it came from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from decoupled_ner.training import runs
from decoupled_ner.training.runs import dataset_slug, encoder_slug, git_commit, run_folder


def test_directories_of_one_name_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for place in ("a/model", "b/model", "b/中 文"):
        (tmp_path / place).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "model")
    first, second = (encoder_slug(str(tmp_path / place / "model")) for place in "ab")
    assert first != second
    assert first.startswith("model-") and second.startswith("model-")
    # one directory has one name, however it is written
    assert encoder_slug(".") == encoder_slug("../model") == encoder_slug("../model/") == first
    assert encoder_slug("..").startswith("a-")
    assert encoder_slug("../../b/中 文").startswith("中_文-")
    assert encoder_slug("/").startswith("encoder-")


def test_hub_ids_keep_their_organisation():
    assert encoder_slug("bert-base-chinese") == "bert-base-chinese"
    ids = ("hfl/chinese-macbert-base", "hfl_chinese-macbert-base", "chinese-macbert-base")
    assert len({encoder_slug(name) for name in ids}) == 3
    assert encoder_slug(ids[0]) == "hfl--chinese-macbert-base"
    # what is neither a directory nor a hub id makes no odd path all the same
    for odd in ("../gone", "a--b", "a/b/c", "", "a b"):
        assert "/" not in encoder_slug(odd) and encoder_slug(odd)[0] not in ".-"
    assert encoder_slug("a--b") != encoder_slug("a/b")


def test_data_of_one_name_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for place in "ab":
        (tmp_path / place / "data").mkdir(parents=True)
    first, second = (dataset_slug(str(tmp_path / place / "data")) for place in "ab")
    assert first != second
    assert first.startswith("data-") and second.startswith("data-")
    monkeypatch.chdir(tmp_path / "a")
    assert dataset_slug("data") == dataset_slug("./data/?format=conll") == first
    # names of the catalog stay, and no folder of that name takes their place
    (tmp_path / "a" / "weibo").mkdir()
    assert (dataset_slug("weibo"), dataset_slug("weibo:nom")) == ("weibo", "weibo-nom")
    assert dataset_slug("./weibo").startswith("weibo-")


def test_the_bundled_encoder_keeps_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DECOUPLED_NER_RUNS", "here")
    folder = Path("here/unify/weibo/zh-small/seed-3")
    assert run_folder("unify", "weibo", "zh-small", 3) == folder
    (tmp_path / "zh-small").mkdir()  # a directory in the way is what is loaded
    assert run_folder("unify", "weibo", "zh-small", 3) != folder


def repository(root: Path, package: Path, project: str) -> None:
    """A made-up repository with one commit, and a package in it."""
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (root / "pyproject.toml").write_text(f'[project]\nname = "{project}"\n')
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "Begin"]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)


def test_the_commit_of_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runs, "_PACKAGE", tmp_path / "decoupled_ner")
    repository(tmp_path, tmp_path / "decoupled_ner", "decoupled-ner")
    commit = git_commit()
    assert commit is not None and len(commit) == 12
    (tmp_path / "decoupled_ner" / "__init__.py").write_text("changed = True\n")
    assert git_commit() == commit + "+"


@pytest.mark.parametrize("place", ["decoupled_ner", ".venv/site-packages/decoupled_ner"])
def test_a_users_own_repository_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
):
    repository(tmp_path, tmp_path / place, "my-product")
    monkeypatch.setattr(runs, "_PACKAGE", tmp_path / place)
    assert git_commit() is None


def test_an_installed_package_is_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / ".venv" / "site-packages" / "decoupled_ner"
    repository(tmp_path, package, "decoupled-ner")  # installed inside a checkout of ours
    monkeypatch.setattr(runs, "_PACKAGE", package)
    assert git_commit() is None
    monkeypatch.setattr(runs, "_PACKAGE", Path("/"))
    assert git_commit() is None
