"""Held-out masked accuracy of encoders: ``masked_accuracy.py CORPUS ENCODER…``.

CORPUS is a folder of ``runs/corpora``, which ``decoupled-ner pretrain encoder`` prepares. Its
held-out text is read as full blocks and line by line, as pre-training reads it. The encoders have
one vocabulary and get the same masks.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from results import write_result

from decoupled_ner.data.corpus import (
    BlockMasker,
    MaskedBlocks,
    PackedBlocks,
    SingleLines,
    TokenCorpus,
)
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
    parser.add_argument("--items", type=int, default=2000, help="blocks, and as much in lines")
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
        special = (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)
        cls, sep, pad = map(int, special)
        masker = BlockMasker(tokenizer, options.share, options.whole_words, seed=0)
        packed = PackedBlocks(stream, options.length, cls, sep, seed=0)
        numbers = np.arange(min(options.items, packed.per_pass))
        blocks = [
            masker(*packed.read(some), some)
            for some in np.split(numbers, range(BATCH, len(numbers), BATCH))
        ]
        single = SingleLines(stream, options.length, cls, sep, pad, 0, BATCH * options.length)
        some_lines = range(min(single.batches, -(-options.items // BATCH)))
        lines = [
            masker(*single.read(numbers), numbers)
            for numbers in (np.array(single.numbers(batch)) for batch in some_lines)
        ]
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
