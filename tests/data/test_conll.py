"""CoNLL column files."""

from __future__ import annotations

import gzip
import lzma
import tempfile
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decoupled_ner.data.conll import conll_lines, read_conll, write_conll
from decoupled_ner.data.formats import read_file
from decoupled_ner.labels import SCHEMES, Scheme
from decoupled_ner.types import Entity, InputError, Sentence, entity_at

# Writing files takes as long as the disk likes.
files = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# What breaks line- and column-based files, beside ordinary characters.
AWKWARD = " \t\n\r\\ntr\ufeff\u3000\u2028\x85\x0c\x1c0199�\ue305李👨‍👩‍👧O-#"


@st.composite
def char_sentences(draw: st.DrawFn) -> Sentence:
    text = draw(st.text(st.sampled_from(AWKWARD) | st.characters(codec="utf-8"), min_size=1))
    entities, position = [], 0
    while position < len(text) and draw(st.booleans()):
        start = draw(st.integers(position, len(text) - 1))
        position = draw(st.integers(start + 1, len(text)))
        entities.append(entity_at(text, start, position, draw(st.sampled_from(["PER", "a-b"]))))
    return Sentence(text, tuple(entities))


@st.composite
def word_sentences(draw: st.DrawFn) -> Sentence:
    words = draw(st.lists(st.text("a\\n\u3000é1-", min_size=1), min_size=1, max_size=6))
    words = [word for word in words if word not in ("\\n", "-DOCSTART-")] or ["a"]
    text, first = " ".join(words), draw(st.integers(0, len(words) - 1))
    last = draw(st.integers(first, len(words) - 1))
    start = len(" ".join(words[:first])) + (first > 0)
    return Sentence(text, (entity_at(text, start, len(" ".join(words[: last + 1])), "X"),))


def round_trip(
    sentences: list[Sentence], scheme: Scheme, joiner: Literal["", " "], name: str = "x.conll"
) -> list[tuple[str, tuple[Entity, ...]]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write_conll(sentences, path, scheme, joiner=joiner)
        parsed = read_conll(path, scheme, joiner=joiner)
        assert list(Path(folder).iterdir()) == [path]
    assert parsed.repairs == 0
    return [(sentence.text, sentence.entities) for sentence in parsed.sentences]


@files
@given(st.lists(char_sentences(), max_size=4), st.sampled_from(SCHEMES))
def test_any_text_survives_character_files(sentences: list[Sentence], scheme: Scheme) -> None:
    assert round_trip(sentences, scheme, "") == [(s.text, s.entities) for s in sentences]


@files
@given(st.lists(word_sentences(), max_size=4), st.sampled_from(SCHEMES))
def test_words_survive_word_files(sentences: list[Sentence], scheme: Scheme) -> None:
    assert round_trip(sentences, scheme, " ") == [(s.text, s.entities) for s in sentences]


@pytest.mark.parametrize(
    ("sentence", "joiner", "reason"),
    [
        (Sentence(""), "", "empty text"),
        (Sentence("a  b"), " ", "two joiners in a row"),
        (Sentence(" a"), " ", "two joiners in a row"),
        (Sentence("a\tb c"), " ", "can't hold the token"),
        (Sentence("a \\n"), " ", "can't hold the token"),
        (Sentence("-DOCSTART- a"), " ", "can't hold the token"),
        (Sentence("a -DOCSTART-1 b"), " ", "can't hold the token"),
        (Sentence("ab c", (entity_at("ab c", 1, 4, "X"),)), " ", "inside a token"),
        (
            Sentence("abc", (entity_at("abc", 0, 2, "X"), entity_at("abc", 1, 3, "X"))),
            "",
            "overlaps",
        ),
        (Sentence("\ud800"), "", "surrogate"),
    ],
)
def test_what_the_format_cant_hold_is_an_error(
    tmp_path: Path, sentence: Sentence, joiner: Literal["", " "], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        write_conll([Sentence("好"), sentence], tmp_path / "x", joiner=joiner)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("label", ["", "O", "A\tB", "A\nB", "A\rB", "A\r", " A", "A ", "A\u3000"])
def test_labels_that_cant_be_read_back_are_errors(tmp_path: Path, label: str) -> None:
    sentence = Sentence("好", (entity_at("好", 0, 1, label),), "s/7")
    with pytest.raises(InputError) as error:
        write_conll([Sentence("好"), sentence], tmp_path / "x")
    assert str(error.value).startswith("sentence s/7: ")
    assert repr(label) in str(error.value)
    assert not list(tmp_path.iterdir())


@files
@given(st.text(st.sampled_from(AWKWARD) | st.characters(codec="utf-8")), st.sampled_from(SCHEMES))
def test_labels_are_read_back_or_refused(label: str, scheme: Scheme) -> None:
    text = "在北京"
    sentence = Sentence(text, (entity_at(text, 1, 3, label),))
    try:
        assert len(list(conll_lines([sentence], scheme))) == 4
    except InputError:
        assert label in ("", "O") or any(char.isspace() for char in label)
        return
    assert round_trip([sentence], scheme, "") == [(text, sentence.entities)]


def test_conll2003_layout(tmp_path: Path) -> None:
    path = tmp_path / "eng.train"
    path.write_text(
        "-DOCSTART- -X- O O\n\nU.N. NNP I-NP I-ORG\nJapan NNP I-NP I-LOC\nChina NNP I-NP B-LOC\n"
        ". . O O\n\n\nOK UH O O",
        encoding="utf-8",
    )
    first, second = read_file(path, "words-iob1", prefix="conll2003/train").sentences
    assert first.text == "U.N. Japan China ."
    assert [(e.text, e.label) for e in first.entities] == [
        ("U.N.", "ORG"),
        ("Japan", "LOC"),
        ("China", "LOC"),
    ]
    assert (second.text, second.id) == ("OK", "conll2003/train/1")
    assert read_file(path, "words").sentences[0].entities == first.entities  # found out by itself


def test_weibo_segment_indices(tmp_path: Path) -> None:
    path = tmp_path / "weibo.train"
    rows = ["科0", "10", "211", "��0", "李0", "a10"]
    tags = ["O", "O", "O", "O", "I-PER.NAM", "I-PER.NAM"]
    lines = [f"{row}\t{tag}\n" for row, tag in zip(rows, tags, strict=True)]
    path.write_text("".join(lines), encoding="utf-8")
    parsed = read_file(path, "weibo")
    assert parsed.sentences[0].text == "科12��李a"
    assert [e.text for e in parsed.sentences[0].entities] == ["李a"]
    assert parsed.repairs == 1


def test_ontonotes_character_files(tmp_path: Path) -> None:
    path = tmp_path / "train.char.bmes"
    path.write_text(
        "中 B-GPE\n国 E-GPE\n驻 O\n美 S-GPE\n大 O\n使 O\n馆 O\n\n江 B-PER\n泽 M-PER\n民 E-PER\n",
        encoding="utf-8",
    )
    first, second = read_file(path).sentences
    assert [(e.start, e.end, e.text, e.label) for e in (*first.entities, *second.entities)] == [
        (0, 2, "中国", "GPE"),
        (3, 4, "美", "GPE"),
        (0, 3, "江泽民", "PER"),
    ]


def test_spaces_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "x.bio"
    path.write_bytes("\ufeff中  B-LOC \r\n  O\r\n\u3000 O\r\n \t \r\n国\tO\r\n".encode())
    # The first sentence is separated by spaces (its second token is one), the second by a tab.
    assert [s.text for s in read_conll(path).sentences] == ["中 \u3000", "国"]


@pytest.mark.parametrize(("suffix", "pack"), [(".xz", lzma.compress), (".gz", gzip.compress)])
def test_packed_files(tmp_path: Path, suffix: str, pack: object) -> None:
    assert callable(pack)
    plain, packed = tmp_path / "x.bio", tmp_path / f"y.bio{suffix}"
    write_conll([Sentence("北京", (entity_at("北京", 0, 2, "GPE"),))], plain)
    packed.write_bytes(pack(plain.read_bytes()))
    assert read_file(packed, prefix="p") == read_file(plain, prefix="p")
    write_conll(read_file(plain).sentences, packed)
    assert read_file(packed, prefix="p") == read_file(plain, prefix="p")
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(InputError, match="damaged"):
        read_file(packed)
    packed.write_bytes(b"no archive")
    with pytest.raises(InputError, match=f"y.bio{suffix}"):
        read_file(packed)


@pytest.mark.parametrize(
    ("content", "format", "message"),
    [
        (b"a\tO\nb\n", "bio", ":2: expected 2 columns, a token first and a tag last, found 'b'"),
        (b"a\tO\nb\tx\tO\n", "bio", ":2: expected 2 columns"),
        (b"a\tO\n\tO\n", "bio", ":2: expected 2 columns"),
        (b"a O\n O\n", "bio", ":2: expected 2 columns"),
        (b"a\tO\n\nb\tO\nc\tPER\n", "bio", ":4: expected a tag such as O or B-PER, found 'PER'"),
        (b"a\tO\n\nb\tO\nc\tM-PER\n", "bio", ":4: 'M-PER' is no tag of BIO"),
        (b"a\tI-X\nb\tO\nc\tM-X\n", "conll", ":3: 'M-X' is no tag of BIO, IOB1, BIOES, and"),
        (b"a\tB-X\nb\tS-X\n\nc\tI-X\nd\tM-X\ne\tM-X\n", "conll", ":5: 'M-X' is no tag of BIOES"),
        (b"a\tO\nb\tB-O\n", "conll", ":2: 'B-O' is no tag of"),
        (b"a\tO\nb\xff\tO\n", "bio", ":2: not UTF-8"),
        (b"a0\tO\nb\tO\n", "weibo", ":2: expected a character and its segment index"),
        (b"a\tO\n", "bilou", "no format 'bilou'; there are jsonl"),
    ],
)
def test_malformed_files_name_file_line_and_reason(
    tmp_path: Path, content: bytes, format: str, message: str
) -> None:
    path = tmp_path / "x.conll"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_file(path, format)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_files_and_folders_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        read_file(tmp_path / "no.bio")
    with pytest.raises(InputError, match="can't be written"):
        write_conll([Sentence("a")], tmp_path / "no" / "x.bio")
    with pytest.raises(InputError, match="doesn't tell the format"):
        read_file(tmp_path / "x.doc")
