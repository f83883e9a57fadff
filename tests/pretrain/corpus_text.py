"""A little raw text, made up, with words in letters among the ideographs."""

from __future__ import annotations

import random
from pathlib import Path

_WHO = ("记者", "老师", "学生们", "邻居", "Alice", "工程师", "市长")
_WHERE = ("北京", "上海", "火车站", "图书馆", "New York", "菜市场", "公园里")
_WHAT = ("讨论天气", "打乒乓球", "买iPhone15", "学习transformers", "吃晚饭", "看世界杯", "修自行车")
_WHEN = ("今天", "昨天晚上", "2019年", "星期三", "很久以前")


def made_up_lines(count: int, seed: int = 0) -> list[str]:
    """So many sentences, no two of them the same."""
    rng = random.Random(seed)
    lines: dict[str, None] = {}
    while len(lines) < count:
        parts = [rng.choice(group) for group in (_WHEN, _WHO, _WHERE, _WHAT)]
        lines["{}，{}在{}{}，用了".format(*parts) + f"{rng.randrange(1000)}分钟。"] = None
    return list(lines)


def write_text(folder: Path, count: int, seed: int = 0) -> Path:
    """A file of `made_up_lines`."""
    path = folder / "raw.txt"
    path.write_text("\n".join(made_up_lines(count, seed)) + "\n", encoding="utf-8")
    return path
