"""Recall on real text: what recipes rely on must not get lost unseen."""

import os

import pytest

from decoupled_ner.candidates import (
    DictionaryNames,
    JiebaNouns,
    LacEntities,
    MergedNeighbours,
    NameVariants,
    Union,
    candidate_report,
)
from decoupled_ner.data.catalog import load_dataset

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(
        "DECOUPLED_NER_DATA" not in os.environ, reason="$DECOUPLED_NER_DATA is not set"
    ),
]

MERGED = [JiebaNouns(), LacEntities(), MergedNeighbours(), MergedNeighbours("lac")]
WIDE = [*MERGED, DictionaryNames(), NameVariants(), NameVariants("lac")]


@pytest.mark.parametrize(
    ("dataset", "generators", "recall", "candidates"),
    [("weibo", MERGED, 0.92, 16), ("weibo", WIDE, 0.94, 24), ("msra", WIDE, 0.95, 24)],
    ids=["weibo-merged", "weibo-wide", "msra-wide"],
)
def test_recall_on_dev(dataset, generators, recall, candidates):
    sentences = load_dataset(dataset).split("dev")[:600]
    union = candidate_report(sentences, Union(generators))["union"]
    assert union["recall"] >= recall
    assert union["candidates_per_sentence"] <= candidates
