"""A gazetteer is replaced while threads read it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from decoupled_ner.gazetteer import Gazetteer
from decoupled_ner.gazetteer.reload import ReloadingGazetteer
from decoupled_ner.gazetteer.storage import FILE_NAME
from decoupled_ner.types import InputError


def version(label: str) -> Gazetteer:
    return Gazetteer.from_mentions({"北京": [label], "上海": [label]})


def test_readers_see_one_whole_version_after_the_other(tmp_path: Path) -> None:
    version("V0").save(tmp_path)
    shared = ReloadingGazetteer(tmp_path)
    stop = threading.Event()
    seen: set[tuple[str, ...]] = set()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                found = shared.current.matcher.find("北京和上海")
                seen.add(tuple(label for _, _, label in found))
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(1, 30):
        version(f"V{number}").save(tmp_path)
        assert shared.refresh()
        assert shared.current.label("北京") == f"V{number}"
    stop.set()
    for reader in readers:
        reader.join()
    assert not failures
    assert seen and seen <= {(f"V{n}", f"V{n}") for n in range(30)}


def test_nothing_is_loaded_when_nothing_changed(tmp_path: Path) -> None:
    version("V0").save(tmp_path)
    shared = ReloadingGazetteer(tmp_path)
    before = shared.current
    assert not shared.refresh()
    assert shared.current is before


def test_a_damaged_or_missing_new_version_leaves_the_old_one(tmp_path: Path) -> None:
    version("V0").save(tmp_path)
    shared = ReloadingGazetteer(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"garbage")
    with pytest.raises(InputError, match="damaged"):
        shared.refresh()
    (tmp_path / FILE_NAME).unlink()
    with pytest.raises(InputError, match="no gazetteer"):
        shared.refresh()
    assert shared.current.label("北京") == "V0"
    version("V1").save(tmp_path)
    assert shared.refresh()
    assert shared.current.label("北京") == "V1"
