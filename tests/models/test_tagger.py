"""Every kind of tagger: overfit two sentences, save, load, same answer; and nothing in a batch
changes what stands beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from decoupled_ner.inference.tagger import Tagger
from decoupled_ner.labels import LabelSet
from decoupled_ner.models.encoder import load_tokenizer
from decoupled_ner.models.tagger import TaggerModel
from decoupled_ner.models.tagger_builder import TaggerRecipe, build_tagger
from decoupled_ner.models.tagger_inputs import TaggerInputs
from decoupled_ner.types import InputError, Sentence

LABELS = LabelSet(("PER", "ORG", "GPE"))
CHARACTERS: dict[str, Any] = {"unit_dim": 16, "bigram_dim": 16, "recurrent_size": 16}
COMPOSITIONS: dict[str, dict[str, Any]] = {
    "bert-fc": {"encoder": True},
    "bert-fc-bio": {"encoder": True, "scheme": "BIO"},
    "bert-crf": {"encoder": True, "head": "crf"},
    "bert-lstm-crf": {"encoder": True, "recurrent": "lstm", "head": "crf"},
    "bert-bilstm-crf": {"encoder": True, "recurrent": "bilstm", "head": "crf"},
    "frozen-bert-bilstm": {"encoder": True, "frozen": ["encoder"], "recurrent": "bilstm"},
    "bilstm": {**CHARACTERS, "recurrent": "bilstm"},
    "bilstm-crf-2-layers": {
        **CHARACTERS,
        "recurrent": "bilstm",
        "recurrent_layers": 2,
        "head": "crf",
    },
    "bigru": {**CHARACTERS, "recurrent": "bigru"},
    "gru-crf": {**CHARACTERS, "recurrent": "gru", "head": "crf"},
    "bilstm-cnn": {
        "units": "whitespace",
        "unit_dim": 16,
        "character_dim": 8,
        "character_types": True,
        "recurrent": "bilstm",
        "sum_directions": True,
    },
    "bert-cnn-crf": {"encoder": True, "character_dim": 8, "head": "crf", "dropout": 0.5},
    "softlexicon": {
        **CHARACTERS,
        "units": "character",
        "lexicon": True,
        "lexicon_dim": 8,
        "recurrent": "bilstm",
        "head": "crf",
    },
    "softlexicon-bert": {
        "encoder": True,
        "lexicon": True,
        "lexicon_dim": 8,
        "recurrent": "bilstm",
        "head": "crf",
    },
}
PROBES = ["", " \u3000\n", "王小明", "他说[MASK]在南京\U0001f468\u200d\U0001f469长江", "北京" * 100]

Parts = tuple[TaggerModel, TaggerInputs]


@pytest.fixture
def recipe(request: pytest.FixtureRequest, tiny_encoder: str, tmp_path: Path) -> TaggerRecipe:
    settings = dict(COMPOSITIONS[request.param])
    if settings.get("encoder"):
        settings["encoder"] = tiny_encoder
    if settings.get("lexicon"):
        path = tmp_path / "words.tsv"
        path.write_text("小明\t3\n王小明\t2\n明天\n昨天\n北京\n上海\n篮协\n", encoding="utf-8")
        settings["lexicon"] = str(path)
    return TaggerRecipe(**settings)


def words_of(sentence: Sentence, recipe: TaggerRecipe) -> Sentence:
    """The sentence with white space between its characters, which whitespace units need."""
    if recipe.units != "whitespace":
        return sentence
    entities = tuple(
        type(e)(2 * e.start, 2 * e.end - 1, " ".join(e.text), e.label) for e in sentence.entities
    )
    return Sentence(" ".join(sentence.text), entities)


def train(parts: Parts, sentences: list[Sentence]) -> None:
    """Until the loss is low, 300 steps at most."""
    model, inputs = parts
    torch.manual_seed(0)
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    pretrained = [p for name, p in named if name.startswith("encoder.")]
    fresh = [p for name, p in named if not name.startswith("encoder.")]
    groups = [{"params": pretrained, "lr": 1e-3}, {"params": fresh, "lr": 1e-2}]
    optimizer = torch.optim.Adam([group for group in groups if group["params"]])
    tagged = [inputs.gold(s.text, s.entities) for s in sentences]
    assert not any(t.lost for t in tagged)
    pieces = [piece for s in sentences for piece in inputs.encode(s.text)]
    batch = inputs.collate(pieces, [t.tags for t in tagged])
    model.train()
    for _ in range(300):
        loss = model.loss(batch)
        mean = loss.total / loss.units
        if mean < 0.02:
            break
        optimizer.zero_grad()
        mean.backward()
        optimizer.step()


@pytest.mark.parametrize("recipe", COMPOSITIONS, indirect=True)
def test_overfits_saves_loads_and_answers_the_same(
    recipe: TaggerRecipe, two_sentences: list[Sentence], tmp_path: Path
) -> None:
    gold = [words_of(sentence, recipe) for sentence in two_sentences]
    learns_by_heart(recipe, gold, tmp_path)


def test_an_english_roberta_overfits_saves_and_loads_too(
    tiny_roberta: str, english_sentences: list[Sentence], tmp_path: Path
) -> None:
    assert "ĠRome" in load_tokenizer(tiny_roberta).tokenize("In Rome")  # begins before its word
    learns_by_heart(TaggerRecipe(encoder=tiny_roberta), english_sentences, tmp_path)


def learns_by_heart(recipe: TaggerRecipe, gold: list[Sentence], tmp_path: Path) -> None:
    """Trains, saves and loads a tagger; it answers with the entities each time."""
    parts = build_tagger(recipe, LABELS, [s.text for s in gold] * 2)
    train(parts, gold)
    tagger = Tagger(*parts, device="cpu")
    texts = [s.text for s in gold]
    predicted = tagger.predict_batch(texts)
    found = [[(e.start, e.end, e.text, e.label) for e in entities] for entities in predicted]
    assert found == [[(e.start, e.end, e.text, e.label) for e in s.entities] for s in gold]
    assert all(0.5 < e.score <= 1 for entities in predicted for e in entities)

    tagger.save_pretrained(tmp_path / "tagger")
    assert not list((tmp_path / "tagger").glob("*.bin"))
    loaded = Tagger.from_pretrained(tmp_path / "tagger", device="cpu")
    pairs = zip(
        loaded.predict_batch(texts + PROBES), tagger.predict_batch(texts + PROBES), strict=True
    )
    for again, before in pairs:
        assert [replace(e, score=0) for e in again] == [replace(e, score=0) for e in before]
        assert [e.score for e in again] == pytest.approx([e.score for e in before], abs=1e-5)


@pytest.mark.parametrize("recipe", COMPOSITIONS, indirect=True)
def test_padding_and_batch_neighbours_change_nothing(
    recipe: TaggerRecipe, two_sentences: list[Sentence]
) -> None:
    model, inputs = build_tagger(recipe, LABELS, [s.text for s in two_sentences] * 2)
    texts = [two_sentences[0].text, *PROBES, two_sentences[1].text]
    pieces = [piece for text in texts for piece in inputs.encode(text)]
    with torch.no_grad():
        together = model(inputs.collate(pieces))
        for row, piece in enumerate(pieces):
            alone = model(inputs.collate([piece]))[0]
            torch.testing.assert_close(together[row, : len(piece)], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("recipe", COMPOSITIONS, indirect=True)
def test_every_trainable_parameter_gets_a_gradient(
    recipe: TaggerRecipe, two_sentences: list[Sentence]
) -> None:
    """A parameter without one would stall DDP."""
    gold = [words_of(sentence, recipe) for sentence in two_sentences]
    model, inputs = build_tagger(recipe, LABELS, [s.text for s in gold] * 2)
    pieces = [piece for s in gold for piece in inputs.encode(s.text)]
    batch = inputs.collate(pieces, [inputs.gold(s.text, s.entities).tags for s in gold])
    model.train().loss(batch).total.backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("recipe", ["bert-crf", "bilstm-cnn", "softlexicon-bert"], indirect=True)
def test_the_same_seed_builds_the_same_tagger(
    recipe: TaggerRecipe, two_sentences: list[Sentence]
) -> None:
    texts = [s.text for s in two_sentences] * 2
    one, _ = build_tagger(recipe, LABELS, texts, seed=3)
    torch.rand(1)
    two, _ = build_tagger(recipe, LABELS, texts, seed=3)
    other, _ = build_tagger(recipe, LABELS, texts, seed=4)
    for (name, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    changed = [not torch.equal(one.state_dict()[k], v) for k, v in other.state_dict().items()]
    assert any(changed)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "needs an input"),
        ({"unit_dim": 4, "frozen": ["encoder"]}, "can't freeze encoder"),
        ({"unit_dim": 4, "head": "softmax"}, "use fc or crf"),
        ({"unit_dim": 4, "sum_directions": True, "recurrent": "gru"}, "two directions"),
        ({"unit_dim": 4, "recurrent": "rnn"}, "use one of lstm"),
        ({"unit_dim": 4, "units": "line"}, "use one of word"),
        ({"unit_dim": 4, "scheme": "BMES"}, "use one of BIO"),
        ({"unit_dim": 4, "lexicon": "words.tsv"}, "lexicon_dim"),
        ({"lexicon_dim": 4}, "needs words"),
        ({"unit_vectors": "nowhere.txt"}, "no such file"),
        ({"unit_dim": 4, "max_vectors": 5}, "max_vectors=5, and there are no files"),
        ({"unit_dim": -5}, "unit_dim=-5 must be at least 0"),
        ({"unit_dim": 4, "recurrent": "gru", "recurrent_size": 0}, "recurrent_size=0 must be"),
        ({"unit_dim": 4, "recurrent": "gru", "recurrent_layers": 0}, "recurrent_layers=0 must be"),
        ({"unit_dim": 4, "max_tokens": 0}, "max_tokens=0 must be at least"),
        ({"unit_dim": 4, "dropout": 2}, r"dropout=2 must be in \[0, 1\]"),
        ({"character_dim": 4, "character_width": 2}, "character_width=2 must be odd"),
        ({"character_dim": 4, "character_filters": 0}, "character_filters=0 must be"),
        ({"unit_dim": 4, "character_types": True}, "give character_dim"),
        ({"unit_dim": 4, "encoder_dropout": 0.3}, "encoder_dropout=0.3, and there is no encoder"),
        ({"encoder": "zh-small", "encoder_dropout": 3}, r"encoder_dropout=3 must be in \[0, 1\]"),
    ],
)
def test_mistakes_in_a_recipe_are_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_tagger(TaggerRecipe(**settings), LABELS, ["张三在北京"])
