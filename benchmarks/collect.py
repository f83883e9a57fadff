"""Take finished runs into the results: ``python benchmarks/collect.py EXPERIMENT RUN_FOLDER …``.

For runs that were started one by one; ``decoupled-ner compare --results benchmarks/results`` runs
an experiment of `experiments/` as a whole and takes it in.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from results import write_result

from decoupled_ner.comparison.records import record_of
from decoupled_ner.types import InputError


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiment")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument(
        "--system",
        help="what the runs are called, by default decoupled or a tagger's recipe; a result with"
        " this name, data set, encoder and seed is replaced",
    )
    parser.add_argument("--against", help="the system to compare with, seed by seed")
    options = parser.parse_args()
    try:
        for folder in options.folders:
            record = record_of(folder, options.experiment, options.system)
            if options.against and options.against != record["system"]:
                record["against"] = options.against
            print(write_result("scores", record))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
