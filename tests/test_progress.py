"""Progress bars: where they are drawn, what they count, and that they disturb no output."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from terminal import put_terminal

from decoupled_ner.candidates import NGrams
from decoupled_ner.data.negatives import PROPOSED_AT_ONCE, negative_pools
from decoupled_ner.progress import batches, progress_bar, track
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.types import Sentence


def test_a_bar_counts_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    terminal = put_terminal(monkeypatch)
    for line in track(iter("abc"), "predicting", "sentences", 3):
        print(line)
    assert capsys.readouterr().out == "a\nb\nc\n"
    assert "predicting" in terminal.shown and "3/3 sentences" in terminal.shown


def test_slices_hold_every_item_once(monkeypatch: pytest.MonkeyPatch):
    terminal = put_terminal(monkeypatch)
    assert list(batches(range(7), 3, "counting")) == [range(3), range(3, 6), range(6, 7)]
    assert "7/7 sentences" in terminal.shown
    assert list(batches([], 3, "counting")) == []


def test_no_total_and_no_unit(monkeypatch: pytest.MonkeyPatch):
    terminal = put_terminal(monkeypatch)
    list(track("abcd", "reading", "lines"))
    assert "4 lines" in terminal.shown
    with progress_bar("labelling") as update:
        update(1, 2, "capping")
    assert "capping" in terminal.shown and "50%" in terminal.shown


def test_nothing_is_drawn_where_nobody_looks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert not sys.stderr.isatty()
    assert list(track("ab", "predicting", "sentences", 2)) == ["a", "b"]
    assert capsys.readouterr().err == ""
    terminal = put_terminal(monkeypatch)
    assert list(track("ab", "predicting", "sentences", 2, shown=False)) == ["a", "b"]
    assert terminal.shown == ""


def test_negatives_are_counted_and_the_same(monkeypatch: pytest.MonkeyPatch):
    sentences = [Sentence("他去了北京" * (1 + n % 3)) for n in range(PROPOSED_AT_ONCE + 3)]
    silent = negative_pools(sentences, [NGrams(max_length=2)], "sentence")
    terminal = put_terminal(monkeypatch)
    assert negative_pools(sentences, [NGrams(max_length=2)], "sentence", progress=True) == silent
    assert [len(pool) for pool in silent[-3:]] == [len(pool) for pool in silent[1:4]]
    assert f"{len(sentences)}/{len(sentences)} sentences" in terminal.shown


@pytest.mark.parametrize(
    ("rank", "bar", "shown"), [(0, True, True), (1, True, False), (0, None, False)]
)
def test_training_data_is_prepared_with_bars_of_the_first_process(
    rank: int, bar: object, shown: bool, tiny_encoder: str, monkeypatch: pytest.MonkeyPatch
):
    data = UnifiedData("demo", tiny_encoder, NGrams(max_length=2), train_sentences=40)
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        global_rank=rank, world_size=2, is_global_zero=rank == 0, progress_bar_callback=bar
    )
    terminal = put_terminal(monkeypatch)
    data.pairs()
    assert ("proposing negatives" in terminal.shown) == ("40/40" in terminal.shown) == shown
    data.val_dataloader()
    share = f"{len(data.data.split('dev')) // 2}/{len(data.data.split('dev')) // 2} sentences"
    assert ("proposing regions of dev" in terminal.shown) == (share in terminal.shown) == shown
