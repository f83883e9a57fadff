"""The same work on Ray Data: two actors on a local cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from decoupled_ner.data.distant import DistantSettings, label_texts
from distant.corpus import contents, gazetteer, write_text

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'decoupled-ner[ray]'")

pytestmark = [
    pytest.mark.slow,
    # Ray's own, of which there are many and which change with its versions.
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture
def cluster() -> Iterator[None]:
    """Two CPUs of this machine, whatever it has."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_the_rows_of_one_process(tmp_path: Path, cluster: None) -> None:
    texts = [write_text(tmp_path / "a.txt", 300), write_text(tmp_path / "b.txt", 100, seed=1)]
    settings = DistantSettings(shard_bytes=4096, max_occurrences=7)
    here = label_texts(texts, gazetteer(), tmp_path / "here", settings)
    there = label_texts(texts, gazetteer(), tmp_path / "there", settings, engine="ray", processes=2)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    assert here == there
    for shard in list((tmp_path / "there").glob("part-*"))[::2]:  # an interrupted run
        shard.unlink()
    manifest = tmp_path / "there" / "manifest.json"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace('"complete": true', '"complete": false'), encoding="utf-8")
    label_texts(texts, gazetteer(), tmp_path / "there", settings, engine="ray", processes=2)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
