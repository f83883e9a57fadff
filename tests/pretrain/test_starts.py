"""Which encoder a run starts from."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from transformers import BertConfig

from decoupled_ner.locations import runs_folder
from decoupled_ner.training.starts import (
    Start,
    newest_encoder,
    resolve_start,
    resumed_start,
    stage_one_run,
)
from decoupled_ner.types import InputError


def finished(encoder: str, age: int, name: str, stage: str = "mention") -> Path:
    """A run of stage 1 that ended ``age`` seconds ago; its encoder."""
    folder = runs_folder() / "pretrain" / name
    shutil.copytree(encoder, folder / "encoder")
    result = folder / "result.json"
    result.write_text(json.dumps({"stage": stage, "encoder": "zh-small"}), encoding="utf-8")
    os.utime(result, (1e9 - age, 1e9 - age))
    return folder / "encoder"


def test_auto_takes_the_newest_that_fits(tiny_encoder: str):
    assert newest_encoder(tiny_encoder) is None
    old = finished(tiny_encoder, 30, "mention/tiny/seed-1")
    new = finished(tiny_encoder, 20, "context/tiny/seed-1", "context")
    assert newest_encoder(tiny_encoder) == new
    assert newest_encoder(tiny_encoder, ["mention"]) == old
    start = resolve_start("auto", tiny_encoder)
    assert start.encoder == str(new) and "newest stage-1 encoder" in start.reason


def test_auto_passes_over_what_does_not_fit(tiny_encoder: str, tmp_path: Path):
    fits = finished(tiny_encoder, 90, "mention/tiny/seed-1")
    finished(tiny_encoder, 8, "mention/tiny/seed-1~20250101-000000")  # moved aside
    other = finished(tiny_encoder, 7, "mention/wider/seed-1")
    config = BertConfig.from_pretrained(other)
    config.intermediate_size *= 2
    config.save_pretrained(other)
    words = finished(tiny_encoder, 6, "mention/words/seed-1") / "tokenizer.json"
    words.write_text(words.read_text().replace('"的":', '"地的":'))
    (finished(tiny_encoder, 5, "mention/broken/seed-1") / "config.json").write_text("{")
    finished(tiny_encoder, 4, "mention/strange/seed-1", "tagging")
    unfinished = finished(tiny_encoder, 3, "mention/unfinished/seed-1").parent / "result.json"
    unfinished.unlink()
    assert newest_encoder(tiny_encoder) == fits


def test_a_run_that_is_resumed_began_where_it_began(tmp_path: Path):
    newest = Start("newest", "the newest")
    assert resumed_start(tmp_path, newest) == newest  # settings are gone
    settings = tmp_path / "config.yaml"
    settings.write_text("model: {encoder: older, lr: 1}\n")
    assert resumed_start(tmp_path, newest) == Start("older", "began with older")
    settings.write_text("model: {encoder: older, context_encoder: other}\n")
    assert resumed_start(tmp_path, newest).encoder == "older,other"
    settings.write_text("model: {encoder: /some/folder/gone}\n")
    assert resumed_start(tmp_path, newest) == newest


def test_what_is_asked_for_is_taken(tiny_encoder: str):
    mention = str(finished(tiny_encoder, 9, "mention/tiny/seed-1"))
    finished(tiny_encoder, 5, "context/tiny/seed-1", "context")
    assert resolve_start("none", tiny_encoder).encoder == tiny_encoder
    assert resolve_start("a,b", tiny_encoder).encoder == "a,b"
    # an encoder of stage 1 that was named is not exchanged for a newer one
    assert resolve_start("auto", mention).encoder == mention
    assert stage_one_run(tiny_encoder) is None
    assert (stage_one_run(mention) or {})["stage"] == "mention"


def test_nothing_fits(tiny_encoder: str):
    start = resolve_start("auto", tiny_encoder, ["mention"])
    assert start.encoder == tiny_encoder and "no mention run" in start.reason
    finished(tiny_encoder, 5, "mention/tiny/seed-1")
    with pytest.raises(InputError, match="can't be loaded"):
        resolve_start("auto", "no/such/encoder/here")
