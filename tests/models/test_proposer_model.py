"""The proposer's scores and loss against plain loops, and its windows."""

from __future__ import annotations

import math

import pytest
import torch

from decoupled_ner.models.proposer import ProposerConfig, ProposerModel
from decoupled_ner.models.proposer_inputs import ProposerInputs, build_proposer
from decoupled_ner.types import Entity, InputError, Sentence, entity_at

TEXTS = ["王小明在北京大学", "去上海", "好"]
WIDTH = 4

Parts = tuple[ProposerModel, ProposerInputs]


@pytest.fixture(scope="module")
def parts(tiny_encoder: str) -> Parts:
    config = ProposerConfig(size=16, word_dim=4, max_width=WIDTH, max_tokens=24)
    return build_proposer(tiny_encoder, config, ["jieba", "lac"], TEXTS)


@torch.no_grad()
def test_scores_are_those_of_a_plain_loop(parts: Parts):
    model, inputs = parts
    batch = inputs.collate([pieces[0] for pieces in inputs.encode_batch(TEXTS)])
    scores, units = model(batch), model.units(batch)
    assert scores.shape == (3, 8, WIDTH)
    for row, text in enumerate(TEXTS):
        for first in range(8):
            for more in range(WIDTH):
                score = scores[row, first, more]
                if first + more >= len(text):
                    assert score == -math.inf
                    continue
                hidden = model.first(units[row, first]) + model.last(units[row, first + more])
                hidden += model.width.weight[more]
                wanted = model.score(torch.nn.functional.gelu(hidden))
                assert score.item() == pytest.approx(wanted.item(), abs=1e-5)


@pytest.mark.parametrize("unknown", [[[], [], []], [[2, 7], [], [0]]])
def test_the_loss_by_its_definition(parts: Parts, unknown: list[list[int]]):
    model, inputs = parts
    pieces = [found[0] for found in inputs.encode_batch(TEXTS)]
    spans = [[(0, 3), (4, 8), (4, 6)], [(1, 3)], []]
    batch = inputs.collate(pieces, spans, unknown)
    assert ("unknown" in batch) == any(unknown)
    loss = model.loss(batch)
    scores, wanted = model(batch), 0.0
    for row, gold in enumerate(spans):
        others = found = 1.0
        for first, more in torch.isfinite(scores[row]).nonzero().tolist():
            score = scores[row, first, more].item()
            if (first, first + more + 1) in gold:
                found += math.exp(-score)
            elif not set(range(first, first + more + 1)) & set(unknown[row]):
                others += math.exp(score)
        wanted += math.log(others) + math.log(found)
    assert loss.windows.item() == 3
    assert loss.total.item() == pytest.approx(wanted, rel=1e-4)
    model.zero_grad()
    loss.total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@torch.no_grad()
def test_padding_and_neighbours_change_nothing(parts: Parts):
    model, inputs = parts
    texts = [*TEXTS, "在北京的大学里有很多人去上海。"]
    pieces = [found[0] for found in inputs.encode_batch(texts)]
    together = model(inputs.collate(pieces))
    for row, piece in enumerate(pieces):
        alone = model(inputs.collate([piece]))[0]
        part = together[row, : len(piece), : alone.shape[1]]
        torch.testing.assert_close(part, alone, rtol=1e-4, atol=1e-4)


def test_gold_spans_and_what_is_lost(parts: Parts):
    inputs = parts[1]
    text = "abc北京大学校长"
    wide, cut = entity_at(text, 3, 9, "ORG"), entity_at(text, 1, 5, "ORG")
    good = entity_at(text, 3, 5, "GPE")
    gold = inputs.gold(text, [good, wide, cut])
    assert gold.spans == [(1, 3)] and gold.lost == (wide, cut)


def test_each_window_has_the_gold_that_lies_in_it(parts: Parts):
    inputs = parts[1]
    text = "王小明去了北京，" * 8
    entities: list[Entity] = [
        entity_at(text, 8 * i + start, 8 * i + end, label)
        for i in range(8)
        for start, end, label in ((0, 3, "PER"), (5, 7, "GPE"))
    ]
    spans = inputs.gold(text, Sentence(text, tuple(entities)).entities).spans
    [pieces] = inputs.encode_batch([text])
    assert len(pieces) > 2
    batch = inputs.collate(pieces, [spans] * len(pieces))
    owned = set()
    for row, piece in enumerate(pieces):
        for first, more in batch["gold"][row].nonzero().tolist():
            region = piece.region_of(first, first + more + 1)
            assert region in [(e.start, e.end) for e in entities]
            if piece.owns(first):
                owned.add(region)
    assert owned == {(e.start, e.end) for e in entities}


def test_without_segmenters(tiny_encoder: str):
    model, inputs = build_proposer(tiny_encoder, ProposerConfig(size=8, max_width=2), [], [])
    [pieces] = inputs.encode_batch(["北京"])
    assert model(inputs.collate(pieces)).isfinite().sum() == 3


def test_mistakes_are_told(tiny_encoder: str):
    with pytest.raises(InputError, match="needs an encoder"):
        ProposerModel(ProposerConfig())
    with pytest.raises(InputError, match="max_tokens=4 must be at least 8"):
        build_proposer(tiny_encoder, ProposerConfig(max_tokens=4), [], [])
    with pytest.raises(InputError, match="max_width"):
        build_proposer(tiny_encoder, ProposerConfig(max_width=0), [], [])
    with pytest.raises(InputError, match="budget=0 must be above 0"):
        build_proposer(tiny_encoder, ProposerConfig(budget=0.0), [], [])
    for settings in ({"word_dim": -1}, {"size": 0}, {"dropout": 3.0}):
        with pytest.raises(InputError, match="must be"):
            build_proposer(tiny_encoder, ProposerConfig(**settings), [], [])
