"""The options of ``distant label`` are the settings of distant supervision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command import status

from decoupled_ner.data import distant
from decoupled_ner.data.distant import DistantSettings

CHOSEN = {
    "--min-length=3": ("min_length", 3),
    "--min-share=0.6": ("min_share", 0.6),
    "--min-weight=0.5": ("min_weight", 0.5),
    "--no-words": ("words", False),
    "--crossing=longest": ("crossing", "longest"),
    "--no-whole-words": ("whole_words", False),
    "--max-occurrences=9": ("max_occurrences", 9),
    "--min-sentence-length=2": ("min_sentence_length", 2),
    "--max-sentence-length=80": ("max_sentence_length", 80),
    "--keep-unlabelled": ("keep_unlabelled", True),
}


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[DistantSettings]:
    """The settings of each labelling that would have begun."""
    settings: list[DistantSettings] = []

    def label_texts(texts: Any, gazetteer: Any, output: Any, found: DistantSettings, **_: Any):
        settings.append(found)
        counts = {"sentences_read": 0, "sentences": 0, "labelled": 0}
        counts |= {"entities": {}, "doubtful": {}}
        return {"shards": [], **counts}

    monkeypatch.setattr(distant, "label_texts", label_texts)
    return settings


def label(*options: str) -> int:
    return status("distant", "label", "--text=a", "--gazetteer=b", "--output=c", *options)


def test_every_setting_is_an_option(given: list[DistantSettings]) -> None:
    assert label() == label(*CHOSEN) == 0
    assert given == [DistantSettings(), DistantSettings(**dict(CHOSEN.values()))]
    left = DistantSettings.__dataclass_fields__.keys() - dict(CHOSEN.values()).keys()
    assert left == {"blacklist", "shard_bytes"}  # a file; and what changes no label


def test_label_is_what_the_group_does_by_default(
    given: list[DistantSettings], capfd: pytest.CaptureFixture[str]
) -> None:
    assert status("distant", "--text=a", "--gazetteer=b", "--output=c", "--min-length=3") == 0
    assert given == [DistantSettings(min_length=3)]
    capfd.readouterr()
    assert status("distant", "--help") == 0
    assert "audit" in capfd.readouterr().out and len(given) == 1


def test_the_page_has_its_folder_before_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    audits: list[Any] = []
    monkeypatch.setattr(distant, "noise_audit", lambda *_, **__: audits.append(1))
    monkeypatch.setattr(distant, "write_audit", lambda *_, **__: None)
    monkeypatch.setattr(distant, "render_audit", str)
    (tmp_path / "file").touch()
    assert status("distant", "audit", "out", f"--html={tmp_path}/file/a.html") == 2
    assert "a.html: can't be written" in capfd.readouterr().err and not audits
    assert status("distant", "audit", "out", f"--html={tmp_path}/new/a.html") == 0
    assert (tmp_path / "new").is_dir() and audits


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--crossing=both", "crossing='both': use drop or longest"),
        ("--min-weight=-1", "min_weight=-1.0: use a number from 0 on"),
        ("--min-weight=nan", "min_weight=nan: use a number from 0 on"),
        ("--min-sentence-length=300", "at most max_sentence_length=250"),
    ],
)
def test_values_out_of_range_are_one_line(
    option: str, says: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert label(option) == 2
    said = capfd.readouterr().err
    assert says in said and said.count("\n") == 1
