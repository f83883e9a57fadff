"""Reports checked by hand."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from decoupled_ner.gazetteer import Entry, Gazetteer
from decoupled_ner.gazetteer.render import (
    render_agreement,
    render_diff,
    render_lookup,
    render_report,
)
from decoupled_ner.gazetteer.report import agreement, diff, lookup, report
from decoupled_ner.types import Sentence, entity_at


def shown(what: RenderableType, width: int = 200) -> str:
    console = Console(width=width, file=StringIO())
    console.print(what)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.fixture
def gazetteer() -> Gazetteer:
    return Gazetteer.from_entries(
        [
            Entry("北京", "GPE", "places", 2.0),
            Entry("九江", "GPE", "places", 1.0),
            Entry("九江", "LOC", "rivers", 0.5),
            Entry("黄河", "LOC", "rivers", 1.0),
            Entry("苹果", "ORG", "firms", 1.0),
            Entry("苹果", "O", "words", 0.5),
            Entry("发展", "O", "words", 1.0),
        ]
    )


def test_report(gazetteer: Gazetteer) -> None:
    found = report(gazetteer)
    assert found["mentions"] == 4
    assert found["words"] == 1
    assert found["types"] == {"GPE": 2, "LOC": 1, "ORG": 1}
    assert found["sources"]["words"] == {"O": 2}
    assert found["conflicts"] == 1, "九江; 苹果 is an entity to all that call it one"
    assert found["conflict_pairs"] == {"GPE / LOC": 1, "O / ORG": 1}
    assert found["examples"]["GPE / LOC"] == ["九江 → GPE"]
    text = shown(render_report(found))
    assert "九江 → GPE" in text
    assert "rivers" in text
    assert "…" not in shown(render_report(found), width=20)


def test_lookup(gazetteer: Gazetteer) -> None:
    found = lookup(gazetteer, "九江")
    assert found["type"] == "GPE"
    assert found["types"] == {"GPE": 1.0, "LOC": 0.5}
    assert {"type": "LOC", "source": "rivers", "weight": 0.5} in found["claims"]
    assert "rivers" in shown(render_lookup(found))
    assert lookup(gazetteer, "火星")["type"] is None
    assert "not in the gazetteer" in shown(render_lookup(lookup(gazetteer, "火星")))


def test_diff(gazetteer: Gazetteer) -> None:
    new = Gazetteer.from_mentions({"北京": ["GPE"], "九江": ["LOC"], "上海": ["GPE"]})
    found = diff(gazetteer, new)
    assert found["added"] == {"GPE": 1}
    assert found["removed"] == {"ORG": 1, "LOC": 1}
    assert found["changed"] == {"GPE → LOC": 1}
    assert found["examples"]["changed"] == ["九江 GPE → LOC"]
    assert "上海 GPE" in shown(render_diff(found))
    assert diff(new, new)["examples"] == {"added": [], "removed": [], "changed": []}


def sentence(text: str, *entities: tuple[str, str]) -> Sentence:
    found = [(text.index(mention), mention, label) for mention, label in entities]
    return Sentence(text, tuple(entity_at(text, i, i + len(m), label) for i, m, label in found))


@pytest.fixture
def sentences() -> list[Sentence]:
    return [
        sentence("北京和九江", ("北京", "LOC"), ("九江", "LOC")),
        sentence("北京人在上海", ("北京", "LOC"), ("上海", "LOC")),
        sentence("苹果沿黄河发展", ("苹果", "ORG"), ("黄河", "LOC"), ("发展", "ORG")),
    ]


def test_agreement_by_hand(gazetteer: Gazetteer, sentences: list[Sentence]) -> None:
    """Seven entities. Held: 北京 twice, 九江, 苹果, 黄河 (发展 is a word there). Given another
    type: 北京 twice and 九江, but 九江's LOC is among its types."""
    found = agreement(gazetteer, sentences)
    assert found["entities"] == 7
    assert found["held"] == 5
    assert found["coverage"] == pytest.approx(5 / 7)
    assert found["conflict"] == pytest.approx(3 / 5)
    assert found["conflict_any_type"] == pytest.approx(2 / 5)
    loc: dict[str, Any] = found["by_type"]["LOC"]
    assert (loc["entities"], loc["held"], loc["conflict"]) == (5, 4, pytest.approx(3 / 4))
    assert found["examples"] == {"北京 LOC, gazetteer GPE": 2, "九江 LOC, gazetteer GPE": 1}
    assert "60.00%" in shown(render_agreement(found))


def test_agreement_with_gpe_folded_into_loc(
    gazetteer: Gazetteer, sentences: list[Sentence]
) -> None:
    found = agreement(gazetteer, sentences, {"GPE": "LOC"})
    assert found["coverage"] == pytest.approx(5 / 7)
    assert found["conflict"] == 0
    assert found["examples"] == {}
    assert "GPE as LOC" in shown(render_agreement(found))


def test_types_are_folded_before_the_most_probable_one_is_chosen() -> None:
    claims = [("GPE", "a", 1.0), ("LOC", "b", 1.0), ("ORG", "c", 1.5)]
    gazetteer = Gazetteer.from_entries(Entry("朝阳", *claim) for claim in claims)
    gold = [sentence("朝阳", ("朝阳", "LOC"))]
    assert agreement(gazetteer, gold)["conflict"] == 1
    assert agreement(gazetteer, gold, {"GPE": "LOC"})["conflict"] == 0


def test_agreement_with_nothing(gazetteer: Gazetteer) -> None:
    found = agreement(gazetteer, [])
    assert (found["entities"], found["coverage"], found["conflict"]) == (0, 0, 0)
    assert isinstance(shown(render_agreement(found)), str)


def test_reports_are_json(gazetteer: Gazetteer, sentences: list[Sentence], tmp_path: Path) -> None:
    import json

    for found in (report(gazetteer), agreement(gazetteer, sentences), lookup(gazetteer, "九江")):
        assert json.loads(json.dumps(found)) == found
