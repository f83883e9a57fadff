"""Held-out masked accuracy of encoders: ``masked_accuracy.py CORPUS ENCODER…``.

CORPUS is a folder of ``runs/corpora``, which ``decoupled-ner pretrain encoder`` prepares. Its
held-out text is read as full blocks, as our pre-training reads it, and line by line. The encoders
have one vocabulary and get the same masks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from results import write_result

from decoupled_ner.data.corpus import BlockMasker, MaskedBlocks, PackedBlocks, TokenCorpus
from decoupled_ner.data.corpus.store import Ids, TokenStream
from decoupled_ner.models.encoder import load_tokenizer
from decoupled_ner.training.cli import default_precision
from decoupled_ner.training.masked_lm import MaskedLMTraining
from decoupled_ner.types import InputError

COLUMNS = ["encoder", "loss, blocks", "accuracy, blocks", "loss, lines", "accuracy, lines"]
NOTE = "Accuracy of the masked tokens, in percent. The same tokens are masked for each encoder."
BATCH = 32


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("encoders", metavar="ENCODER", nargs="+")
    parser.add_argument("--items", type=int, default=2000, help="blocks, and lines, at most")
    parser.add_argument("--length", type=int, default=128, help="tokens of a block")
    parser.add_argument("--share", type=float, default=0.15, help="of the tokens, masked")
    parser.add_argument("--whole-words", type=float, default=0.6, help="share of the items")
    options = parser.parse_args()
    rows: list[list[str | float]] = []
    try:
        corpus = TokenCorpus.load(options.corpus)
        tokenizer = load_tokenizer(options.encoders[0])
        if corpus.manifest["vocabulary_size"] != len(tokenizer):
            raise InputError(
                f"{options.corpus} was not made with {options.encoders[0]}'s vocabulary"
            )
        stream = corpus.held_out
        cls, sep = int(tokenizer.cls_token_id), int(tokenizer.sep_token_id)
        masker = BlockMasker(tokenizer, options.share, options.whole_words, seed=0)
        packed = PackedBlocks(stream, options.length, cls, sep, seed=0)
        numbers = np.arange(min(options.items, packed.per_pass))
        blocks = [
            masker(*packed.read(some), some)
            for some in np.split(numbers, range(BATCH, len(numbers), BATCH))
        ]
        lines = list(masked_lines(stream, options.items, options.length, masker, cls, sep))
        for encoder in options.encoders:
            if load_tokenizer(encoder).get_vocab() != tokenizer.get_vocab():
                raise InputError(f"{encoder} has another vocabulary than {options.encoders[0]}")
            module = MaskedLMTraining(encoder, encoder, steps=1).eval()
            rows.append([Path(encoder).name, *scores(module, blocks), *scores(module, lines)])
            print(*rows[-1], sep="\t", file=sys.stderr)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    settings = {**vars(options), "corpus": corpus.manifest, "encoders": [row[0] for row in rows]}
    result = {"experiment": "masked-accuracy", "columns": COLUMNS, "rows": rows, "note": NOTE}
    print(write_result("table", {**result, "settings": settings}))


def masked_lines(
    stream: TokenStream, count: int, length: int, masker: BlockMasker, cls: int, sep: int
) -> Iterator[MaskedBlocks]:
    """So many lines of the stream, spread over it, that fit a length; lines of one length go
    together, so that none is padded."""
    ids, begins = (row[0] for row in stream.read(np.zeros(1, np.int64), len(stream)))
    ends = np.flatnonzero(ids == sep)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts
    fit = np.flatnonzero((lengths > 0) & (lengths <= length - 2))
    fit = fit[np.linspace(0, len(fit) - 1, min(count, len(fit))).astype(np.int64)]
    for size in np.unique(lengths[fit]):
        of_size = fit[lengths[fit] == size]
        for some in np.split(of_size, range(BATCH, len(of_size), BATCH)):
            places = starts[some][:, None] + np.arange(size)
            edges = ((0, 0), (1, 1))
            framed: Ids = np.pad(ids[places], edges, constant_values=sep)
            framed[:, 0] = cls
            words = np.pad(begins[places], edges, constant_values=True)
            yield masker(framed, words, some)


@torch.no_grad()
def scores(module: MaskedLMTraining, batches: Sequence[MaskedBlocks]) -> tuple[float, float]:
    """Mean loss of a masked token, and how many are right, in percent, as training validates."""
    sums = (module.dev_loss, module.dev_right, module.dev_masked)
    for metric in sums:
        metric.reset()
    mixed = default_precision() == "bf16-mixed"  # else it would be emulated, which takes long
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        for number, batch in enumerate(batches):
            module.validation_step(batch, number)
    loss, right, masked = (float(metric.compute()) for metric in sums)
    return loss / masked, 100 * right / masked


if __name__ == "__main__":
    main()
