"""What more candidates of a proposer bring that is read: ``budget.py DATASET PROPOSER MODEL,…``.

Each MODEL, the folder of a decoupled model, keeps its weights. Its candidates are the best of
PROPOSER, a folder of ``decoupled-ner proposer``, so many a sentence, and it reads their scores:
fitted on dev anew for each budget, as `model.read_proposer` does in training.
"""

from __future__ import annotations

import argparse
import sys
from statistics import mean

from contexts import contexts_read
from results import write_result

from decoupled_ner import DecoupledNER
from decoupled_ner.candidates import Union
from decoupled_ner.data.catalog import Dataset, load_dataset
from decoupled_ner.inference.measure import measure
from decoupled_ner.inference.proposer import ProposerCandidates
from decoupled_ner.training.fitting import fit_reach, fit_reading
from decoupled_ner.types import InputError

COLUMNS = [
    "candidates a sentence",
    "models",
    "candidate recall",
    "contexts read a sentence",
    *("P", "R", "F1", "F1 on dev"),
]
NOTE = (
    "Test split unless dev is named; means over models of several seeds, which read the proposer."
    " Recall and scores in percent. Candidates a sentence: the budget, on average on dev. dev is"
    " also what the reading and the outside bias are fitted on."
)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("proposer")
    parser.add_argument("models", metavar="MODEL,…")
    parser.add_argument("--budgets", type=float, nargs="+", default=[5, 10, 20])
    parser.add_argument("--dtype", default="bfloat16")
    options = parser.parse_args()
    folders = options.models.split(",")
    rows: list[list[float]] = []
    try:
        data = load_dataset(options.dataset)
        for budget in options.budgets:
            points = [
                measured(folder, options.proposer, budget, data, options.dtype)
                for folder in folders
            ]
            rows.append([budget, len(points), *map(mean, zip(*points, strict=True))])
            print(*rows[-1], sep="\t", file=sys.stderr)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    settings = {"dataset": data.name, "dtype": options.dtype, "proposer": options.proposer}
    result = {"experiment": f"budget-{data.name}", "columns": COLUMNS, "rows": rows, "note": NOTE}
    print(write_result("table", {**result, "settings": settings}))


def measured(
    folder: str, proposer: str, budget: float, data: Dataset, dtype: str
) -> tuple[float, ...]:
    """The numbers of one model behind `COLUMNS`' first two."""
    given = DecoupledNER.from_pretrained(folder, dtype=dtype)  # type: ignore[arg-type]
    given.config.proposer_reading = []
    union = Union([ProposerCandidates(proposer, budget)])
    ner = DecoupledNER(given.model, given.tokenizer, union, given.gazetteer, dtype=dtype)  # type: ignore[arg-type]
    fit_reach(ner, data.split("train"))
    fit_reading(ner, data.split("dev"))
    dev = measure(ner, data, "dev", bootstrap=0)[0].overall.scores.f1
    with contexts_read(ner.model) as counts:
        overall = measure(ner, data, bootstrap=0)[0].overall
    contexts = sum(counts) / len(data.split("test"))
    scores = (overall.scores.precision, overall.scores.recall, overall.scores.f1, dev)
    assert overall.candidate_recall is not None
    return 100 * overall.candidate_recall, contexts, *(100 * score for score in scores)


if __name__ == "__main__":
    main()
