"""Extra training sentences: files, dictionary entries, distant text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from decoupled_ner.candidates import NGrams
from decoupled_ner.data.distant import label_texts
from decoupled_ner.data.extra import ExtraTraining, extra_sentences
from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.gazetteer import Entry, Gazetteer
from decoupled_ner.models.proposer import ProposerConfig
from decoupled_ner.models.proposer_inputs import build_proposer
from decoupled_ner.models.tagger_builder import TaggerRecipe, build_tagger
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.training.sentence_data import SentenceData
from decoupled_ner.training.window_data import WindowData
from decoupled_ner.types import InputError, Region, Sentence, doubtful_regions, entity_at

TYPES = ("PER", "ORG", "GPE")
NAMES = [("王小明", "PER"), ("李大伟", "PER"), ("北京", "GPE"), ("联合国", "ORG"), ("长江", "LOC")]


@pytest.fixture(scope="module")
def gazetteer(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("gazetteer")
    entries = [Entry(mention, label, "made-up") for mention, label in NAMES]
    Gazetteer.from_entries([*entries, Entry("今天", "O", "words")]).save(folder)
    return str(folder)


@pytest.fixture(scope="module")
def distant(gazetteer: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("distant")
    lines = [
        f"记者{a}昨天到了{b}。" for a in ("王小明", "李大伟") for b in ("北京", "长江", "外地")
    ]
    (folder / "news.txt").write_text("\n".join(lines), encoding="utf-8")
    label_texts([folder / "news.txt"], gazetteer, folder / "labelled")
    return str(folder / "labelled")


def test_files_without_what_training_has(two_sentences: list[Sentence], tmp_path: Path) -> None:
    copy = Sentence("篮协成立于1957年6月", (entity_at("篮协", 0, 2, "ORG"),), "0~1")
    write_jsonl([*two_sentences, copy], tmp_path / "more.jsonl")
    extra = ExtraTraining(files=[str(tmp_path / "more.jsonl")])
    assert extra_sentences(extra, two_sentences, TYPES, 1) == ([copy], {})


def test_a_file_may_say_its_format(two_sentences: list[Sentence], tmp_path: Path) -> None:
    (tmp_path / "more.conll").write_text("Peter\tB-PER\nsings\tO\n")
    extra = ExtraTraining(files=[f"{tmp_path}/more.conll?format=words"])
    [sentence], _ = extra_sentences(extra, two_sentences, TYPES, 1)
    assert sentence.text == "Peter sings"


def test_what_is_tested_on_is_never_added(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str, capsys: pytest.CaptureFixture
) -> None:
    dev, test = (Sentence(f"{name}里的一句话") for name in ("开发", "测试"))
    for split, sentences in (("train", two_sentences), ("dev", [dev]), ("test", [test])):
        write_jsonl(sentences, tmp_path / f"{split}.jsonl")
    fresh = Sentence("新的一句话", (), "fresh")
    labelled = Sentence(dev.text, (entity_at(dev.text, 0, 2, "ORG"),))
    write_jsonl([fresh, labelled, test], tmp_path / "more.jsonl")
    extra = ExtraTraining(files=[str(tmp_path / "more.jsonl")])
    added = WindowData(str(tmp_path), tiny_encoder, extra=extra).training_sentences
    assert [sentence.text for sentence in added[2:]] == [fresh.text]
    assert "extra training sentences: 1, 2 left out that training must" in capsys.readouterr().out
    with_dev = WindowData(str(tmp_path), tiny_encoder, fit_on="train+dev", extra=extra)
    assert [s.text for s in with_dev.training_sentences[3:]] == [fresh.text, dev.text]


def test_entries_are_sentences_of_one_entity(gazetteer: str) -> None:
    found, left_out = extra_sentences(ExtraTraining(gazetteer=gazetteer), [], TYPES, 1)
    assert {(s.text, s.entities[0].label) for s in found} == set(NAMES) - {("长江", "LOC")}
    assert all((s.entities[0].start, s.entities[0].end) == (0, len(s.text)) for s in found)
    assert left_out == {"for types that the data set lacks": 1}
    renamed = ExtraTraining(gazetteer=gazetteer, rename={"LOC": "GPE"})
    found, left_out = extra_sentences(renamed, [], TYPES, 1)
    assert len(found) == 5 and not left_out


def test_some_are_drawn_by_the_seed(gazetteer: str, distant: str) -> None:
    extra = ExtraTraining(gazetteer=gazetteer, entries=2, distant=distant, sentences=3)
    types = (*TYPES, "LOC")
    found, _ = extra_sentences(extra, [], types, 1)
    assert len(found) == 5 and extra_sentences(extra, [], types, 1)[0] == found
    others = [extra_sentences(extra, [], types, seed)[0] for seed in range(2, 6)]
    assert any(other != found for other in others)


def test_a_sentence_of_another_type_is_left_out(distant: str) -> None:
    found, left_out = extra_sentences(ExtraTraining(distant=distant), [], TYPES, 1)
    assert (len(found), left_out.total()) == (4, 2)
    assert not any("长江" in sentence.text for sentence in found)


@pytest.mark.parametrize("kind", [WindowData, UnifiedData])
def test_training_has_them_and_dev_does_not(
    kind: type[SentenceData],
    two_sentences: list[Sentence],
    tmp_path: Path,
    tiny_encoder: str,
    gazetteer: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for split in ("train", "dev"):
        write_jsonl(two_sentences, tmp_path / f"{split}.jsonl")
    settings = {"candidates": NGrams(max_length=3)} if kind is UnifiedData else {}
    plain = kind(str(tmp_path), tiny_encoder, **settings)
    data = kind(str(tmp_path), tiny_encoder, extra=ExtraTraining(gazetteer=gazetteer), **settings)
    assert len(plain.training_sentences) == 2 and len(data.training_sentences) == 6
    assert data.training_sentences[:2] == plain.training_sentences
    assert data.data.split("dev") == plain.data.split("dev")
    assert "4, 1 left out for types that" in capsys.readouterr().out
    if isinstance(data, UnifiedData) and isinstance(plain, UnifiedData):
        assert len(data.pairs()[0]) == len(plain.pairs()[0]) + 4


@pytest.mark.parametrize("doubtful", ["unknown", "outside"])
def test_what_a_gazetteer_could_not_tell(
    doubtful: Literal["unknown", "outside"], tmp_path: Path, tiny_encoder: str
) -> None:
    known = [("王小明", "PER"), ("九江", "GPE"), ("九江", "PER"), ("到过", "O")]
    Gazetteer.from_entries([Entry(*entry, "made-up") for entry in known]).save(tmp_path / "names")
    (tmp_path / "text.txt").write_text("王小明到过九江没有。\n", encoding="utf-8")
    label_texts([tmp_path / "text.txt"], tmp_path / "names", tmp_path / "distant")
    gold = Sentence(
        "王小明说", (entity_at("王小明说", 0, 3, "PER"), entity_at("王小明说", 3, 4, "GPE"))
    )
    write_jsonl([gold], tmp_path / "train.jsonl")
    extra = ExtraTraining(distant=str(tmp_path / "distant"), doubtful=doubtful)
    open_regions = (Region(5, 7),) if doubtful == "unknown" else ()
    [added], _ = extra_sentences(extra, [], TYPES, 1)
    assert doubtful_regions(added) == open_regions
    [added], _ = extra_sentences(replace(extra, rename={"PER": "ORG"}), [], TYPES, 1)
    assert doubtful_regions(added) == open_regions and added.entities[0].label == "ORG"

    data = UnifiedData(str(tmp_path), tiny_encoder, NGrams(max_length=2), extra=extra)
    negatives = {pair.region for pair in data.pairs()[1] if pair.sentence == 1}
    assert negatives and any(r.overlaps(Region(5, 7)) for r in negatives) != bool(open_regions)
    tagger = WindowData(str(tmp_path), tiny_encoder, extra=extra)
    for inputs in (
        build_tagger(TaggerRecipe(encoder=tiny_encoder), tagger.data.labels, [])[1],
        build_proposer(tiny_encoder, ProposerConfig(size=8, max_width=3), [], [])[1],
    ):
        tagger.read_with(inputs)
        batch = tagger.training_batches(0, 1)[0, 0]
        rows = batch["unknown"].sum(1).tolist() if "unknown" in batch else [0, 0]
        assert sorted(rows) == ([0, 2] if open_regions else [0, 0])


def test_a_count_needs_its_source() -> None:
    with pytest.raises(InputError, match=r"extra\.entries=3"):
        ExtraTraining(entries=3)
    with pytest.raises(InputError, match=r"extra\.sentences=0"):
        ExtraTraining(distant="folder", sentences=0)
