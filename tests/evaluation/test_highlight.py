"""Marked entities: whatever the text and however they overlap, the text stays what it was."""

from __future__ import annotations

import html as html_lib
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from decoupled_ner.inference.highlight import (
    COLOURS,
    colours_of,
    highlight_terminal,
    mark_html,
    printable,
)
from decoupled_ner.types import Entity, entity_at

from .strategies import entities

TEXT = "北京大学人民医院"


class Reader(HTMLParser):
    """Reads marked text back: its characters, and the region that each mark covers."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.marks = "", []
        self._open: list[int] = []
        self._in_label = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ("mark", "b") and {name for name, _ in attrs} <= {"class", "title"}
        self._in_label = tag == "b"
        if tag == "mark":
            self._open.append(len(self.text))
            self.marks.append([dict(attrs)["title"], len(self.text), -1])

    def handle_endtag(self, tag: str) -> None:
        if tag == "mark":
            start = self._open.pop()
            mark = next(m for m in reversed(self.marks) if m[1] == start and m[2] == -1)
            mark[2] = len(self.text)
        self._in_label = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._in_label else data


def read(marked: str) -> Reader:
    reader = Reader()
    reader.feed(marked)
    reader.close()
    assert not reader._open
    return reader


def test_nested_entities_nest() -> None:
    found = [entity_at(TEXT, 0, 2, "GPE", 0.5), entity_at(TEXT, 0, 8, "ORG")]
    assert mark_html(TEXT, found, {"GPE": 2, "ORG": 1}) == (
        '<mark class="c1" title="ORG · [0, 8)"><mark class="c2" title="GPE · 50.0% · [0, 2)">'
        "北京<b>GPE</b></mark>大学人民医院<b>ORG</b></mark>"
    )


def test_crossing_entities_are_written_in_parts() -> None:
    found = [entity_at(TEXT, 0, 4, "ORG"), entity_at(TEXT, 2, 6, "LOC")]
    assert mark_html(TEXT, found, {"ORG": 1, "LOC": 3}) == (
        '<mark class="c1" title="ORG · [0, 4)">北京<mark class="c3" title="LOC · [2, 6)">大学'
        '</mark><b>ORG</b></mark><mark class="c3 rest" title="LOC · [2, 6)">人民<b>LOC</b></mark>'
        "医院"
    )


@given(st.data())
def test_marks_cover_their_regions_and_nothing_else(data: st.DataObject) -> None:
    text = data.draw(st.text("北京<&\"'>\n a", min_size=1, max_size=12))
    found = data.draw(entities(text))
    reader = read(mark_html(text, found, colours_of(e.label for e in found)))
    assert reader.text == text
    covered: dict[str, list[int]] = {}
    for title, start, end in reader.marks:
        covered.setdefault(title, []).extend(range(start, end))
    expected = {
        f"{e.label} · {100 * e.score:.1f}% · [{e.start}, {e.end})": [*range(e.start, e.end)]
        for e in found
    }
    assert {title: sorted(places) for title, places in covered.items()} == expected


def test_nothing_in_text_or_label_becomes_markup() -> None:
    text = "<script>alert('1')</script>\x00"
    label = '"><img src=x onerror=alert(1)>'
    marked = mark_html(text, [entity_at(text, 0, 8, label)], {label: 4})
    assert "<script" not in marked and "<img" not in marked and "\x00" not in marked
    reader = read(marked)
    assert reader.text == printable(text)
    assert reader.marks == [[f"{label} · [0, 8)", 0, 8]]


def test_style_of_adds_a_class() -> None:
    marked = mark_html("张三", [entity_at("张三", 0, 2, "PER")], {"PER": 0}, lambda _: "wrong")
    assert 'class="c0 wrong"' in marked


def test_printable_shows_controls_and_keeps_offsets() -> None:
    text = "a\x1b[31m\x00\x7f\x9b\ud800\t\r\n😀\u3000"
    shown = printable(text)
    assert shown == "a␛[31m␀␡\ufffd\ufffd\t\r\n😀\u3000"
    assert len(shown) == len(text)
    shown.encode("utf-8")


def test_terminal_brackets_nest() -> None:
    found = [entity_at(TEXT, 0, 2, "GPE"), entity_at(TEXT, 0, 8, "ORG")]
    shown = highlight_terminal(TEXT, found)
    assert shown.plain == "[[北京/GPE]大学人民医院/ORG]"
    inner = [span.style for span in shown.spans if shown.plain[span.start : span.end] == "北京"]
    assert inner == ["bold green"]


def test_terminal_obeys_neither_markup_nor_escapes() -> None:
    text = "[red]张三[/red]\x1b[2J\r"
    shown = highlight_terminal(text, [entity_at(text, 5, 7, "PER")])
    assert shown.plain == "[red][张三/PER][/red]␛[2J"


@given(st.data())
def test_terminal_keeps_the_text(data: st.DataObject) -> None:
    text = data.draw(st.text("北京大学ab \n", min_size=1, max_size=12))
    found: tuple[Entity, ...] = data.draw(entities(text))
    shown = highlight_terminal(text, found).plain
    for label in ("PER", "ORG", "LOC"):
        shown = shown.replace(f"/{label}]", "")
    assert shown.replace("[", "") == text


def test_usual_types_keep_their_colours_and_all_have_one() -> None:
    assert colours_of(["LOC", "PER"]) == {"PER": 0, "LOC": 3}
    many = colours_of([f"T{n:02}" for n in range(20)] + ["ORG"])
    assert many["ORG"] == 1
    assert len({many[f"T{n:02}"] for n in range(8)}) == 8
    assert all(4 <= colour < COLOURS for label, colour in many.items() if label != "ORG")


def test_text_without_entities_is_only_escaped() -> None:
    assert mark_html("a < b", [], {}) == html_lib.escape("a < b")
    assert mark_html("", [], {}) == ""
