"""What generators may have seen of a data set whose part a model is trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from decoupled_ner.candidates import NGrams, Union
from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.data.extra import ExtraTraining
from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.data.out_of_fold import FoldText, OutOfFold, fold_of
from decoupled_ner.inference.proposer import Proposer, ProposerCandidates, proposers_in
from decoupled_ner.models.proposer import ProposerConfig
from decoupled_ner.models.proposer_inputs import build_proposer
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.training.proposer import ProposerData
from decoupled_ner.types import InputError, Region, Sentence, entity_at

Proposes = Callable[[dict[str, Any] | None], Union]


@pytest.fixture
def candidates(tiny_encoder: str, tmp_path: Path) -> Proposes:
    """Single characters, and a proposer that was trained on what is said."""

    def union(trained_on: dict[str, Any] | None) -> Union:
        config = ProposerConfig(
            size=4,
            word_dim=2,
            max_width=4,
            budget=2.0,
            operating_points=[{"budget": 2.0, "threshold": 0.0, "recall": 0.5}],
        )
        model, inputs = build_proposer(tiny_encoder, config, [], [])
        model.config.trained_on = trained_on
        saved = Proposer(model, inputs).save_pretrained(tmp_path / "proposer")
        return Union([NGrams(max_length=1), Union([ProposerCandidates(saved, device="cpu")])])

    return union


def test_a_generator_that_has_seen_more_is_refused(candidates: Proposes, tiny_encoder: str):
    seen = ProposerData("demo", tiny_encoder, train_sentences=60).trained_on
    assert seen["dataset"] == "demo" and seen["sentences"] == 60 and "train.jsonl" in str(seen)

    def data(trained_on: dict[str, Any] | None, count: int = 50) -> UnifiedData:
        return UnifiedData(
            "demo",
            tiny_encoder,
            candidates(trained_on),
            negative_candidates=False,
            train_sentences=count,
        )

    with pytest.raises(
        InputError, match=r"proposer .* on 60 sentences of 'demo', .* on 50: train both"
    ):
        data(seen)
    assert data(seen, 60) and data(seen, 70)
    with pytest.raises(InputError, match="60 sentences of 'demo'"):
        data({**seen, "dataset": "demo:all"})  # other labels of the same sentences
    other = {"train.jsonl": "0"}
    assert data({**seen, "checksums": other}) and data({**seen, "checksums": {}}) and data(None)


def out_of_fold(sentences: tuple[Sentence, ...], path: Path, fit_on: str | None = None) -> str:
    """A file in which the whole of each text is what proposers suggest."""
    facts = {
        **({"fit_on": fit_on} if fit_on else {}),
        "generator": "proposer",
        "dataset": "demo",
        "checksums": dict(load_dataset("demo").checksums),
        "budget": 20.0,
    }
    texts = dict.fromkeys(sentence.text for sentence in sentences)
    whole = (FoldText(text, fold_of(text, 2), ((0, len(text), 1.0),)) for text in texts)
    OutOfFold(facts, tuple(whole)).write(path)
    return str(path)


def test_out_of_fold_candidates_are_of_these_sentences_alone(
    candidates: Proposes, tiny_encoder: str, tmp_path: Path
):
    few, more = (load_dataset("demo", train_sentences=n).split("train") for n in (20, 30))
    path, union = tmp_path / "candidates.jsonl", candidates(None)
    settings = {"train_sentences": 20, "train_candidates": str(path)}
    out_of_fold(few, path)
    assert UnifiedData("demo", tiny_encoder, union, **settings)
    out_of_fold(more, path)
    with pytest.raises(InputError, match=r"saw 10 sentences .* the same --data.train_sentences"):
        UnifiedData("demo", tiny_encoder, union, **settings)
    out_of_fold(few[1:], path)
    with pytest.raises(InputError, match=r"1 training sentences have no out-of-fold candidates"):
        UnifiedData("demo", tiny_encoder, union, **settings)


def test_out_of_fold_candidates_alone_are_negatives_and_no_candidates(
    tiny_encoder: str, tmp_path: Path
):
    train = load_dataset("demo", train_sentences=20).split("train")
    path = out_of_fold(train, tmp_path / "candidates.jsonl")

    def data(train_candidates: str | None) -> UnifiedData:
        return UnifiedData(
            "demo",
            tiny_encoder,
            NGrams(max_length=1),
            negative_edits="none",
            train_candidates=train_candidates,
            train_sentences=20,
        )

    without, beside = data(None), data(path)
    more = set(beside.pairs()[1]) - set(without.pairs()[1])
    assert set(without.pairs()[1]) < set(beside.pairs()[1])
    assert {(pair.sentence, pair.region) for pair in more} == {
        (index, Region(0, len(sentence.text))) for index, sentence in enumerate(train)
    }
    text = train[0].text
    assert beside.candidates.candidates(text) == without.candidates.candidates(text)


def test_out_of_fold_candidates_of_train_do_for_train_and_dev(
    candidates: Proposes, tiny_encoder: str, tmp_path: Path
):
    demo = load_dataset("demo", train_sentences=20)
    path, union = out_of_fold(demo.split("train"), tmp_path / "c.jsonl", "train"), candidates(None)
    data = UnifiedData(
        "demo", tiny_encoder, union, negative_edits="none", train_sentences=20,
        train_candidates=path, fit_on="train+dev",
    )  # fmt: skip
    [proposer] = proposers_in(union)
    for index, sentence in enumerate(data.training_sentences):
        gold = {entity.region for entity in sentence.entities}
        own = [n.region for n in data.pairs()[1] if n.sentence == index and len(n.region) > 1]
        whole = Region(0, len(sentence.text))
        expected = [whole] if index < 20 else proposer.propose(sentence.text)
        assert own == sorted(r for r in expected if len(r) > 1 and r not in gold)
    with pytest.raises(InputError, match=r"the same --data\.train_sentences and --data\.fit_on"):
        UnifiedData("demo", tiny_encoder, union, train_candidates=path, fit_on="dev")


def test_a_proposer_suggests_nothing_on_extra_sentences(
    candidates: Proposes, tiny_encoder: str, tmp_path: Path
):
    train = load_dataset("demo", train_sentences=20).split("train")
    label = train[0].entities[0].label if train[0].entities else "PER"
    text = "阿甲见了阿乙"
    write_jsonl([Sentence(text, (entity_at(text, 0, 2, label),))], tmp_path / "more.jsonl")
    data = UnifiedData(
        "demo",
        tiny_encoder,
        candidates(None),
        negative_edits="none",
        train_sentences=20,
        train_candidates=out_of_fold(train, tmp_path / "candidates.jsonl"),
        extra=ExtraTraining(files=[str(tmp_path / "more.jsonl")]),
    )
    assert data.training_sentences[-1].text == text
    negatives = data.pairs()[1]
    assert [n.region for n in negatives if n.sentence == 20] == [
        Region(i, i + 1) for i in range(len(text))
    ]
    assert any(len(n.region) > 1 for n in negatives)
