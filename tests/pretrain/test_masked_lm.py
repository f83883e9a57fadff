"""Masked language modelling: what a step computes, that it learns, and what is saved."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.nn import functional as F
from transformers import AutoModelForMaskedLM, DistilBertConfig, DistilBertForMaskedLM

from decoupled_ner.data.corpus import MaskedBlocks
from decoupled_ner.models.stage1 import VocabularyHead
from decoupled_ner.models.states import states_at
from decoupled_ner.training.masked_lm import MaskedLMTraining, _compiled
from decoupled_ner.training.masked_lm_data import MaskedLMData
from decoupled_ner.training.stage1 import save_masked_lm
from decoupled_ner.training.throughput import flops_per_token
from decoupled_ner.types import InputError
from pretrain.corpus_text import write_text

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*smaller than the logging interval"),
    pytest.mark.filterwarnings("ignore:`isinstance"),
]


@pytest.fixture
def data(tmp_path: Path) -> MaskedLMData:
    text = write_text(tmp_path, 300)
    return MaskedLMData(
        [str(text)], vocabulary="zh-small", held_out=0.1, block_length=32, batch_size=16
    )


def training(**settings: object) -> MaskedLMTraining:
    sizes = {"layers": 1, "hidden_size": 64, "heads": 2, "warmup_steps": 10, "steps": 60}
    return MaskedLMTraining("zh-small", **{**sizes, **settings})


def fit(
    module: MaskedLMTraining, data: MaskedLMData, folder: Path, precision: str = "32-true"
) -> dict[str, float]:
    trainer = pl.Trainer(
        default_root_dir=folder, max_epochs=-1, accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False, num_sanity_val_steps=0, limit_val_batches=0,
        gradient_clip_val=1.0, inference_mode=False, precision=precision,
    )  # fmt: skip
    (folder / "checkpoints").mkdir(exist_ok=True)
    trainer.fit(module, data)
    trainer.limit_val_batches = 1.0
    [scores] = trainer.validate(module, data, verbose=False)
    return dict(scores)


def test_every_process_has_held_out_blocks(data: MaskedLMData):
    data.batch_size, data.validation_blocks = 12, 13  # two batches, of six and of seven
    seen = 0
    for rank in range(8):
        data.trainer = SimpleNamespace(global_rank=rank, world_size=8)  # type: ignore[assignment]
        sizes = [len(batch.ids) for batch in data.val_dataloader()]
        assert min(sizes) > 0
        seen += sum(sizes)
    assert seen == 13 <= len(data.corpus.held_out) // data.block_length


def test_a_new_model_knows_what_is_frequent_and_learns_more(data: MaskedLMData, tmp_path: Path):
    untrained = fit(training(steps=1, lr=0.0), data, tmp_path)
    ids, _ = data.corpus.train.read(np.zeros(1, np.int64), len(data.corpus.train))
    counts = np.bincount(ids[0][ids[0] != data.tokenizer.sep_token_id], minlength=13_000)
    shares = counts[counts > 0] / counts.sum()
    entropy = -(shares * np.log(shares)).sum()  # all that frequencies tell
    assert entropy - 0.2 < untrained["dev/mlm"] < entropy + 1  # ln 13,000 is 9.5
    trained = fit(training(lr=1e-2), data, tmp_path)
    assert trained["dev/mlm_accuracy"] > 0.05 and trained["dev/mlm"] < untrained["dev/mlm"] - 0.5


def test_an_encoder_that_goes_on_keeps_its_bias(data: MaskedLMData, masked_lm: str, tmp_path: Path):
    module = MaskedLMTraining("zh-small", encoder=masked_lm, lr=0.0, warmup_steps=1, steps=1)
    before = module.masked_lm.get_output_embeddings().bias.detach().clone()
    fit(module, data, tmp_path)
    torch.testing.assert_close(module.masked_lm.get_output_embeddings().bias.detach(), before)


def test_an_encoder_that_goes_on_learns_the_text(data: MaskedLMData, tmp_path: Path):
    def scores(steps: int, lr: float) -> dict[str, float]:
        module = MaskedLMTraining(
            "zh-small", encoder="zh-small", lr=lr, warmup_steps=3, steps=steps
        )
        return fit(module, data, tmp_path)

    before, after = scores(1, 0.0), scores(30, 5e-4)
    assert after["dev/mlm_accuracy"] > before["dev/mlm_accuracy"] + 0.1
    assert after["dev/mlm"] < before["dev/mlm"] - 1


def test_gradients_are_clipped_under_mixed_precision(data: MaskedLMData, tmp_path: Path):
    module = training(steps=2, lr=0.0)
    norms: list[float] = []

    class Watch(pl.Callback):
        def on_before_zero_grad(self, *_: object) -> None:
            gradients = [p.grad for p in module.parameters() if p.grad is not None]
            norms.extend([float(torch.nn.utils.get_total_norm(gradients))] if gradients else [])

    callbacks = module.configure_callbacks
    module.configure_callbacks = lambda: [*callbacks(), Watch()]  # type: ignore[method-assign]
    fit(module, data, tmp_path, "bf16-mixed")
    assert norms and max(norms) == pytest.approx(1.0, abs=1e-3)


def test_the_saved_model_gives_the_same_logits(data: MaskedLMData, tmp_path: Path):
    module = training()
    module.eval()
    batch = data.training_batches(0, 1)[0, 0]
    save_masked_lm(module.masked_lm, module.tokenizer, tmp_path / "saved", "# a card\n")
    loaded = AutoModelForMaskedLM.from_pretrained(tmp_path / "saved").eval()
    with torch.no_grad():
        ours = module(batch)
        every = loaded(batch.ids, attention_mask=torch.ones_like(batch.ids)).logits
    rows = torch.arange(len(batch.ids))[:, None]
    theirs = every[rows, batch.positions].flatten(0, 1)[batch.masked]
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert (tmp_path / "saved" / "README.md").read_text() == "# a card\n"


def test_a_steps_gradient_is_that_of_the_mean_over_masked_tokens(
    data: MaskedLMData, tmp_path: Path
):
    module = training(steps=1, lr=0.0)
    batch = data.training_batches(0, 1)[0, 0]
    assert (batch.targets < 0).any()  # some only fill up
    seen: list[torch.Tensor] = []

    module.configure_gradient_clipping = lambda *_, **__: seen.extend(  # type: ignore[method-assign]
        p.grad.clone() for p in module.parameters() if p.grad is not None
    )
    fit(module, data, tmp_path)
    loss = F.cross_entropy(module(batch)[batch.targets >= 0], batch.targets[batch.targets >= 0])
    expected = torch.autograd.grad(loss, list(module.parameters()))
    assert len(seen) == len(expected)
    for found, wanted in zip(seen, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


def test_only_masked_positions_go_through_the_head(data: MaskedLMData):
    module = training()
    batch: MaskedBlocks = data.training_batches(0, 1)[0, 0]
    logits = module(batch)
    assert logits.shape == (len(batch.masked), 13_000)
    assert len(batch.masked) < 0.3 * batch.ids.numel()


def test_going_on_takes_the_encoders_size_and_vocabulary(masked_lm: str, data: MaskedLMData):
    module = MaskedLMTraining("zh-small", encoder=masked_lm, steps=1)
    assert module.masked_lm.config.hidden_size == 32 and module.had_head
    with pytest.raises(InputError, match="has its own size"):
        MaskedLMTraining("zh-small", encoder=masked_lm, hidden_size=32, steps=1)
    deeper = MaskedLMTraining("zh-small", encoder=masked_lm, layers=4, steps=1).masked_lm
    assert deeper.config.num_hidden_layers == 4
    with pytest.raises(InputError, match="nothing to train: give --encoder"):
        MaskedLMTraining("zh-small", steps=1)
    assert MaskedLMData([data_text(data)], encoder=masked_lm, held_out=0.1).vocabulary == masked_lm


def data_text(data: MaskedLMData) -> str:
    [name] = data.corpus.manifest["texts"]
    return str(next(Path(data.corpus.train.path).parents[3].rglob(name)))


def test_blocks_longer_than_the_encoder_reads_are_refused(data: MaskedLMData, tmp_path: Path):
    with pytest.raises(InputError, match="the encoder reads 16 tokens"):
        fit(training(max_positions=16), data, tmp_path)


def test_the_compiled_encoder_gives_the_same_logits(
    data: MaskedLMData, monkeypatch: pytest.MonkeyPatch
):
    module, batch = training(compile=True), data.training_batches(0, 1)[0, 0]
    pickle.dumps(module)
    read: list[str] = []

    def compiled(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        read.append(function.__name__)
        return function

    monkeypatch.setattr(torch, "compile", compiled)
    _compiled.cache_clear()
    ours = module(batch)
    assert read == ["states_at"]
    _compiled.cache_clear()
    module.compiles = False
    torch.testing.assert_close(ours, module(batch))


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_flops_are_counted_as_pytorch_counts_them(kind: str):
    from torch.utils.flop_counter import FlopCounterMode

    if kind == "bert":
        model = training(hidden_size=64, layers=2).masked_lm.to("meta")
    else:  # which computes its last layer everywhere
        sizes = {"vocab_size": 13_000, "dim": 64, "hidden_dim": 256, "n_layers": 2, "n_heads": 2}
        model = DistilBertForMaskedLM(DistilBertConfig(**sizes)).to("meta")
    tokens, length, masked = 4 * 32, 32, 20
    ids = torch.zeros(4, 32, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as counter:
        states = states_at(model.base_model, ids, None, ids[:, : masked // 4])
        VocabularyHead(model)(states.flatten(0, 1)).sum()
    forward = counter.get_total_flops()
    assert forward > 0
    assert flops_per_token(model, length, masked / tokens) * tokens / 3 == pytest.approx(
        forward, rel=0.03
    )
