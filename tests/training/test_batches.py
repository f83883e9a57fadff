"""Batches: every item once, the same for any number of processes, resumable."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from decoupled_ner.training.batches import (
    EpochBatches,
    ResumableLoader,
    bucketed_batches,
    even_parts,
)
from decoupled_ner.training.cli import ResumePoint
from decoupled_ner.training.datamodule import TrainingData
from decoupled_ner.types import InputError


class Numbers(EpochBatches):
    """Items are numbers; their length is their value."""

    def __init__(self, count: int, batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        super().__init__(batch_size, seed=5, rank=rank, world_size=world_size)
        self.count = count

    def items(self, epoch: int) -> Sequence[int]:
        return range(epoch * 1000, epoch * 1000 + self.count)

    def length_of(self, item: int) -> int:
        return item

    def collate(self, items: Sequence[int]) -> list[int]:
        return list(items)


@given(st.lists(st.integers(1, 99), min_size=1, max_size=300), st.integers(1, 40), st.integers())
def test_batches_hold_every_item_once(lengths: list[int], size: int, seed: int):
    batches = bucketed_batches(lengths, size, random.Random(seed))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // size)
    sizes = {len(batch) for batch in batches}
    assert max(sizes) <= size and max(sizes) - min(sizes) <= 1


def test_batches_hold_items_of_similar_length():
    lengths = [random.Random(0).randint(1, 100) for _ in range(500)]
    lengths = [length if i % 2 else 101 - length for i, length in enumerate(lengths)]
    spread = [
        max(lengths[i] for i in batch) - min(lengths[i] for i in batch)
        for batch in bucketed_batches(lengths, 10, random.Random(1))
    ]
    assert sum(spread) / len(spread) < 10


class NumbersData(TrainingData):
    """Ten batches of three an epoch."""

    validates = False

    def items_per_epoch(self) -> int:
        return 30

    def training_batches(self, rank: int, world_size: int) -> Numbers:
        return Numbers(30, 3, rank, world_size)


@pytest.mark.parametrize(
    ("limits", "steps"),
    [
        ({"max_epochs": 4}, 40),
        ({"max_epochs": 4, "max_steps": 25}, 25),
        ({"max_epochs": 4, "max_steps": 500}, 40),
        ({"max_epochs": -1, "max_steps": 500}, 500),
        ({"max_epochs": 4, "limit_train_batches": 0.5, "accumulate_grad_batches": 2}, 12),
    ],
)
def test_a_run_has_as_many_steps_as_its_first_limit(limits: dict[str, float], steps: int):
    data = NumbersData("encoder", 3, 0, 1)
    data.trainer = pl.Trainer(accelerator="cpu", logger=False, **limits)
    assert data.optimizer_steps() == steps


def test_a_run_without_an_end_is_told():
    data = NumbersData("encoder", 3, 0, 1)
    data.trainer = pl.Trainer(accelerator="cpu", logger=False, max_epochs=-1)
    with pytest.raises(InputError, match=r"give --trainer.max_epochs or .max_steps"):
        data.optimizer_steps()


class Toy(pl.LightningModule):
    """Notes, whenever a state is saved, the steps and the batches done."""

    def __init__(self, kept: Path) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.kept, self.saved = kept, list[tuple[int, int]]()

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return (self.weight - batch).square().sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        done = self.trainer.fit_loop.epoch_loop.batch_progress.current.processed
        self.saved.append((self.trainer.global_step, done))

    def on_train_batch_start(self, batch: torch.Tensor, batch_idx: int) -> None:
        if self.trainer.global_step == 5 and not self.kept.exists():
            shutil.copy(self.kept.with_name("last.ckpt"), self.kept)


@pytest.mark.filterwarnings("ignore")  # of Lightning's own affairs
def test_a_resumed_run_saves_no_state_in_the_middle_of_a_step(tmp_path: Path):
    def fit(state: Path | None) -> list[tuple[int, int]]:
        module = Toy(tmp_path / "at-four.ckpt")
        trainer = pl.Trainer(
            accelerator="cpu", logger=False, max_epochs=1, accumulate_grad_batches=2,
            callbacks=[ResumePoint(str(tmp_path), 2)], enable_progress_bar=False,
            enable_model_summary=False,
        )  # fmt: skip
        numbers = DataLoader(torch.ones(16, 1))
        trainer.fit(module, numbers, ckpt_path=state, weights_only=False)
        return module.saved

    whole = fit(None)
    assert whole == [(2, 4), (4, 8), (6, 12), (8, 16)]
    assert fit(tmp_path / "at-four.ckpt") == whole[2:]


def test_even_parts():
    assert even_parts(range(7), 3) == [[0, 1], [2, 3], [4, 5, 6]]
    assert even_parts([], 0) == []


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_share_the_global_batches(world_size: int):
    whole = Numbers(50, 8)
    parts = [Numbers(50, 8, rank, world_size) for rank in range(world_size)]
    for epoch in (0, 3):
        for number in range(len(whole)):
            shared = [item for part in parts for item in part[epoch, number]]
            assert sorted(shared) == sorted(whole[epoch, number])
            assert all(part[epoch, number] for part in parts)


def test_epochs_differ_and_repeat():
    first, second = Numbers(50, 8), Numbers(50, 8)
    assert first[1, 2] == second[1, 2]
    assert [i - 1000 for i in first[1, 2]] != first[0, 2]


def test_more_processes_than_a_batch_holds():
    with pytest.raises(InputError, match="can't be shared"):
        Numbers(50, 2, world_size=3)[0, 0]
    with pytest.raises(InputError, match="can't be shared"):
        Numbers(5, 2, world_size=2)[0, 0]  # of 2, 2 and 1
    with pytest.raises(InputError, match="at least 1"):
        Numbers(5, 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_loader_resumes_in_the_middle_of_an_epoch(workers: int):
    loader = ResumableLoader(Numbers(50, 8), lambda: (2, 3), num_workers=workers)
    loader.sampler.set_epoch(2)
    whole = list(loader)
    state = loader.state_dict()
    fresh = ResumableLoader(Numbers(50, 8), lambda: (0, 0), num_workers=workers)
    fresh.load_state_dict(state)  # Lightning fetches before it sets the epoch
    assert len(fresh) == len(whole) == 7
    assert list(fresh) == whole[3:]
    fresh.sampler.set_epoch(3)
    loader.sampler.set_epoch(3)
    assert list(fresh) == list(loader)  # the next epoch is whole again


def test_a_finished_epoch_does_not_skip_the_next():
    loader = ResumableLoader(Numbers(50, 8), lambda: (0, 7))
    fresh = ResumableLoader(Numbers(50, 8), lambda: (0, 0))
    fresh.load_state_dict(loader.state_dict())
    assert len(list(fresh)) == 7
