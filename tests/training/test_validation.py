"""Validation under DDP: each dev sentence once, and as many batches in every process."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl

from decoupled_ner import load_model
from decoupled_ner.candidates import NGrams
from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.data.jsonl import write_jsonl
from decoupled_ner.metrics import Counts, count_array, scores
from decoupled_ner.training.data import UnifiedData
from decoupled_ner.training.dev_scoring import DevScorer
from decoupled_ner.training.sentence_data import EVALUATION_SENTENCES, EvaluationBatch
from decoupled_ner.training.unified import UnifiedTraining
from decoupled_ner.types import Sentence
from training.tiny import Run

#: Settings with which a few sentences are enough to make a tiny model find something.
EAGER = (
    "--trainer.max_epochs=3",
    "--data.candidates.init_args.max_length=1",
    "--data.negatives_per_positive=1",
    "--data.batch_size=6",
    "--model.warmup=0",
    "--model.outside_bias=-1",
)


def write_splits(folder: Path, train: list[Sentence], dev: int) -> list[Sentence]:
    """Few training sentences, and as many for dev as wanted."""
    write_jsonl(train, folder / "train.jsonl")
    sentences = [Sentence(f"第{number}句", (), str(number)) for number in range(dev)]
    write_jsonl(sentences, folder / "dev.jsonl")
    return sentences


@pytest.mark.parametrize("dev", [1, 2, 3, 2 * EVALUATION_SENTENCES + 1])
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks_have_as_many_batches_and_share_dev(
    dev: int, ranks: int, two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
):
    sentences = write_splits(tmp_path, two_sentences, dev)
    data = UnifiedData(str(tmp_path), tiny_encoder, NGrams(max_length=2))
    shares: list[list[EvaluationBatch]] = []
    for rank in range(ranks):
        trainer: Any = SimpleNamespace(
            global_rank=rank, world_size=ranks, is_global_zero=rank == 0, progress_bar_callback=None
        )
        data.trainer = trainer
        shares.append(list(data.val_dataloader()))
    assert len({len(share) for share in shares}) == 1 and shares[0]
    seen = [sentence.text for share in shares for batch in share for sentence in batch.sentences]
    assert sorted(seen) == sorted(sentence.text for sentence in sentences)


def test_a_batch_without_sentences_counts_nothing(
    two_sentences: list[Sentence], tmp_path: Path, tiny_encoder: str
):
    write_splits(tmp_path, two_sentences, 1)
    data = UnifiedData(str(tmp_path), tiny_encoder, NGrams(max_length=2))
    module = UnifiedTraining(tiny_encoder, data.labels)
    module._dev = DevScorer(module.model, module.tokenizer, data, None, None)
    module.validation_step(EvaluationBatch([], []), 0)
    assert module.dev_f1.counts.sum() == 0


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*smaller than the logging interval")
@pytest.mark.filterwarnings("ignore:`isinstance")
def test_dev_leaves_out_contexts_where_it_is_large_enough(
    tmp_path: Path, tiny_encoder: str, monkeypatch: pytest.MonkeyPatch
):
    sentences = load_dataset("demo").split("train")[:6]
    for split in ("train", "dev"):
        write_jsonl(sentences, tmp_path / f"{split}.jsonl")
    generator = NGrams(max_length=2)
    every = sum(len(generator.propose(sentence.text)) for sentence in sentences)

    def dev_f1(enough: int) -> float:
        monkeypatch.setattr("decoupled_ner.training.data.CALIBRATION_REGIONS", enough)
        data = UnifiedData(str(tmp_path), tiny_encoder, generator, batch_size=8)
        texts, regions = data.calibration
        assert sum(map(len, regions)) == (every if enough <= every else 0)
        module = UnifiedTraining(tiny_encoder, data.labels, lr=3e-3, warmup=0.0, outside_bias=-1.0)
        trainer = pl.Trainer(
            default_root_dir=tmp_path, accelerator="cpu", logger=False, max_epochs=16,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            use_distributed_sampler=False, num_sanity_val_steps=0, check_val_every_n_epoch=16,
        )  # fmt: skip
        trainer.fit(module, data)
        assert bool(module.model.config.context_reach) == bool(texts)
        return trainer.callback_metrics["dev/f1"].item()

    whole = dev_f1(every + 1)
    assert dev_f1(every) == whole > 0  # no context of dev reaches further than was seen
    monkeypatch.setattr("decoupled_ner.inference.scoring.REACH_MARGIN", -1000.0)
    assert dev_f1(every + 1) == whole and dev_f1(every) == 0


@pytest.mark.slow
@pytest.mark.parametrize("dev", [1, 3])
def test_two_processes_validate_on_few_sentences(tiny_run: Run, dev: int):
    sentences = load_dataset("demo").split("train")[:dev]
    for split in ("train", "dev"):
        write_jsonl(sentences, tiny_run.folder / "data" / f"{split}.jsonl")
    folder = tiny_run.run("two", "--trainer.devices=2", "--trainer.accelerator=cpu", *EAGER)
    result = json.loads((folder / "result.json").read_text())
    found = load_model(folder / "model").predict_batch([s.text for s in sentences])
    types = load_dataset("demo").labels.types
    f1 = scores(Counts(*count_array(sentences, found, types).sum(axis=(0, 1)))).f1
    assert result["dev_f1"] == pytest.approx(f1)
    assert dev == 1 or f1 > 0  # so that there was something to add up
