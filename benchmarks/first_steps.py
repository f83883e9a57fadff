"""How a new encoder begins to learn: ``first_steps.py CORPUS``.

CORPUS is a folder of ``runs/corpora``, which ``decoupled-ner pretrain encoder`` prepares with the
vocabulary of ``zh-small``. Encoders of a few layers are trained on the same blocks with the same
masks: one that is wholly random, one that knows how frequent tokens are, and one such as
``pretrain encoder`` begins with, which also looks at neighbours.
"""

from __future__ import annotations

import argparse
import copy
import sys
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from results import write_result
from torch.nn import functional as F
from transformers import BertForMaskedLM, PreTrainedModel

from decoupled_ner.data.corpus import BlockMasker, PackedBlocks, TokenCorpus
from decoupled_ner.data.corpus.masks import IGNORED
from decoupled_ner.models.encoder import load_tokenizer
from decoupled_ner.models.masked_lm import EncoderSize, new_masked_lm, predict_frequencies
from decoupled_ner.models.stage1 import VocabularyHead
from decoupled_ner.models.states import states_at
from decoupled_ner.progress import progress_bar
from decoupled_ner.training.schedule import StableDecay

NOTE = (
    "Mean loss of a masked token over the steps since the column before. The same blocks and masks."
)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--every", type=int, default=200, help="steps to a column")
    parser.add_argument("--batch", type=int, default=24, help="blocks of a step")
    parser.add_argument("--length", type=int, default=64, help="tokens of a block")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    corpus, tokenizer = TokenCorpus.load(options.corpus), load_tokenizer("zh-small")
    if corpus.manifest["vocabulary_size"] != len(tokenizer):
        sys.exit(f"error: {options.corpus} was not made with zh-small's vocabulary")
    size = EncoderSize(options.layers, 320, 5, 1280)
    torch.manual_seed(options.seed)
    near = new_masked_lm(size, tokenizer)
    torch.manual_seed(options.seed)
    random = BertForMaskedLM(near.config)
    cls, sep = int(tokenizer.cls_token_id), int(tokenizer.sep_token_id)
    blocks = PackedBlocks(corpus.train, options.length, cls, sep, options.seed)
    masker = BlockMasker(tokenizer, 0.15, 0.6, options.seed)
    counts = torch.from_numpy(corpus.train.counts(len(tokenizer)))
    knowing = copy.deepcopy(random)
    for model in (knowing, near):
        predict_frequencies(model, tokenizer, counts)
    rows: list[list[str | float]] = []
    models = {
        "wholly random": random,
        "knows frequencies": knowing,
        "looks at neighbours too": near,
    }
    for name, model in models.items():
        losses = train(name, model, blocks, masker, options)
        means = [fmean(losses[i : i + options.every]) for i in range(0, len(losses), options.every)]
        rows.append([name, *means])
        print(*rows[-1], sep="\t", file=sys.stderr)
    tokens = options.batch * options.length * options.every / 1e6
    columns = [f"{(i + 1) * tokens:.2g} M tokens" for i in range(len(rows[0]) - 1)]
    result = {"experiment": "first-steps", "columns": ["new encoder", *columns], "rows": rows}
    settings = {**vars(options), "corpus": corpus.manifest}
    print(write_result("table", {**result, "note": NOTE, "settings": settings}))


def train(
    name: str,
    model: PreTrainedModel,
    blocks: PackedBlocks,
    masker: BlockMasker,
    options: argparse.Namespace,
) -> list[float]:
    """The loss of each step."""
    head, schedule = VocabularyHead(model.train()), StableDecay(options.warmup, 0.5)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=options.lr, betas=(0.9, 0.98), weight_decay=0.05, fused=True
    )
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule.rate)
    losses: list[float] = []
    with progress_bar(name) as show:
        for step in range(options.steps):
            numbers = np.arange(step * options.batch, (step + 1) * options.batch)
            batch = masker(*blocks.read(numbers), numbers)
            states = states_at(model.base_model, batch.ids, None, batch.positions).flatten(0, 1)
            loss = F.cross_entropy(head(states[batch.masked]), batch.targets, ignore_index=IGNORED)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            rate.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            show(step + 1, options.steps, name)
    return losses


if __name__ == "__main__":
    main()
