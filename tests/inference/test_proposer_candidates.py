"""The proposer as users load it: offsets, windows, thresholds, and as a generator."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from decoupled_ner.candidates import JiebaNouns, Union, candidate_report
from decoupled_ner.data.out_of_fold import FoldText, OutOfFold
from decoupled_ner.inference.budget_curve import add_curve, budget_curve, render_report
from decoupled_ner.inference.model import DecoupledNER
from decoupled_ner.inference.proposer import (
    Proposer,
    ProposerCandidates,
    proposers_in,
    with_recorded,
)
from decoupled_ner.models.decoupled import DecoupledConfig, DecoupledModel
from decoupled_ner.models.encoder import load_encoder, load_encoder_config, load_tokenizer
from decoupled_ner.models.proposer import ProposerConfig
from decoupled_ner.models.proposer_inputs import build_proposer
from decoupled_ner.types import InputError, Region, Sentence, entity_at

TEXTS = ["王小明在北京", "", "他说[MASK]\U0001f468\u200d\U0001f469，iPhone6", "\ud800 x", " \n"]
LONG = "".join(chr(0x4E00 + 61 * i) for i in range(300))  # no two windows are alike
SENTENCES = [
    Sentence(TEXTS[0], (entity_at(TEXTS[0], 0, 3, "PER"), entity_at(TEXTS[0], 4, 6, "GPE"))),
    Sentence(LONG, (entity_at(LONG, 30, 33, "PER"),)),
]


@pytest.fixture(scope="module")
def proposer(tiny_encoder: str) -> Proposer:
    """Random weights, so that every region has a score of its own."""
    config = ProposerConfig(size=16, word_dim=4, max_width=5, max_tokens=24, budget=2.0)
    made = Proposer(*build_proposer(tiny_encoder, config, ["jieba", "lac"], TEXTS), device="cpu")
    made.choose_thresholds(SENTENCES, [1.0, 2.0, 8.0])
    return made


@pytest.fixture(scope="module")
def saved(proposer: Proposer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return proposer.save_pretrained(tmp_path_factory.mktemp("proposer") / "model")


def test_every_region_has_one_score(proposer: Proposer):
    [short, nothing, *_] = proposer.scored(TEXTS)
    wanted = [(a, b) for a, b in itertools.combinations(range(7), 2) if b - a <= 5]
    assert short.regions.tolist() == [list(span) for span in wanted]
    assert np.isfinite(short.scores).all() and len(set(short.scores.tolist())) == len(wanted)
    assert len(nothing.regions) == len(nothing.scores) == 0
    half = float(np.median(short.scores))
    [high] = proposer.scored(TEXTS[:1], half)
    assert high.regions.tolist() == short.regions[short.scores >= half].tolist()
    assert high.at_least(half) == [Region(*span) for span in high.regions.tolist()]


def test_half_precision_is_the_encoders_alone(saved: Path):
    exact = Proposer.from_pretrained(saved, device="cpu")
    halved = Proposer.from_pretrained(saved, device="cpu", dtype="bfloat16")
    [wanted], [found] = exact.scored(TEXTS[:1]), halved.scored(TEXTS[:1])
    assert np.abs(found.scores - wanted.scores).max() == pytest.approx(0, abs=0.1)
    assert not np.array_equal(found.scores, wanted.scores)
    rounded = torch.from_numpy(found.scores).bfloat16().float().numpy()
    assert not np.isclose(found.scores, rounded, rtol=1e-6).all()  # they are not rounded together
    exact.compute_on("cpu", "bfloat16")
    assert np.array_equal(exact.scored(TEXTS[:1])[0].scores, found.scores)


def test_windows_of_a_long_text_repeat_and_lose_nothing(proposer: Proposer):
    [found] = proposer.scored([LONG])
    spans = [tuple(span) for span in found.regions.tolist()]
    assert spans == sorted(set(spans))
    wanted = {(a, a + w) for a in range(len(LONG)) for w in range(1, 6) if a + w <= len(LONG)}
    # Only regions that begin close to a window's end and go on behind it are lost.
    assert wanted >= set(spans) and len(spans) > 0.97 * len(wanted)
    assert {start for start, _ in spans} == set(range(len(LONG)))


# Letters and digits beside full-width ones, emoji of several code points, what BERT drops or
# doesn't know, and a mask that is no mask.
PARTS = [*"𠮷Ｎ3é㍿，", " ", "\u3000", "\n", "[MASK]", "[UNK]", "北京", "王小明", "abc", "１２"]
PARTS += ["\U0001f468\u200d\U0001f469", "e\u0301", "\x00", "\ue000", "\u200b"]


@settings(max_examples=40)
@given(st.lists(st.sampled_from(PARTS), max_size=40).map("".join))
def test_offsets_are_those_of_the_text(proposer: Proposer, text: str):
    [found] = proposer.scored([text])
    spans = [tuple(span) for span in found.regions.tolist()]
    assert spans == sorted(set(spans))
    for start, end in spans:
        assert 0 <= start < end <= len(text)
        assert not text[start].isspace() and not text[end - 1].isspace()
    if "北京" in text:
        start = text.index("北京")
        assert (start, start + 2) in spans


def test_batches_and_threads_change_nothing(proposer: Proposer):
    texts = [*TEXTS, LONG]
    for text, together in zip(texts, proposer.scored(texts), strict=True):
        [alone] = proposer.scored([text])
        assert alone.regions.tolist() == together.regions.tolist()
        np.testing.assert_allclose(alone.scores, together.scores, atol=1e-4)


def test_save_and_load(proposer: Proposer, saved: Path):
    loaded = Proposer.from_pretrained(saved, device="cpu")
    assert loaded.operating_points == proposer.operating_points
    for one, two in zip(loaded.scored(TEXTS), proposer.scored(TEXTS), strict=True):
        assert one.regions.tolist() == two.regions.tolist()
        np.testing.assert_allclose(one.scores, two.scores, atol=1e-6)
    json.loads((saved / "config.json").read_text(), parse_constant=pytest.fail)


def test_thresholds_keep_to_their_budgets(proposer: Proposer):
    for point in proposer.operating_points:
        found = proposer.scored([s.text for s in SENTENCES], point.threshold)
        assert sum(len(of_text.scores) for of_text in found) == 2 * point.budget
    assert proposer.threshold() == proposer.threshold(2.0) > proposer.threshold(8.0)
    with pytest.raises(InputError, match="budget of 3; there are 1, 2, 8"):
        proposer.threshold(3.0)


def test_as_a_generator_it_travels_with_a_model(saved: Path, tmp_path: Path):
    generator = ProposerCandidates(saved, budget=8, device="cpu")
    proposed = generator.propose_batch([*TEXTS, LONG])
    assert proposed == [generator.propose(text) for text in [*TEXTS, LONG]]
    assert proposed[0] == sorted(set(proposed[0])) and not proposed[1] and not proposed[4]
    few = ProposerCandidates(saved, device="cpu").propose_batch([*TEXTS, LONG])
    assert all(set(a) <= set(b) for a, b in zip(few, proposed, strict=True)) and few != proposed
    arguments = generator.save(tmp_path)
    moved = ProposerCandidates(**{**arguments, "model": tmp_path / arguments["model"]})
    assert moved.propose_batch([*TEXTS, LONG]) == proposed
    assert ProposerCandidates(**generator.init_args()).init_args() == generator.init_args()


def test_it_travels_inside_a_decoupled_model(saved: Path, tiny_encoder: str, tmp_path: Path):
    config = DecoupledConfig(encoder=load_encoder_config(tiny_encoder).to_dict(), labels=["O", "X"])
    network = DecoupledModel.from_encoders(config, load_encoder(tiny_encoder), None)
    generator = Union([ProposerCandidates(saved, budget=8, device="cpu"), JiebaNouns()])
    ner = DecoupledNER(network, load_tokenizer(tiny_encoder), generator, device="cpu")
    ner.save_pretrained(tmp_path / "model")
    moved = (tmp_path / "model").rename(tmp_path / "moved")
    loaded = DecoupledNER.from_pretrained(moved, device="cpu").generator
    assert loaded.candidates_batch(TEXTS) == generator.candidates_batch(TEXTS)
    assert str(moved) in loaded.generators[0].init_args()["model"]


def test_recorded_candidates_take_its_place(saved: Path):
    facts = {"generator": "proposer", "dataset": "d", "checksums": {}, "budget": 9.0}
    recorded = OutOfFold(facts, (FoldText(TEXTS[0], 1, ((0, 3, 1.0), (3, 4, 0.5), (0, 6, 0.0))),))
    inner = Union([ProposerCandidates(saved, device="cpu")])
    union = Union([JiebaNouns(), inner], max_length=5)
    assert proposers_in(union) == list(inner.generators)
    sources = {c.region: c.sources for c in with_recorded(union, recorded).candidates(TEXTS[0])}
    assert sources[Region(3, 4)] == ("proposer",) and "proposer" in sources[Region(0, 3)]
    assert Region(0, 6) not in sources  # the union's own limit and the budget of 2 hold
    silent = ProposerCandidates(saved, budget=0, device="cpu")
    for generators in ([JiebaNouns()], [JiebaNouns(), silent]):  # what proposes nothing needs none
        with pytest.raises(InputError, match="need a proposer"):
            with_recorded(Union(generators), recorded)
    kept = with_recorded(Union([silent, inner]), recorded)
    assert kept.generators[0] is silent and kept.candidates(TEXTS[0])


def test_the_curve_of_recall(saved: Path, tmp_path: Path):
    generator = ProposerCandidates(saved, device="cpu")
    curve = budget_curve(generator.proposer, SENTENCES)
    assert [point.candidates for point in curve] == [1.0, 2.0, 8.0]  # chosen on these sentences
    measured = [point.recall for point in generator.proposer.operating_points]
    assert [point.recall for point in curve] == pytest.approx(measured)
    union = Union([JiebaNouns(), generator])
    report = candidate_report(SENTENCES, union)
    assert report["generators"][1]["recall"] == pytest.approx(curve[1].recall)
    assert len(render_report(report).renderables) == 1
    add_curve(report, union, SENTENCES, tmp_path / "curve.svg")
    assert report["budget"] == 2.0 and len(report["curve"]) == 3
    assert len(render_report(report).renderables) == 2
    drawn = ElementTree.parse(tmp_path / "curve.svg").getroot()
    names = {element.text for element in drawn.iter() if element.tag.endswith("text")}
    assert {"proposer", "jieba", "union", "candidates a sentence", "1", "5"} <= names
    with pytest.raises(InputError, match="give --proposer"):
        add_curve(report, Union([JiebaNouns()]), SENTENCES, tmp_path / "curve.svg")


def test_mistakes_are_told(saved: Path, tmp_path: Path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match="not a proposer"):
        Proposer.from_pretrained(tmp_path)
    with pytest.raises(InputError, match="budget of 4"):
        ProposerCandidates(saved, budget=4)
