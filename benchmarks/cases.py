"""What trained models say of two cases: ``python benchmarks/cases.py NAME=MODEL …``.

The paper shows them: 九江, which the dictionary knows, and 东盟, which its context tells. MODEL is
the folder of a decoupled model or a tagger.
"""

from __future__ import annotations

import argparse
import sys

from results import named_model, write_result

from decoupled_ner import DecoupledNER, load_model
from decoupled_ner.inference.recognizer import Recognizer
from decoupled_ner.types import InputError

#: Sentence, mention, its type: Findings of ACL 2021, decoupled NER.
CASES = [("为改善九江投资环境", "九江", "GPE"), ("在东盟成立30周年之际", "东盟", "ORG")]
COLUMNS = ["sentence", "gold", "system", "found", "global", "mention", "context"]
NOTE = (
    "Found: the entities that the system predicts in the sentence. The last three are the"
    " probabilities, in percent, that the classifiers give the gold type of the gold region."
)


def row(name: str, model: Recognizer, case: tuple[str, str, str]) -> list[str | float]:
    """What one system says of one case."""
    sentence, mention, label = case
    found = "，".join(f"{e.text} {e.label}" for e in model.predict_regions(sentence))
    cells: list[str | float] = [sentence, f"{mention} {label}", name, found or "nothing"]
    if isinstance(model, DecoupledNER):
        for candidate in model.explain(sentence):
            if candidate.text == mention:
                three = (candidate.global_, candidate.mention, candidate.context)
                return [*cells, *(100 * classifier.get(label, 0.0) for classifier in three)]
        return [*cells, "not proposed", "", ""]
    return [*cells, "–", "–", "–"]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", metavar="NAME=MODEL")
    options = parser.parse_args()
    try:
        models = {}
        for given in options.models:
            name, folder = named_model(given)
            models[name] = load_model(folder)
        rows = [row(name, model, case) for case in CASES for name, model in models.items()]
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    result = {"experiment": "cases", "columns": COLUMNS, "rows": rows, "note": NOTE}
    print(write_result("table", {**result, "settings": {"systems": list(models)}}))


if __name__ == "__main__":
    main()
