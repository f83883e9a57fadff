"""A gazetteer's columns: the same from memory, from its file and from its Parquet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoupled_ner.gazetteer import Columns, Entry, Gazetteer, load_columns
from decoupled_ner.gazetteer.build import rewrite_gazetteer
from decoupled_ner.gazetteer.parquet import PARQUET, read_parquet, write_parquet
from decoupled_ner.gazetteer.storage import FILE_NAME
from decoupled_ner.types import InputError

ENTRIES = st.lists(
    st.builds(
        Entry,
        st.text("ab京\n😀", min_size=1, max_size=3),
        st.sampled_from(["PER", "ORG", "O"]),
        st.sampled_from(["一", "b"]),
    ),
    max_size=20,
)


def check(columns: Columns | None, gazetteer: Gazetteer) -> None:
    assert columns is not None and len(columns) == len(gazetteer.table.mentions)
    rows = np.arange(len(columns))
    texts = columns.read(rows)
    assert texts == gazetteer.table.mentions
    assert [columns.labels[i] for i in columns.best] == [gazetteer.label(text) for text in texts]
    assert columns.read(rows[columns.support.words]) == gazetteer.words
    for text, weight, share, entity in zip(texts, *columns.support, strict=True):
        types = gazetteer.types(text)
        assert weight == types[gazetteer.label(text)]
        assert share == pytest.approx(weight / sum(types.values()))
        assert entity == pytest.approx(sum(types.values()) - types.get("O", 0.0))
    assert columns.digest == gazetteer.digest


@given(ENTRIES)
def test_they_say_what_the_gazetteer_says(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Entry]
) -> None:
    gazetteer = Gazetteer.from_entries(entries)
    check(Columns.of(gazetteer.table), gazetteer)
    path = tmp_path_factory.mktemp("parquet") / PARQUET
    write_parquet(gazetteer.table, path)
    check(read_parquet(path, gazetteer.digest), gazetteer)
    assert read_parquet(path, "another") is None


@pytest.fixture
def gazetteer() -> Gazetteer:
    names = [Entry(f"{number}市", "GPE") for number in range(70_000)]  # more than a row group
    words = [Entry("快乐", "O"), Entry("高峰", "O", "a", 2.0), Entry("高峰", "PER", "b")]
    return Gazetteer.from_entries([*names, *words])


def test_only_the_parquet_of_a_folder_is_read(gazetteer: Gazetteer, tmp_path: Path) -> None:
    rewrite_gazetteer(gazetteer, tmp_path)
    content = bytearray((tmp_path / FILE_NAME).read_bytes())
    content[-len(content) // 2] ^= 0x41  # behind the header, which has the digest
    (tmp_path / FILE_NAME).write_bytes(content)
    check(load_columns(tmp_path), gazetteer)
    assert pq.ParquetFile(tmp_path / PARQUET).read().num_rows == 70_002  # as others read it
    content = (tmp_path / PARQUET).read_bytes()
    (tmp_path / PARQUET).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"entries\.parquet: damaged .* build the gazetteer again"):
        load_columns(tmp_path)
    (tmp_path / FILE_NAME).unlink()
    with pytest.raises(InputError, match=r"no gazetteer\.safetensors here"):
        load_columns(tmp_path)


def test_a_parquet_of_another_gazetteer_is_not_read(tmp_path: Path) -> None:
    newer = Gazetteer.from_mentions({"九江": ["GPE"]})
    newer.save(tmp_path)
    check(load_columns(tmp_path), newer)  # none at all
    write_parquet(Gazetteer.from_mentions({"上海": ["GPE"]}).table, tmp_path / PARQUET)
    check(load_columns(tmp_path), newer)


def test_a_dictionary_file(tmp_path: Path) -> None:
    (tmp_path / "places.tsv").write_text("九江\tGPE\n长江\tLOC\n", "utf-8")
    columns = load_columns(tmp_path / "places.tsv")
    assert columns.read(np.array([1, 0])) == ["长江", "九江"]


def test_a_missing_pyarrow_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InputError, match="need pyarrow: pip install"):
        Columns.of(Gazetteer.from_mentions({"九江": ["GPE"]}).table)
