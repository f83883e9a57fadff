"""Hidden states at a few positions against all of the last layer: ``python benchmarks/states.py``.

A context is read at its mask, a mention at ``[CLS]``, masked language modelling at the masked
tokens. Random weights and tokens, sizes of `zh-small`, of its beginning with two layers, and of
BERT-base. Training is a forward and backward pass with dropout, prediction a forward pass; the
fastest of ``--rounds``, turn about. Both ways must agree.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from results import write_result
from timing import fastest
from torch import Tensor
from transformers import BertConfig, BertModel

from decoupled_ner.models.states import states_at

COLUMNS = [
    "what",
    "layers",
    "hidden size",
    "rows",
    "tokens",
    "positions",
    "training: ms",
    "training: times as fast",
    "prediction: ms",
    "prediction: times as fast",
]
NOTE = (
    "One batch, in float32. Rows: of tokens, without padding. Positions: of a row, whose states are"
    " read. Times as fast: as computing the last layer everywhere."
)


class Case(NamedTuple):
    """What is read, with which encoder."""

    what: str
    layers: int
    hidden: int
    rows: int
    tokens: int
    positions: int


CASES = (
    Case("contexts", 6, 320, 32, 48, 1),
    Case("mentions", 6, 320, 32, 6, 1),
    Case("masked language modelling", 6, 320, 16, 128, 24),
    Case("masked language modelling", 2, 320, 32, 64, 16),
    Case("contexts", 12, 768, 8, 48, 1),
    Case("masked language modelling", 12, 768, 1, 512, 80),
)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: list[list[str | float]] = []
    for case in CASES:
        rows.append(compared(case, options.rounds))
        print(*rows[-1], sep="\t", flush=True)
    settings = {"threads": options.threads, "rounds": options.rounds}
    result = {"experiment": "states", "columns": COLUMNS, "rows": rows, "note": NOTE}
    print(write_result("table", {**result, "settings": settings}))


def compared(case: Case, rounds: int) -> list[str | float]:
    """A row of the table."""
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=13_000,
        num_hidden_layers=case.layers,
        hidden_size=case.hidden,
        num_attention_heads=case.hidden // 64,
        intermediate_size=4 * case.hidden,
    )
    encoder = BertModel(config, add_pooling_layer=False)
    ids = torch.randint(config.vocab_size, (case.rows, case.tokens))
    positions = torch.rand(ids.shape).argsort(1)[:, : case.positions]

    def there() -> Tensor:
        return states_at(encoder, ids, None, positions)

    def everywhere() -> Tensor:
        hidden: Tensor = encoder(ids).last_hidden_state
        return hidden[torch.arange(case.rows)[:, None], positions]

    def trained(states: Callable[[], Tensor]) -> None:
        encoder.zero_grad()
        states().square().sum().backward()

    encoder.eval()
    with torch.inference_mode():
        torch.testing.assert_close(there(), everywhere(), rtol=1e-3, atol=1e-4)
        prediction = fastest((there, everywhere), rounds)
    encoder.train()
    ways: tuple[Callable[[], Any], ...] = (lambda: trained(there), lambda: trained(everywhere))
    training = fastest(ways, rounds)
    both = (training, prediction)
    return [*case, *(f for ours, whole in both for f in (1000 * ours, whole / ours))]


if __name__ == "__main__":
    main()
