"""A tagger over windows of long texts, its scores, and what it proposes."""

from __future__ import annotations

import itertools
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from decoupled_ner.candidates import JiebaNouns, NGrams, Union
from decoupled_ner.candidates.base import CandidateGenerator
from decoupled_ner.cli import main
from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.inference.model import DecoupledNER
from decoupled_ner.inference.tagger import Tagger, TaggerCandidates
from decoupled_ner.labels import LabelSet, repair_tags
from decoupled_ner.models.decoupled import DecoupledConfig, DecoupledModel
from decoupled_ner.models.encoder import load_encoder, load_encoder_config, load_tokenizer
from decoupled_ner.models.tagger_builder import TaggerRecipe, build_tagger
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.training.sentence_batches import LabelledRegion
from decoupled_ner.types import InputError, Region

LABELS = LabelSet(("PER", "GPE"))
TEXTS = ["王小明在北京", "", "他说[MASK]\U0001f468\u200d\U0001f469，iPhone6", "\ud800 x", " \n"]


@pytest.fixture(scope="module", params=["fc", "crf"])
def tagger(request: pytest.FixtureRequest, tiny_encoder: str) -> Tagger:
    """Random weights with doubtful answers, so that every path matters."""
    recipe = TaggerRecipe(encoder=tiny_encoder, head=request.param, max_tokens=24)
    model, inputs = build_tagger(recipe, LABELS, [])
    torch.manual_seed(1)
    torch.nn.init.normal_(model.scorer.weight, std=0.1)
    return Tagger(model, inputs, device="cpu")


def test_entities_lie_in_the_text_and_never_overlap(tagger: Tagger) -> None:
    texts = [*TEXTS, "王小明从北京去上海。" * 30]
    for text, entities in zip(texts, tagger.predict_batch(texts), strict=True):
        for entity in entities:
            assert text[entity.start : entity.end] == entity.text
            assert 0 < entity.score <= 1
        assert all(a.end <= b.start for a, b in itertools.pairwise(entities))
    assert any(tagger.predict_batch(texts))


def test_answers_do_not_depend_on_the_batch_or_the_thread(tagger: Tagger) -> None:
    texts = [*TEXTS, "王小明从北京去上海。" * 30] * 3
    together = tagger.predict_batch(texts)
    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(tagger.predict_regions, texts))
    for a, b in zip(together, alone, strict=True):
        assert [(e.start, e.end, e.label) for e in a] == [(e.start, e.end, e.label) for e in b]
        assert [e.score for e in a] == pytest.approx([e.score for e in b], abs=1e-4)


@torch.no_grad()
def test_a_score_is_the_probability_of_the_entitys_tags(tagger: Tagger) -> None:
    tags, found = tagger.inputs.tags, 0
    for text in ["王小明", "北京", "去上海", "他说"]:
        batch = tagger.inputs.collate(tagger.inputs.encode(text))
        emissions, mask = tagger.model(batch), batch["unit_mask"]
        probabilities = {
            path: tagger.model.crf.log_likelihood(emissions, torch.tensor([path]), mask)
            .exp()
            .item()
            for path in itertools.product(range(len(tags)), repeat=len(text))
        }
        best = max(probabilities, key=probabilities.__getitem__)
        assert repair_tags([tags.names[tag] for tag in best], tags.scheme)[1] == 0
        entities = tagger.predict_regions(text)
        assert [(e.start, e.end, e.label) for e in entities] == tags.decode(best)
        for entity in entities:
            part = slice(entity.start, entity.end)
            wanted = sum(p for path, p in probabilities.items() if path[part] == best[part])
            assert entity.score == pytest.approx(wanted, abs=1e-4)
            found += 1
    assert found


def test_more_sequences_propose_more_and_keep_what_was_there(tagger: Tagger) -> None:
    texts = [*TEXTS, "王小明从北京去上海。" * 10]
    best = [[e.region for e in entities] for entities in tagger.predict_batch(texts)]
    one, five = tagger.propose_regions(texts, 1), tagger.propose_regions(texts, 5)
    for entities, few, many, text in zip(best, one, five, texts, strict=True):
        assert set(entities) <= set(few) <= set(many)
        assert many == sorted(set(many))
        assert all(region.end <= len(text) for region in many)
    assert sum(map(len, five)) > sum(map(len, one))


def test_probable_regions_sum_over_all_sequences(tagger: Tagger) -> None:
    text = TEXTS[0]
    everything = tagger.probable_regions([text], 1e-9)[0]
    assert {e.region for e in everything} == {
        Region(a, b) for a, b in itertools.combinations(range(len(text) + 1), 2)
    }
    likely = tagger.probable_regions([text], 0.05)[0]
    assert likely == [e for e in everything if e.score >= 0.05]
    (found,) = tagger.propose_regions([text], 5**6)  # every sequence
    assert found == sorted({e.region for e in everything})
    at_first = sum(e.score for e in everything if e.start == 0)
    assert at_first < 1


def test_as_a_generator_it_travels_with_a_model(tagger: Tagger, tmp_path: Path) -> None:
    tagger.save_pretrained(tmp_path / "tagger")
    generator = TaggerCandidates(tmp_path / "tagger", min_probability=0.02, device="cpu")
    assert generator.name == "tagger"
    proposed = generator.propose_batch(TEXTS)
    assert proposed == [generator.propose(text) for text in TEXTS]
    assert proposed[0] and not proposed[1] and not proposed[4]
    saved = generator.save(tmp_path / "model")
    moved = TaggerCandidates(**{**saved, "model": tmp_path / "model" / saved["model"]})
    assert moved.propose_batch(TEXTS) == proposed
    assert TaggerCandidates(**generator.init_args()).init_args() == generator.init_args()
    k_best = TaggerCandidates(tmp_path / "tagger", k=3, device="cpu")
    assert k_best.propose_batch(TEXTS) == tagger.propose_regions(TEXTS, 3)


def test_inside_a_decoupled_model_it_is_saved_and_moved(
    tagger: Tagger, tiny_encoder: str, tmp_path: Path
) -> None:
    tagger.save_pretrained(tmp_path / "tagger")
    other = Union([TaggerCandidates(tmp_path / "tagger", k=4, device="cpu")], max_length=3)
    generator = Union([NGrams(max_length=1), TaggerCandidates(tmp_path / "tagger"), other])
    config = DecoupledConfig(
        encoder=load_encoder_config(tiny_encoder).to_dict(), labels=["O", "PER", "GPE"]
    )
    network = DecoupledModel.from_encoders(config, load_encoder(tiny_encoder), None)
    ner = DecoupledNER(network, load_tokenizer(tiny_encoder), generator, device="cpu")
    candidates = generator.candidates_batch(TEXTS)
    assert any("tagger" in candidate.sources for found in candidates for candidate in found)
    ner.save_pretrained(tmp_path / "model")
    shutil.rmtree(tmp_path / "tagger")
    moved = (tmp_path / "model").rename(tmp_path / "moved")
    assert {path.parent.name for path in moved.glob("*/model.safetensors")} == {
        "tagger",
        "tagger-2",
    }
    assert str(tmp_path) not in (moved / "config.json").read_text()
    loaded = DecoupledNER.from_pretrained(moved, device="cpu")
    assert loaded.generator.candidates_batch(TEXTS) == candidates
    again = DecoupledNER.from_pretrained(loaded.save_pretrained(tmp_path / "again"), device="cpu")
    assert again.generator.candidates_batch(TEXTS) == candidates


def test_a_report_counts_what_it_finds(
    tagger: Tagger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = str(tagger.save_pretrained(tmp_path / "tagger"))
    command = ["candidates", "report", "--dataset", "demo", "--tagger", given, "--json"]
    with pytest.raises(SystemExit, match="0"):
        main(command)
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["generators"]}
    texts = [sentence.text for sentence in load_dataset("demo").split("dev")]
    proposed = sum(map(len, TaggerCandidates(given, device="cpu").propose_batch(texts)))
    assert rows["tagger"]["candidates_per_sentence"] == pytest.approx(proposed / len(texts))


def test_a_saved_model_does_not_ask_for_the_device_it_was_made_on(
    tagger: Tagger, tmp_path: Path
) -> None:
    tagger.save_pretrained(tmp_path / "tagger")
    generator = TaggerCandidates(tmp_path / "tagger", device="cpu")
    assert generator.save(tmp_path / "model")["device"] == "auto"


def test_mistakes_are_told(tagger: Tagger, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="list of strings"):
        tagger.predict_batch("王小明")
    with pytest.raises(InputError, match="k can't be 0"):
        TaggerCandidates(tmp_path, k=0)
    with pytest.raises(InputError, match="above 0"):
        TaggerCandidates(tmp_path, min_probability=0.0)
    with pytest.raises(InputError, match=r"config\.json"):
        Tagger.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match="not a tagger"):
        Tagger.from_pretrained(tmp_path)


def test_what_it_suggests_on_training_sentences_is_no_negative(
    tagger: Tagger, tiny_encoder: str, tmp_path: Path
) -> None:
    seen = TaggerCandidates(tagger.save_pretrained(tmp_path), min_probability=1e-3, device="cpu")

    def negatives(generator: CandidateGenerator) -> list[LabelledRegion]:
        data = UnifiedData(
            "demo", tiny_encoder, generator, negative_edits="none", train_sentences=9
        )
        assert any(seen.propose_batch([sentence.text for sentence in data.training_sentences]))
        return data.pairs()[1]

    nouns = negatives(JiebaNouns())
    assert nouns and negatives(Union([JiebaNouns(), seen])) == nouns
    assert negatives(Union([Union([seen]), JiebaNouns()])) == nouns
    assert negatives(seen) == []


def test_it_computes_where_and_as_its_model_does(
    tagger: Tagger, tiny_encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tagger.save_pretrained(tmp_path / "tagger")
    inner = Union([TaggerCandidates(folder, device="cpu")])
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(Tagger, "compute_on", lambda _, *given: asked.append(given))
    settings = load_encoder_config(tiny_encoder).to_dict()
    config = DecoupledConfig(encoder=settings, labels=["O", "PER"])
    network = DecoupledModel.from_encoders(config, load_encoder(tiny_encoder), None)
    generator = Union([NGrams(max_length=1), inner])
    tokenizer = load_tokenizer(tiny_encoder)
    DecoupledNER(network, tokenizer, generator, device="cpu", dtype="bfloat16")
    assert asked == [("cpu", "bfloat16")]
