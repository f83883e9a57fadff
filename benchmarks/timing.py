"""Time of things done turn about, so that what else the machine does falls on all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any


def fastest(runs: Sequence[Callable[[], Any]], rounds: int) -> list[float]:
    """The least seconds of each over so many rounds."""
    seconds = [float("inf")] * len(runs)
    for _ in range(rounds):
        for which, run in enumerate(runs):
            began = time.perf_counter()
            run()
            seconds[which] = min(seconds[which], time.perf_counter() - began)
    return seconds
