"""Recurrent layers over padded batches that never see the padding. B rows, N units."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from decoupled_ner.types import InputError

RecurrentKind = Literal["lstm", "bilstm", "gru", "bigru"]


class RecurrentLayers(nn.Module):
    """LSTM or GRU layers, in one direction or two.

    Args:
        kind: which.
        input_size: of a unit's vector.
        hidden_size: of a direction; the output is twice as wide where there are two.
        layers: stacked; each reads both directions of the one before.
        dropout: between layers.

    Raises:
        InputError: there is no such kind.
    """

    def __init__(
        self,
        kind: RecurrentKind,
        input_size: int,
        hidden_size: int,
        layers: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if kind not in get_args(RecurrentKind):
            raise InputError(
                f"no recurrent layers {kind!r}: use one of {', '.join(get_args(RecurrentKind))}"
            )
        cell = nn.LSTM if kind.endswith("lstm") else nn.GRU
        self.layers = cell(
            input_size,
            hidden_size,
            num_layers=layers,
            batch_first=True,
            bidirectional=kind.startswith("bi"),
            dropout=dropout if layers > 1 else 0.0,  # torch warns of a dropout that does nothing
        )
        self.output_size = hidden_size * (2 if kind.startswith("bi") else 1)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """(B, N, D) and (B, N) bool, True for a row's first units → (B, N, output_size), in
        float32; zeros in the padding."""
        lengths = mask.sum(1).cpu()
        packed = pack_padded_sequence(
            vectors.float(), lengths, batch_first=True, enforce_sorted=False
        )
        # Not in bfloat16: where all rows are as long, PyTorch has kernels that some CPUs lack.
        with torch.autocast(vectors.device.type, enabled=False):
            hidden, _ = self.layers(packed)
        padded, _ = pad_packed_sequence(hidden, batch_first=True, total_length=mask.shape[1])
        return padded


class SummedDirections(nn.Module):
    """One linear log-softmax for each direction of a recurrent layer, the two added (Chiu and
    Nichols, TACL 2016, section 2.1)."""

    def __init__(self, input_size: int, tags: int) -> None:
        super().__init__()
        self.forwards = nn.Linear(input_size // 2, tags)
        self.backwards = nn.Linear(input_size // 2, tags)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, N, 2H), the forward direction first → (B, N, T)."""
        forwards, backwards = hidden.chunk(2, dim=-1)
        scores = torch.log_softmax(self.forwards(forwards), dim=-1)
        return scores + torch.log_softmax(self.backwards(backwards), dim=-1)
