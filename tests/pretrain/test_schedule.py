"""Warm-up, stable, decay."""

from __future__ import annotations

import pytest

from decoupled_ner.training.schedule import StableDecay
from decoupled_ner.types import InputError


def test_a_known_number_of_steps():
    schedule = StableDecay(warmup=4, decay_share=0.2, steps=20)
    rates = [schedule.rate(step) for step in range(20)]
    assert rates[:5] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert rates[5:17] == [1.0] * 12
    assert rates[16:] == [1.0, 0.75, 0.5, 0.25]
    assert schedule.end == 20 and schedule.rate(20) == 0.0
    assert schedule.state_dict() == {}  # the settings say it all, and may be changed


def test_a_run_is_open_until_it_is_finished_by_hand():
    schedule = StableDecay(warmup=0, decay_share=0.25)
    assert schedule.end is None and schedule.rate(10**6) == 1.0
    schedule.begin(300)
    assert (schedule.decay_from, schedule.end) == (300, 400)
    assert schedule.rate(300) == 1.0 and schedule.rate(350) == 0.5
    resumed = StableDecay(warmup=0, decay_share=0.25, steps=10_000)
    resumed.load_state_dict(schedule.state_dict())
    assert [resumed.rate(s) for s in (299, 350, 399)] == [schedule.rate(s) for s in (299, 350, 399)]
    assert resumed.end == 400


@pytest.mark.parametrize("steps", [20, None])
def test_a_decay_that_begins_in_the_warm_up_goes_down_from_there(steps: int | None):
    schedule = StableDecay(warmup=99, decay_share=0.2, steps=steps)
    if steps is None:
        schedule.begin(16)
    rates = [schedule.rate(step) for step in range(21)]
    assert rates[:17] == pytest.approx([(step + 1) / 100 for step in range(17)])
    assert rates[17:] == pytest.approx([0.17 * left for left in (0.75, 0.5, 0.25, 0)])


@pytest.mark.parametrize(("warmup", "share"), [(-1, 0.1), (0, 0.0), (0, 1.0)])
def test_wrong_settings(warmup: int, share: float):
    with pytest.raises(InputError, match="decay_share"):
        StableDecay(warmup, share)
