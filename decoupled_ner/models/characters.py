"""A unit's vector from its characters: a convolution and its maximum over the unit.

Chiu and Nichols, "Named entity recognition with bidirectional LSTM-CNNs", TACL 2016, section 2.1,
with their optional character types (upper case, lower case, punctuation, other).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

PADDING_TYPE, UPPER, LOWER, PUNCTUATION, OTHER = range(5)
#: Of a longer unit only this many characters are read: a web address says no more after them.
MAX_CHARACTERS = 40


def character_type(character: str) -> int:
    """Chiu and Nichols's class of a character."""
    if character.isupper():
        return UPPER
    if character.islower():
        return LOWER
    return OTHER if character.isalnum() or character.isspace() else PUNCTUATION


class CharacterCNN(nn.Module):
    """Characters → convolution → maximum. B rows, N units, C characters.

    Args:
        vocabulary: how many character ids there are, padding (0) included.
        dim: of a character's vector.
        filters: of the output.
        width: characters that a filter sees, odd; 3 in the paper.
        types: whether a vector of the character's type stands beside its own.
    """

    def __init__(
        self, vocabulary: int, dim: int, filters: int, width: int = 3, types: bool = False
    ) -> None:
        super().__init__()
        self.characters = nn.Embedding(vocabulary, dim, padding_idx=0)
        self.types = nn.Embedding(5, 4, padding_idx=PADDING_TYPE) if types else None
        self.convolution = nn.Conv1d(dim + (4 if types else 0), filters, width, padding=width // 2)
        self.output_size = filters

    def forward(self, characters: Tensor, types: Tensor) -> Tensor:
        """Two (B, N, C) tensors of ids, 0 in the padding → (B, N, filters), 0 in the padding."""
        batch, units, length = characters.shape
        vectors = self.characters(characters)
        if self.types is not None:
            vectors = torch.cat([vectors, self.types(types)], dim=-1)
        found = self.convolution(vectors.view(batch * units, length, -1).transpose(1, 2))
        padding = (characters == 0).view(batch * units, 1, length)
        maxima: Tensor = found.masked_fill(padding, torch.finfo(found.dtype).min).amax(2)
        return maxima.masked_fill(padding.all(2), 0.0).view(batch, units, -1)
