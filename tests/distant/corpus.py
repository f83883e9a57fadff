"""A small gazetteer with every kind of entry, and text in which its mentions occur."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from decoupled_ner.gazetteer import UNTYPED, Entry, Gazetteer
from decoupled_ner.labels import OUTSIDE

ENTRIES = [
    Entry("北京", "GPE", "places"),
    Entry("北京大学", "ORG", "schools"),
    Entry("中国", "GPE", "places", 3.0),
    Entry("中国", "GPE", "names", 0.3),
    Entry("九江", "GPE", "places"),
    Entry("王小明", "PER", "names"),
    Entry("NBA", "ORG", "schools"),
    Entry("王", "PER", "names"),  # short
    Entry("东方", "PER", "names"),  # ambiguous between two types
    Entry("东方", "ORG", "schools", 0.8),
    Entry("文明", "PER", "names"),  # ambiguous with a word, still an entity
    Entry("文明", OUTSIDE, "words", 0.5),
    Entry("高峰", "PER", "names", 0.3),  # ambiguous and more probably a word
    Entry("高峰", OUTSIDE, "words", 0.5),
    Entry("好喜欢", "ORG", "companies", 0.3),  # weak
    Entry("某物", UNTYPED, "list"),
    Entry("大学生", OUTSIDE, "words", 0.5),
    Entry("发展中国家", OUTSIDE, "words", 0.5),
]

_PIECES = (*(entry.mention for entry in ENTRIES), "今天我们", "来了", "，", "投资环境", "a b", "𠮷")


def gazetteer() -> Gazetteer:
    """Of `ENTRIES`."""
    return Gazetteer.from_entries(ENTRIES)


def write_text(path: Path, lines: int, seed: int = 0) -> Path:
    """Random lines in which mentions stand between other words, some with several sentences."""
    choose = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(lines):
            sentences = (
                "".join(choose.choices(_PIECES, k=choose.randint(2, 12))) + "。"
                for _ in range(choose.randint(0, 3))
            )
            file.write("".join(sentences) + "\n")
    return path


def rows(folder: Path) -> list[dict[str, Any]]:
    """Every row of a folder of shards, in their order."""
    paths = sorted(folder.glob("part-*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of every shard."""
    return {path.name: path.read_bytes() for path in folder.glob("part-*.parquet")}
