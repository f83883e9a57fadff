"""A training run small enough for a test, started as users start it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.training.runs import encoder_slug

RECIPE = """
data:
  dataset: {data}
  candidates:
    class_path: decoupled_ner.candidates.NGrams
    init_args: {{max_length: 3}}
  train_mentions: true
  negatives_per_positive: 3
  batch_size: 10
model:
  lr: 1.0e-3
  dropout: 0.0
trainer:
  max_epochs: 2
  precision: 32-true
  enable_progress_bar: false
  enable_model_summary: false
resume_point:
  every_n_steps: 2
"""


class Run:
    """Starts ``decoupled-ner unify`` on a few sentences with a tiny encoder."""

    def __init__(self, folder: Path, encoder: str) -> None:
        self.folder, self.encoder = folder, encoder
        data = folder / "data"
        data.mkdir()
        demo = load_dataset("demo")
        for split, count in (("train", 40), ("dev", 13), ("test", 12)):
            write_jsonl(demo.split(split)[:count], data / f"{split}.jsonl")
        self.recipe = folder / "few.yaml"
        self.recipe.write_text(RECIPE.format(data=data))

    def start(self, runs: str, *arguments: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "DECOUPLED_NER_RUNS": str(self.folder / runs),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "decoupled_ner.cli", "unify", str(self.recipe)]
        return subprocess.Popen(
            [*command, "--encoder", self.encoder, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, runs: str, *arguments: str) -> Path:
        process = self.start(runs, *arguments)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        return self.result(runs)

    def result(self, runs: str) -> Path:
        return self.folder / runs / "unify" / "few" / encoder_slug(self.encoder) / "seed-1"


def check_same_weights(first: Path, second: Path, tolerance: float) -> None:
    """Two safetensors files hold the same weights."""
    one, two = load_file(first), load_file(second)
    assert one.keys() == two.keys()
    for name, weight in one.items():
        if tolerance and name.endswith("key.bias"):
            continue  # its true gradient is zero: what Adam makes of it is rounding noise
        torch.testing.assert_close(two[name], weight, rtol=tolerance, atol=tolerance)
