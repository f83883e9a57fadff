"""The data set report."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from decoupled_ner.data.catalog import Dataset
from decoupled_ner.data.report import dataset_report, leaked_sentences, render
from decoupled_ner.labels import LabelSet
from decoupled_ner.types import InputError, Sentence, entity_at


def sentence(text: str, *entities: tuple[int, int, str]) -> Sentence:
    return Sentence(text, tuple(entity_at(text, *entity) for entity in entities))


TRAIN = (
    sentence("李四在北京大学", (0, 2, "PER"), (3, 7, "ORG"), (3, 5, "GPE")),
    sentence("好"),
    sentence("好"),
    sentence("去北京", (1, 3, "GPE")),
)
TEST = (
    sentence("好"),
    sentence("北京欢迎李四", (0, 2, "GPE"), (4, 6, "PER")),
    sentence("去北京", (0, 3, "ORG")),
    sentence("李四", (0, 2, "ORG")),
)
DATASET = Dataset(
    "mine",
    LabelSet(("PER", "ORG", "GPE", "LOC")),
    {"train": TRAIN, "test": TEST},
    repairs=3,
    dropped={"discontinuous": 2},
    noted={"joined across a line break": 4},
    checksums={"train.bio": "ab" * 32},
)


@pytest.fixture
def report() -> dict[str, Any]:
    report = dataset_report(DATASET)
    assert json.loads(json.dumps(report)) == report
    return report


def test_counts_and_lengths(report: dict[str, Any]) -> None:
    train = report["splits"]["train"]
    assert train == {
        "sentences": 4,
        "characters": 12,
        "entities": 4,
        "entities_by_type": {"PER": 1, "ORG": 1, "GPE": 2, "LOC": 0},
        "sentence_length": {"median": 1, "p95": 7, "max": 7},
        "mention_length": {"median": 2, "p95": 4, "max": 4},
        "duplicates": 1,
        "overlapping": 1,
    }
    assert {key: report[key] for key in ("repairs", "dropped", "noted")} == {
        "repairs": 3,
        "dropped": {"discontinuous": 2},
        "noted": {"joined across a line break": 4},
    }


def test_leakage_and_seen_mentions(report: dict[str, Any]) -> None:
    test = report["splits"]["test"]
    assert test["leaked"] == {"text": 2, "text_and_entities": 1}
    assert test["seen_mentions"] == {"all": 0.5, "PER": 1.0, "ORG": 0.0, "GPE": 1.0, "LOC": None}
    assert leaked_sentences(DATASET, "test") == {0, 2}
    with pytest.raises(InputError, match="no split 'dev'"):
        leaked_sentences(DATASET, "dev")


def test_without_train_nothing_leaks() -> None:
    alone = Dataset("mine", DATASET.labels, {"test": TEST})
    assert leaked_sentences(alone, "test") == set()
    assert "leaked" not in dataset_report(alone)["splits"]["test"]


def test_an_empty_split_has_zero_lengths() -> None:
    empty = dataset_report(Dataset("mine", LabelSet(()), {"test": ()}))
    assert empty["splits"]["test"]["mention_length"] == {"median": 0, "p95": 0, "max": 0}


def test_a_type_is_shown_as_it_is() -> None:
    sentences = (sentence("北京", (0, 2, "GPE[/b]")),)
    dataset = Dataset("mine", LabelSet(("GPE[/b]",)), {"test": sentences})
    console = Console(file=io.StringIO(), width=100)
    console.print(render(dataset_report(dataset)))
    assert "GPE[/b]" in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_rendering_shows_every_figure(report: dict[str, Any]) -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(render(report))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for text in (
        "mine",
        "1 / 7 / 7",
        "1 (100%)",
        "2 entities dropped: discontinuous",
        "4 entities joined across a line break",
        "3 tags repaired",
        "ab" * 32,
    ):
        assert text in shown
