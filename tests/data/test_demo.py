"""The demo dataset is what its data card says."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from importlib import resources
from itertools import pairwise
from typing import Any

import pytest

from decoupled_ner.types import Entity, Sentence

DEMO = resources.files("decoupled_ner") / "assets" / "demo"
LABELS = ("PER", "ORG", "GPE", "LOC")
MINIMUM = {"train": 440, "dev": 100, "test": 100}
SPLITS = tuple(MINIMUM)


def _records(split: str) -> list[dict[str, Any]]:
    lines = (DEMO / f"{split}.jsonl").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == "", "the file ends with one line break"
    return [json.loads(line) for line in lines]


def _sentences(split: str) -> list[Sentence]:
    """Building a ``Sentence`` checks each entity's text against its offsets."""
    return [
        Sentence(r["text"], tuple(Entity(**entity) for entity in r["entities"]), r["id"])
        for r in _records(split)
    ]


DATA = {split: _sentences(split) for split in SPLITS}
EVERYTHING = [sentence for split in SPLITS for sentence in DATA[split]]
TRAIN_MENTIONS = {entity.text for sentence in DATA["train"] for entity in sentence.entities}


def _mentions(split: str) -> list[str]:
    return [entity.text for sentence in DATA[split] for entity in sentence.entities]


def _unseen(split: str) -> int:
    return sum(mention not in TRAIN_MENTIONS for mention in _mentions(split))


def _skeleton(text: str) -> str:
    """Letters and digits alone, width and case folded."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in folded if char.isalnum())


@pytest.mark.parametrize("split", SPLITS)
def test_fields_and_ids(split: str) -> None:
    records = _records(split)
    assert len(records) >= MINIMUM[split]
    assert [record["id"] for record in records] == [
        f"demo/{split}/{n}" for n in range(len(records))
    ]
    assert {tuple(record) for record in records} == {("id", "text", "entities")}
    fields = {tuple(entity) for record in records for entity in record["entities"]}
    assert fields == {("start", "end", "text", "label")}


@pytest.mark.parametrize("split", SPLITS)
def test_entities_are_sorted_disjoint_and_trimmed(split: str) -> None:
    for record, sentence in zip(_records(split), DATA[split], strict=True):
        starts = [entity["start"] for entity in record["entities"]]
        assert starts == sorted(starts)
        assert all(a.end <= b.start for a, b in pairwise(sentence.entities)), sentence
        assert all(entity.text == entity.text.strip() for entity in sentence.entities)


@pytest.mark.parametrize("split", SPLITS)
def test_every_label_is_in_every_split(split: str) -> None:
    counts = Counter(entity.label for sentence in DATA[split] for entity in sentence.entities)
    assert set(counts) == set(LABELS)
    assert min(counts.values()) >= 25


def test_texts_are_clean_and_of_sensible_length() -> None:
    for sentence in EVERYTHING:
        assert 8 <= len(sentence.text) <= 80, sentence
        assert not re.search(r"\|(PER|ORG|GPE|LOC)\]", sentence.text), "markup was left in"
        assert "\n" not in sentence.text


def test_no_text_occurs_twice_even_with_other_punctuation() -> None:
    counts = Counter(_skeleton(sentence.text) for sentence in EVERYTHING)
    assert [text for text, count in counts.items() if count > 1] == []


def test_no_near_duplicate_across_splits() -> None:
    bigrams = {
        split: [{a + b for a, b in pairwise(_skeleton(s.text))} for s in DATA[split]]
        for split in SPLITS
    }
    for first, second in (("train", "dev"), ("train", "test"), ("dev", "test")):
        closest = max(len(a & b) / len(a | b) for a in bigrams[first] for b in bigrams[second])
        assert closest < 0.4, (first, second)


@pytest.mark.parametrize("split", SPLITS)
def test_about_a_quarter_has_no_entity(split: str) -> None:
    without = sum(not sentence.entities for sentence in DATA[split])
    assert 0.2 <= without / len(DATA[split]) <= 0.3


@pytest.mark.parametrize("split", ["dev", "test"])
def test_about_half_of_the_mentions_are_unseen(split: str) -> None:
    assert 0.4 <= _unseen(split) / len(_mentions(split)) <= 0.6


def test_the_same_words_are_other_types_or_no_entity_elsewhere() -> None:
    labels: dict[str, set[str]] = {}
    for sentence in EVERYTHING:
        for entity in sentence.entities:
            labels.setdefault(entity.text, set()).add(entity.label)
    assert sum(len(found) > 1 for found in labels.values()) >= 5

    names = [mention for mention in labels if len(mention) > 1]
    traps = [s for s in EVERYTHING if not s.entities and any(name in s.text for name in names)]
    assert len(traps) >= 20


def test_the_data_card_has_the_right_counts() -> None:
    card = (DEMO / "README.md").read_text(encoding="utf-8")
    for split in SPLITS:
        sentences = DATA[split]
        labels = Counter(entity.label for s in sentences for entity in s.entities)
        without = sum(not s.entities for s in sentences)
        unseen = "–" if split == "train" else _unseen(split)
        counts = [len(sentences), without, labels.total(), *(labels[x] for x in LABELS), unseen]
        assert f"| {split} | {' | '.join(map(str, counts))} |" in card
    total = sum(len(sentence.entities) for sentence in EVERYTHING)
    assert f"{len(EVERYTHING)} short Chinese texts with {total:,} annotated" in card
