"""Sources files: what is wrong is said in one line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pooch
import pytest
from served import served

from decoupled_ner.gazetteer.places import PlaceSuffixes
from decoupled_ner.gazetteer.sources import load_sources, locate
from decoupled_ner.types import InputError

GAZETTEERS = Path(__file__).parents[2] / "gazetteers"
GOOD = "{name: a, path: a.txt, format: txt, type: PER, licence: MIT}"


def load(folder: Path, text: str) -> str | None:
    """The error of loading ``text``, if any."""
    path = folder / "sources.yaml"
    path.write_text(text, "utf-8")
    try:
        load_sources(path)
    except InputError as error:
        assert str(error).startswith(str(path))
        return str(error).removeprefix(str(path))
    return None


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("3", ": source 1: expected 'name:', 'path:' and so on"),
        ("{path: a, format: txt, licence: MIT}", ": source 1: 'name' is missing"),
        ("{name: a, format: txt, path: a}", ": source 'a': 'licence' is missing"),
        (GOOD[:-1] + ", wieght: 2}", ": source 'a': unknown key 'wieght'"),
        (GOOD[:-1] + ", weight: heavy}", ": source 'a': 'weight' must be a number, got 'heavy'"),
        (GOOD[:-1] + ", weight: true}", ": source 'a': 'weight' must be a number, got True"),
        (GOOD[:-1] + ", weight: 0}", ": source 'a': 'weight' must be 0.000002 or more"),
        (
            GOOD[:-1] + f", weight: 1{'0' * 400}}}",
            ": source 'a': 'weight' must be 0.000002 or more, and finite",
        ),
        (GOOD[:-1] + f", weight: 1{'0' * 5000}}}", ": cannot read the sources"),
        (GOOD[:-1] + ", skip_rows: -1}", ": source 'a': 'skip_rows' must be 0 or more, got -1"),
        (
            GOOD.replace("path: a.txt", "url: x, sha256: ab, package: jieba"),
            ": source 'a': a 'package' needs a 'path' in it, not a 'url'",
        ),
        (GOOD[:-1] + ", lenient: 1}", ": source 'a': 'lenient' must be true or false, got 1"),
        (GOOD[:-1] + ", url: 'https://x.org/a'}", ": source 'a': give either 'path' or 'url'"),
        (GOOD.replace("path: a.txt", "url: x"), ": source 'a': a 'url' needs its 'sha256'"),
        (GOOD.replace("path: a.txt, ", ""), ": source 'a': give either 'path' or 'url'"),
        (GOOD.replace("format: txt", "format: xls"), ": source 'a': no format 'xls': one of txt"),
        (GOOD[:-1] + ", tags: {nr: PER}}", ": source 'a': give either 'type' or 'tags'"),
        (GOOD.replace("type: PER", "tags: {nr: 3}"), ": source 'a': expected text"),
        (GOOD.replace("type: PER", "type: no"), ": source 'a': 'type' must be text, got False"),
        (GOOD.replace("PER", "' '"), ": source 'a': the type ' ' is empty or has spaces"),
        (GOOD.replace("type: PER", "tags: {nr: ''}"), ": source 'a': the type '' is empty"),
        (GOOD.replace("PER", "place"), ": type 'place' needs 'place_suffixes' under 'rules'"),
        (GOOD[:-1] + ", default_type: GPE}", ": source 'a': 'default_type' is for type 'place'"),
        (GOOD[:-1] + ", short_forms: [3]}", ": source 'a': expected text, got [3]"),
        (f"{GOOD}, {GOOD}", ": two sources are called 'a': rename one"),
    ],
)
def test_mistakes_in_a_source(item: str, message: str, tmp_path: Path) -> None:
    found = load(tmp_path, f"sources: [{item}]")
    assert found is not None
    assert found.startswith(message)
    assert "\n" not in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", ": expected 'sources:' with a list under it"),
        ("sources: {a: b}", ": expected 'sources:' with a list under it"),
        ("sources: [\n  a: b: c", ": cannot read the sources"),
        (f"sources: [{GOOD}]\nrule: {{}}", ": unknown key 'rule': only 'sources' and 'rules'"),
        (f"sources: [{GOOD}]\n1: 2\nrule: 3\nno: 4", ": unknown key 1: only"),
        (f"sources: [{GOOD}]\nrules: 3", ": rules: expected 'nfkc:'"),
        (f"sources: [{GOOD}]\nrules: {{min: 3}}", ": rules: unknown key 'min'"),
        (
            f"sources: [{GOOD}]\nrules: {{min_length: '3'}}",
            ": rules: 'min_length' must be a whole number",
        ),
        (f"sources: [{GOOD}]\nrules: {{script: kanji}}", ": rules: 'script' must be simplified or"),
    ],
)
def test_mistakes_in_the_file(text: str, message: str, tmp_path: Path) -> None:
    found = load(tmp_path, text)
    assert found is not None
    assert found.startswith(message)
    assert "\n" not in found


def test_a_good_source_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(f"sources: [{GOOD}]\nrules: {{stop_words: stop.txt, nfkc: false}}")
    plan = load_sources(path)
    assert plan.sources[0].weight == 1.0
    assert plan.rules.stop_words == tmp_path / "stop.txt"
    assert not plan.rules.nfkc


def test_the_shipped_sources_files_are_sound() -> None:
    assert {source.licence for source in load_sources(GAZETTEERS / "sources.yaml").sources} == {
        "Apache-2.0"
    }
    assert len(load_sources(GAZETTEERS / "sources-open.yaml").sources) > 20


def plan_of(folder: Path, keys: str) -> Path:
    path = folder / "sources.yaml"
    path.write_text(f"sources: [{{name: a, format: txt, type: PER, licence: MIT, {keys}}}]")
    plan = load_sources(path)
    return locate(plan.sources[0], plan.folder)


def test_locating_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_bytes(b"x\n")
    monkeypatch.setenv("NAMES_HERE", str(tmp_path))
    digest = hashlib.sha256(b"x\n").hexdigest()
    assert plan_of(tmp_path, "path: a.txt") == tmp_path / "a.txt"
    assert plan_of(tmp_path, f"path: a.txt, sha256: {digest}") == tmp_path / "a.txt"
    assert plan_of(tmp_path, f"path: a.txt, sha256: {digest.upper()}") == tmp_path / "a.txt"
    assert plan_of(tmp_path, "path: $NAMES_HERE/a.txt") == tmp_path / "a.txt"
    assert plan_of(tmp_path, "package: jieba, path: dict.txt").name == "dict.txt"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("path: b.txt", "b.txt does not exist"),
        (f"path: a.txt, sha256: {'ab' * 32}", "another sha256"),
        ("path: $UNSET_NAMES/a.txt", r"set \$UNSET_NAMES"),
        ("package: no_such_package, path: a.txt", "package 'no_such_package' is not installed"),
        ("package: nopkg.sub, path: a.txt", r"package 'nopkg\.sub' is not installed"),
        ("package: '.x', path: a.txt", r"package '\.x' is not installed"),
        ("package: '', path: a.txt", "package '' is not installed"),
        (f"url: 'file:///no/such/file', sha256: {'ab' * 32}", "cannot download"),
    ],
)
def test_sources_that_are_not_there(tmp_path: Path, keys: str, message: str) -> None:
    (tmp_path / "a.txt").write_bytes(b"x\n")
    with pytest.raises(InputError, match=f"source 'a': .*{message}"):
        plan_of(tmp_path, keys)


def test_a_source_with_a_url_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "names.txt").write_bytes(b"x\n")
    digest = hashlib.sha256(b"x\n").hexdigest()
    with served(tmp_path / "served") as url:
        with pytest.raises(InputError, match=r"cannot download .*hash") as error:
            plan_of(tmp_path, f"url: '{url}/names.txt', sha256: {'ab' * 32}")
        assert "\n" not in str(error.value)
        assert not any(file.is_file() for file in (tmp_path / "cache").rglob("*"))
        found = plan_of(tmp_path, f"url: '{url}/names.txt', sha256: {digest}")
    assert found.is_relative_to(tmp_path / "cache" / "decoupled-ner")
    assert found.read_bytes() == b"x\n"
    assert plan_of(tmp_path, f"url: '{url}/names.txt', sha256: {digest}") == found


def test_the_longest_suffix_decides() -> None:
    places = PlaceSuffixes({"GPE": ["市", "区"], "LOC": ["社区", "山"], "ORG": ["公司"]})
    assert places.type_of("九江市") == "GPE"
    assert places.type_of("东城区") == "GPE"
    assert places.type_of("幸福社区") == "LOC"
    assert places.type_of("社区") == "GPE", "a suffix alone is not a name; 区 still fits"
    assert places.type_of("山") is None
    assert places.type_of("北京") is None


def test_the_shipped_suffixes() -> None:
    places = PlaceSuffixes.load(GAZETTEERS / "place_suffixes.yaml")
    expected = {
        "九江市": "GPE", "海淀区": "GPE", "赵家村": "GPE", "锡林郭勒盟": "GPE",
        "峨眉山": "LOC", "黄河": "LOC", "中山路": "LOC", "经济开发区": "LOC", "人民广场": "LOC",
        "第一医院": "ORG", "第三中学": "ORG", "村民委员会": "ORG", "北京站": "LOC",
    }  # fmt: skip
    assert {name: places.type_of(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("GPE: 市", "expected 'TYPE: "),
        ("GPE: [3]", "expected 'TYPE: "),
        ("1: [山]", "lines of text, got 1: quote"),
        ("NO: [山]", "lines of text, got False: quote"),
        ("'': [山]", "lines of text, got '': quote"),
        ("LOC: [山, '']", "lines of text, got '': quote"),
        (f"1{'0' * 5000}: [山]", "cannot read place suffixes"),
        ("GPE: [市]\nLOC: [市]", "suffix '市' stands twice"),
        ("GPE: [", "cannot read place suffixes"),
    ],
)
def test_mistakes_in_suffixes(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "suffixes.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=message) as caught:
        PlaceSuffixes.load(path)
    assert "\n" not in str(caught.value)
