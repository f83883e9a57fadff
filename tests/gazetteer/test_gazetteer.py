"""What a gazetteer keeps, how it decides, and that its file tells the truth or says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoupled_ner.gazetteer import Entry, Gazetteer, load_gazetteer
from decoupled_ner.gazetteer import gazetteer as module
from decoupled_ner.gazetteer.storage import FILE_NAME
from decoupled_ner.types import InputError

ENTRIES = st.lists(
    st.builds(
        Entry,
        st.text("ab京\n😀", min_size=1, max_size=3),
        st.sampled_from(["PER", "ORG", "O"]),
        st.sampled_from(["", "一", "b"]),
        st.sampled_from([0.1, 0.2, 0.3, 1.0]),
    ),
    max_size=20,
)


def small() -> Gazetteer:
    return Gazetteer.from_entries(
        [
            Entry("苹果", "ORG", "firms", 1.0),
            Entry("苹果", "O", "fruit", 0.4),
            Entry("苹果", "O", "words", 0.4),
            Entry("发展", "O", "words", 1.0),
            Entry("发展", "ORG", "firms", 0.3),
            Entry("九江", "GPE", "places", 1.0),
            Entry("快乐", "O", "words", 1.0),
        ]
    )


def test_the_heaviest_type_wins_and_all_types_are_kept() -> None:
    gazetteer = small()
    assert gazetteer.label("苹果") == "ORG"
    assert gazetteer.types("苹果") == {"ORG": 1.0, "O": 0.8}
    assert {entry.source for entry in gazetteer.entries("苹果")} == {"firms", "fruit", "words"}


def test_what_is_most_probably_a_common_word_is_no_entity() -> None:
    gazetteer = small()
    assert gazetteer.mentions == ["九江", "苹果"]
    assert "发展" not in gazetteer
    assert gazetteer.label("发展") == "O"
    assert gazetteer.matcher.find("苹果在九江发展") == [(0, 2, "ORG"), (3, 5, "GPE")]


def test_words_are_those_that_no_source_calls_an_entity() -> None:
    assert small().words == ["快乐"]


def test_equal_weights_are_decided_by_the_alphabet() -> None:
    for entries in ([("B", 0.3), ("A", 0.1), ("A", 0.2)], [("A", 0.2), ("A", 0.1), ("B", 0.3)]):
        gazetteer = Gazetteer.from_entries(Entry("x", label, "", w) for label, w in entries)
        assert gazetteer.label("x") == "A"


def test_an_unknown_mention_has_no_type() -> None:
    gazetteer = small()
    assert gazetteer.label("火星") is None
    assert gazetteer.types("火星") == {}
    assert gazetteer.entries("火星") == []


@given(ENTRIES)
def test_every_claim_is_found_again(entries: list[Entry]) -> None:
    gazetteer = Gazetteer.from_entries(entries)
    totals: dict[tuple[str, str, str], float] = {}
    for entry in entries:
        key = (entry.mention, entry.label, entry.source)
        totals[key] = totals.get(key, 0) + entry.weight
    kept = {(e.mention, e.label, e.source): e.weight for e in gazetteer}
    assert kept == pytest.approx(totals)
    for mention in {entry.mention for entry in entries}:
        types = gazetteer.types(mention)
        assert gazetteer.label(mention) == next(iter(types))
        assert types[gazetteer.label(mention) or ""] == max(types.values())
        assert (mention in gazetteer) == (gazetteer.label(mention) != "O")
    assert len(gazetteer) == len(gazetteer.mentions) == len(gazetteer.best_labels)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Entry("", "PER"), "empty"),
        (Entry("a\0b", "PER"), "null character"),
        (Entry("\ud800", "PER"), "lone surrogate"),
        (Entry("x", "\ud800"), "type .* lone surrogate"),
        (Entry("x", "PER", "\udcc4"), "source .* lone surrogate"),
        (Entry("x", ""), "empty type"),
        (Entry("x", "PER", "", 0.0), "must be 0.000001 or more"),
        (Entry("x", "PER", "", 1e-10), "must be 0.000001 or more"),
        (Entry("x", "PER", "", float("nan")), "must be 0.000001 or more"),
        (Entry("x", "PER", "", 10**400), "or more, and finite"),
    ],
)
def test_impossible_entries_are_refused(entry: Entry, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Gazetteer.from_entries([entry])


@given(ENTRIES)
def test_saved_and_loaded_it_is_equal(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Entry]
) -> None:
    directory = tmp_path_factory.mktemp("gazetteer")
    gazetteer = Gazetteer.from_entries(entries)
    gazetteer.save(directory)
    loaded = Gazetteer.load(directory)
    assert list(loaded) == list(gazetteer)
    assert loaded.digest == gazetteer.digest
    text = "ab京\n😀ba京京"
    assert loaded.matcher.find(text) == gazetteer.matcher.find(text)
    assert [path.name for path in directory.iterdir()] == [FILE_NAME]


def test_the_compiled_matcher_is_loaded_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small().save(tmp_path)
    real = module.CharwiseDoubleArrayAhoCorasick

    class LoadsOnly:
        deserialize = staticmethod(real.deserialize)

        def __init__(self, mentions: list[str]) -> None:
            raise AssertionError("compiled anew")

    monkeypatch.setattr(module, "CharwiseDoubleArrayAhoCorasick", LoadsOnly)
    assert Gazetteer.load(tmp_path).matcher.find("九江") == [(0, 2, "GPE")]
    with pytest.raises(AssertionError, match="compiled anew"):
        _ = small().matcher


def test_a_missing_gazetteer_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no gazetteer\.safetensors here"):
        Gazetteer.load(tmp_path)


def test_a_damaged_automaton_is_compiled_again(tmp_path: Path) -> None:
    """Another gazetteer's automaton is valid in itself: only the checksum tells."""
    path = small().save(tmp_path)
    other = Gazetteer.from_mentions({"苹果": ["X"], "九江": ["X"], "发展": ["X"]})
    mine, foreign = small()._compiled.serialize(), other._compiled.serialize()
    content = path.read_bytes()
    assert content.count(mine) == 1
    path.write_bytes(content.replace(mine, foreign[: len(mine)].ljust(len(mine), b"\0")))
    assert Gazetteer.load(tmp_path).matcher.find("发展九江") == [(2, 4, "GPE")]


def test_damage_anywhere_is_refused_or_harmless(tmp_path: Path) -> None:
    path = small().save(tmp_path)
    content = path.read_bytes()
    arrays_end = len(content) - len(small()._compiled.serialize())
    refused = 0
    for place in [*range(0, arrays_end, 3), *range(arrays_end, len(content), 9973)]:
        damaged = bytearray(content)
        damaged[place] ^= 0x41
        path.write_bytes(damaged)
        try:
            gazetteer = Gazetteer.load(tmp_path)
            assert list(gazetteer) == list(small())
            assert gazetteer.matcher.find("苹果在九江") == [(0, 2, "ORG"), (3, 5, "GPE")]
        except InputError as error:
            assert str(error).startswith(str(tmp_path))
            assert "\n" not in str(error)
            refused += 1
    assert refused > 100


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = small().save(tmp_path)
    content = path.read_bytes()
    for length in (0, 7, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match="build it again"):
            Gazetteer.load(tmp_path)


def test_an_entry_of_a_dictionary_file_weighs_1(tmp_path: Path) -> None:
    files = []
    for folder in "ab":
        (tmp_path / folder).mkdir()
        files.append(tmp_path / folder / "names.tsv")
        files[-1].write_text("苹果\tORG\n苹果\tORG\n苹果\tO\n", "utf-8")
    assert load_gazetteer(files[0]).types("苹果") == {"O": 1.0, "ORG": 1.0}
    both = load_gazetteer(files)
    assert both.sources == tuple(map(str, files))
    assert both.types("苹果") == {"O": 2.0, "ORG": 2.0}


def test_names_of_files_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode("人名.txt".encode("gbk"))
    path.write_text("王小明\n", "utf-8")
    gazetteer = load_gazetteer(path)
    gazetteer.save(tmp_path / "saved")
    assert Gazetteer.load(tmp_path / "saved").mentions == ["王小明"]


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file: can't be written"):
        Gazetteer.from_mentions({"北京": ["GPE"]}).save(tmp_path / "file")
