"""The torchmetrics metric, in one process and in two."""

from __future__ import annotations

import random
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from decoupled_ner.metrics import Counts, scores, span_counts
from decoupled_ner.training.metric import SpanF1
from decoupled_ner.types import Entity, InputError, Sentence, entity_at

TYPES = ("PER", "ORG")
Corpus = tuple[list[Sentence], list[list[Entity]]]


def corpus(sentences: int) -> Corpus:
    """The same made-up corpus in every process."""
    rng = random.Random(5)
    text = "甲乙丙丁戊己"

    def entities() -> list[Entity]:
        starts = [start for start in range(0, 6, 2) if rng.random() < 0.6]
        return [entity_at(text, s, s + rng.randint(1, 2), rng.choice(TYPES)) for s in starts]

    return [Sentence(text, tuple(entities())) for _ in range(sentences)], [
        entities() for _ in range(sentences)
    ]


def expected(data: Corpus) -> dict[str, float]:
    counts = span_counts(*data)
    micro = scores(sum(counts.values(), Counts()))
    by_type = {f"f1/{name}": scores(c).f1 for name, c in counts.items()}
    return {"precision": micro.precision, "recall": micro.recall, "f1": micro.f1} | by_type


def values(metric: SpanF1) -> dict[str, float]:
    return {name: value.item() for name, value in metric.compute().items()}


def test_batches_add_up_and_reset_starts_anew() -> None:
    gold, predicted = corpus(20)
    metric = SpanF1(TYPES)
    for start in (0, 13):
        stop = 13 if start == 0 else None
        metric.update(gold[start:stop], predicted[start:stop])
    assert values(metric) == pytest.approx(expected((gold, predicted)))
    metric.reset()
    metric.update(gold[:3], gold_entities(gold[:3]))
    assert metric.compute()["f1"] == 1


def gold_entities(gold: list[Sentence]) -> list[tuple[Entity, ...]]:
    return [sentence.entities for sentence in gold]


def test_unknown_types_are_input_errors() -> None:
    with pytest.raises(InputError, match="unknown entity type 'ORG'"):
        SpanF1(["PER"]).update(*corpus(5))
    with pytest.raises(InputError, match="at least one"):
        SpanF1([])


def run_rank(rank: int, port: int, shares: list[int], folder: str) -> None:
    """Score this rank's share: ``shares[0]`` sentences for rank 0, the rest for rank 1."""
    dist.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=len(shares)
    )
    gold, predicted = corpus(sum(shares))
    start = sum(shares[:rank])
    mine = slice(start, start + shares[rank])
    metric = SpanF1(TYPES)
    metric.update(gold[mine], predicted[mine])
    alone = metric.counts.clone()
    torch.save((values(metric), alone), f"{folder}/{rank}.pt")
    assert torch.equal(metric.counts, alone), "counts must be unsynced again after compute"
    dist.destroy_process_group()


@pytest.mark.parametrize("shares", [[11, 3], [7, 0]])
def test_two_processes_with_unequal_shares_equal_one(tmp_path: Path, shares: list[int]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    spawn(run_rank, args=(port, shares, str(tmp_path)), nprocs=2)
    whole = expected(corpus(sum(shares)))
    results = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    assert results[0][0] == results[1][0] == pytest.approx(whole)
    assert not torch.equal(results[0][1], results[1][1]), "the shards themselves differ"
