"""Fixtures of training tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from training.tiny import Run


@pytest.fixture
def tiny_run(tmp_path: Path, tiny_encoder: str) -> Run:
    return Run(tmp_path, tiny_encoder)


@pytest.fixture
def same_weights() -> Callable[[Path, Path, float], None]:
    def check(first: Path, second: Path, tolerance: float) -> None:
        one, two = (load_file(run / "model" / "model.safetensors") for run in (first, second))
        assert one.keys() == two.keys()
        for name, weight in one.items():
            if tolerance and name.endswith("key.bias"):
                continue  # its true gradient is zero: what Adam makes of it is rounding noise
            torch.testing.assert_close(two[name], weight, rtol=tolerance, atol=tolerance)

    return check
