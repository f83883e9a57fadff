"""Batches that depend on nothing but the seed, the epoch and their number.

A *global* batch is cut into one part a rank, so that any number of processes sees the same pairs
in the same steps, and a run that was killed goes on with the very batch that came next.
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from itertools import count, pairwise
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from decoupled_ner.types import InputError

#: Batches whose items are sorted by length together: little padding, still well mixed.
POOL_BATCHES = 50


def bucketed_batches(
    lengths: Sequence[int], batch_size: int, rng: random.Random
) -> list[list[int]]:
    """Shuffled batches of item indices; a batch's items are of similar length.

    Every item is in one batch. There are ``ceil(items / batch_size)`` batches whose sizes differ by
    at most one, so that there is no tiny last one.
    """
    order = list(range(len(lengths)))
    rng.shuffle(order)
    pool = POOL_BATCHES * batch_size
    pooled = [
        index
        for start in range(0, len(order), pool)
        for index in sorted(order[start : start + pool], key=lengths.__getitem__)
    ]
    batches = even_parts(pooled, math.ceil(len(pooled) / batch_size))
    rng.shuffle(batches)
    return batches


def even_parts(items: Sequence[int], count: int) -> list[list[int]]:
    """``items`` in ``count`` runs whose sizes differ by at most one."""
    cuts = [len(items) * part // count for part in range(count + 1)] if count else [0]
    return [list(items[a:b]) for a, b in pairwise(cuts)]


class Batches(Dataset[Any], ABC):
    """A training set as batches: ``self[epoch, number]`` is this rank's part of a global batch.

    Args:
        batch_size: items of a global batch at most.
        seed: of everything random in it.
        rank, world_size: which part; part r holds every ``world_size``-th item from r on.
    """

    def __init__(self, batch_size: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}")
        self.batch_size, self.seed = batch_size, seed
        self.rank, self.world_size = rank, world_size

    @abstractmethod
    def items_per_epoch(self) -> int:
        """How many items an epoch has, the same in every epoch."""

    @abstractmethod
    def global_batch(self, epoch: int, number: int) -> Sequence[Any]:
        """The items of a batch, those of all ranks."""

    @abstractmethod
    def length_of(self, item: Any) -> int:
        """What to bucket by."""

    @abstractmethod
    def collate(self, items: Sequence[Any]) -> Any:
        """A batch of tensors."""

    def check_shared(self, batches: Sequence[Sequence[Any]]) -> None:
        """Raise an `InputError` unless each of some global batches has an item for every rank."""
        if min(map(len, batches)) < self.world_size:
            raise InputError(
                f"batches of {self.batch_size} from {self.items_per_epoch()} items can't be shared"
                f" by {self.world_size} processes: give a larger batch_size or fewer devices"
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return math.ceil(self.items_per_epoch() / self.batch_size)

    def __getitem__(self, key: tuple[int, int]) -> Any:
        return self.collate(self.global_batch(*key)[self.rank :: self.world_size])


class EpochBatches(Batches):
    """Batches of an epoch that is held as a whole."""

    _epoch: int | None = None

    @abstractmethod
    def items(self, epoch: int) -> Sequence[Any]:
        """The items of an epoch; every epoch has as many."""

    def items_per_epoch(self) -> int:
        return len(self.items(0))

    def global_batch(self, epoch: int, number: int) -> Sequence[Any]:
        if epoch != self._epoch:
            self._items = self.items(epoch)
            rng = random.Random(f"batches-{self.seed}-{epoch}")
            lengths = [self.length_of(item) for item in self._items]
            self._batches = bucketed_batches(lengths, self.batch_size, rng)
            self.check_shared(self._batches)
            self._epoch = epoch
        return [self._items[index] for index in self._batches[number]]


class StreamBatches(Batches):
    """Batches of a set too large to hold: read in order, ``POOL_BATCHES`` of them at a time."""

    _pool: tuple[int, int] | None = None

    @abstractmethod
    def read(self, epoch: int, start: int, stop: int) -> Sequence[Any]:
        """Items ``start`` to ``stop`` of an epoch, in an order that is random already. Asked for
        in rising order, but for an epoch that is begun anew."""

    def global_batch(self, epoch: int, number: int) -> Sequence[Any]:
        pool, place = divmod(number, POOL_BATCHES)
        if (epoch, pool) != self._pool:
            self._batches = self._read_pool(epoch, pool)
            self._pool = epoch, pool
        return self._batches[place]

    def _read_pool(self, epoch: int, pool: int) -> list[list[Any]]:
        items, batches = self.items_per_epoch(), len(self)
        first = pool * POOL_BATCHES
        last = min(first + POOL_BATCHES, batches)
        read = self.read(epoch, items * first // batches, items * last // batches)
        ordered = sorted(read, key=self.length_of)
        numbers = even_parts(range(len(ordered)), last - first)
        self.check_shared(numbers)
        random.Random(f"pool-{self.seed}-{epoch}-{pool}").shuffle(numbers)
        return [[ordered[number] for number in part] for part in numbers]


class _BatchSampler(Sampler[tuple[int, int]]):
    """Yields (epoch, batch number); Lightning calls ``set_epoch`` before each epoch. An epoch of
    None batches has no end, and no length."""

    def __init__(self, batches: int | None) -> None:
        self.batches, self.epoch, self.start = batches, 0, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        # A generator, since a loader with workers makes two iterators and uses the second.
        start, self.start = self.start, 0  # only the epoch that was cut off starts in its middle
        numbers = count(start) if self.batches is None else range(start, self.batches)
        yield from ((self.epoch, number) for number in numbers)

    def __len__(self) -> int:
        if self.batches is None:
            raise TypeError("an epoch without an end has no length")
        return self.batches


class ResumableLoader(DataLoader[Any]):
    """Loads :class:`Batches` and goes on in the middle of an epoch.

    Args:
        progress: the running epoch, and how many of its batches have been trained on. The trainer
            knows; a loader does not, since batches are fetched ahead.
        endless: there is one epoch, without an end.
    """

    def __init__(
        self,
        dataset: Batches,
        progress: Callable[[], tuple[int, int]],
        num_workers: int = 0,
        *,
        endless: bool = False,
    ) -> None:
        self._progress = progress
        super().__init__(
            dataset,
            batch_size=None,
            sampler=_BatchSampler(None if endless else len(dataset)),
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            pin_memory=torch.cuda.is_available(),  # so that copying does not wait for the GPU
        )

    def state_dict(self) -> dict[str, int]:
        epoch, done = self._progress()
        return {"epoch": epoch, "batches_done": done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        assert isinstance(self.sampler, _BatchSampler)
        done, batches = state["batches_done"], self.sampler.batches
        self.sampler.start = done if batches is None else done % batches
        # Lightning fetches the first batch before it calls set_epoch.
        self.sampler.epoch = state["epoch"]
