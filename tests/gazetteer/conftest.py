"""Where the real dictionaries lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of $DECOUPLED_NER_DATA; tests that ask for it skip where it is unset."""
    root = os.environ.get("DECOUPLED_NER_DATA")
    if not root:
        pytest.skip("$DECOUPLED_NER_DATA is unset: it names the folder with the real data")
    return Path(root)
