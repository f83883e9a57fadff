"""Fixtures of training tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from training.tiny import Run, check_same_weights


@pytest.fixture
def tiny_run(tmp_path: Path, tiny_encoder: str) -> Run:
    return Run(tmp_path, tiny_encoder)


@pytest.fixture
def same_weights() -> Callable[[Path, Path, float], None]:
    def check(first: Path, second: Path, tolerance: float) -> None:
        weights = (run / "model" / "model.safetensors" for run in (first, second))
        check_same_weights(*weights, tolerance)

    return check
