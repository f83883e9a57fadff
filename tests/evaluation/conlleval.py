"""An independent scorer: the chunk-walking algorithm of CoNLL-2000's ``conlleval``, over tags.

It shares nothing with the library: no spans are built, both tag columns are walked at once and
chunks that open and close together, with the same type throughout, are right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from decoupled_ner.types import Entity


def bio_tags(length: int, entities: Sequence[Entity]) -> list[str]:
    """One tag a character."""
    tags = ["O"] * length
    for entity in entities:
        tags[entity.start] = f"B-{entity.label}"
        for position in range(entity.start + 1, entity.end):
            tags[position] = f"I-{entity.label}"
    return tags


def _ends(previous: tuple[str, str], current: tuple[str, str]) -> bool:
    return previous[0] != "O" and (current[0] in "OB" or previous[1] != current[1])


def _starts(previous: tuple[str, str], current: tuple[str, str]) -> bool:
    return current[0] == "B" or (
        current[0] == "I" and (previous[0] == "O" or previous[1] != current[1])
    )


def _split(tag: str) -> tuple[str, str]:
    return (tag[0], tag[2:])


def conlleval(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]
) -> dict[str, tuple[int, int, int]]:
    """(correct, predicted, gold) by type."""
    correct: Counter[str] = Counter()
    found: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    for gold_tags, predicted_tags in zip(gold, predicted, strict=True):
        last_gold, last_found, inside = ("O", ""), ("O", ""), False
        both = zip([*gold_tags, "O"], [*predicted_tags, "O"], strict=True)
        for now_gold, now_found in ((_split(g), _split(p)) for g, p in both):
            gold_ends, found_ends = _ends(last_gold, now_gold), _ends(last_found, now_found)
            if inside and gold_ends and found_ends:
                correct[last_gold[1]] += 1
            if gold_ends != found_ends or now_gold[1] != now_found[1] or gold_ends:
                inside = False
            gold_starts, found_starts = _starts(last_gold, now_gold), _starts(last_found, now_found)
            if gold_starts and found_starts and now_gold[1] == now_found[1]:
                inside = True
            wanted[now_gold[1]] += gold_starts
            found[now_found[1]] += found_starts
            last_gold, last_found = now_gold, now_found
    types = sorted({name for name in (wanted | found) if name})
    return {name: (correct[name], found[name], wanted[name]) for name in types}
