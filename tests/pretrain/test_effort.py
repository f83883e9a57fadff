"""What a run has cost: items, tokens and seconds over all its parts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import pytorch_lightning as pl
import torch

from decoupled_ner.training import effort as effort_module
from decoupled_ner.training.context import ContextData, ContextTraining
from decoupled_ner.training.effort import Effort
from decoupled_ner.training.mention import MentionData, MentionTraining

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*smaller than the logging interval"),
    pytest.mark.filterwarnings("ignore:`isinstance"),
]


class SaveInTheMiddle(pl.Callback):
    """Writes ``part.ckpt`` after the second batch."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "part.ckpt"

    def on_train_batch_end(self, trainer, module, outputs, batch, index) -> None:
        if trainer.current_epoch == 0 and index == 1:
            trainer.save_checkpoint(self.path, weights_only=False)


def trainer(folder: Path, *callbacks: pl.Callback, **settings: object) -> pl.Trainer:
    return pl.Trainer(
        default_root_dir=folder, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
        limit_val_batches=0, callbacks=list(callbacks), **settings,
    )  # fmt: skip


def test_every_token_is_counted_once(gazetteer: str, masked_lm: str, tmp_path: Path):
    def new() -> tuple[MentionTraining, MentionData, Effort]:
        data = MentionData(masked_lm, gazetteer, batch_size=8, entries_per_epoch=30)
        return MentionTraining(masked_lm, data.labels), data, Effort()

    module, data, first = new()
    batches = data.training_batches(0, 1)
    drawn = [entry for epoch in (0, 1) for entry in batches.read(epoch, 0, 30)]
    tokens = sum(len(entry.mention) + 2 for entry in drawn)  # [CLS] and [SEP]
    save = SaveInTheMiddle(tmp_path)
    trainer(tmp_path, first, save, max_epochs=1).fit(module, data)
    assert first.items == len(drawn) / 2 and 0 < first.tokens < tokens
    module, data, both = new()
    trainer(tmp_path, both, save, max_epochs=2).fit(
        module, data, ckpt_path=save.path, weights_only=False
    )
    assert (both.items, both.tokens) == (len(drawn), tokens)


def test_sentences_and_their_tokens(distant: str, masked_lm: str, tmp_path: Path):
    data = ContextData(masked_lm, distant, batch_size=8, sentences_per_epoch=20)
    batches, effort = data.training_batches(0, 1), Effort()
    drawn = [visit for number in range(3) for visit in batches.global_batch(0, number)]
    module = ContextTraining(masked_lm, data.labels)
    trainer(tmp_path, effort, max_epochs=1).fit(module, data)
    assert effort.items == len(drawn) == 20
    assert effort.tokens == sum(len(visit.sentence.text) + 2 for visit in drawn)


def test_processes_are_summed_up_with_a_state_and_at_the_end(
    gazetteer: str, masked_lm: str, monkeypatch: pytest.MonkeyPatch
):
    sums: list[list[int]] = []

    def all_reduce(counts: torch.Tensor) -> None:
        sums.append(counts.tolist())
        counts *= 2  # another process did as much

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
    data = MentionData(masked_lm, gazetteer, batch_size=8, entries_per_epoch=30)
    module, batches = MentionTraining(masked_lm, data.labels), data.training_batches(0, 1)
    items, nobody = data.items_per_epoch(), cast(Any, None)  # the trainer is asked nothing

    def train(effort: Effort, numbers: range) -> None:
        for number in numbers:
            effort.on_train_batch_end(nobody, module, None, batches[0, number], number)

    killed = Effort()
    train(killed, range(3))
    assert not sums
    state = killed.state_dict()
    assert state == killed.state_dict() | {"seconds": state["seconds"]} and len(sums) == 1
    train(killed, range(3, 4))  # lost
    resumed = Effort()
    resumed.load_state_dict(state)
    train(resumed, range(3, 4))
    resumed.on_train_end(nobody, module)
    tokens = sum(len(entry.mention) + 2 for entry in batches.read(0, 0, items))
    assert (resumed.items, resumed.tokens) == (2 * items, 2 * tokens) and len(sums) == 2


def test_seconds_of_all_parts(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(effort_module, "time", SimpleNamespace(monotonic=lambda: now))
    first = Effort()
    now = 107.0
    state = first.state_dict()
    now = 5000.0  # nobody works on it
    second = Effort()
    assert second.seconds == 0
    second.load_state_dict(state)
    now = 5003.0
    assert second.seconds == 10
    assert (second.items, second.tokens) == (first.items, first.tokens) == (0, 0)
