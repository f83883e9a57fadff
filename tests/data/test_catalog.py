"""Data sets by name and by path."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from decoupled_ner.data.catalog import DATASETS, Dataset, load_dataset
from decoupled_ner.data.conll import write_conll
from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.data.locate import DATA_VARIABLE
from decoupled_ner.data.rows import CATALOG
from decoupled_ner.types import InputError, Sentence, entity_at


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that ``$DECOUPLED_NER_DATA`` names."""
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    return tmp_path


def sentence(text: str, *entities: tuple[int, int, str]) -> Sentence:
    return Sentence(text, tuple(entity_at(text, *entity) for entity in entities))


def write_weibo(data: Path) -> None:
    folder = data / "ner" / "weibo"
    folder.mkdir(parents=True)
    rows = "李0\tB-PER.NAM\n四1\tI-PER.NAM\n人0\tB-PER.NOM\n京0\tB-GPE.NAM\n店0\tI-LOC.NOM\n"
    for split in ("train", "dev", "test"):
        (folder / f"weiboNER_2nd_conll.{split}").write_text(rows, encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "labels", "entities"),
    [
        ("weibo", ("PER", "GPE"), [("李四", "PER"), ("京", "GPE")]),
        ("weibo:nom", ("PER", "LOC"), [("人", "PER"), ("店", "LOC")]),
        (
            "weibo:all",
            ("PER.NAM", "PER.NOM", "GPE.NAM", "LOC.NOM"),
            [("李四", "PER.NAM"), ("人", "PER.NOM"), ("京", "GPE.NAM"), ("店", "LOC.NOM")],
        ),
    ],
)
def test_weibo_names_nominals_and_both(
    data: Path, name: str, labels: tuple[str, ...], entities: list[tuple[str, str]]
) -> None:
    write_weibo(data)
    dataset = load_dataset(name)
    assert (dataset.name, dataset.labels.types) == (name, labels)
    (found,) = dataset.split("train")
    assert found.id == "weibo/train/0"
    assert [(e.text, e.label) for e in found.entities] == entities
    assert (dataset.repairs, dataset.dropped) == (3, {})  # one orphan in each of three files


def test_splits_can_be_put_together_and_missing_ones_are_named(data: Path) -> None:
    write_weibo(data)
    dataset = load_dataset("weibo")
    assert dataset.split("train+dev") == dataset.split("train") + dataset.split("dev")
    with pytest.raises(InputError, match="no split 'tset'; it has train, dev, test"):
        dataset.split("train+tset")


def test_checksums_are_of_the_files_on_disk(data: Path) -> None:
    write_weibo(data)
    path = data / "ner" / "weibo" / "weiboNER_2nd_conll.dev"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_dataset("weibo").checksums[path.name] == digest


def write_msra(data: Path) -> None:
    (data / "msra").mkdir()
    train = [
        sentence(
            f"第{i % 200}句在北京", (len(f"第{i % 200}句在"), len(f"第{i % 200}句在北京"), "LOC")
        )
        for i in range(400)
    ]
    write_conll(train, data / "msra" / "train.bio.xz")
    write_conll([sentence("在上海", (1, 3, "LOC"))], data / "msra" / "test.bio")


def test_msra_holds_out_a_tenth_of_train_with_duplicates_on_one_side(data: Path) -> None:
    write_msra(data)
    dataset = load_dataset("msra")
    train, dev = dataset.split("train"), dataset.split("dev")
    assert 20 <= len(dev) <= 60
    assert not {s.text for s in train} & {s.text for s in dev}
    ids = {s.id for s in dataset.split("train+dev")}
    assert ids == {f"msra/train/{i}" for i in range(400)}
    assert list(dataset.splits) == ["train", "dev", "test"]


def test_fewer_training_sentences_are_the_same_ones_every_time(data: Path) -> None:
    write_msra(data)
    whole, some, fewer = (load_dataset("msra", train_sentences=n) for n in (None, 50, 20))
    assert (len(some.split("train")), len(fewer.split("train"))) == (50, 20)
    assert set(fewer.split("train")) < set(some.split("train")) < set(whole.split("train"))
    order = [s.id for s in whole.split("train")]
    places = [order.index(s.id) for s in some.split("train")]
    assert places == sorted(places) and places != list(range(50))
    assert some.split("dev") == whole.split("dev")
    for wrong in (0, 401):
        with pytest.raises(InputError, match=f"train_sentences={wrong}"):
            load_dataset("msra", train_sentences=wrong)


def test_ontonotes_and_cluener_are_read_from_local_files(data: Path) -> None:
    for name in ("ontonotes4", "cluener"):
        (data / name).mkdir()
    text, place = "驻美大使", (1, 2, "GPE")
    for split in ("train", "dev", "test"):
        path = data / "ontonotes4" / f"{split}.char.bmes"
        write_conll([sentence(text, place), sentence("在北京", (1, 3, "GPE"))], path, "BMES")
        line = {"text": text, "label": {"address": {"美": [[1, 1]]}}}
        (data / "cluener" / f"{split}.json").write_text(json.dumps(line), encoding="utf-8")
    ontonotes, cluener = load_dataset("ontonotes4"), load_dataset("cluener")
    assert ontonotes.split("test")[0].entities == (entity_at(text, *place),)
    assert cluener.split("dev")[0].entities == (entity_at(text, 1, 2, "address"),)
    assert list(cluener.splits) == ["train", "dev"]


def test_sets_that_cant_be_downloaded_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, data: Path
) -> None:
    monkeypatch.setattr("pooch.os_cache", lambda name: data / "cache")
    for name, row in CATALOG.items():
        if not row.remote:
            with pytest.raises(InputError, match=f"get it from {row.source} and put"):
                load_dataset(name)


def test_checksums_of_downloads_are_whole() -> None:
    for row in CATALOG.values():
        assert set(row.remote) in (set(), set(row.files.values()))
        for url, digest in row.remote.values():
            assert url.startswith("https://")
            assert len(digest) == 64 and int(digest, 16)


def test_the_demo_is_in_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_VARIABLE)
    dataset = load_dataset("demo")
    assert dataset.labels.types == ("PER", "ORG", "GPE", "LOC")
    assert list(dataset.splits) == ["train", "dev", "test"]
    assert not dataset.repairs and not dataset.dropped


def test_a_users_folder(tmp_path: Path) -> None:
    folder = tmp_path / "own.data"
    folder.mkdir()
    write_conll([sentence("在北京", (1, 3, "CITY"))], folder / "my_train.bioes", "BIOES")
    write_jsonl([sentence("在上海", (1, 3, "CITY"))], folder / "valid.jsonl")
    (folder / "README.md").write_text("no data")
    dataset = load_dataset(str(folder))
    assert (dataset.name, dataset.labels.types) == ("own", ("CITY",))
    assert {name: [s.text for s in part] for name, part in dataset.splits.items()} == {
        "train": ["在北京"],
        "dev": ["在上海"],
    }
    assert dataset.split("dev")[0].id == "own/dev/0"


def test_a_format_can_be_named_after_the_path(tmp_path: Path) -> None:
    (tmp_path / "eng.train").write_text("New I-LOC\nYork I-LOC\n\nRome I-LOC\nRome B-LOC\n")
    with pytest.raises(InputError, match="doesn't tell the format; add"):
        load_dataset(str(tmp_path))
    dataset = load_dataset(f"{tmp_path}?format=words-iob1")
    assert [s.text for s in dataset.split("train")] == ["New York", "Rome Rome"]
    with pytest.raises(InputError, match="no format 'x'"):
        load_dataset(f"{tmp_path}?format=x")


def test_single_files(tmp_path: Path) -> None:
    for name, split in {"mine.jsonl": "test", "mine-dev.jsonl": "dev"}.items():
        write_jsonl([sentence("好")], tmp_path / name)
        assert list(load_dataset(str(tmp_path / name)).splits) == [split]


def test_brat_folders_with_and_without_splits(tmp_path: Path) -> None:
    for split, count in {"train": 1, "test": 2}.items():
        for i in range(count):
            (tmp_path / split).mkdir(exist_ok=True)
            (tmp_path / split / f"{i}.txt").write_text(f"第{i}篇讲北京。", encoding="utf-8")
            (tmp_path / split / f"{i}.ann").write_text("T1\tGPE 4 6\t北京\n", encoding="utf-8")
    dataset = load_dataset(f"{tmp_path}")
    assert {name: len(part) for name, part in dataset.splits.items()} == {"train": 1, "test": 2}
    whole = load_dataset(f"{tmp_path / 'test'}")
    assert sum(len(part) for part in whole.splits.values()) == 2
    assert {s.id.split("/")[0] for part in whole.splits.values() for s in part} == {"test"}


@pytest.mark.parametrize("folders", [("train", "test"), ("",)])
def test_documents_stay_whole_on_request(tmp_path: Path, folders: tuple[str, ...]) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "a.txt").write_text("他来了。他在北京。", encoding="utf-8")
        (tmp_path / folder / "a.ann").write_text("T1\tGPE 6 8\t北京\n", encoding="utf-8")
    for name, each in (("", 2), ("?format=brat", 2), ("?format=brat-whole", 1)):
        splits = load_dataset(f"{tmp_path}{name}").splits
        assert sum(map(len, splits.values())) == each * len(folders)
    with pytest.raises(InputError, match="is read as brat or brat-whole, not as jsonl"):
        load_dataset(f"{tmp_path}?format=jsonl")


def test_documents_are_no_splits_whatever_their_names(tmp_path: Path) -> None:
    for name in ("unit-test", "train-ride", "letter"):
        (tmp_path / f"{name}.txt").write_text(f"{name}讲北京。", encoding="utf-8")
        at = len(name) + 1
        (tmp_path / f"{name}.ann").write_text(f"T1\tGPE {at} {at + 2}\t北京\n", encoding="utf-8")
    splits = load_dataset(str(tmp_path)).splits
    assert sum(map(len, splits.values())) == 3
    copies = tmp_path / ".ipynb_checkpoints"  # of an editor, which are nothing to read
    copies.mkdir()
    for suffix in (".txt", ".ann"):
        (copies / f"letter{suffix}").write_bytes((tmp_path / f"letter{suffix}").read_bytes())
    assert load_dataset(str(tmp_path)).splits == splits
    write_jsonl([sentence("好")], tmp_path / "test.jsonl")
    with pytest.raises(InputError, match=r"has BRAT documents, e\.g\. letter\.ann, and beside"):
        load_dataset(str(tmp_path))


def test_a_folders_checksum_is_that_of_what_is_read_there(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("他在北京。", encoding="utf-8")
    (tmp_path / "a.ann").write_text("T1\tGPE 2 4\t北京\n", encoding="utf-8")
    before = load_dataset(str(tmp_path)).checksums
    (tmp_path / "notes.md").write_text("x")
    for hidden in (".b.txt", "._a.ann"):
        (tmp_path / hidden).write_bytes(b"\x00\x05\x16\x07\xff")
    assert load_dataset(str(tmp_path)).checksums == before != {}
    (tmp_path / "a.ann").write_text("T1\tLOC 2 4\t北京\n", encoding="utf-8")
    assert load_dataset(str(tmp_path)).checksums != before


def test_unusable_folders(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: neither a file nor a folder"):
        load_dataset(str(tmp_path / "pipe"))
    with pytest.raises(InputError, match="no file with train, dev or test in its name"):
        load_dataset(str(tmp_path))
    for name in ("train.jsonl", "train.bio"):
        (tmp_path / name).write_text("")
    with pytest.raises(InputError, match=r"both train.bio and train.jsonl could be train"):
        load_dataset(str(tmp_path))
    (tmp_path / "train.bio").unlink()
    documents = tmp_path / "documents"
    documents.mkdir()
    for name in ("train.ann", "train.txt", "test.ann", "test.txt"):  # no documents to be split
        (documents / name).write_text("")
    with pytest.raises(InputError, match=r"both test\.ann and test\.txt could be test"):
        load_dataset(str(documents))
    with pytest.raises(InputError, match="no sentences in the file"):
        load_dataset(str(tmp_path))


def test_an_unknown_name_lists_the_catalog() -> None:
    with pytest.raises(InputError) as error:
        load_dataset("wiebo")
    assert all(name in str(error.value) for name in DATASETS)


def test_a_dataset_without_train_cant_have_fewer_training_sentences(tmp_path: Path) -> None:
    write_jsonl([sentence("好")], tmp_path / "mine.jsonl")
    assert isinstance(load_dataset(str(tmp_path / "mine.jsonl")), Dataset)
    with pytest.raises(InputError, match="has no split 'train'; it has test"):
        load_dataset(str(tmp_path / "mine.jsonl"), train_sentences=1)
