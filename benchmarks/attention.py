"""Whether each layer of an encoder attends to anything: ``attention.py CORPUS ENCODER…``.

CORPUS is a folder of ``runs/corpora``, which ``decoupled-ner pretrain encoder`` prepares. Of its
held-out lines: by how much the attention of a token differs from the mean attention of its line, as
total variation, over all heads of a layer. 0: all tokens attend alike, wherever they stand and
whatever they are; such a layer adds the same to each. 1: each attends to a token of its own.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from results import write_result
from torch import Tensor

from decoupled_ner.data.corpus import SingleLines, TokenCorpus, TokenStream
from decoupled_ner.models.encoder import load_tokenizer
from decoupled_ner.models.stage1 import load_masked_lm
from decoupled_ner.types import InputError

NOTE = (
    "By how much a token's attention differs from its line's mean, from 0 (all tokens attend alike)"
    " to 1; mean over heads and tokens."
)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument(
        "encoders", metavar="[NAME=]ENCODER", nargs="+", help="as many layers in each"
    )
    parser.add_argument("--batches", type=int, default=20, help="of lines of like length")
    options = parser.parse_args()
    rows: list[list[str | float]] = []
    try:
        stream = TokenCorpus.load(options.corpus).held_out
        for named in options.encoders:
            name, _, path = named.rpartition("=")
            rows.append([name or Path(path).name, *spreads(path, stream, options.batches)])
            print(*rows[-1], sep="\t", file=sys.stderr)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    columns = ["encoder", *(f"layer {number}" for number in range(1, len(rows[0])))]
    settings = {"corpus": options.corpus.name, "batches": options.batches}
    result = {"experiment": "attention", "columns": columns, "rows": rows, "note": NOTE}
    print(write_result("table", {**result, "settings": settings}))


@torch.no_grad()
def spreads(encoder: str, stream: TokenStream, batches: int) -> list[float]:
    """Of each layer."""
    tokenizer = load_tokenizer(encoder)
    special = (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)
    cls, sep, pad = map(int, special)
    lines = SingleLines(stream, 128, cls, sep, pad, seed=0, tokens=3072)
    model: Any = load_masked_lm(encoder)[0].base_model.eval()
    model.set_attn_implementation("eager")  # which hands its weights out
    found = []
    for batch in range(batches):
        ids = torch.from_numpy(lines.read(np.array(lines.numbers(batch)))[0])
        mask = ids != pad
        read = model(ids, attention_mask=mask, output_attentions=True)
        found.append([spread(layer, mask) for layer in read.attentions])
    means: list[float] = np.mean(found, axis=0).tolist()
    return means


def spread(attention: Tensor, mask: Tensor) -> float:
    """(B, A, L, L) of queries to keys, and which tokens are no padding, (B, L)."""
    asks = mask[:, None, :, None]
    mean = (attention * asks).sum(2, keepdim=True) / asks.sum(2, keepdim=True)
    distance = (attention - mean).abs().sum(-1, keepdim=True) / 2
    return float((distance * asks).sum() / (asks.sum() * attention.shape[1]))


if __name__ == "__main__":
    main()
