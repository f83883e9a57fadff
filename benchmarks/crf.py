"""Our CRF against pytorch-crf on the same random scores: ``python benchmarks/crf.py``.

Needs ``pip install pytorch-crf==0.7.2``. Both have the transitions of the BIOES scheme, so they
must agree on every likelihood and on every best path, which is checked. One batch of
``--sentences`` sentences of ``--units`` units; the fastest of ``--rounds``, turn about.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from results import write_result
from timing import fastest
from torchcrf import CRF

from decoupled_ner.labels import LabelSet
from decoupled_ner.models.crf import LinearChainCRF
from decoupled_ner.models.tags import TagSet

COLUMNS = ["what", "entity types", "tags", "ms", "ms: pytorch-crf", "times as fast"]
NOTE = (
    "One batch, in float32 as given. Training: the log-likelihood and its gradient. Decoding: the"
    " best path; ours in tensors, pytorch-crf's in lists."
)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=32)
    parser.add_argument("--units", type=int, default=100)
    parser.add_argument("--types", type=int, nargs="+", default=[3, 8, 15])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows: list[list[str | float]] = []
    for types in options.types:
        rows += compared(types, options)
        print(*rows[-2], *rows[-1], sep="\t")
    settings = {name: getattr(options, name) for name in ("sentences", "units", "rounds")}
    result = {"experiment": "crf", "columns": COLUMNS, "rows": rows, "note": NOTE}
    print(write_result("table", {**result, "settings": settings}))


def compared(types: int, options: Any) -> list[list[str | float]]:
    """A row of training and one of decoding."""
    torch.manual_seed(1)
    tags = TagSet(LabelSet(tuple(f"T{i}" for i in range(types))))
    ours, theirs = LinearChainCRF(*tags.constraints()), CRF(len(tags), batch_first=True)
    ours.reset_parameters()
    with torch.no_grad():
        scores = zip(
            (theirs.start_transitions, theirs.transitions, theirs.end_transitions),
            ours.scores(),
            strict=True,
        )
        for copy, score in scores:
            copy.copy_(score)
    emissions = torch.randn(options.sentences, options.units, len(tags), requires_grad=True)
    lengths = torch.randint(options.units // 2, options.units + 1, (options.sentences,))
    lengths[0] = options.units
    mask = torch.arange(options.units) < lengths.unsqueeze(1)
    best = ours.best_paths(emissions.detach(), mask).tags[:, 0]

    def train(likelihood: Callable[[], torch.Tensor]) -> torch.Tensor:
        value = likelihood()
        value.sum().backward()
        emissions.grad = None
        return value.detach()

    training: tuple[Callable[[], Any], ...] = (
        lambda: train(lambda: ours.log_likelihood(emissions, best, mask)),
        lambda: train(lambda: theirs(emissions, best, mask, reduction="none")),
    )
    decoding: tuple[Callable[[], Any], ...] = (
        lambda: ours.best_paths(emissions.detach(), mask).tags[:, 0],
        lambda: theirs.decode(emissions.detach(), mask),
    )
    torch.testing.assert_close(training[0](), training[1](), rtol=1e-4, atol=1e-2)
    for row, path in zip(best.tolist(), decoding[1](), strict=True):
        assert row[: len(path)] == path
    rows: list[list[str | float]] = []
    for name, pair in (("training", training), ("decoding", decoding)):
        ms, reference = (1000 * seconds for seconds in fastest(pair, options.rounds))
        rows.append([name, types, len(tags), ms, reference, reference / ms])
    return rows


if __name__ == "__main__":
    main()
