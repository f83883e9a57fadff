"""The noise audit."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from decoupled_ner.data.distant import (
    DistantSettings,
    audit_html,
    label_texts,
    noise_audit,
    render_audit,
    write_audit,
)
from decoupled_ner.gazetteer import Gazetteer
from decoupled_ner.types import InputError, Sentence, entity_at
from distant.corpus import gazetteer, rows, write_text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = write_text(tmp_path / "a.txt", 300)
    label_texts([text], gazetteer(), tmp_path / "out", DistantSettings(shard_bytes=4096))
    return tmp_path / "out"


def _gold() -> list[Sentence]:
    first, second = "从北京到九江", "他是王小明"
    return [
        Sentence(first, (entity_at(first, 1, 3, "LOC"), entity_at(first, 4, 6, "ORG"))),
        Sentence(second, (entity_at(second, 2, 5, "PER"),)),
    ]


def test_samples_are_occurrences(folder: Path) -> None:
    report = noise_audit(folder, samples=5, seed=1)
    json.dumps(report)
    by_id = {row["id"]: row for row in rows(folder)}
    for label, values in report["types"].items():
        assert len(values["samples"]) == 5
        for sample in values["samples"]:
            row = by_id[sample["id"]]
            assert sample["left"] + sample["mention"] + sample["right"] in row["text"]
            assert sample["mention"] in {e["text"] for e in row["entities"] if e["type"] == label}
    assert set(report["doubtful"]) == set(report["counts"]["doubtful"])
    assert report == noise_audit(folder, samples=5, seed=1)
    assert report != noise_audit(folder, samples=5, seed=2)


def test_mentions_are_counted_over_all_shards(folder: Path) -> None:
    report = noise_audit(folder)
    counts = dict(report["types"]["GPE"]["common"])
    entities = [entity["text"] for row in rows(folder) for entity in row["entities"]]
    assert report["types"]["GPE"]["mentions"] == 3
    assert counts == {m: entities.count(m) for m in ("北京", "中国", "九江")}


def test_agreement_with_gold(folder: Path) -> None:
    report = noise_audit(folder, gazetteer=gazetteer(), gold=_gold(), fold={"GPE": "LOC"})
    agreement = report["agreement"]
    assert agreement["overall"]["precision"] == pytest.approx(2 / 3)
    assert agreement["overall"]["recall"] == pytest.approx(2 / 3)
    assert agreement["by_type"]["LOC"] == {
        "noisy": 2,
        "gold": 1,
        "precision": 0.5,
        "recall": 1.0,
        "f1": pytest.approx(2 / 3),
    }
    unfolded = noise_audit(folder, gazetteer=gazetteer(), gold=_gold())["agreement"]
    assert unfolded["overall"]["precision"] == pytest.approx(1 / 3)


def test_agreement_needs_the_same_gazetteer(folder: Path) -> None:
    other = Gazetteer.from_mentions({"北京": ["GPE"]})
    for wrong in (None, other):
        with pytest.raises(InputError, match="agreement needs the gazetteer that made this"):
            noise_audit(folder, gazetteer=wrong, gold=_gold())


def test_nothing_to_audit(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("今天天气很好。", encoding="utf-8")
    label_texts([tmp_path / "a.txt"], gazetteer(), tmp_path / "out")
    with pytest.raises(InputError, match="no sentence has a label"):
        noise_audit(tmp_path / "out")


def test_numbers_below_0_are_refused(folder: Path) -> None:
    assert noise_audit(folder, samples=0)["types"]["GPE"]["samples"] == []
    with pytest.raises(InputError, match="samples=-1: use 0 or more"):
        noise_audit(folder, samples=-1)


def test_sentences_with_labels_are_those_alone(tmp_path: Path) -> None:
    text = write_text(tmp_path / "a.txt", 100)
    made = label_texts([text], gazetteer(), tmp_path / "out", DistantSettings(keep_unlabelled=True))
    assert made["labelled"] < made["sentences"]
    counts = noise_audit(tmp_path / "out")["counts"]
    shown = f"with labels</dt><dd>{made['labelled']}<"
    report = {"counts": counts, "types": {}, "doubtful": {}}
    assert shown in audit_html(report, title="")


def test_a_damaged_shard_is_told(folder: Path) -> None:
    shard = sorted(folder.glob("part-*"))[-1]
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(InputError, match=f"{shard.name}: damaged or missing shard"):
        noise_audit(folder)


def test_the_page_is_self_contained_and_escaped(tmp_path: Path) -> None:
    text = "<script>alert(1)</script>去北京大学&\x1b[31m看看"
    (tmp_path / "<a>.txt").write_text(text, encoding="utf-8")
    label_texts([tmp_path / "<a>.txt"], gazetteer(), tmp_path / "out")
    report = noise_audit(tmp_path / "out", gazetteer=gazetteer(), gold=_gold())
    page = audit_html(report, title="a < b")
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(page)
    assert {"mark", "table", "ol"} <= set(tags)
    assert not {"script", "link", "img", "a"} & set(tags)
    assert "\x1b" not in page
    assert "&lt;script&gt;" in page
    write_audit(report, tmp_path / "audit.html", title="a < b")
    assert (tmp_path / "audit.html").read_text(encoding="utf-8").rstrip("\n") == page.rstrip("\n")


def test_the_terminal_shows_the_same(folder: Path) -> None:
    report = noise_audit(folder, gazetteer=gazetteer(), gold=_gold())
    by_type = report["agreement"]["by_type"]
    by_type["[/GPE]"] = by_type["GPE"]  # a type may have brackets
    console = Console(width=120, record=True, file=(folder / "terminal").open("w"))
    console.print(render_audit(report))
    console.file.close()
    shown = console.export_text()
    assert "GPE: 3 mentions" in shown
    assert "not labelled: ambiguous" in shown
    assert "[北京]" in shown
    assert "precision" in shown and "[/GPE]" in shown
