"""A build from dictionaries to a folder: every rule once, and the real dictionaries."""

from __future__ import annotations

import json
import multiprocessing
from io import StringIO
from pathlib import Path
from threading import Barrier
from typing import Any

import pyarrow.parquet as pq
import pytest
from command import status
from rich.console import Console

from decoupled_ner.gazetteer import Entry, Gazetteer
from decoupled_ner.gazetteer.build import build_gazetteer
from decoupled_ner.gazetteer.edit import add, remove
from decoupled_ner.gazetteer.normalise import Normaliser, Rules
from decoupled_ner.gazetteer.render import render_build
from decoupled_ner.types import InputError

GAZETTEERS = Path(__file__).parents[2] / "gazetteers"

SOURCES = """
rules:
  min_length: 2
  max_length: 6
  stop_words: stop.txt
  place_suffixes: suffixes.yaml
sources:
  - {name: people, path: people.txt, format: word-tag-count, tags: {nr: PER}, min_count: 2,
     licence: MIT}
  - {name: places, path: places.txt, format: txt, type: place, default_type: GPE, skip_rows: 1,
     short_forms: [市, 地区], licence: MIT}
  - {name: firms, path: firms.txt, format: word-count, type: ORG, weight: 0.3, lenient: true,
     licence: MIT}
  - {name: words, path: words.txt, format: txt, type: O, weight: 0.5, licence: MIT}
"""
FILES = {
    "stop.txt": "市辖区\n",
    "suffixes.yaml": "GPE: [市, 县]\nLOC: [山]\nORG: [医院]\n",
    "people.txt": "王小明 nr 5\n李雷 nr 1\n北京 ns 9\n甲 nr 7\n",
    "places.txt": "header\n九江市\n庐山\n庐山\n第一医院\n纽约\n市辖区\n"
    "某某市辖区市辖区市\nＡ１２市(旧称)\n",
    "firms.txt": "苹果\t5\n发展\t2\n坏行\t3?\n123\t4\n王小明\t1\n",
    "words.txt": "发展\n快乐\n",
}


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, "utf-8")
    path = tmp_path / "sources.yaml"
    path.write_text(SOURCES, "utf-8")
    return path


def test_a_build_by_hand(sources: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int, str]] = []
    manifest = build_gazetteer(sources, tmp_path / "out", lambda *step: steps.append(step))
    gazetteer = Gazetteer.load(tmp_path / "out")
    assert dict(zip(gazetteer.mentions, gazetteer.best_labels, strict=True)) == {
        "王小明": "PER", "九江市": "GPE", "九江": "GPE", "庐山": "LOC", "第一医院": "ORG",
        "纽约": "GPE", "苹果": "ORG", "A12市": "GPE", "A12": "GPE",
    }  # fmt: skip
    assert gazetteer.types("王小明") == {"PER": 1.0, "ORG": 0.3}
    assert gazetteer.types("九江") == {"GPE": 0.5}
    assert gazetteer.types("庐山") == {"LOC": 1.0}, "listed twice, counted once"
    assert gazetteer.label("发展") == "O"
    assert gazetteer.words == ["快乐"]
    kept = {source["name"]: source["kept"] for source in manifest["sources"]}
    dropped = {source["name"]: source["dropped"] for source in manifest["sources"]}
    assert dropped == {
        "people": {"too rare": 1, "no type": 1, "too short": 1},
        "places": {"stop word": 1, "too long": 1},
        "firms": {"malformed": 1, "no letter": 1},
        "words": {},
    }
    assert "firms.txt:3: expected a count, got '3?'" in manifest["sources"][2]["first_malformed"]
    assert kept["places"] == {"GPE": 5, "LOC": 2, "ORG": 1}
    assert manifest["types"] == {"GPE": 5, "PER": 1, "LOC": 1, "ORG": 2}
    assert json.loads((tmp_path / "out" / "build.json").read_text("utf-8")) == manifest
    assert steps[0] == (0, 4, "reading people")
    assert steps[-1] == (4, 4, "compiling")


def test_the_parquet_says_the_same(sources: Path, tmp_path: Path) -> None:
    build_gazetteer(sources, tmp_path / "out")
    gazetteer = Gazetteer.load(tmp_path / "out")
    rows: list[dict[str, Any]] = pq.read_table(tmp_path / "out" / "entries.parquet").to_pylist()
    assert [row["mention"] for row in rows] == [*gazetteer.mentions, "发展", "快乐"]
    for row in rows:
        assert row["type"] == gazetteer.label(row["mention"])
        claims = [(e.label, e.source, e.weight) for e in gazetteer.entries(row["mention"])]
        assert claims == list(zip(row["types"], row["sources"], row["weights"], strict=True))


def test_two_builds_are_equal(sources: Path, tmp_path: Path) -> None:
    assert build_gazetteer(sources, tmp_path / "a") == build_gazetteer(sources, tmp_path / "b")


def test_a_failed_build_leaves_the_old_gazetteer(sources: Path, tmp_path: Path) -> None:
    build_gazetteer(sources, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    (tmp_path / "people.txt").write_text("王小明 nr\n", "utf-8")
    with pytest.raises(InputError, match=r"people\.txt:1: "):
        build_gazetteer(sources, tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_build_without_entities_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("快乐\n", "utf-8")
    sources = tmp_path / "sources.yaml"
    sources.write_text("sources: [{name: a, path: a.txt, format: txt, type: O, licence: MIT}]")
    with pytest.raises(InputError, match="no entity came of these sources"):
        build_gazetteer(sources, tmp_path / "out")


def build_one(folder: Path, content: str, keys: str) -> Gazetteer:
    """Of one dictionary."""
    (folder / "a").write_text(content, "utf-8")
    sources = folder / "sources.yaml"
    sources.write_text(f"sources: [{{name: a, path: a, licence: MIT, {keys}}}]", "utf-8")
    build_gazetteer(sources, folder / "out")
    return Gazetteer.load(folder / "out")


@pytest.mark.parametrize("lenient", ["true", "false"])
def test_a_header_is_skipped_and_no_entry(lenient: str, tmp_path: Path) -> None:
    keys = f"format: word-count, type: PER, skip_rows: 1, lenient: {lenient}"
    assert build_one(tmp_path, "词 频\n王小明\t3\n李雷\t2\n", keys).mentions == ["李雷", "王小明"]


@pytest.mark.parametrize("rows", ["上海市\n上海\n", "上海\n上海市\n"])
def test_the_order_of_rows_decides_no_weight(rows: str, tmp_path: Path) -> None:
    built = build_one(tmp_path, rows, "format: txt, type: GPE, short_forms: [市]")
    assert built.types("上海") == built.types("上海市") == {"GPE": 1.0}


def test_endings_in_another_script(tmp_path: Path) -> None:
    (tmp_path / "suffixes.yaml").write_text("GPE: [县, 区]\nLOC: [岛]\n", "utf-8")
    (tmp_path / "a.txt").write_text("怀柔县\n海淀区\n海南岛\n", "utf-8")
    (tmp_path / "sources.yaml").write_text(
        "rules: {script: traditional, place_suffixes: suffixes.yaml}\n"
        "sources: [{name: a, path: a.txt, format: txt, type: place, short_forms: [县],"
        " licence: MIT}]",
        "utf-8",
    )
    build_gazetteer(tmp_path / "sources.yaml", tmp_path / "out")
    built = Gazetteer.load(tmp_path / "out")
    assert {mention: built.label(mention) for mention in built.mentions} == {
        "懷柔縣": "GPE", "懷柔": "GPE", "海淀區": "GPE", "海南島": "LOC",
    }  # fmt: skip


def test_a_files_own_type_place_is_no_keyword(tmp_path: Path) -> None:
    built = build_one(tmp_path, '{"name": "东方明珠", "type": "place"}\n', "format: jsonl")
    assert built.label("东方明珠") == "place"


def test_the_usual_folder_is_that_of_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECOUPLED_NER_RUNS", str(tmp_path / "runs"))
    assert status("gazetteer", "build", "--json") == 0
    assert len(Gazetteer.load(tmp_path / "runs" / "gazetteer"))


@pytest.mark.parametrize(
    ("rules", "text", "form"),
    [
        (Rules(), "ＡＢＣ　公司", "ABC 公司"),
        (Rules(nfkc=False), "ＡＢＣ", "ＡＢＣ"),
        (Rules(nfkc=False), "\ufeff北\u200b京\u2060", "北京"),
        (Rules(), " 圣方济各堂区（路环） ", "圣方济各堂区"),
        (Rules(), "(甲)乙", "(甲)乙"),
        (Rules(script="simplified"), "臺灣大學", "台湾大学"),
        (Rules(script="traditional"), "台湾大学", "臺灣大學"),
    ],
)
def test_forms(rules: Rules, text: str, form: str) -> None:
    assert Normaliser(rules).form(text) == form


def test_a_missing_opencc_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opencc", None)
    with pytest.raises(InputError, match="needs OpenCC: pip install"):
        Normaliser(Rules(script="simplified"))


def test_adding_and_removing(sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build_gazetteer(sources, out)
    found = add(out, "发展", "ORG")
    assert found["type"] == "ORG"
    assert {"type": "ORG", "source": "user", "weight": 10.0} in found["claims"]
    assert add(out, "发展", "PER")["types"] == {"PER": 10.0, "O": 0.5, "ORG": 0.3}
    assert Gazetteer.load(out).matcher.find("发展") == [(0, 2, "PER")]
    assert pq.read_table(out / "entries.parquet")["mention"].to_pylist().count("发展") == 1
    assert remove(out, "发展")["type"] == "PER"
    assert Gazetteer.load(out).label("发展") is None
    with pytest.raises(InputError, match="does not hold '发展'"):
        remove(out, "发展")


def test_what_is_added_has_the_form_of_the_build(sources: Path, tmp_path: Path) -> None:
    build_gazetteer(sources, tmp_path / "out")
    assert add(tmp_path / "out", "　ＮＢＡ(旧) ", "ORG")["mention"] == "NBA(旧)"
    assert "NBA(旧)" in Gazetteer.load(tmp_path / "out")
    assert remove(tmp_path / "out", "ＮＢＡ(旧)")["mention"] == "NBA(旧)"
    assert "NBA(旧)" not in Gazetteer.load(tmp_path / "out")
    Gazetteer.from_mentions({"北京": ["GPE"]}).save(tmp_path / "unbuilt")
    assert add(tmp_path / "unbuilt", " ＮＢＡ\n", "ORG")["mention"] == "ＮＢＡ"
    with pytest.raises(InputError, match="mention '' is empty"):
        add(tmp_path / "out", " ", "ORG")


def test_what_is_added_has_the_script_of_the_build(sources: Path, tmp_path: Path) -> None:
    sources.write_text(SOURCES.replace("rules:\n", "rules:\n  script: simplified\n"), "utf-8")
    build_gazetteer(sources, tmp_path / "out")
    assert add(tmp_path / "out", "臺灣大學", "ORG")["mention"] == "台湾大学"
    assert remove(tmp_path / "out", "臺灣大學")["mention"] == "台湾大学"


def test_the_manifest_tells_what_the_folder_holds_now(sources: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built = build_gazetteer(sources, out)
    add(out, "快乐", "ORG")
    now = json.loads((out / "build.json").read_text("utf-8"))
    assert now["digest"] == Gazetteer.load(out).digest != built["digest"]
    assert (now["mentions"], now["words"]) == (built["mentions"] + 1, built["words"] - 1)
    assert now["types"]["ORG"] == built["types"]["ORG"] + 1
    assert now["sources"] == built["sources"]
    (out / "build.json").write_text("{")
    with pytest.raises(InputError, match=r"build\.json: damaged .* build the gazetteer again"):
        add(out, "快乐", "PER")


def _add_some(start: Barrier, folder: Path, name: str) -> None:
    start.wait()
    for number in range(10):
        add(folder, f"{name}{number}", "PER")


def test_two_processes_that_add_lose_nothing(tmp_path: Path) -> None:
    Gazetteer.from_mentions({"北京": ["GPE"]}).save(tmp_path)
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(2)
    workers = [spawn.Process(target=_add_some, args=(start, tmp_path, name)) for name in "甲乙"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    names = {f"{name}{number}" for name in "甲乙" for number in range(10)}
    assert set(Gazetteer.load(tmp_path).mentions) == {"北京", *names}


def test_adding_to_no_gazetteer_leaves_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no gazetteer\.safetensors here"):
        add(tmp_path, "北京", "GPE")
    assert not list(tmp_path.iterdir())


def test_what_is_added_outweighs_the_dictionaries(tmp_path: Path) -> None:
    Gazetteer.from_entries([Entry("长安", "GPE", "a", 9.0), Entry("长安", "GPE", "b", 9.0)]).save(
        tmp_path
    )
    found = add(tmp_path, "长安", "ORG")
    assert found["types"] == {"ORG": 180.0, "GPE": 18.0}
    assert add(tmp_path, "长安", "PER")["types"] == {"PER": 180.0, "GPE": 18.0}
    assert add(tmp_path, "长安", "PER", 1.0)["type"] == "GPE"
    remove(tmp_path, "长安")
    empty = Gazetteer.load(tmp_path)
    assert len(empty) == 0 and empty.matcher.find("长安") == []


def test_a_folder_that_cannot_be_written(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: can't be written"):
        build_gazetteer(sources, tmp_path / "file")


def test_too_many_types_are_another_column(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("".join(f"北京{i}\t{i}\n" for i in range(65_537)), "utf-8")
    sources = tmp_path / "sources.yaml"
    sources.write_text("sources: [{name: a, path: a.tsv, format: tsv, licence: MIT}]")
    with pytest.raises(InputError, match="65,537 types, e"):
        build_gazetteer(sources, tmp_path / "out")


def test_the_seed(tmp_path: Path) -> None:
    manifest = build_gazetteer(GAZETTEERS / "sources.yaml", tmp_path)
    assert all(count >= 300 for count in manifest["types"].values())
    assert set(manifest["types"]) == {"PER", "ORG", "GPE", "LOC"}
    assert manifest["words"] >= 800
    assert not any(source["dropped"] for source in manifest["sources"])
    found = Gazetteer.load(tmp_path).matcher.find("为改善九江投资环境，在东盟成立30周年之际")
    assert [(match[0], match[2]) for match in found] == [(3, "GPE"), (11, "ORG")]
    shown = StringIO()
    Console(width=200, file=shown).print(render_build(manifest))
    assert "seed-per" in shown.getvalue()


def test_the_seed_names_nothing_twice() -> None:
    names = [
        line
        for path in sorted((GAZETTEERS / "seed").glob("*.txt"))
        for line in path.read_text("utf-8").splitlines()
    ]
    entries = [name for name in names if not name.startswith("# ")]
    assert len(entries) == len(set(entries))


@pytest.mark.real_data
@pytest.mark.slow
def test_the_open_dictionaries(real_data: Path, tmp_path: Path) -> None:
    """At least the entries that the paper's gazetteer had; of LOC what the sources hold."""
    manifest = build_gazetteer(GAZETTEERS / "sources-open.yaml", tmp_path)
    least = {"PER": 50_000, "ORG": 143_000, "GPE": 43_000, "LOC": 20_000}
    assert all(manifest["types"][label] >= count for label, count in least.items())
    gazetteer = Gazetteer.load(tmp_path)
    expected = {"九江": "GPE", "东盟": "ORG", "北京": "GPE", "黄河": "LOC", "发展": "O"}
    assert {mention: gazetteer.label(mention) for mention in expected} == expected
