"""How many tokens a second a run trains on, and what share of the device's peak that is."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from transformers import PreTrainedModel

from decoupled_ner.models.states import ends_early

#: Dense bfloat16 peaks in FLOP/s, from the makers' data sheets (their figures "with sparsity"
#: halved); the first name that is part of the device's counts.
_PEAKS = {
    "H200 NVL": 836e12,
    "H200": 989e12,
    "H100 NVL": 835e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
}


def peak_flops(device: torch.device) -> float | None:
    """What a GPU computes in bfloat16 at most; None for a CPU or an unknown GPU."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for part, peak in _PEAKS.items() if part in name), None)


def flops_per_token(model: PreTrainedModel, length: int, mask_share: float) -> float:
    """Floating-point operations of a forward and backward pass, for a token of a block.

    Six a weight of the layers, ``12·H·L`` a layer for attention (Chowdhery et al. 2022, PaLM,
    appendix B), and the vocabulary head and, where the encoder `ends_early`, the last layer on
    masked positions alone, as if the states of the other tokens cost it nothing; embeddings do.

    Args:
        length: L, tokens of a block.
        mask_share: of the tokens.
    """
    config = model.config
    layers = sum(
        p.numel() for name, p in model.base_model.named_parameters() if "embeddings" not in name
    )
    hidden, depth = int(config.hidden_size), int(config.num_hidden_layers)
    computed = depth - 1 + mask_share if ends_early(model.base_model) else depth
    head = mask_share * hidden * (hidden + int(config.vocab_size))
    return 6 * (layers / depth * computed + head) + 12 * computed * hidden * length


class Throughput(Callback):
    """Logs ``train/tokens_per_second`` over all processes and, where the device's peak is known,
    ``train/mfu``, the model's FLOPs as a share of it. Validation does not count.

    Args:
        flops: operations a token.
        batch_tokens: of a batch over all processes, on average.
    """

    def __init__(self, flops: float, batch_tokens: float) -> None:
        self.flops, self.batch_tokens = flops, batch_tokens
        self.peak: float | None = None
        self.latest: dict[str, float] = {}
        self._batches, self._since = 0, time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.peak = peak_flops(trainer.strategy.root_device)
        self._restart()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._restart()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        self._batches += 1
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if self._batches < every * trainer.accumulate_grad_batches:
            return
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()
        speed = self._batches * self.batch_tokens / (time.monotonic() - self._since)
        self.latest = {"tokens_per_second": speed}
        if self.peak is not None:
            self.latest["mfu"] = speed * self.flops / (self.peak * trainer.world_size)
        for name, value in self.latest.items():
            pl_module.log(f"train/{name}", value)
        self._restart()

    def _restart(self) -> None:
        self._batches, self._since = 0, time.monotonic()
