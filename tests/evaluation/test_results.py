"""Result files: complete, named by their run, never half written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from decoupled_ner.comparison.results import file_name, read_results, write_result
from decoupled_ner.types import InputError


def scores(**changes: Any) -> dict[str, Any]:
    return {
        "experiment": "core",
        "system": "decoupled",
        "dataset": "weibo",
        "split": "test",
        "encoder": "zh-small",
        "seed": 1,
        "precision": 0.7,
        "recall": 0.6,
        "f1": 0.65,
        "candidate_recall": 0.9,
        "seconds": 12.5,
        "device": "cpu",
        "settings": {"epochs": 2},
    } | changes


SPEED = {
    "experiment": "engine",
    "system": "engine",
    "against": "plain loop",
    "ratio": 5.5,
    "settings": {"sentences": 100},
}


def test_a_result_says_where_it_was_made(tmp_path: Path) -> None:
    path = write_result("scores", scores(), tmp_path / "new")
    assert path.name == "core__decoupled__weibo__test__zh-small__seed-1.json"
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    [result] = read_results(path.parent)
    assert result == json.loads(path.read_text(encoding="utf-8"))
    assert result.items() >= scores(kind="scores").items()
    assert result["machine"]["cores"] >= 1 and result["machine"]["ram_gib"] > 0
    assert result["machine"]["cpu"] and "commit" in result
    assert {"python", "torch", "transformers", "decoupled-ner"} <= result["versions"].keys()


def test_a_run_elsewhere_keeps_its_own_facts(tmp_path: Path) -> None:
    facts = {"machine": {"cpu": "other"}, "versions": {"torch": "2.0"}, "commit": "abc"}
    path = write_result("speed", SPEED | facts, tmp_path)
    assert path.name == "engine__engine__plain-loop.json"
    assert json.loads(path.read_text()).items() >= facts.items()


def test_names_tell_runs_apart_and_a_repeated_run_replaces_its_file(tmp_path: Path) -> None:
    facts = {"machine": {}, "versions": {}, "commit": None}
    others = [
        {"seed": 2},
        {"encoder": None},
        {"encoder": "hfl/chinese-macbert-base"},
        {"train_sentences": 1000},
        {"dataset": "weibo:all"},
        {"f1": 0.66},
    ]
    names = [write_result("scores", scores(**facts, **c), tmp_path).name for c in [{}, *others]]
    assert len(set(names)) == len(names) - 1
    assert names[0] == names[-1]
    assert file_name(scores(kind="scores", train_sentences=1000)).split("__")[-2:] == [
        "train_sentences-1000",
        "seed-1.json",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"f1": 65.0}, "f1 must be a fraction from 0 to 1, not 65.0"),
        ({"f1": float("nan")}, "f1 must be a fraction"),
        ({"recall": True}, "recall must be a fraction"),
        ({"candidate_recall": "0.9"}, "candidate_recall must be a fraction from 0 to 1 or null"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"system": " "}, "system must be a name"),
        ({"encoder": "/models/zh-small"}, r"not an absolute path\) or null"),
        ({"seconds": -1}, "seconds must be a number of seconds"),
        ({"settings": None}, "settings must be a mapping"),
        ({"settings": {"path": Path("x")}}, "result of decoupled: not JSON"),
    ],
)
def test_wrong_fields_are_input_errors(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_result("scores", scores(**changes), tmp_path)
    assert not [*tmp_path.iterdir()]


def test_missing_fields_are_all_named(tmp_path: Path) -> None:
    record = scores()
    del record["f1"], record["device"], record["settings"]
    with pytest.raises(InputError, match="f1, device, settings missing; a scores result needs"):
        write_result("scores", record, tmp_path)
    with pytest.raises(InputError, match="kind must be one of scores, speed, table, not 'time'"):
        write_result("time", SPEED, tmp_path)  # type: ignore[arg-type]


def test_reading_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="typo: no such folder of results"):
        read_results(tmp_path / "typo")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match=r"bad\.json: not JSON"):
        read_results(tmp_path)
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(InputError, match=r"bad\.json: expected an object, got list"):
        read_results(tmp_path)
    (tmp_path / "bad.json").write_text(json.dumps(SPEED | {"ratio": 0}))
    with pytest.raises(InputError, match=r"bad\.json: ratio must be a positive number"):
        read_results(tmp_path)
