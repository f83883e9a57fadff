"""Exact-match counts, against worked numbers and against an independent scorer."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given

from decoupled_ner.metrics import (
    Counts,
    candidate_recall,
    count_array,
    proposed_array,
    scores,
    span_counts,
)
from decoupled_ner.types import Entity, InputError, Region, Sentence, entity_at

from .conlleval import bio_tags, conlleval
from .strategies import corpora

TEXT = "张三在北京大学读书"
PERSON, CITY, SCHOOL = (
    entity_at(TEXT, 0, 2, "PER"),
    entity_at(TEXT, 3, 5, "GPE"),
    entity_at(TEXT, 3, 7, "ORG"),
)


def test_counts_by_type_and_micro_scores() -> None:
    gold = [Sentence(TEXT, (PERSON, SCHOOL)), Sentence("北京", ())]
    predicted = [[PERSON, CITY], [Entity(0, 2, "北京", "GPE", 0.8)]]
    counts = span_counts(gold, predicted)
    assert counts == {"PER": Counts(1, 1, 1), "ORG": Counts(0, 0, 1), "GPE": Counts(0, 2, 0)}
    micro = scores(sum(counts.values(), Counts()))
    assert (micro.precision, micro.recall) == (pytest.approx(1 / 3), pytest.approx(1 / 2))
    assert micro.f1 == pytest.approx(2 / 5)


def test_a_repeated_or_unsure_prediction_counts_once() -> None:
    unsure = Entity(0, 2, "张三", "PER", 0.51)
    counts = span_counts([Sentence(TEXT, (PERSON,))], [[unsure, PERSON]])
    assert counts == {"PER": Counts(1, 1, 1)}


@pytest.mark.parametrize("counts", [Counts(), Counts(0, 3, 0), Counts(0, 0, 3)])
def test_scores_without_a_denominator_are_zero(counts: Counts) -> None:
    result = scores(counts)
    assert (result.precision, result.recall, result.f1) == (0, 0, 0)


@given(corpora(flat=True))
def test_equals_an_independent_scorer(
    corpus: tuple[list[Sentence], list[tuple[Entity, ...]]],
) -> None:
    gold, predicted = corpus
    tags = [bio_tags(len(s.text), s.entities) for s in gold]
    predicted_tags = [bio_tags(len(s.text), p) for s, p in zip(gold, predicted, strict=True)]
    ours = span_counts(gold, predicted)
    theirs = conlleval(tags, predicted_tags)
    assert {name: (c.correct, c.predicted, c.gold) for name, c in ours.items()} == theirs


@given(corpora())
def test_any_grouping_adds_up_to_the_same_total(
    corpus: tuple[list[Sentence], list[tuple[Entity, ...]]],
) -> None:
    gold, predicted = corpus
    by_length = count_array(
        gold, predicted, ["1", "more"], lambda e: "1" if len(e.text) == 1 else "more"
    )
    whole = sum(span_counts(gold, predicted).values(), Counts())
    assert by_length.sum(axis=(0, 1)).tolist() == [whole.correct, whole.predicted, whole.gold]


def test_candidate_recall_is_of_regions_whatever_the_type() -> None:
    gold = [Sentence(TEXT, (PERSON, SCHOOL)), Sentence("北京", (entity_at("北京", 0, 2, "GPE"),))]
    candidates = [[Region(0, 2), Region(3, 5), Region(0, 2)], [Region(0, 2)]]
    assert candidate_recall(gold, candidates) == pytest.approx(2 / 3)
    found = proposed_array(gold, candidates, ["PER", "ORG", "GPE"])
    np.testing.assert_array_equal(found, [[1, 0, 0], [0, 0, 1]])
    assert candidate_recall([Sentence("无")], [[Region(0, 1)]]) == 0


def test_unequal_lengths_and_unknown_types_are_input_errors() -> None:
    gold = [Sentence(TEXT, (PERSON,))]
    with pytest.raises(InputError, match="1 gold sentences but 2 predictions"):
        span_counts(gold, [[], []])
    with pytest.raises(InputError, match="1 gold sentences but 0 candidate lists"):
        candidate_recall(gold, [])
    with pytest.raises(InputError, match="unknown entity type 'PER': expected one of ORG, GPE"):
        count_array(gold, [[]], ["ORG", "GPE"])


def test_scoring_needs_no_training_extra() -> None:
    program = (
        "import sys, decoupled_ner.metrics, decoupled_ner.inference.evaluate;"
        "assert not {'torch', 'torchmetrics', 'pytorch_lightning', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
