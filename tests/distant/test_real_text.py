"""Real text with a gazetteer made of real annotation."""

from __future__ import annotations

import lzma
import os
from collections import defaultdict
from itertools import islice
from pathlib import Path

import pytest

from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.data.distant import DistantSettings, label_texts, noise_audit, read_distant
from decoupled_ner.gazetteer import Gazetteer

ROOT = os.environ.get("DECOUPLED_NER_DATA")


@pytest.mark.real_data
@pytest.mark.skipif(ROOT is None, reason="$DECOUPLED_NER_DATA is not set")
def test_offsets_on_posts(tmp_path: Path) -> None:
    train = load_dataset("weibo").split("train")
    mentions: dict[str, list[str]] = defaultdict(list)
    for entity in (entity for sentence in train for entity in sentence.entities):
        mentions[entity.text].append(entity.label)
    gazetteer = Gazetteer.from_mentions(mentions)
    with lzma.open(Path(str(ROOT)) / "text" / "weibo.txt.xz", "rb") as file:
        content = b"".join(islice(file, 20_000))
    path = tmp_path / "posts.txt.xz"
    path.write_bytes(lzma.compress(content, preset=0))
    out = tmp_path / "out"
    label_texts([path], gazetteer, out, DistantSettings(shard_bytes=1 << 18))
    lines = content.decode().split("\n")
    count = 0
    for sentence in read_distant(out, seed=1):
        _, line, offset = sentence.id.split(":")
        assert lines[int(line) - 1][int(offset) :].startswith(sentence.text)
        count += 1
    assert count > 300
    report = noise_audit(out, gazetteer=gazetteer, gold=train)
    assert report["agreement"]["sentences"] == len(train)
