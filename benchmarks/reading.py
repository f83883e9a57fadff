"""What finished models gain that read a proposer: ``reading.py DATASET PROPOSER NAME=MODEL,… …``.

Each MODEL, the folder of a decoupled model, keeps its weights and its candidates. It is scored on
test as it is, and once more when it reads what PROPOSER, a folder of `decoupled-ner proposer`,
thinks of a region: fitted on dev as `model.read_proposer` does in training.
"""

from __future__ import annotations

import argparse
import sys
from statistics import mean

from results import named_model, write_result

from decoupled_ner import DecoupledNER
from decoupled_ner.data.catalog import Dataset, load_dataset
from decoupled_ner.inference.measure import measure
from decoupled_ner.inference.proposer import ProposerCandidates
from decoupled_ner.metrics import Scores
from decoupled_ner.training.fitting import fit_reach, fit_reading
from decoupled_ner.types import InputError

COLUMNS = [
    "system",
    "models",
    *("as it is: P", "R", "F1"),
    *("reading: P", "R", "F1"),
    "gain",
    "least",
    "most",
]
NOTE = (
    "In percent, on whole entities of test; means over models of several seeds, and the least and"
    " the most that one of them gains in F1."
)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("proposer")
    parser.add_argument("models", nargs="+", metavar="NAME=MODEL,…")
    parser.add_argument("--dtype", default="bfloat16")
    options = parser.parse_args()
    try:
        data = load_dataset(options.dataset)
        rows: list[list[str | float]] = []
        for given in options.models:
            name, folders = named_model(given)
            pairs = [
                both(folder, options.proposer, data, options.dtype) for folder in folders.split(",")
            ]
            gains = [100 * (read.f1 - plain.f1) for plain, read in pairs]
            means = [
                100 * mean(getattr(pair[i], score) for pair in pairs)
                for i in (0, 1)
                for score in ("precision", "recall", "f1")
            ]
            rows.append([name, len(pairs), *means, mean(gains), min(gains), max(gains)])
            print(*rows[-1], sep="\t", file=sys.stderr)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    settings = {"dataset": data.name, "dtype": options.dtype, "systems": [row[0] for row in rows]}
    result = {"experiment": f"reading-{data.name}", "columns": COLUMNS, "rows": rows}
    print(write_result("table", {**result, "note": NOTE, "settings": settings}))


def both(folder: str, proposer: str, data: Dataset, dtype: str) -> tuple[Scores, Scores]:
    """Test scores of a model as it is, and when it reads the proposer."""
    plain = DecoupledNER.from_pretrained(folder, dtype=dtype)  # type: ignore[arg-type]
    silent = ProposerCandidates(proposer, budget=0)
    generator = plain.generator.plus(silent)
    train, dev = (data.split(split) for split in ("train", "dev"))
    fit_reach(plain, train)
    before = measure(plain, data, bootstrap=0)[0].overall.scores
    given = (plain.model, plain.tokenizer, generator, plain.gazetteer)
    reading = DecoupledNER(*given, dtype=dtype)  # type: ignore[arg-type]
    fit_reading(reading, dev)
    return before, measure(reading, data, bootstrap=0)[0].overall.scores


if __name__ == "__main__":
    main()
