"""Reading shards for training."""

from __future__ import annotations

import json
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from decoupled_ner.data.distant import DistantSettings, label_texts, read_distant
from decoupled_ner.data.distant import reader as reader_module
from decoupled_ner.types import Entity, InputError, NoisySentence, Region
from distant.corpus import gazetteer, rows, write_text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Some twenty shards, which the reader takes in groups of eight, ten rows at a time."""
    monkeypatch.setattr(reader_module, "_ROWS_TOGETHER", 10)
    text = write_text(tmp_path / "a.txt", 500)
    label_texts([text], gazetteer(), tmp_path / "out", DistantSettings(shard_bytes=4096))
    return tmp_path / "out"


def test_in_the_order_of_the_text(folder: Path) -> None:
    reader = read_distant(folder)
    found = list(reader)
    assert [sentence.id for sentence in found] == [row["id"] for row in rows(folder)]
    assert len(reader) == len(found)


def test_a_sentence_has_all_that_its_row_has(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("他从中国去东方学习。", encoding="utf-8")
    label_texts([tmp_path / "a.txt"], gazetteer(), tmp_path / "out")
    assert list(read_distant(tmp_path / "out", seed=1)) == [
        NoisySentence(
            "他从中国去东方学习。",
            (Entity(2, 4, "中国", "GPE", 1.0),),
            "a.txt:1:0",
            (("names", "places"),),
            (Region(5, 7),),
        )
    ]


def test_a_seed_shuffles_across_shards(folder: Path) -> None:
    plain = [sentence.id for sentence in read_distant(folder)]
    shuffled = [sentence.id for sentence in read_distant(folder, seed=1)]
    assert sorted(shuffled) == sorted(plain)
    assert shuffled == [sentence.id for sentence in read_distant(folder, seed=1)]
    assert shuffled != [sentence.id for sentence in read_distant(folder, seed=2)]
    place = {id: index for index, id in enumerate(plain)}
    near = sum(abs(place[a] - place[b]) < 5 for a, b in pairwise(shuffled))
    assert near < len(plain) / 4


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize("count", [0, 1, 10, 333, 10_000])
def test_going_on_from_a_place(folder: Path, seed: int | None, count: int) -> None:
    begun = list(islice(read_distant(folder, seed=seed), count))
    reader = read_distant(folder, seed=seed)
    assert reader.skip(count) == count - len(begun)
    assert begun + list(reader) == list(read_distant(folder, seed=seed))


def test_folders_that_cannot_be_read(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(InputError, match=r"no manifest\.json here"):
        read_distant(tmp_path)
    (folder / "part-0000-000001.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="damaged or missing shard"):
        list(read_distant(folder))
    (folder / "part-0000-000001.parquet").unlink()
    with pytest.raises(InputError, match=r"000001\.parquet: missing shard"):
        read_distant(folder)  # before anything is read
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (folder / "manifest.json").write_text(json.dumps(manifest | {"complete": False}), "utf-8")
    with pytest.raises(InputError, match="not finished"):
        read_distant(folder)


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize("count", [0, 1, 100, 10_000])
def test_skipping_makes_no_sentence_and_leads_to_the_same_place(
    folder: Path, seed: int | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wanted(table: Any) -> NDArray[np.bool_]:
        return np.array(["中国" in text for text in table["text"].to_pylist()])

    chosen = list(read_distant(folder, seed=seed, wanted=wanted))
    everything = list(read_distant(folder, seed=seed))
    assert chosen == [sentence for sentence in everything if "中国" in sentence.text]
    assert 100 < len(chosen) < len(everything)
    reader = read_distant(folder, seed=seed, wanted=wanted)
    begun = list(islice(reader, 3))
    with monkeypatch.context() as patch:
        patch.setattr(reader_module, "_sentence", None)
        missing = reader.skip(count)
    assert begun + list(reader) == chosen[:3] + chosen[3 + count :]
    assert missing == max(0, 3 + count - len(chosen))
