"""Gazetteer matches as candidates."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoupled_ner.candidates import Union, generator_from_config, to_config
from decoupled_ner.candidates.gazetteer import GazetteerMatches, with_mentions_of
from decoupled_ner.gazetteer import Gazetteer, ReloadingGazetteer
from decoupled_ner.types import Candidate, InputError, Region, Sentence, entity_at

README = Path(__file__).parents[2] / "gazetteers" / "README.md"
NAMES = {"北京": ["GPE"], "北京大学": ["ORG"], "大学": ["O"], "京": ["GPE", "LOC"], "art": ["ORG"]}
TEXT = "😀北京大学 party art"


def texts(generator: GazetteerMatches, text: str = TEXT) -> list[str]:
    return [region.text_of(text) for region in generator.propose(text)]


def test_modes() -> None:
    assert texts(GazetteerMatches.from_mentions(NAMES)) == ["北京", "北京大学", "art"]
    assert texts(GazetteerMatches.from_mentions(NAMES, mode="longest")) == ["北京大学", "art"]
    every = GazetteerMatches.from_mentions(NAMES, min_length=1, whole_words=False)
    assert texts(every) == ["北京", "北京大学", "京", "art", "art"]
    assert GazetteerMatches.from_mentions(NAMES).propose("") == []


def test_mentions_of_sentences_join_a_union_that_has_a_gazetteer() -> None:
    sentence = Sentence("中美", (entity_at("中美", 0, 1, "LOC"),))
    odd = (entity_at("a\0b\ud83d", 0, 3, "PER"), entity_at("a\0b\ud83d", 3, 4, "PER"))
    unusual = Sentence("a\0b\ud83d", odd)  # what no gazetteer can hold is left out
    union = with_mentions_of(Union([GazetteerMatches.from_mentions(NAMES)]), [sentence, unusual])
    expected = [Candidate(0, 1, ("train-mentions",)), Candidate(1, 3, ("gazetteer",))]
    assert union.candidates("中北京") == expected
    assert generator_from_config(to_config(union)).propose("中北京") == [Region(0, 1), Region(1, 3)]
    assert GazetteerMatches.from_sentences([sentence]).propose("中") == []  # the usual limit


@given(st.text("北京大学😀a", max_size=20))
def test_proposals_are_sorted_and_unique(text: str) -> None:
    regions = GazetteerMatches.from_mentions(NAMES, min_length=1).propose(text)
    assert regions == sorted(set(regions))
    assert all(region.text_of(text) in NAMES for region in regions)


def test_saved_it_travels_with_the_model(tmp_path: Path) -> None:
    generator = GazetteerMatches.from_mentions(NAMES, mode="overlapping", min_length=1)
    arguments = generator.save(tmp_path)
    assert not Path(arguments["paths"]).is_absolute()
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    loaded = GazetteerMatches(**{**arguments, "paths": str(moved / arguments["paths"])})
    assert loaded.propose(TEXT) == generator.propose(TEXT)
    assert loaded.gazetteer.digest == generator.gazetteer.digest


def test_a_folder_that_is_followed(tmp_path: Path) -> None:
    Gazetteer.from_mentions(NAMES).save(tmp_path / "names")
    newest = ReloadingGazetteer(tmp_path / "names")
    generator = GazetteerMatches.following(newest, mode="longest", name="ours")
    union = Union([generator])
    assert texts(generator) == ["北京大学", "art"]
    before = generator.save(tmp_path / "model")["paths"]
    Gazetteer.from_mentions({"大学": ["ORG"]}).save(tmp_path / "names")
    assert texts(generator) == ["北京大学", "art"]
    assert newest.refresh()
    assert texts(generator) == ["大学"]
    assert union.candidates(TEXT) == [Candidate(3, 5, ("ours",))]
    assert generator_from_config(to_config(union)).propose(TEXT) == [Region(3, 5)]
    assert generator.save(tmp_path / "model")["paths"] != before


def test_the_readme_shows_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [example] = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.S)
    Gazetteer.from_mentions({"北京": ["GPE"]}).save(tmp_path / "runs" / "gazetteer")
    monkeypatch.chdir(tmp_path)
    exec(example, {})


def test_init_args_make_an_equal_one(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("北京\n", "utf-8")
    for generator in (
        GazetteerMatches.from_mentions(NAMES, whole_words=False),
        GazetteerMatches(paths=[str(tmp_path / "names.txt")]),
    ):
        again = GazetteerMatches(**generator.init_args())
        assert again.init_args() == generator.init_args()
        assert again.propose(TEXT) == generator.propose(TEXT)


def test_files_of_several_kinds(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("北京\n", "utf-8")
    (tmp_path / "names.tsv").write_text("南京\tGPE\n", "utf-8")
    (tmp_path / "names.jsonl").write_text('{"mention": "东京", "type": "GPE"}\n', "utf-8")
    Gazetteer.from_mentions({"西京": ["GPE"]}).save(tmp_path / "built")
    paths = [str(tmp_path / name) for name in ("names.txt", "names.tsv", "names.jsonl", "built")]
    generator = GazetteerMatches(paths)
    assert texts(generator, "东京西京南京北京") == ["东京", "西京", "南京", "北京"]
    assert generator.gazetteer.label("北京") == "*"
    assert generator.gazetteer.label("东京") == "GPE"
    assert GazetteerMatches(paths[3]).propose("西京") == [Region(0, 2)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either paths or mentions"),
        ({"paths": "a.txt", "mentions": {}}, "either paths or mentions"),
        ({"paths": "no-such.txt"}, "no such file"),
        ({"paths": "runs/no-such"}, "no such file or folder: build a gazetteer"),
        ({"mentions": {}, "mode": "best"}, "no matching mode 'best'"),
    ],
)
def test_mistakes(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GazetteerMatches(**arguments)  # type: ignore[arg-type]


def test_a_dictionary_without_a_mention_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("# nothing yet\n\n")
    with pytest.raises(InputError, match=r"empty\.txt: holds no mention"):
        GazetteerMatches(str(tmp_path / "empty.txt"))
