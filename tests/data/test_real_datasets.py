"""The real data sets, against counts taken from the raw files."""

from __future__ import annotations

import os
from collections import Counter
from itertools import pairwise

import pytest

from decoupled_ner.data.catalog import Dataset, load_dataset
from decoupled_ner.data.locate import DATA_VARIABLE
from decoupled_ner.data.report import dataset_report, leaked_sentences

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(DATA_VARIABLE not in os.environ, reason=f"${DATA_VARIABLE} is not set"),
]


def counts(dataset: Dataset) -> dict[str, tuple[int, int]]:
    """Sentences and entities by split."""
    return {
        name: (len(part), sum(len(sentence.entities) for sentence in part))
        for name, part in dataset.splits.items()
    }


def by_type(dataset: Dataset, split: str) -> dict[str, int]:
    return dict(Counter(e.label for s in dataset.split(split) for e in s.entities))


def test_weibo() -> None:
    # Names that begin with B- number 1018, 169 and 216; 4 and 2 more begin with an orphan I-.
    names = load_dataset("weibo")
    assert counts(names) == {"train": (1350, 1018 + 4), "dev": (270, 169), "test": (270, 216 + 2)}
    assert names.labels.types == ("PER", "ORG", "GPE", "LOC")
    assert names.repairs == 10 + 4
    # Nominal mentions: 867, 220 and 198, and 6 and 2 orphans.
    nominals = load_dataset("weibo:nom")
    assert counts(nominals) == {"train": (1350, 873), "dev": (270, 220), "test": (270, 200)}
    both = counts(load_dataset("weibo:all"))
    assert both == {"train": (1350, 1895), "dev": (270, 389), "test": (270, 418)}


def test_weibo_leakage() -> None:
    report = dataset_report(load_dataset("weibo:all"))["splits"]
    assert report["train"]["duplicates"] == 101
    # By raw tags 28 test sentences are the same; the repair of an orphan makes it one more.
    assert report["test"]["leaked"] == {"text": 40, "text_and_entities": 28 + 1}
    assert report["dev"]["leaked"] == {"text": 42, "text_and_entities": 29}
    assert len(leaked_sentences(load_dataset("weibo"), "test")) == 40


def test_msra() -> None:
    dataset = load_dataset("msra")
    assert counts(dataset) == {"train": (45513, 66980), "dev": (5139, 7723), "test": (4365, 6181)}
    assert by_type(dataset, "train+dev") == {"LOC": 36517, "ORG": 20571, "PER": 17615}
    assert by_type(dataset, "test") == {"LOC": 2877, "ORG": 1331, "PER": 1973}
    assert dataset.repairs == 0
    assert leaked_sentences(dataset, "dev") == set()


def test_resume() -> None:
    dataset = load_dataset("resume")
    assert counts(dataset) == {"train": (3821, 13440), "dev": (463, 1497), "test": (477, 1630)}
    assert len(dataset.labels.types) == 8
    assert dataset.repairs == 4  # two orphan M-, two entities without E-


def test_conll2003() -> None:
    dataset = load_dataset("conll2003")
    assert counts(dataset) == {"train": (14041, 23499), "dev": (3250, 5942), "test": (3453, 5648)}
    assert dataset.labels.types == ("PER", "ORG", "LOC", "MISC")
    assert dataset.repairs == 0


def test_diabetes() -> None:
    dataset = load_dataset("diabetes")
    sentences = [sentence for part in dataset.splits.values() for sentence in part]
    assert sum(len(sentence.entities) for sentence in sentences) == 140_028
    assert len(dataset.labels.types) == 15
    # Every fragmented entity is only broken by a line, so nothing is lost.
    assert dataset.dropped == {}
    assert dataset.noted == {"joined across a line break": 12_529, "offsets and text disagree": 9}
    assert len({sentence.id.rsplit("/", 1)[0] for sentence in sentences}) == 363
    pairs = (pair for sentence in sentences for pair in pairwise(sentence.entities))
    assert sum(second.start < first.end for first, second in pairs) == 421
    shares = [len(part) / len(sentences) for part in dataset.splits.values()]
    assert [round(share, 1) for share in shares] == [0.6, 0.2, 0.2]
