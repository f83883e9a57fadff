"""Vocabularies and files of vectors."""

from __future__ import annotations

import gzip
import lzma
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoupled_ner.models.embeddings import UNKNOWN, Vectors, Vocabulary, load_vectors
from decoupled_ner.types import InputError

WORDS = ("中国", "in", "\u2028", ". . .")
MATRIX = np.array([[1, 2, 3], [0.5, -0.25, 1e-3], [0, 0, 1], [4, 5, 6]], np.float32)


def text_lines(words: tuple[str, ...] = WORDS) -> str:
    rows = zip(words, MATRIX.tolist(), strict=False)
    return "".join(f"{word} {' '.join(map(str, row))}\n" for word, row in rows)


def binary(words: tuple[str, ...], separator: bytes = b"") -> bytes:
    rows = zip(words, MATRIX, strict=False)
    head = f"{len(words)} 3\n".encode()
    return head + b"".join(w.encode() + b" " + v.tobytes() + separator for w, v in rows)


def assert_same(vectors: Vectors, words: tuple[str, ...]) -> None:
    assert vectors.words == words
    np.testing.assert_allclose(vectors.matrix, MATRIX[: len(words)], rtol=1e-6)
    assert vectors.matrix.dtype == np.float32


def test_reads_text_as_glove_and_as_word2vec_write_it(tmp_path: Path) -> None:
    (tmp_path / "glove.txt").write_text(text_lines(), encoding="utf-8")
    assert_same(load_vectors(tmp_path / "glove.txt"), WORDS)
    (tmp_path / "w2v.vec").write_text(f"4 3\n{text_lines()}", encoding="utf-8", newline="\r\n")
    assert_same(load_vectors(tmp_path / "w2v.vec"), WORDS)
    (tmp_path / "w2v.vec.xz").write_bytes(lzma.compress(text_lines().encode()))
    assert_same(load_vectors(tmp_path / "w2v.vec.xz", limit=2), WORDS[:2])
    (tmp_path / "bom.txt").write_text(text_lines(), encoding="utf-8-sig")
    assert_same(load_vectors(tmp_path / "bom.txt"), WORDS)
    with pytest.raises(InputError, match="read at least one"):
        load_vectors(tmp_path / "glove.txt", limit=-1)


@pytest.mark.parametrize("separator", [b"", b"\n"])
def test_reads_binary(tmp_path: Path, separator: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(binary(WORDS[:3], separator))
    assert_same(load_vectors(tmp_path / "a.bin"), WORDS[:3])
    (tmp_path / "a.bin.gz").write_bytes(gzip.compress(binary(WORDS[:3], separator)))
    assert_same(load_vectors(tmp_path / "a.bin.gz"), WORDS[:3])


def test_the_first_of_a_repeated_word_counts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(text_lines(("a", "b", "a")), encoding="utf-8")
    assert_same(load_vectors(tmp_path / "a.txt"), ("a", "b"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", "holds no vectors"),
        ("a.txt", b"word\n", "neither GloVe nor word2vec"),
        ("a.txt", b"a 1 2\nb 1 x\n", r"a\.txt:2: a value is no number"),
        ("a.txt", b"a 1 2\nb 1\n", r"a\.txt:2: not a word and 2 numbers"),
        ("a.txt", b"2 2\na 1 2 3 4\nb 1 2 3 4\n", r"a\.txt:2: 4 values, not 2"),
        ("a.txt", b"a 1 2\nb 1 2 3\n", r"a\.txt:2: 3 values, not 2"),
        ("a.txt", b"9" * 5000 + b" 2\na 1 2\n", "neither GloVe nor word2vec"),
        ("a.txt", b"a 1 nan\n", "not finite"),
        ("a.txt", b"3 2\na 1 2\nb 3 4\n", "ends after 2 of 3 vectors"),
        ("a.txt", b"a\t1 2 3\n", r"a\.txt:1: not a word and 2 numbers with spaces"),
        ("a.bin", b"not a header\n", "no word2vec header"),
        ("a.bin", b"2 99999999999\n", "can't be"),
        ("a.bin", b"9 2\nab " + struct.pack("<2f", 1, 2) + b"cd \x00", "inside vector 2 of 9"),
        ("a.bin", b"1 2\n" + b"x" * 9000, "no word before vector 1"),
        ("a.gz", b"no gzip", "can't be read"),
        ("a.xz", b"no xz", "can't be read"),
        ("a.model", b"\x80\x04\x95 pickle", "neither GloVe nor word2vec"),
    ],
)
def test_damaged_files_are_told(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_vectors(tmp_path / name)


@given(st.binary(max_size=200), st.sampled_from(["a.bin", "a.txt", "a.gz", "a.bin.xz"]))
def test_no_bytes_do_more_than_be_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("vectors") / name
    path.write_bytes(content)
    try:
        assert len(load_vectors(path).words) >= 1
    except InputError as error:
        assert str(path) in str(error)


def test_rows_are_scaled_to_the_length_of_the_random_ones() -> None:
    vectors = Vectors(("a", "b"), np.array([[3, 4], [0, 15]], np.float32))  # mean length 10
    rows = vectors.rows_for(["b", "A", "other"], np.random.default_rng(0))
    np.testing.assert_allclose(rows[:2], [[0, 1.5], [0.3, 0.4]], rtol=1e-6)
    assert (np.abs(rows[2]) <= np.sqrt(3 / 2)).all() and rows[2].any()


def test_a_vocabulary_falls_back_on_lower_case_and_then_on_the_unknown(tmp_path: Path) -> None:
    vocabulary = Vocabulary.of(["in", "in", "中", "中", "In", "once"], min_count=2)
    assert vocabulary.items == ("in", "中") and len(vocabulary) == 4
    assert [vocabulary.id(x) for x in ("in", "IN", "中", "once", "")] == [2, 2, 3, UNKNOWN, UNKNOWN]
    for saved in (vocabulary, Vocabulary(["中", "\ud800", "\U0001f600"])):
        saved.save(tmp_path / "v.json")
        assert Vocabulary.load(tmp_path / "v.json").items == saved.items


@pytest.mark.parametrize("content", [None, "{", '{"a": 1}', "[1]"])
def test_a_damaged_vocabulary_is_told(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "v.json").write_text(content)
    with pytest.raises(InputError, match=r"v\.json"):
        Vocabulary.load(tmp_path / "v.json")
