"""What encoders know of names by themselves: ``mention_probe.py GAZETTEER DATASET NAME=ENCODER …``.

A linear classifier learns the types of a gazetteer's entries from an encoder's state at ``[CLS]``;
the encoder stays as it is. Then it is asked about entries that it has not seen, and about mentions
and nouns of the data set's dev split. The folder of a decoupled model stands for its encoder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from results import named_model, write_result
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from decoupled_ner import DecoupledNER
from decoupled_ner.candidates import JiebaNouns
from decoupled_ner.data.catalog import Dataset, load_dataset
from decoupled_ner.data.mentions import (
    Rows,
    TypedEntries,
    common_words,
    draw,
    held_out_rows,
    training_mentions,
    typed_entries,
)
from decoupled_ner.data.pairs import PairEncoder, pad_ids
from decoupled_ner.gazetteer import load_columns
from decoupled_ner.labels import OUTSIDE
from decoupled_ner.models.decoupled import DecoupledConfig
from decoupled_ner.models.encoder import load_encoder, load_tokenizer
from decoupled_ner.types import InputError

COLUMNS = [
    "encoder", "entries", "unseen mentions: right", "unseen mentions: a name", "nouns: a name",
]  # fmt: skip
NOTE = (
    "In percent. Entries: accuracy on entries that are held out, as many of each type, common words"
    " among them. Unseen mentions: of dev, not in train; how many get their type, and how many any."
    " Nouns: of jieba in dev that are no entity; how many are taken for a name."
)
TOGETHER = 512

#: Token ids (B, T) and attention mask → states (B, H).
Encode = Callable[[Tensor, Tensor], Tensor]
#: A mention and its label.
Labelled = tuple[str, str]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gazetteer")
    parser.add_argument("dataset")
    parser.add_argument("encoders", metavar="NAME=ENCODER", nargs="+")
    parser.add_argument("--entries", type=int, default=5000, help="of a type, to learn from")
    options = parser.parse_args()
    rows: list[list[str | float]] = []
    try:
        named = [named_model(given) for given in options.encoders]
        dataset = load_dataset(options.dataset)
        columns = load_columns(options.gazetteer)
        words = common_words(columns, training_mentions(options.dataset), None, 1.0)
        typed = typed_entries(columns, 1.0, 0.75).with_outside(words)
        learnt, held = split(typed, options.entries)
        unseen, nouns = of_dev(dataset)
        for name, folder in named:
            probe = Probe(folder, typed.labels, learnt)
            right = accuracy(probe, held)
            names = [label != OUTSIDE for label in probe([mention for mention, _ in unseen])]
            wrong = [label != OUTSIDE for label in probe(nouns)]
            known = accuracy(probe, unseen)
            rows.append([name, *(100 * float(np.mean(n)) for n in (right, known, names, wrong))])
            print(*rows[-1], sep="\t", file=sys.stderr)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    settings = {"gazetteer": columns.digest, "dataset": dataset.name, "entries": options.entries}
    result = {"experiment": "mention-probe", "columns": COLUMNS, "rows": rows, "note": NOTE}
    print(write_result("table", {**result, "settings": settings}))


def split(typed: TypedEntries, count: int) -> tuple[list[Labelled], list[Labelled]]:
    """``count`` mentions of each label to learn, and fewer that are held out."""
    rng = np.random.default_rng(0)
    learnt: list[Labelled] = []
    held: list[Labelled] = []

    def read(rows: Rows) -> list[Labelled]:
        return [(mention, typed.labels[label]) for mention, label in typed.read(rows)]

    for label in range(len(typed.labels)):
        rows = typed.rows(label)
        apart = held_out_rows(typed.columns, rows, 0.05)
        others = np.setdiff1d(rows, apart, assume_unique=True)
        learnt += read(draw(others, count, rng))
        held += read(draw(apart, min(len(apart), 700), rng))
    return learnt, held


def of_dev(dataset: Dataset) -> tuple[list[Labelled], list[str]]:
    """The mentions of dev that train has not, with their types, and jieba's nouns in dev that are
    no entity there."""
    seen = {entity.text for sentence in dataset.split("train") for entity in sentence.entities}
    unseen: list[Labelled] = []
    nouns: list[str] = []
    generator = JiebaNouns()
    for sentence in dataset.split("dev"):
        gold = {(entity.start, entity.end) for entity in sentence.entities}
        unseen += [(e.text, e.label) for e in sentence.entities if e.text not in seen]
        found = generator.propose(sentence.text)
        nouns += [sentence.text[r.start : r.end] for r in found if (r.start, r.end) not in gold]
    return unseen, nouns


def accuracy(probe: Probe, pairs: Sequence[Labelled]) -> list[bool]:
    """Whether the label of each mention is found."""
    labels = probe([mention for mention, _ in pairs])
    return [label == wanted for label, (_, wanted) in zip(labels, pairs, strict=True)]


class Probe:
    """Mentions → labels, by a linear classifier on an encoder's states."""

    def __init__(self, folder: str, labels: list[str], learnt: Sequence[Labelled]) -> None:
        self.labels = labels
        self._encode, tokenizer = encoder_of(folder)
        self._pairs = PairEncoder(tokenizer)
        states = self._states([mention for mention, _ in learnt])
        self._mean, self._spread = states.mean(0), states.std(0) + 1e-6
        states = (states - self._mean) / self._spread
        wanted = torch.tensor([labels.index(label) for _, label in learnt])
        self._linear = nn.Linear(states.shape[1], len(labels))
        optimizer = torch.optim.LBFGS(
            self._linear.parameters(), max_iter=80, line_search_fn="strong_wolfe"
        )

        def loss() -> Tensor:
            optimizer.zero_grad()
            total = F.cross_entropy(self._linear(states), wanted)
            total = total + 1e-3 * self._linear.weight.square().sum()
            total.backward()
            return total

        optimizer.step(loss)

    @torch.no_grad()
    def __call__(self, mentions: Sequence[str]) -> list[str]:
        states = (self._states(mentions) - self._mean) / self._spread
        return [self.labels[i] for i in self._linear(states).argmax(1).tolist()]

    @torch.no_grad()
    def _states(self, mentions: Sequence[str]) -> Tensor:
        parts = []
        for start in range(0, len(mentions), TOGETHER):
            ids = self._pairs.encode_mentions(mentions[start : start + TOGETHER])
            with torch.autocast("cpu", torch.bfloat16):
                parts.append(self._encode(*pad_ids(ids, self._pairs.pad)).float())
        return torch.cat(parts)


def encoder_of(folder: str) -> tuple[Encode, PreTrainedTokenizerBase]:
    """How mentions are read, by a decoupled model or an encoder."""
    config = Path(folder) / "config.json"
    if (
        config.is_file()
        and json.loads(config.read_bytes())["model_type"] == DecoupledConfig.model_type
    ):
        ner = DecoupledNER.from_pretrained(folder)
        return ner.model.encode_mentions, ner.tokenizer
    encoder = load_encoder(folder).eval()
    return lambda ids, mask: encoder(ids, attention_mask=mask).last_hidden_state[:, 0], (
        load_tokenizer(folder)
    )


if __name__ == "__main__":
    main()
