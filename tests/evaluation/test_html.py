"""The pages: self-contained, complete, safe with any text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from decoupled_ner.inference.evaluate import evaluate
from decoupled_ner.inference.highlight import COLOURS
from decoupled_ner.inference.html import highlight_html, report_html, write_report
from decoupled_ner.inference.report_parts import EXAMPLES_SHOWN
from decoupled_ner.types import InputError, Region, Sentence, entity_at

VOID = {"meta", "input", "br"}
EVIL = "</style><script>alert(1)</script>"


class Outline(HTMLParser):
    """The visible text and the tags of a page; fails on tags that do not close in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] not in (["style"], ["title"]):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(f" {word}" for word in self.words))


def check_safe(page: str) -> Outline:
    outline = Outline(page)
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in outline.tags}
    attributes = {name for _, attrs in outline.tags for name in attrs}
    assert not {name for name in attributes if name.startswith("on") or name in ("src", "href")}
    assert "url(" not in page and "@import" not in page
    return outline


def report(**given: object) -> str:
    text = f"张三在北京大学{EVIL}"
    gold = [Sentence(text, (entity_at(text, 0, 2, "PER"), entity_at(text, 3, 7, "ORG")))]
    predicted = [[entity_at(text, 0, 2, "PER", 0.9), entity_at(text, 3, 5, "GPE", 0.6)]]
    return report_html(evaluate(gold, predicted, **given), facts={"model": EVIL, "dataset": "demo"})  # type: ignore[arg-type]


def test_report_shows_everything() -> None:
    text = f"张三在北京大学{EVIL}"
    page = report(candidates=[[Region(0, 2), Region(3, 5)]], train=[Sentence(text)])
    outline = check_safe(page)
    for expected in (
        f"model {EVIL}",
        "candidates a sentence 2.0",
        "F1 50.00",
        "Candidate recall 50.00 F1 at most 66.67",
        "2 gold entities: 1 right (50.0%) 0 a candidate, but wrongly labelled (0.0%)"
        " 1 never a candidate (50.0%)",
        "Errors: 0 type, 1 boundary, 0 missed, 0 spurious.",
        "seen 0.00",
        "leaked 50.00",
        "F1 by type",
        "gold ↓ predicted → PER ORG GPE O",
        "boundary 北京大学 ORG → 北京 GPE",
    ):
        assert expected in outline.text, expected
    assert [attrs["class"] for tag, attrs in outline.tags if tag == "mark"] == [
        *("c0 right", "c1 wrong"),  # gold
        *("c0 right", "c2 wrong"),  # predicted
    ]


def test_what_was_not_measured_is_not_shown() -> None:
    text = check_safe(report(bootstrap=0)).text
    for absent in ("Candidate recall", "never a candidate", "leaked", "bootstrap", "Red tick"):
        assert absent not in text
    assert "1 not found (50.0%)" in text


def test_report_without_any_entity_or_error() -> None:
    outline = check_safe(report_html(evaluate([Sentence("无")], [[]])))
    assert "Errors None." in outline.text and "Confusion" not in outline.text


def test_only_so_many_examples_are_shown() -> None:
    gold = [Sentence("张三", (entity_at("张三", 0, 2, "PER"),))] * (EXAMPLES_SHOWN + 7)
    outline = check_safe(report_html(evaluate(gold, [[]] * len(gold), bootstrap=0)))
    classes = [attrs.get("class") for _, attrs in outline.tags]
    assert classes.count("example missed") == EXAMPLES_SHOWN
    assert "7 more sentences have errors." in outline.text


def test_write_report(tmp_path: Path) -> None:
    text = "半个\ud800字"
    evaluation = evaluate([Sentence(text, (entity_at(text, 0, 2, "PER"),))], [[]])
    path = tmp_path / "report.html"
    write_report(evaluation, path, facts={"model": "m"})
    assert path.read_text(encoding="utf-8") == report_html(evaluation, facts={"model": "m"})
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(InputError, match="can't be written"):
        write_report(evaluation, tmp_path / "missing" / "report.html")


def test_highlight_page() -> None:
    text = f"张三\n在北京大学{EVIL}"
    found = (entity_at(text, 0, 2, "PER", 0.93), entity_at(text, 4, 6, "GPE", 0.5))
    outline = check_safe(highlight_html([Sentence(text, found), Sentence("")], title=EVIL))
    assert "2 entities in 2 sentences PER 1 GPE 1" in outline.text
    titles = [attrs.get("title") for tag, attrs in outline.tags if tag == "mark"]
    assert titles == [None, None, "PER · 93.0% · [0, 2)", "GPE · 50.0% · [4, 6)"]
    assert "张三" in outline.words and "\n在" in outline.words


def test_highlight_page_without_predictions() -> None:
    assert "0 entities in 0 sentences" in check_safe(highlight_html([])).text


def test_every_colour_has_a_style() -> None:
    page = highlight_html([])
    assert all(f".c{number} {{ --hue:" in page for number in range(COLOURS))
    assert f".c{COLOURS} " not in page
