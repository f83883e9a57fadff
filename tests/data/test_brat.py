"""BRAT stand-off annotation."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decoupled_ner.data.brat import (
    DISCONTINUOUS,
    JOINED,
    MISMATCH,
    Document,
    read_brat,
    read_documents,
    sentences_of,
    split_documents,
)
from decoupled_ner.data.brat_writer import write_brat
from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.data.formats import read_file
from decoupled_ner.types import Entity, InputError, Sentence, entity_at

TEXT = "  患者有2型糖\n尿病。血糖 高!\n\n用药:胰岛素"
ANN = (
    "T1\tDisease 5 8;9 11\t2型糖 尿病\n"
    "T2\tTest 12 14\t血糖\n"
    "T3\tSymptom 5 7;15 16\t2型 高\n"
    "R1\tTest_Disease Arg1:T2 Arg2:T1\n"
    "#1\tAnnotatorNotes T1\tnote\n"
    "T4\tDrug 22 25\t胰岛索\n"
    "T5\tTest 12 16\t血糖 高\n"
)


def write(folder: Path, text: str = TEXT, ann: str = ANN, name: str = "a") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_bytes(text.encode())
    (folder / f"{name}.ann").write_bytes(ann.encode())
    return folder


def test_a_document_in_sentences(tmp_path: Path) -> None:
    parsed = read_brat(write(tmp_path / "docs"))
    assert [(s.id, s.text) for s in parsed.sentences] == [
        ("docs/a/2", "患者有2型糖\n尿病。"),
        ("docs/a/12", "血糖 高!"),
        ("docs/a/19", "用药:胰岛素"),
    ]
    assert [[(e.text, e.label) for e in s.entities] for s in parsed.sentences] == [
        [("2型糖\n尿病", "Disease")],
        [("血糖", "Test"), ("血糖 高", "Test")],
        [("胰岛素", "Drug")],
    ]
    assert parsed.dropped == {DISCONTINUOUS: 1}
    assert parsed.noted == {JOINED: 1, MISMATCH: 1}


def test_a_data_set_tells_what_it_lost(tmp_path: Path) -> None:
    losses = load_dataset(str(write(tmp_path / "docs"))).losses
    assert losses == f"docs: entities that can't be read are missing: 1 {DISCONTINUOUS}"
    assert load_dataset("demo").losses == ""


def test_sentence_ids_lead_back_to_the_document(tmp_path: Path) -> None:
    for sentence in read_brat(write(tmp_path / "docs")).sentences:
        offset = int(sentence.id.rpartition("/")[2])
        assert TEXT[offset : offset + len(sentence.text)] == sentence.text


@st.composite
def documents(draw: st.DrawFn) -> Document:
    text = draw(st.text("中国a 。\n!", max_size=900))
    entities = []
    for _ in range(draw(st.integers(0, 8)) if text else 0):
        start = draw(st.integers(0, len(text) - 1))
        end = min(len(text), start + draw(st.integers(1, 30)))
        entities.append(entity_at(text, start, end, "X"))
    return Document("d", text, Sentence(text, tuple(entities)).entities)


@given(documents())
def test_cutting_loses_only_white_space_between_sentences(document: Document) -> None:
    entities, kept = [], set()
    for sentence in sentences_of([document], "p").sentences:
        offset = int(sentence.id.rpartition("/")[2])
        end = offset + len(sentence.text)
        assert document.text[offset:end] == sentence.text
        assert not kept & set(range(offset, end))
        kept |= set(range(offset, end))
        entities += [(e.start + offset, e.end + offset, e.label) for e in sentence.entities]
    assert sorted(entities) == [(e.start, e.end, e.label) for e in document.entities]
    lost = set(range(len(document.text))) - kept
    assert all(document.text[position].isspace() for position in lost)


def test_long_stretches_are_cut_at_line_breaks_outside_entities() -> None:
    text = "\n".join(["一二三四五六七八九十" * 2] * 40)
    document = Document("d", text, (entity_at(text, 195, 260, "X"),))
    first, second, *rest = sentences_of([document], "p").sentences
    assert first.text == text[:188]  # the last break that fits before the entity
    assert len(second.text) < 250 and second.entities[0].text == text[195:260]
    assert max(len(sentence.text) for sentence in rest) <= 250


def test_archives_are_read_without_extraction(tmp_path: Path) -> None:
    folder, archive = write(tmp_path / "docs"), tmp_path / "docs.tar.xz"
    with tarfile.open(archive, "w:xz") as tar:
        tar.add(folder, "outer/inner")
        link = tarfile.TarInfo("outer/inner/b.ann")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        other = tarfile.TarInfo("outer/readme.lnk")
        other.size = 3
        tar.addfile(other, io.BytesIO(b"abc"))
    before = sorted(tmp_path.rglob("*"))
    assert read_brat(archive) == read_brat(folder)
    assert sorted(tmp_path.rglob("*")) == before


def test_documents_are_split_by_their_text() -> None:
    many = [Document(str(i), f"文本{i}", ()) for i in range(1000)]
    splits = split_documents(many)
    assert [round(len(splits[name]) / 100) for name in ("train", "dev", "test")] == [6, 2, 2]
    renamed = [Document(f"copy{document.name}", document.text, ()) for document in many[:50]]
    for name, part in split_documents(renamed).items():
        assert {document.text for document in part} <= {d.text for d in splits[name]}


@pytest.mark.parametrize(
    ("ann", "message"),
    [
        ("T1\tTest 0 1\n", ":1: expected 'T1 TAB Type start end TAB text'"),
        ("#x\nT1 Test 0 1 a\n", ":2: expected 'T1 TAB Type start end TAB text'"),
        ("T1\tTest 0 99\tx\n", ":1: entity [0, 99) does not lie in a text of 25 characters"),
        ("T1\tTest 3 3\tx\n", ":1: entity [3, 3)"),
        ("T1\tO 3 4\tx\n", ":1: an entity can't have the label 'O'"),
        ("T1\tTest 3 4\tx\n", "1 of 1 entities are not the text at their offsets"),
        (f"#x\nT1\tTest 0 {'9' * 5000}\tx\n", ":2: expected 'T1 TAB Type start end TAB text'"),
    ],
)
def test_malformed_annotation_names_file_line_and_reason(
    tmp_path: Path, ann: str, message: str
) -> None:
    with pytest.raises(InputError) as error:
        read_brat(write(tmp_path / "docs", ann=ann))
    assert str(error.value).startswith(f"{tmp_path / 'docs'}/a.ann:")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"), [("a.ann", "name the folder that it lies in"), ("a.tar", "not a readable")]
)
def test_what_is_no_archive_is_one_line(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(b"T1\tTest 0 1\tx\n" * 99)
    with pytest.raises(InputError, match=message) as error:
        read_file(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_byte_order_mark_hides_no_annotation(tmp_path: Path) -> None:
    plain = read_brat(write(tmp_path / "plain"), prefix="p")
    assert read_brat(write(tmp_path / "ann", ann=f"\ufeff{ANN}"), prefix="p") == plain
    assert read_brat(write(tmp_path / "both", f"\ufeff{TEXT}", f"\ufeff{ANN}"), prefix="p") == plain


@pytest.mark.parametrize(
    ("ann", "read"),
    [
        ("T1\tGPE 1 3\t北京\n", "在北京"),
        ("T1\tGPE 2 4\t北京\n", "\ufeff在北京"),
        ("T1\tGPE 2 4\t北京\nT2\tX 0 1\t他\n", "\ufeff在北京"),
        ("", "在北京"),
    ],
)
def test_a_text_loses_its_byte_order_mark_unless_offsets_count_it(
    tmp_path: Path, ann: str, read: str
) -> None:
    (sentence,) = read_brat(write(tmp_path, "\ufeff在北京", ann)).sentences
    assert sentence.text == read
    assert "北京" in [entity.text for entity in sentence.entities] or not ann


@st.composite
def holdable(draw: st.DrawFn) -> Sentence:
    """Any text and any entities in it, overlapping ones too, that BRAT can hold."""
    awkward = st.sampled_from("\n\r\t 。！\u3000ＡＢ１李👨‍👩‍👧\ufeff\u2028\x85")
    char = awkward | st.characters(codec="utf-8")
    text = draw(st.text(char).filter(lambda text: not text.startswith("\ufeff")))
    entities = []
    for _ in range(draw(st.integers(0, 4)) if text else 0):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        if text[start] not in "\r\n" and text[end - 1] not in "\r\n":
            label = draw(st.sampled_from(["PER", "a-b.NAM", "机构👩‍👧", "\ufeff"]))
            entities.append(entity_at(text, start, end, label))
    return Sentence(text, tuple(entities))


def contents(sentences: Iterable[Sentence]) -> list[tuple[str, tuple[Entity, ...]]]:
    return [(sentence.text, sentence.entities) for sentence in sentences]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(holdable(), min_size=1, max_size=3))
def test_any_text_survives(sentences: list[Sentence]) -> None:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "docs"
        write_brat(sentences, folder)
        parsed = read_brat(folder, whole=True)
        assert list(Path(parent).iterdir()) == [folder]
    assert contents(parsed.sentences) == contents(sentences)
    assert not parsed.dropped and MISMATCH not in parsed.noted


def test_texts_without_sentence_marks_survive_the_cut(tmp_path: Path) -> None:
    texts = [f"ＩＢＭ\r\n在👨‍👩‍👧北京{number}" for number in range(11)]
    sentences = [Sentence(t, (entity_at(t, 0, 6, "X"), entity_at(t, 6, 7, "Y"))) for t in texts]
    tmp_path.joinpath("docs").mkdir()  # an empty folder may be there
    write_brat(sentences, tmp_path / "docs")
    assert contents(read_brat(tmp_path / "docs").sentences) == contents(sentences)
    assert contents(read_file(tmp_path / "docs", "brat-whole").sentences) == contents(sentences)
    ann = (tmp_path / "docs" / "00000010.ann").read_bytes().decode()
    assert ann == "T1\tX 0 3;5 6\tＩＢＭ 在\nT2\tY 6 7\t👨\n"


@pytest.mark.parametrize(
    ("text", "label", "reason"),
    [
        ("在北京", "A B", "sentence s/1: BRAT can't hold the label 'A B'"),
        ("在北京", "A\u3000B", "sentence s/1: BRAT can't hold the label"),
        ("在北京", "O", "sentence s/1: an entity can't have the label 'O'"),
        ("在北京", "", "sentence s/1: an entity can't have the label ''"),
        ("北京\n", "A", r"sentence s/1: entity '北京\n' begins or ends with a line break"),
        ("\ufeff北京", "A", "sentence s/1: BRAT can't hold a text that begins with"),
        ("\ud800", "A", "half of a surrogate pair"),
    ],
)
def test_what_brat_cant_hold_is_an_error(
    tmp_path: Path, text: str, label: str, reason: str
) -> None:
    sentence = Sentence(text, (entity_at(text, 0, len(text), label),), "s/1")
    with pytest.raises(InputError) as error:
        write_brat([Sentence("好"), sentence], tmp_path / "docs")
    assert reason in str(error.value)
    assert not list(tmp_path.iterdir())


def test_only_a_new_folder_is_written(tmp_path: Path) -> None:
    folder = write(tmp_path / "docs")
    before = read_brat(folder)
    with pytest.raises(InputError, match="docs: is not empty"):
        write_brat([Sentence("好")], folder)
    with pytest.raises(InputError, match="can't be written"):
        write_brat([Sentence("好")], folder / "a.txt")
    with pytest.raises(InputError, match="can't be written"):
        write_brat([Sentence("好")], tmp_path / "no" / "docs")
    assert read_brat(folder) == before and list(tmp_path.iterdir()) == [folder]


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (write(tmp_path / "docs") / "q.txt").mkdir()
    with pytest.raises(InputError, match=r"q\.txt: can't be read"):
        read_brat(tmp_path / "docs")


def test_missing_parts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.ann file inside"):
        read_documents(tmp_path)
    folder = write(tmp_path / "docs")
    (folder / "a.txt").unlink()
    with pytest.raises(InputError, match=r"a\.ann has no a\.txt beside it"):
        read_documents(folder)
    (tmp_path / "x.tar.xz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="not a readable tar archive"):
        read_documents(tmp_path / "x.tar.xz")
