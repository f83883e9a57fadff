"""How many contexts a decoupled model reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from decoupled_ner.models.decoupled import DecoupledModel


@contextmanager
def contexts_read(model: DecoupledModel) -> Iterator[list[int]]:
    """The numbers of contexts that the model encodes meanwhile, one a batch."""
    counts: list[int] = []
    read = model.encode_contexts

    def counting(ids: Tensor, *others: Tensor) -> Tensor:
        counts.append(len(ids))
        return read(ids, *others)

    model.encode_contexts = counting  # type: ignore[method-assign, assignment]
    try:
        yield counts
    finally:
        del model.encode_contexts
