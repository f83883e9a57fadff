"""Extra training sentences: files, dictionary entries, distant text."""

from __future__ import annotations

from pathlib import Path

import pytest

from decoupled_ner.candidates import NGrams
from decoupled_ner.data.distant import label_texts
from decoupled_ner.data.extra import ExtraTraining, extra_sentences
from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.gazetteer import Entry, Gazetteer
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.training.sentence_data import SentenceData
from decoupled_ner.training.window_data import WindowData
from decoupled_ner.types import InputError, Sentence, entity_at

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
    assert extra_sentences(extra, two_sentences, TYPES, 1) == ([copy], 0)


def test_entries_are_sentences_of_one_entity(gazetteer: str) -> None:
    found, left_out = extra_sentences(ExtraTraining(gazetteer=gazetteer), [], TYPES, 1)
    assert {(s.text, s.entities[0].label) for s in found} == set(NAMES) - {("长江", "LOC")}
    assert all((s.entities[0].start, s.entities[0].end) == (0, len(s.text)) for s in found)
    assert left_out == 1
    renamed = ExtraTraining(gazetteer=gazetteer, rename={"LOC": "GPE"})
    found, left_out = extra_sentences(renamed, [], TYPES, 1)
    assert len(found) == 5 and left_out == 0


def test_some_are_drawn_by_the_seed(gazetteer: str, distant: str) -> None:
    extra = ExtraTraining(gazetteer=gazetteer, entries=2, distant=distant, sentences=3)
    types = (*TYPES, "LOC")
    found, _ = extra_sentences(extra, [], types, 1)
    assert len(found) == 5 and extra_sentences(extra, [], types, 1)[0] == found
    others = [extra_sentences(extra, [], types, seed)[0] for seed in range(2, 6)]
    assert any(other != found for other in others)


def test_a_sentence_of_another_type_is_left_out(distant: str) -> None:
    found, left_out = extra_sentences(ExtraTraining(distant=distant), [], TYPES, 1)
    assert (len(found), left_out) == (4, 2)
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


def test_a_count_needs_its_source() -> None:
    with pytest.raises(InputError, match=r"extra\.entries=3"):
        ExtraTraining(entries=3)
    with pytest.raises(InputError, match=r"extra\.sentences=0"):
        ExtraTraining(distant="folder", sentences=0)
