"""JSON-lines files."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decoupled_ner.data.jsonl import read_cluener, read_jsonl, write_jsonl
from decoupled_ner.types import Entity, InputError, Sentence, entity_at


@st.composite
def sentences(draw: st.DrawFn) -> Sentence:
    """Any text, with overlapping entities and scores."""
    text = draw(st.text(st.characters(codec="utf-8")))
    entities = []
    for _ in range(draw(st.integers(0, 3)) if text else 0):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        entities.append(
            entity_at(text, start, end, draw(st.text(min_size=1)), draw(st.floats(0, 1)))
        )
    return Sentence(text, tuple(entities), draw(st.text("ab/1", min_size=1)))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(sentences(), max_size=4))
def test_everything_survives(given: list[Sentence]) -> None:
    usable = [s for s in given if all(e.label != "O" for e in s.entities)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        try:
            write_jsonl(usable, path)
        except InputError:  # a label with half of a surrogate pair
            assert not list(Path(folder).iterdir())
            return
        assert read_jsonl(path).sentences == tuple(usable)


def test_half_of_a_surrogate_pair_is_written_in_ascii(tmp_path: Path) -> None:
    given = (Sentence("\ud83d北京", (entity_at("\ud83d北京", 1, 3, "GPE"),), "a"), Sentence("好"))
    write_jsonl(given, tmp_path / "x.jsonl")
    first, second = (tmp_path / "x.jsonl").read_text(encoding="utf-8").splitlines()
    assert first.isascii() and "好" in second
    assert read_jsonl(tmp_path / "x.jsonl").sentences[0] == given[0]


def test_optional_keys(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    record = {"text": "在北京", "entities": [{"start": 1, "end": 3, "label": "GPE"}], "more": 1}
    path.write_text(f"\n{json.dumps(record)}\r\n", encoding="utf-8")
    expected = Sentence("在北京", (Entity(1, 3, "北京", "GPE", 1.0),), "set/train/0")
    assert read_jsonl(path, prefix="set/train").sentences == (expected,)
    assert read_jsonl(path).sentences[0].id == "x/0"


def own(**entity: Any) -> dict[str, Any]:
    return {"text": "在北京", "entities": [{"start": 1, "end": 3, "label": "GPE"} | entity]}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "expected a JSON object"),
        ({"entities": []}, "expected 'text' of type str, found None"),
        ({"text": "a"}, "expected 'entities' of type list, found None"),
        ({"text": "a", "entities": [1]}, "expected 'start' of type int"),
        (own(start="1"), "expected 'start' of type int, found '1'"),
        (own(start=True), "expected 'start' of type int, found True"),
        (own(end=4), "entity [1, 4) does not lie in a text of 3 characters"),
        (own(end=1), "entity [1, 1) does not lie"),
        (own(text="南京"), "entity '南京' is not the text at [1, 3)"),
        (own(label="O"), "an entity can't have the label 'O'"),
        (own(score="high"), "expected 'score' of type int or float"),
        (own(score=10**400), "expected a 'score' from 0 to 1, found 1000"),
        (own(score=float("nan")), "expected a 'score' from 0 to 1, found nan"),
        (own(score=-0.1), "expected a 'score' from 0 to 1, found -0.1"),
    ],
)
def test_malformed_lines_name_file_line_and_reason(
    tmp_path: Path, record: Any, reason: str
) -> None:
    path = tmp_path / "x.jsonl"
    line = record if isinstance(record, str) else json.dumps(record, ensure_ascii=False)
    path.write_text(f'{{"text": "好", "entities": []}}\n{line}\n', encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_jsonl(path)
    assert str(error.value).startswith(f"{path}:2: ")
    assert reason in str(error.value)


def test_cluener_layout_has_inclusive_ends(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    label = {"name": {"叶老桂": [[9, 11]]}, "company": {"浙商银行": [[0, 3]]}}
    path.write_text(json.dumps({"text": "浙商银行企业信贷部叶老桂博士", "label": label}) + "\n")
    (sentence,) = read_cluener(path, prefix="cluener/train").sentences
    assert sentence.id == "cluener/train/0"
    assert [(e.start, e.end, e.text, e.label) for e in sentence.entities] == [
        (0, 4, "浙商银行", "company"),
        (9, 12, "叶老桂", "name"),
    ]


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        (None, "expected 'label' of type dict"),
        ({"name": []}, "expected 'name' of type dict"),
        ({"name": {"北京": 1}}, "expected '北京' of type list"),
        ({"name": {"北京": [[1]]}}, "expected [first, last] for '北京', found [1]"),
        ({"name": {"北京": [[0, 1]]}}, "entity '北京' is not the text at [0, 1]"),
    ],
)
def test_malformed_cluener(tmp_path: Path, label: Any, reason: str) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"text": "在北京", "label": label}) + "\n")
    with pytest.raises(InputError) as error:
        read_cluener(path)
    assert str(error.value).startswith(f"{path}:1: {reason}")
