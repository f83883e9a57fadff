"""Where a data set's files come from: the user's folder, the cache, a download."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import served

from decoupled_ner.data import locate as module
from decoupled_ner.data.locate import DATA_VARIABLE, cache_folder, locate
from decoupled_ner.types import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no data folder."""
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setattr(module.pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    return cache_folder("set")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The URL of a local server with ``data.bio``."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "data.bio").write_bytes(b"content")
    with served(folder) as url:
        yield url


def put(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


def test_the_users_folder_comes_before_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> Path:
        return locate("set", ["a"], {}, "somewhere")["a"]

    put(cache, "a")
    assert found() == cache / "a"
    monkeypatch.setenv(DATA_VARIABLE, str(put(tmp_path / "data")))
    assert found() == cache / "a"
    flat = put(tmp_path / "data" / "set", "a.gz")
    assert found() == flat / "a.gz"
    deep = put(tmp_path / "data" / "ner" / "set", "a.xz")
    assert found() == deep / "a.xz"


def test_all_files_come_from_one_folder(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "ner" / "set", "a")
    put(cache, "a", "b")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert set(locate("set", ["a", "b"], {}, "").values()) == {cache / "a", cache / "b"}


def test_a_missing_set_says_what_to_put_where(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError) as error:
        locate("set", ["a", "b"], {"a": ("http://x", "00")}, "https://example.org/set")
    assert f"get it from https://example.org/set and put a, b into {cache}" in str(error.value)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match=str(tmp_path / "ner" / "set")):
        locate("set", ["a"], {}, "there")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(InputError, match="which is no folder"):
        locate("set", ["a"], {}, "there")


def test_downloads_are_checked_and_kept(server: str, cache: Path) -> None:
    digest = hashlib.sha256(b"content").hexdigest()
    remote = {"data.bio": (f"{server}/data.bio", digest)}
    assert locate("set", ["data.bio"], remote, "") == {"data.bio": cache / "data.bio"}
    assert (cache / "data.bio").read_bytes() == b"content"
    gone = {"data.bio": ("http://127.0.0.1:1/none", digest)}
    assert locate("set", ["data.bio"], gone, "") == {"data.bio": cache / "data.bio"}


def test_changed_and_unreachable_downloads_are_one_line(server: str, cache: Path) -> None:
    cases = {
        f"{server}/data.bio": "has changed",
        f"{server}/none": "HTTPError",
        "http://127.0.0.1:1/x": "ConnectionError",
    }
    for url, reason in cases.items():
        with pytest.raises(InputError, match=reason) as error:
            locate("set", ["data.bio"], {"data.bio": (url, "0" * 64)}, "")
        assert "\n" not in str(error.value)
        assert f"put the file at {cache / 'data.bio'} yourself" in str(error.value)
        assert not list(cache.glob("*"))
