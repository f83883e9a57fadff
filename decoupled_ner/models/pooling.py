"""One vector for a mention."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

#: ``cls`` is the paper's; ``mean`` suits encoders that were never trained to read at ``[CLS]``:
#: those of a masked language model alone.
MentionPooling = Literal["cls", "mean"]


def pool_mentions(hidden: Tensor, mask: Tensor, pooling: MentionPooling) -> Tensor:
    """Hidden states (B, M, H) of ``[CLS] mention [SEP]`` and their attention mask (B, M) → (B, H):
    the state at ``[CLS]``, or the mean over the mention's own tokens (zeros where it has none).
    """
    if pooling == "cls":
        return hidden[:, 0]
    lengths = mask.sum(1, keepdim=True)
    places = torch.arange(mask.shape[1], device=mask.device)
    own = ((places > 0) & (places < lengths - 1)).unsqueeze(-1).to(hidden.dtype)
    return (hidden * own).sum(1) / own.sum(1).clamp(min=1)
