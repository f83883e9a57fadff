"""The wheel holds all it needs: built, installed away from the checkout, and run there."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    [built] = folder.glob("*.whl")
    return built


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
    assert all(name == "decoupled_ner" or name.endswith(".dist-info") for name in top)


def test_installed_elsewhere_it_trains_and_predicts(wheel: Path, tmp_path: Path, tiny_encoder: str):
    # A second environment on top of this one: the wheel's own code, our dependencies.
    place = tmp_path / "environment"
    venv.create(place, with_pip=False)
    [site] = place.glob("lib/*/site-packages")
    dependencies = next(p for p in sys.path if p.endswith("site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    (site / "dependencies.pth").write_text(dependencies)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"DECOUPLED_NER_RUNS": str(tmp_path / "runs")}

    def python(*arguments: str) -> str:
        done = subprocess.run(
            [str(place / "bin" / "python"), *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = python("-c", "import decoupled_ner; print(decoupled_ner.__file__)")
    assert str(place) in where and str(ROOT) not in where
    python(
        "-m", "decoupled_ner.cli", "unify", "demo", "--encoder", tiny_encoder,
        "--data.train_sentences=30", "--trainer.max_epochs=1", "--trainer.precision=32-true",
        "--data.negatives_per_positive=1",
    )  # fmt: skip
    found = python("-c", "from decoupled_ner import predict_regions as p; print(p('他去了北京'))")
    assert found.startswith("[")
