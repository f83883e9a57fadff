"""Batches of a set too large to hold."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from decoupled_ner.training import batches as batches_module
from decoupled_ner.training.batches import ResumableLoader, StreamBatches
from decoupled_ner.types import InputError


class Numbers(StreamBatches):
    """Items are numbers from the epoch's thousand on; their length is what they are mod 7."""

    def __init__(self, count: int, batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        super().__init__(batch_size, seed=5, rank=rank, world_size=world_size)
        self.count = count

    def items_per_epoch(self) -> int:
        return self.count

    def read(self, epoch: int, start: int, stop: int) -> Sequence[int]:
        return range(epoch * 1000 + start, epoch * 1000 + stop)

    def length_of(self, item: int) -> int:
        return item % 7

    def collate(self, items: Sequence[int]) -> list[int]:
        return list(items)


@pytest.fixture(autouse=True)
def _small_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "POOL_BATCHES", 3)


@pytest.mark.parametrize(("count", "size"), [(50, 8), (48, 8), (49, 7), (5, 8), (100, 3)])
def test_an_epoch_has_every_item_once(count: int, size: int):
    stream = Numbers(count, size)
    found = [stream[2, number] for number in range(len(stream))]
    assert sorted(n for batch in found for n in batch) == list(range(2000, 2000 + count))
    assert len(found) == -(-count // size)
    assert max(map(len, found)) <= size and max(map(len, found)) - min(map(len, found)) <= 1


def test_batches_are_of_similar_length_and_in_no_order():
    stream = Numbers(210, 7)
    spread = [
        max(n % 7 for n in b) - min(n % 7 for n in b) for b in (stream[0, i] for i in range(30))
    ]
    assert sum(spread) / 30 < 3
    assert [stream[0, i][0] % 7 for i in range(3)] != [stream[1, i][0] % 7 for i in range(3)]


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_share_the_global_batches(world_size: int):
    whole = Numbers(50, 8)
    parts = [Numbers(50, 8, rank, world_size) for rank in range(world_size)]
    for number in range(len(whole)):
        shared = [item for part in parts for item in part[1, number]]
        assert sorted(shared) == sorted(whole[1, number])
    with pytest.raises(InputError, match="can't be shared"):
        Numbers(50, 2, world_size=3)[0, 0]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_goes_on_in_the_middle(workers: int):
    whole = [Numbers(50, 8)[2, number] for number in range(7)]
    loader = ResumableLoader(Numbers(50, 8), lambda: (0, 0), num_workers=workers)
    loader.load_state_dict({"epoch": 2, "batches_done": 4})
    assert list(loader) == whole[4:]
