"""Settings of static embeddings."""

from __future__ import annotations

from dataclasses import dataclass

from decoupled_ner.types import InputError


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """How vectors are trained: skip-gram with negative samples (Mikolov et al. 2013).

    Attributes:
        dim: values a vector; 50 as in SoftLexicon's paper.
        epochs: passes through the text.
        min_count: rarer characters, bigrams and words get no vector.
        max_vocabulary: at most so many of each, the most frequent ones.
        window: neighbours on each side.
        negative: negative samples a word.
        sample: how strongly frequent words are thinned out; 0 for not at all.
        lr: falls from this to nearly nothing over all epochs.
        share: of the text's lines that are read, chosen by their hash, in (0, 1].
        seed: of the first weights and the samples.

    Raises:
        InputError: a value is out of its range.
    """

    dim: int = 50
    epochs: int = 5
    min_count: int = 5
    max_vocabulary: int = 500_000
    window: int = 5
    negative: int = 5
    sample: float = 1e-4
    lr: float = 0.025
    share: float = 1.0
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("dim", "epochs", "min_count", "max_vocabulary", "window", "negative"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)} must be at least 1")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed={self.seed} must be from 0 to {2**32 - 1}")
        if not 0 < self.share <= 1 or self.lr <= 0 or self.sample < 0:
            raise InputError(
                f"share={self.share} must be in (0, 1], lr={self.lr} above 0 and"
                f" sample={self.sample} not below"
            )
