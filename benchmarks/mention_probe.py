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
from statistics import mean

import numpy as np
import torch
from results import named_model, write_result
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from decoupled_ner import DecoupledNER
from decoupled_ner.candidates import JiebaNouns
from decoupled_ner.data.catalog import Dataset, load_dataset
from decoupled_ner.data.mentions import Rows, TypedEntries, draw
from decoupled_ner.data.pairs import PairEncoder, pad_ids
from decoupled_ner.labels import OUTSIDE
from decoupled_ner.models.decoupled import DecoupledConfig
from decoupled_ner.models.encoder import load_encoder, load_tokenizer
from decoupled_ner.training.mention import MentionData
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
        data = MentionData(
            named[0][1], options.gazetteer, options.dataset, min_weight=1.0, min_share=0.75
        )
        rng = np.random.default_rng(0)
        learnt: list[Labelled] = []
        held: list[Labelled] = []
        for entries, apart in zip(data.entries, data.held_out, strict=True):
            learnt += labelled(data.typed, draw(entries, options.entries, rng))
            held += labelled(data.typed, draw(apart, min(len(apart), 700), rng))
        unseen, nouns = of_dev(dataset)
        for name, folder in named:
            probe = Probe(folder, data.labels, learnt)
            found = probe(mentions_of(unseen))
            shares = (
                agreement(probe(mentions_of(held)), held),
                agreement(found, unseen),
                share_of_names(found),
                share_of_names(probe(nouns)),
            )
            rows.append([name, *(100 * share for share in shares)])
            print(*rows[-1], sep="\t", file=sys.stderr)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    settings = {
        "gazetteer": data.typed.columns.digest,
        "dataset": dataset.name,
        "entries": options.entries,
    }
    result = {"experiment": "mention-probe", "columns": COLUMNS, "rows": rows, "note": NOTE}
    print(write_result("table", {**result, "settings": settings}))


def labelled(typed: TypedEntries, rows: Rows) -> list[Labelled]:
    """What stands in some rows."""
    return [(mention, typed.labels[label]) for mention, label in typed.read(rows)]


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


def mentions_of(pairs: Sequence[Labelled]) -> list[str]:
    """The mentions without their labels."""
    return [mention for mention, _ in pairs]


def agreement(labels: Sequence[str], pairs: Sequence[Labelled]) -> float:
    """The share of the labels that are the pairs' own."""
    return mean(label == wanted for label, (_, wanted) in zip(labels, pairs, strict=True))


def share_of_names(labels: Sequence[str]) -> float:
    """The share of the labels that are not ``O``."""
    return mean(label != OUTSIDE for label in labels)


class Probe:
    """Mentions → labels, by a linear classifier on an encoder's states."""

    def __init__(self, folder: str, labels: list[str], learnt: Sequence[Labelled]) -> None:
        self.labels = labels
        self._encode, tokenizer = encoder_of(folder)
        self._pairs = PairEncoder(tokenizer)
        states = self._states(mentions_of(learnt))
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
