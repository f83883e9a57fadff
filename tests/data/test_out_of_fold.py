"""Out-of-fold candidates: folds, the file, and what is taken from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.data.out_of_fold import FoldText, OutOfFold, fold_of
from decoupled_ner.types import InputError, Region

FACTS = {"generator": "proposer", "dataset": "demo", "checksums": {}, "folds": 2, "budget": 3.0}
TEXTS = (
    FoldText("篮协成立", 1, ((0, 2, 4.0), (0, 4, -2.0), (2, 4, 1.0))),
    FoldText("去北京", 1, ((1, 3, 2.0),)),
    FoldText("在\U0001f600上海", 2, ((2, 4, -7.0), (0, 1, -9.0))),
)
HALF_A_PAIR = FoldText("北京\ud83d", 2, ((0, 2, 1.0),))


def test_folds_are_fixed_and_even():
    texts = [f"第{i}句" for i in range(2000)]
    folds = [fold_of(text, 5) for text in texts]
    assert folds == [fold_of(text, 5) for text in texts]
    assert set(folds) == {1, 2, 3, 4, 5}
    assert all(350 < folds.count(fold) < 450 for fold in range(1, 6))
    assert fold_of("篮协成立", 5) == 4  # must not change: files and runs rely on it


def test_write_and_read(tmp_path: Path):
    path = tmp_path / "candidates.jsonl.xz"
    OutOfFold(FACTS, (*TEXTS, HALF_A_PAIR)).write(path)
    read = OutOfFold.read(path)
    assert read.texts == (*TEXTS, HALF_A_PAIR)
    assert {key: read.facts[key] for key in FACTS} == FACTS


def test_each_fold_has_its_own_threshold():
    found = OutOfFold(FACTS, TEXTS)
    one = found.generator(1)
    assert one.name == "proposer"
    # The second fold's scores are all lower than the first one's, but its budget is the same.
    assert one.propose_batch([text.text for text in TEXTS]) == [
        [Region(0, 2)],
        [Region(1, 3)],
        [Region(2, 4)],
    ]
    assert found.generator(2).propose("篮协成立") == [Region(0, 2), Region(0, 4), Region(2, 4)]
    with pytest.raises(InputError, match="at most, not 4"):
        found.generator(4)
    assert one.propose("没有") == []


def test_it_must_fit_the_data():
    demo = load_dataset("demo")
    texts = [sentence.text for sentence in demo.split("train")]
    facts = {**FACTS, "checksums": dict(demo.checksums)}
    good = OutOfFold(facts, tuple(FoldText(text, fold_of(text, 2), ()) for text in texts))
    good.check(demo, texts)
    with pytest.raises(InputError, match="of 'demo' can't train 'other'"):
        good.check(replace(demo, name="other"), texts)
    with pytest.raises(InputError, match="checksums"):
        good.check(replace(demo, checksums={"train.jsonl": "0"}), texts)
    with pytest.raises(InputError, match="1 training sentences have no"):
        replace(good, texts=good.texts[1:]).check(demo, texts)


HEADER = '{"format": "out-of-fold candidates", "generator": "p", "dataset": "d"'
HEADER += ', "checksums": {}, "budget": 2}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "an empty file"),
        ('{"text": "a"}\n', ":1: no out-of-fold candidates"),
        ("[]\n", ":1: expected a JSON object"),
        (HEADER + "{\n", ":2: not JSON"),
        (HEADER + '{"text": "a", "fold": 1}\n', ":2: expected an object"),
        (HEADER + '{"text": "a", "fold": 1, "regions": [[0, 2, 1]]}\n', "inside the text"),
        (HEADER + '{"text": "a", "fold": 1, "regions": [[0, 1]]}\n', "inside the text"),
    ],
)
def test_a_wrong_file_is_one_line(content: str, message: str, tmp_path: Path):
    path = tmp_path / "wrong.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        OutOfFold.read(path)
