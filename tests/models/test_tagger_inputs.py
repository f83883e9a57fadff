"""Features, gold tags and windows of texts, and what the model makes of a batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from decoupled_ner.labels import LabelSet
from decoupled_ner.models.encoder import load_encoder
from decoupled_ner.models.tagger_builder import Input, TaggerRecipe, build_tagger
from decoupled_ner.models.tagger_inputs import TaggerInputs
from decoupled_ner.types import InputError, Region, Sentence, entity_at

LABELS = LabelSet(("PER", "ORG", "GPE"))
TEXT = "王小明在篮协的iPhone6里说[MASK]。"


def inputs_of(encoder: str, **settings: object) -> TaggerInputs:
    return build_tagger(TaggerRecipe(encoder=encoder, **settings), LABELS, [])[1]  # type: ignore[arg-type]


def test_hidden_states_are_the_encoders_own(tiny_encoder: str) -> None:
    text = "王小明在篮协。Beijing 2008"
    model, inputs = build_tagger(TaggerRecipe(encoder=tiny_encoder), LABELS, [])
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    tokens = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
    offsets = tokens.pop("offset_mapping")[0].tolist()
    (piece,) = inputs.encode(text)
    batch = inputs.collate([piece])
    assert batch["token_ids"].tolist() == tokens["input_ids"].tolist()
    starts = [offsets[index][0] for index in piece.unit_tokens]
    assert starts == piece.units[:, 0].tolist()
    with torch.no_grad():
        wanted = AutoModel.from_pretrained(tiny_encoder).eval()(**tokens).last_hidden_state
        (found,) = model._inputs(batch)
    torch.testing.assert_close(found[0], wanted[0, piece.unit_tokens], atol=1e-5, rtol=1e-5)


def test_a_frozen_encoder_is_pure_feature_extraction(
    tiny_encoder: str, two_sentences: list[Sentence]
) -> None:
    recipe = TaggerRecipe(
        encoder=tiny_encoder, encoder_dropout=0.5, frozen=["encoder"], dropout=0.0
    )
    model, inputs = build_tagger(recipe, LABELS, [])
    before = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}  # type: ignore[union-attr]
    (first, _) = two_sentences
    batch = inputs.collate(
        inputs.encode(first.text), [inputs.gold(first.text, first.entities).tags]
    )
    model.train()
    assert torch.equal(model(batch), model(batch))  # dropout in the encoder would show
    optimizer = torch.optim.AdamW(model.parameters(), 0.1)
    model.loss(batch).total.backward()
    optimizer.step()
    assert all(p.grad is None for p in model.encoder.parameters())  # type: ignore[union-attr]
    for name, tensor in load_encoder(tiny_encoder).state_dict().items():
        assert torch.equal(tensor, before[name]), name
        assert torch.equal(tensor, model.encoder.state_dict()[name]), name  # type: ignore[union-attr]
    assert model.scorer.weight.grad is not None


@pytest.mark.parametrize("frozen", ["units", "bigrams", "characters", "lexicon"])
def test_a_frozen_input_stays_while_the_others_learn(
    frozen: Input, two_sentences: list[Sentence], tmp_path: Path
) -> None:
    (tmp_path / "words.txt").write_text("北京\n上海\n", encoding="utf-8")
    dims = dict.fromkeys(("unit_dim", "bigram_dim", "character_dim", "lexicon_dim"), 4)
    recipe = TaggerRecipe(frozen=[frozen], lexicon=str(tmp_path / "words.txt"), **dims)
    model, inputs = build_tagger(recipe, LABELS, [s.text for s in two_sentences] * 2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pieces = [piece for s in two_sentences for piece in inputs.encode(s.text)]
    tags = [inputs.gold(s.text, s.entities).tags for s in two_sentences]
    optimizer = torch.optim.AdamW(model.parameters(), 0.1)
    model.train().loss(inputs.collate(pieces, tags)).total.backward()
    optimizer.step()
    changed = {
        name.partition(".")[0]
        for name, tensor in model.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert changed == {"units", "bigrams", "characters", "lexicon", "scorer"} - {frozen}


def test_tags_follow_the_units_and_what_they_cannot_express_is_lost(tiny_encoder: str) -> None:
    inputs = inputs_of(tiny_encoder)
    entities = [
        entity_at(TEXT, 0, 3, "PER"),
        entity_at(TEXT, 1, 3, "PER"),  # nested
        entity_at(TEXT, 4, 6, "ORG"),
        entity_at(TEXT, 7, 10, "ORG"),  # "iPh"
        entity_at(TEXT, 13, 14, "GPE"),  # "6" is a unit of its own
    ]
    tagged = inputs.gold(TEXT, entities)
    assert tagged.lost == (entities[1], entities[3])
    spans = inputs.tags.decode(tagged.tags)
    assert spans == [(0, 3, "PER"), (4, 6, "ORG"), (8, 9, "GPE")]
    with pytest.raises(InputError, match="no label 'LOC'"):
        inputs.gold(TEXT, [entity_at(TEXT, 0, 3, "LOC")])


def test_no_units_make_no_windows(tiny_encoder: str) -> None:
    inputs = inputs_of(tiny_encoder)
    assert inputs.encode("") == inputs.encode(" \n\u3000\u200b") == []
    assert inputs.gold("", []).tags == []


@pytest.mark.parametrize("encoder", [True, False])
def test_a_long_text_is_windowed_and_nothing_is_cut(tiny_encoder: str, encoder: bool) -> None:
    recipe = TaggerRecipe(
        encoder=tiny_encoder if encoder else None,
        unit_dim=4,
        bigram_dim=4,
        character_dim=4,
        max_tokens=20,
    )
    text = "".join(chr(0x4E00 + i) for i in range(300)) + "x" * 500
    _, inputs = build_tagger(recipe, LABELS, [text] * 2)
    pieces = inputs.encode(text)
    owned = [u for p in pieces for u in range(p.offset + p.owned[0], p.offset + p.owned[1])]
    assert owned == list(range(301))
    batch = inputs.collate(pieces)
    if encoder:
        assert batch["token_ids"].shape[1] <= 20
    for piece in pieces:
        words = [text[a:b] for a, b in piece.units]
        vocabulary = inputs.vocabularies["units"]
        assert piece.unit_ids.tolist() == [vocabulary.id(word) for word in words]  # type: ignore[union-attr]
    whole = [text[a:b] for p in pieces for a, b in p.units[slice(*p.owned)].tolist()]
    assert "".join(whole) == text


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_tags_of_a_window_are_legal_where_it_cuts_an_entity(scheme: str) -> None:
    recipe = TaggerRecipe(unit_dim=4, head="crf", scheme=scheme, max_tokens=20)  # type: ignore[arg-type]
    text = "".join(chr(0x4E00 + i) for i in range(100))
    model, inputs = build_tagger(recipe, LABELS, [text] * 2)
    entities = [entity_at(text, start, start + 7, "PER") for start in range(1, 90, 8)]
    whole, pieces = inputs.gold(text, entities).tags, inputs.encode(text)
    tags = inputs.collate(pieces, [whole] * len(pieces))["tags"]
    for row, piece in zip(tags.tolist(), pieces, strict=True):
        first, last = piece.part.start, piece.part.stop
        seen = [(max(e.start, first) - first, min(e.end, last) - first) for e in entities]
        spans = [(start, end, "PER") for start, end in seen if start < end]
        assert inputs.tags.decode(row[: len(piece)]) == spans
    assert any(row[: len(p)] != whole[p.part] for row, p in zip(tags.tolist(), pieces, strict=True))
    loss = model.loss(inputs.collate(pieces, [whole] * len(pieces)))
    assert loss.total / loss.units < 10  # no tag is one that the CRF forbids there


def test_windows_fit_the_encoders_positions(tiny_encoder: str) -> None:
    inputs = inputs_of(tiny_encoder, max_tokens=4096)
    batch = inputs.collate(inputs.encode("中" * 1000))
    assert batch["token_ids"].shape[1] == 160 - 2  # the tiny encoder has 160


def test_a_unit_longer_than_the_window_keeps_its_first_tokens(tiny_encoder: str) -> None:
    inputs = inputs_of(tiny_encoder, max_tokens=8)
    text = "看" + "qxz" * 20 + "的"
    pieces = inputs.encode(text)
    assert [[text[a:b] for a, b in p.units] for p in pieces] == [["看"], ["qxz" * 20], ["的"]]
    assert [len(p.token_ids) for p in pieces] == [3, 8, 3]  # type: ignore[arg-type]


def test_unknown_regions_are_units_without_those_of_entities(tiny_encoder: str) -> None:
    inputs = inputs_of(tiny_encoder, max_tokens=8)
    text, entity = "王小明在篮协的abc里说话", entity_at("王小明在", 0, 3, "PER")
    found = inputs.gold(text, [entity], [Region(2, 4), Region(8, 9), Region(12, 13)])
    assert found.unknown == [3, 7, 10]  # abc is one unit
    assert found.tags == inputs.gold(text, [entity]).tags
    pieces = inputs.encode(text)
    batch = inputs.collate(pieces, [found.tags] * len(pieces), [found.unknown] * len(pieces))
    assert len(pieces) > 1
    for row, piece in enumerate(pieces):
        own = batch["unknown"][row].nonzero().flatten().tolist()
        assert own == [u - piece.offset for u in (3, 7, 10) if 0 <= u - piece.offset < len(piece)]
    assert "unknown" not in inputs.collate(pieces, [found.tags] * len(pieces), [[]] * len(pieces))


@pytest.mark.parametrize("head", ["fc", "crf"])
def test_units_of_which_nothing_is_known_may_have_any_tag(
    tiny_encoder: str, two_sentences: list[Sentence], head: str
) -> None:
    recipe = TaggerRecipe(encoder=tiny_encoder, head=head)  # type: ignore[arg-type]
    model, inputs = build_tagger(recipe, LABELS, [])
    pieces = [piece for s in two_sentences for piece in inputs.encode(s.text)]
    tags = [inputs.gold(s.text, s.entities).tags for s in two_sentences]
    full = model.loss(inputs.collate(pieces, tags))
    assert full.units == sum(map(len, tags))
    everything = [list(range(len(row))) for row in tags]
    nothing = model.loss(inputs.collate(pieces, tags, everything))
    assert nothing.total.item() == pytest.approx(0.0, abs=1e-3) and nothing.units == full.units
    one = model.loss(inputs.collate(pieces, tags, [[2], []]))

    def with_tag(tag: int) -> Tensor:
        other = [[*tags[0][:2], tag, *tags[0][3:]], tags[1]]
        return -model.loss(inputs.collate(pieces, other)).total

    legal = [with_tag(tag) for tag in range(len(inputs.tags))]
    torch.testing.assert_close(-one.total, torch.stack(legal).logsumexp(0), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("head", ["fc", "crf"])
def test_the_loss_of_a_batch_is_the_sum_of_its_parts(
    tiny_encoder: str, two_sentences: list[Sentence], head: str
) -> None:
    """So that ranks with unequal batches can normalise by the global number of units."""
    recipe = TaggerRecipe(encoder=tiny_encoder, head=head, recurrent="bigru")  # type: ignore[arg-type]
    model, inputs = build_tagger(recipe, LABELS, [])
    pieces = [piece for s in two_sentences for piece in inputs.encode(s.text)]
    tags = [inputs.gold(s.text, s.entities).tags for s in two_sentences]
    whole = model.loss(inputs.collate(pieces, tags))
    parts = [model.loss(inputs.collate([p], [t])) for p, t in zip(pieces, tags, strict=True)]
    torch.testing.assert_close(whole.total, sum(part.total for part in parts))
    assert whole.units == sum(part.units for part in parts)


def test_the_fc_loss_is_the_cross_entropy_of_the_first_tokens(
    tiny_encoder: str, two_sentences: list[Sentence]
) -> None:
    model, inputs = build_tagger(TaggerRecipe(encoder=tiny_encoder), LABELS, [])
    pieces = [piece for s in two_sentences for piece in inputs.encode(s.text)]
    tags = [inputs.gold(s.text, s.entities).tags for s in two_sentences]
    batch = inputs.collate(pieces, tags)
    hidden = model.encoder(batch["token_ids"], batch["token_mask"]).last_hidden_state  # type: ignore[misc]
    wanted = sum(
        torch.nn.functional.cross_entropy(
            model.scorer(hidden[row, piece.unit_tokens]), torch.tensor(own), reduction="sum"
        )
        for row, (piece, own) in enumerate(zip(pieces, tags, strict=True))
    )
    torch.testing.assert_close(model.loss(batch).total, wanted)


@pytest.mark.parametrize("head", ["fc", "crf"])
def test_trains_under_bfloat16_autocast(
    tiny_encoder: str, two_sentences: list[Sentence], head: str
) -> None:
    recipe = TaggerRecipe(
        encoder=tiny_encoder,
        unit_dim=4,
        character_dim=4,
        recurrent="bilstm",
        head=head,  # type: ignore[arg-type]
    )
    model, inputs = build_tagger(recipe, LABELS, [s.text for s in two_sentences])
    pieces = [piece for s in two_sentences for piece in inputs.encode(s.text)]
    batch = inputs.collate(pieces, [inputs.gold(s.text, s.entities).tags for s in two_sentences])
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.loss(batch).total
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, model.loss(batch).total, atol=2.0, rtol=0.05)
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
