"""The wheel holds all it needs: built, installed away from the checkout, and run there."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from exported import export_tree

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


#: Folders at the top of the checkout → where the wheel has them.
PLACES = {
    "decoupled_ner": "decoupled_ner",
    **{name: f"decoupled_ner/recipes/{name}" for name in ("unify", "pretrain", "gazetteers")},
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A clean copy of the checkout and the names of its files."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout, which says what belongs to the project")
    folder = tmp_path_factory.mktemp("tree")
    return folder, export_tree(ROOT, folder)


@pytest.fixture(scope="module")
def wheel(exported: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=exported[0], check=True, capture_output=True,
    )  # fmt: skip
    [built] = folder.glob("*.whl")
    return built


def test_what_git_ignores_is_not_exported(tmp_path: Path):
    root = tmp_path / "root"
    for name in ("kept.py", "new.py", "gone.py", "build/stale.py", "deep/cache/x.pyc"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / ".gitignore").write_text("build/\n*.pyc\n")
    for command in (["init", "-q"], ["add", "kept.py", "gone.py"]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)
    (root / "gone.py").unlink()
    (root / "kept.py").write_text("changed")
    assert export_tree(root, tmp_path / "tree") == [".gitignore", "kept.py", "new.py"]
    assert (tmp_path / "tree" / "kept.py").read_text() == "changed"
    assert not (tmp_path / "tree" / "build").exists()


def test_wheel_holds_the_checkout_and_nothing_else(wheel: Path, exported: tuple[Path, list[str]]):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    tops = {name: name.split("/")[0] for name in exported[1] if "/" in name}
    assert names == {
        PLACES[top] + name.removeprefix(top) for name, top in tops.items() if top in PLACES
    }


def test_wheel_holds_assets_and_recipes(wheel: Path):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "decoupled_ner/py.typed",
        "decoupled_ner/assets/zh-small/model.safetensors",
        "decoupled_ner/assets/demo/train.jsonl",
        "decoupled_ner/assets/html/page.html",
        "decoupled_ner/recipes/unify/weibo.yaml",
        "decoupled_ner/recipes/unify/demo-small.yaml",
        "decoupled_ner/recipes/gazetteers/sources.yaml",
        "decoupled_ner/recipes/pretrain/mention.yaml",
        "decoupled_ner/baselines/softlexicon.yaml",
        "decoupled_ner/comparison/published.yaml",
    } <= names
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"decoupled_ner"}


def test_installed_elsewhere_it_trains_and_predicts(wheel: Path, tmp_path: Path, tiny_encoder: str):
    # A second environment on top of this one: the wheel's own code, our dependencies.
    place = tmp_path / "environment"
    venv.create(place, with_pip=False)
    [site] = place.glob("lib/*/site-packages")
    dependencies = next(p for p in sys.path if p.endswith("site-packages"))
    (site / "dependencies.pth").write_text(dependencies)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"DECOUPLED_NER_RUNS": str(tmp_path / "runs")}

    def run(program: str, *arguments: str) -> str:
        done = subprocess.run(
            [str(place / "bin" / program), *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("python", "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", str(wheel))
    where = run("python", "-c", "import decoupled_ner; print(decoupled_ner.__file__)")
    assert str(place) in where and str(ROOT) not in where
    run(
        "decoupled-ner", "unify", "demo", "--encoder", tiny_encoder,
        "--data.train_sentences=30", "--trainer.max_epochs=1", "--trainer.precision=32-true",
        "--data.negatives_per_positive=1",
    )  # fmt: skip
    found = run(
        "python", "-c", "from decoupled_ner import predict_regions as p; print(p('他去了北京'))"
    )
    assert found.startswith("[")
