"""A proposer's score as a part of the global logits: fitted, applied, saved, and pruned by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from decoupled_ner import DecoupledNER, Entity
from decoupled_ner.candidates import JiebaNouns, NGrams, Union
from decoupled_ner.cli_predict import explain
from decoupled_ner.inference.decoding import bias_for_f1, decode
from decoupled_ner.inference.proposer import Proposer, ProposerCandidates, proposers_in
from decoupled_ner.inference.reading import UNSCORED, Reading
from decoupled_ner.models.decoupled import DecoupledConfig, DecoupledModel
from decoupled_ner.models.encoder import load_encoder, load_encoder_config, load_tokenizer
from decoupled_ner.models.proposer import ProposerConfig
from decoupled_ner.models.proposer_inputs import build_proposer
from decoupled_ner.training.fitting import fit_reading
from decoupled_ner.types import Candidate, InputError, Sentence, entity_at

TEXT, OTHER = "王小明昨天在北京说九江很好", "东盟的小李去了上海"
GOLD = [
    Sentence(TEXT, (entity_at(TEXT, 0, 3, "PER"), entity_at(TEXT, 6, 8, "GPE"))),
    Sentence(OTHER, (entity_at(OTHER, 0, 2, "ORG"), entity_at(OTHER, 7, 9, "GPE"))),
]
LABELS = ["O", "PER", "ORG", "GPE"]


@pytest.fixture
def saved(tiny_encoder: str, tmp_path: Path) -> Path:
    """A proposer with random weights: each region has a score of its own."""
    config = ProposerConfig(size=16, word_dim=4, max_width=3, max_tokens=24, budget=2.0)
    made = Proposer(*build_proposer(tiny_encoder, config, ["jieba"], [TEXT]), device="cpu")
    made.choose_thresholds(GOLD, [2.0, 8.0])
    return made.save_pretrained(tmp_path / "proposer")


def model(encoder: str, *generators: object) -> DecoupledNER:
    torch.manual_seed(3)
    config = DecoupledConfig(encoder=load_encoder_config(encoder).to_dict(), labels=LABELS)
    network = DecoupledModel.from_encoders(config, load_encoder(encoder), None)
    torch.nn.init.normal_(network.global_classifier.weight)
    return DecoupledNER(network, load_tokenizer(encoder), Union(generators), device="cpu")


def found(entities: list[Entity]) -> list[tuple[int, int, str, float]]:
    return [(e.start, e.end, e.label, round(e.score, 4)) for e in entities]


def test_the_fit_finds_what_made_the_labels():
    torch.manual_seed(1)
    logits, scores = 2 * torch.randn(20_000, 3), 3 * torch.randn(20_000)
    truth = Reading(0.6, 0.8, -1.5)
    labels = truth.apply(logits, scores).softmax(-1).multinomial(1).flatten()
    assert Reading.fit(logits, scores, labels) == pytest.approx(truth, abs=0.1)
    useless = Reading.fit(logits, torch.randn(20_000), labels)
    assert abs(useless.weight) < 0.1 < useless.scale
    apart = Reading.fit(torch.zeros(2, 3), torch.tensor([-1.0, 1.0]), torch.tensor([0, 1]))
    assert all(map(math.isfinite, apart)) and apart.weight > 0
    opposite = Reading.fit(-logits, scores, labels)  # it is less wrong to leave it out
    assert 0 < opposite.scale < 0.1 and opposite.weight > 0.5
    for labels in (torch.zeros(5), torch.ones(5), torch.zeros(0)):
        with pytest.raises(InputError, match="hold no entity, or nothing else"):
            Reading.fit(torch.zeros(len(labels), 3), torch.zeros(len(labels)), labels.long())


def test_it_is_read_saved_and_loaded(
    saved: Path, tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    proposer = ProposerCandidates(saved, budget=8, device="cpu")
    ner = model(tiny_encoder, NGrams(max_length=4), proposer)
    plain = ner.explain(TEXT)
    assert {candidate.proposer for candidate in plain} == {None}
    ner.read_proposer(GOLD)
    reading = Reading(*ner.config.proposer_reading)
    [scored] = proposer.proposer.scored([TEXT])
    known = dict(zip(map(tuple, scored.regions.tolist()), scored.scores.tolist(), strict=True))
    for before, after in zip(plain, ner.explain(TEXT), strict=True):
        assert (before.start, before.end, before.sources) == (after.start, after.end, after.sources)
        score = known.get((after.start, after.end), UNSCORED)
        assert after.proposer == pytest.approx(score, abs=1e-4)
        assert (score == UNSCORED) == (after.end - after.start > 3)  # too wide for it
        logits = torch.tensor(list(before.global_.values())).log()[None]
        read = reading.apply(logits, torch.tensor([score]))[0]
        read[0] += ner.config.outside_bias
        assert list(after.global_.values()) == pytest.approx(read.softmax(-1).tolist(), abs=1e-4)
        assert after.mention == before.mention and after.context == before.context
    expected = [found(ner.predict_regions(text)) for text in (TEXT, OTHER, "")]
    assert [found(e) for e in ner.predict_batch([TEXT, OTHER, ""])] == expected

    loaded = DecoupledNER.from_pretrained(ner.save_pretrained(tmp_path / "m"), device="cpu")
    assert [found(e) for e in loaded.predict_batch([TEXT, OTHER, ""])] == expected
    monkeypatch.setattr("decoupled_ner.inference.model.CALIBRATION_REGIONS", 1)
    loaded.calibrate([TEXT, OTHER])
    assert len(loaded.config.context_reach) == len(LABELS)
    assert [found(e) for e in loaded.predict_batch([TEXT, OTHER, ""])] == expected
    halved = DecoupledNER.from_pretrained(tmp_path / "m", device="cpu", dtype="bfloat16")
    [own] = proposers_in(halved.generator)  # it computes in half precision with its model
    assert not np.array_equal(own.proposer.scored([TEXT])[0].scores, scored.scores)
    ner.read_proposer(GOLD)  # once more is the same
    assert ner.config.proposer_reading == pytest.approx(list(reading), abs=1e-3)


def test_explain_shows_it(
    saved: Path,
    tiny_encoder: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("COLUMNS", "200")
    silent = ProposerCandidates(saved, budget=0, device="cpu")
    ner = model(tiny_encoder, NGrams(max_length=2), silent)
    for reads in (False, True):
        if reads:
            ner.read_proposer(GOLD)
        explain(TEXT, model=str(ner.save_pretrained(tmp_path / "m")))
        shown = capsys.readouterr().out
        assert ("proposer" in shown) == reads
        assert (f" {ner.explain(TEXT)[0].proposer or 0:.2f} " in shown) == reads


def test_pruning_counts_it_in(saved: Path, tiny_encoder: str):
    ner = model(
        tiny_encoder, NGrams(max_length=2), ProposerCandidates(saved, budget=0, device="cpu")
    )
    rows: list[int] = []
    embeddings = ner.model.mention_encoder.embeddings
    embeddings.register_forward_hook(lambda *seen: rows.append(len(seen[2])))
    ner.config.context_reach = [0.0, 0.0, 0.0, 0.0]
    ner.predict_regions(TEXT)  # mentions are kept from now on
    for offset, read in ((-100.0, 0), (100.0, len(NGrams(max_length=2).propose(TEXT)))):
        rows.clear()
        ner.config.proposer_reading = [1.0, 0.0, offset]
        assert bool(ner.predict_regions(TEXT)) == bool(read)
        assert sum(rows) == read


def test_the_bias_is_where_f1_is_highest_or_stays(saved: Path, tiny_encoder: str):
    ner = model(tiny_encoder, NGrams(max_length=3), ProposerCandidates(saved, device="cpu"))
    ner.config.outside_bias = 0.25
    ner.read_proposer(GOLD, for_f1=False)
    assert ner.config.outside_bias == 0.25
    ner.read_proposer(GOLD)
    assert -3 <= ner.config.outside_bias <= 0.6


def test_it_is_fitted_to_gold_and_the_bias_to_what_is_read(
    saved: Path, tiny_encoder: str, monkeypatch: pytest.MonkeyPatch
):
    seen: list[torch.Tensor] = []

    def bias(gold: object, candidates: object, logits: Sequence[torch.Tensor], _: object) -> float:
        seen.extend(logits)
        return -0.9

    monkeypatch.setattr("decoupled_ner.inference.model.bias_for_f1", bias)
    ner = model(tiny_encoder, NGrams(max_length=3), ProposerCandidates(saved, device="cpu"))
    ner.config.proposer_reading = [1.0, 0.0, 0.0]  # shows the scores, changes nothing
    every = [(s, c) for s in GOLD for c in ner.explain(s.text)]
    gold = {(s.text, e.start, e.end): e.label for s in GOLD for e in s.entities}
    logits = torch.tensor([list(c.global_.values()) for _, c in every]).log()
    scores = torch.tensor([c.proposer for _, c in every])
    labels = torch.tensor([LABELS.index(gold.get((s.text, c.start, c.end), "O")) for s, c in every])
    ner.read_proposer(GOLD)
    reading = Reading(*ner.config.proposer_reading)
    assert reading == pytest.approx(Reading.fit(logits, scores, labels), abs=1e-2)
    assert ner.config.outside_bias == -0.9
    read = torch.cat(seen)[:, 0].softmax(-1)
    torch.testing.assert_close(
        read, reading.apply(logits, scores).softmax(-1), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize(("wanted", "bias"), [("auto", 0.0), (0.25, 0.25)])
def test_the_bias_of_training_with_a_reading(
    wanted: Literal["auto"] | float, bias: float, saved: Path, tiny_encoder: str
):
    ner = model(tiny_encoder, NGrams(max_length=3), ProposerCandidates(saved, device="cpu"))
    ner.config.outside_bias = 0.25  # what training ended with; not on the grid
    fit_reading(ner, GOLD, wanted)
    assert len(ner.config.proposer_reading) == 3 and ner.config.outside_bias == bias


def test_pruning_counts_the_scores_in(saved: Path, tiny_encoder: str):
    silent = ProposerCandidates(saved, budget=0, device="cpu")
    ner = model(tiny_encoder, NGrams(max_length=2), silent)
    ner.config.proposer_reading = [1.0, 0.0, 0.0]
    scores = sorted(c.proposer or 0.0 for c in ner.explain(TEXT))  # mentions are kept from now on
    middle = (scores[-6] + scores[-5]) / 2
    rows: list[int] = []
    embeddings = ner.model.mention_encoder.embeddings
    embeddings.register_forward_hook(lambda *seen: rows.append(len(seen[2])))
    ner.config.context_reach = [0.0] * 4
    ner.config.proposer_reading = [1.0, 1e8, -1e8 * middle]  # the score alone decides
    assert ner.predict_regions(TEXT) and sum(rows) == 5


@pytest.mark.parametrize("margin", [-1.4, 0.1, 2.0])
def test_the_best_bias_lets_entities_through_and_nothing_else(margin: float):
    """Entities are ahead of ``O`` by ``margin``, all other candidates 2.4 less."""
    candidates = [Candidate(i, i + 1, ("x",)) for i in range(8)]
    gold = Sentence(
        "一二三四五六七八", tuple(entity_at("一二三四五六七八", i, i + 1, "PER") for i in (1, 5))
    )
    logits = torch.full((8, 3, 4), -20.0)
    logits[:, :, 0] = 0
    logits[:, 0, 1] = margin - 2.4
    logits[[1, 5], 0, 1] = margin
    config = DecoupledConfig(labels=LABELS, outside_bias=9.0)
    bias = bias_for_f1([gold], [candidates], [logits], config)
    assert max(margin - 2.4, -3.0) < bias < min(margin, 0.9) and config.outside_bias == 9.0
    config.outside_bias = bias
    assert [e.start for e in decode(gold.text, candidates, logits, config)] == [1, 5]


def test_one_that_proposes_nothing_is_read_all_the_same(saved: Path, tiny_encoder: str):
    silent = ProposerCandidates(saved, budget=0, device="cpu")
    assert silent.propose_batch([TEXT, ""]) == [[], []]
    assert ProposerCandidates(**silent.init_args()).budget == 0
    ner = model(tiny_encoder, NGrams(max_length=3), silent)
    ner.read_proposer(GOLD)
    explained = ner.explain(TEXT)
    assert len(explained) == len(NGrams(max_length=3).propose(TEXT))
    assert all(c.sources == ("ngrams",) and c.proposer != UNSCORED for c in explained)


def test_sentences_that_it_cannot_be_fitted_on(saved: Path, tiny_encoder: str):
    ner = model(tiny_encoder, NGrams(max_length=3), ProposerCandidates(saved, device="cpu"))
    with pytest.raises(InputError, match="give some"):
        ner.read_proposer([])
    with pytest.raises(InputError, match="entities of 'FAC', the model has PER, ORG, GPE"):
        ner.read_proposer([Sentence(TEXT, (entity_at(TEXT, 6, 8, "FAC"),))])
    assert ner.config.proposer_reading == []


def test_without_a_proposer_there_is_nothing_to_read(saved: Path, tiny_encoder: str):
    nested = Union([ProposerCandidates(saved, device="cpu")])
    for generators in ([JiebaNouns()], [JiebaNouns(), nested]):
        with pytest.raises(InputError, match="needs a proposer among the candidate generators"):
            model(tiny_encoder, *generators).read_proposer(GOLD)
    with pytest.raises(InputError, match="three numbers: scale, weight and offset"):
        config = load_encoder_config(tiny_encoder).to_dict()
        DecoupledModel(DecoupledConfig(encoder=config, labels=LABELS, proposer_reading=[1.0]))
