"""What prediction costs: ``python benchmarks/prediction.py DATASET NAME=MODEL …``, in one run.

MODEL is the folder of a decoupled model or a tagger. Each predicts the test split ``--rounds``
times, loaded anew, after a few sentences of train; the fastest counts. Decoupled models do so
twice: reading the contexts that can matter, as they do by default, and reading all. One that was
trained before there was `DecoupledNER.calibrate` is calibrated on training sentences first. Where
all of test was predicted, each run whose model it is becomes a dot of F1 against cost.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from contexts import contexts_read
from results import named_model, write_result

from decoupled_ner import DecoupledNER
from decoupled_ner.comparison.records import record_of
from decoupled_ner.data.catalog import Dataset, load_dataset
from decoupled_ner.inference.load import load_model
from decoupled_ner.inference.recognizer import Recognizer
from decoupled_ner.training.fitting import fit_reach
from decoupled_ner.types import Entity, InputError

COLUMNS = [
    "system",
    "ms a sentence",
    "against the first",
    "candidates a sentence",
    "contexts read a sentence",
    "times as fast as reading all",
    "entities found",
    "entities that differ",
]
NOTE = (
    "Test split, candidates included, nothing else on the machine. Against the first: time as a"
    " multiple of the first system's. Entities that differ: found by one of the two ways alone."
)
WARM_UP = 16


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("models", nargs="+", metavar="NAME=MODEL")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--limit", type=int, help="so many sentences of test")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        data = load_dataset(options.dataset)
        models = [named_model(given) for given in options.models]
        rows = measured(data, models, options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    names = ("dtype", "threads", "rounds", "limit")
    settings = {name: getattr(options, name) for name in names} | {"dataset": data.name}
    result = {"experiment": f"prediction-{data.name}", "columns": COLUMNS, "rows": rows}
    print(write_result("table", {**result, "note": NOTE, "settings": settings}))
    if options.limit is None:
        for (name, folder), row in zip(models, rows, strict=True):
            run = Path(folder).parent
            if (run / "result.json").is_file():
                record = record_of(run, f"cost-{data.name}", name)
                print(write_result("scores", {**record, "seconds_a_sentence": row[1] / 1000}))


def measured(
    data: Dataset, models: Sequence[tuple[str, str]], options: argparse.Namespace
) -> list[list[Any]]:
    """A row a model, in milliseconds of the fastest round."""
    texts = [sentence.text for sentence in data.split("test")[: options.limit]]
    rows: list[list[Any]] = []
    for name, folder in models:
        pruned = [once(folder, data, texts, options.dtype) for _ in range(options.rounds)]
        seconds, found, candidates, read = min(pruned, key=lambda run: run[0])
        cost = 1000 * seconds / len(texts)
        row: list[Any] = [name, cost, cost / (rows[0][1] if rows else cost)]
        if candidates:
            full = [
                once(folder, data, texts, options.dtype, prune=False) for _ in range(options.rounds)
            ]
            slow, all_found, _, _ = min(full, key=lambda run: run[0])
            differ = sum(
                len(set(map(place, a)) ^ set(map(place, b)))
                for a, b in zip(found, all_found, strict=True)
            )
            row += [candidates, read, slow / seconds, sum(map(len, found)), differ]
        else:
            row += ["–", "–", "–", sum(map(len, found)), "–"]
        rows.append(row)
        print(*row, sep="\t", file=sys.stderr)
    return rows


def once(
    folder: str, data: Dataset, texts: Sequence[str], dtype: str, *, prune: bool = True
) -> tuple[float, list[list[Entity]], float, float]:
    """Seconds, entities, and how many candidates and contexts a sentence had."""
    recognizer = load_model(folder, dtype=dtype)  # type: ignore[arg-type]
    train = [sentence.text for sentence in data.split("train")]
    if isinstance(recognizer, DecoupledNER):
        recognizer.prune = prune
        if prune and not recognizer.config.context_reach:
            fit_reach(recognizer, data.split("train"))
            reach = recognizer.config.context_reach
            recognizer = DecoupledNER.from_pretrained(folder, dtype=dtype)  # type: ignore[arg-type]
            recognizer.config.context_reach = reach
    recognizer.recognize(train[:WARM_UP])
    decoupled = isinstance(recognizer, DecoupledNER)
    with contexts_read(recognizer.model) if decoupled else nullcontext(list[int]()) as counts:
        seconds, found, candidates = recognized(recognizer, texts)
    return seconds, found, candidates / len(texts), sum(counts) / len(texts)


def recognized(
    recognizer: Recognizer, texts: Sequence[str]
) -> tuple[float, list[list[Entity]], int]:
    """Seconds, entities by sentence, and the number of candidates, in batches as ``predict`` makes
    them."""
    entities: list[list[Entity]] = []
    count, started = 0, time.perf_counter()
    for first in range(0, len(texts), 64):
        found, candidates = recognizer.recognize(texts[first : first + 64])
        entities += found
        count += sum(map(len, candidates or []))
    return time.perf_counter() - started, entities, count


def place(entity: Entity) -> tuple[int, int, str]:
    return entity.start, entity.end, entity.label


if __name__ == "__main__":
    main()
