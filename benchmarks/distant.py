"""Speed of distant supervision from text to Parquet, and what a second process brings.

    python benchmarks/distant.py GAZETTEER TEXT...

GAZETTEER is a built folder; TEXT are files as ``label_texts`` takes them. One and two processes
take turns, and each is given its best round. What is timed is the steady state, from the first
finished shard to the last: compiling the gazetteer and starting processes take some seconds
whatever the text's size, and are given apart. Writes one result.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from results import write_result

from decoupled_ner.data.distant import DistantSettings
from decoupled_ner.data.distant.engines import run
from decoupled_ner.data.distant.labeller import Labeller
from decoupled_ner.data.distant.shards import read_counts
from decoupled_ner.data.distant.texts import text_files
from decoupled_ner.data.distant.work import MatchBlock, MissingBlocks
from decoupled_ner.gazetteer import Gazetteer


def measure(
    labeller: Labeller, texts: Sequence[Path], settings: DistantSettings, processes: int
) -> dict[str, float]:
    """One round. Characters are counted in the sentences that are searched."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        missing = MissingBlocks(settings.shard_bytes, folder)
        work = MatchBlock(labeller, settings, folder, staged=False)
        began, began_cpu = time.perf_counter(), time.process_time()
        done = run(text_files(texts), missing, work, processes=processes)
        finished = [time.perf_counter() for _ in done]
        cpu = time.process_time() - began_cpu
        shards = [read_counts(path) for path in sorted(folder.glob("part-*.parquet"))]
    later = sum(shard.characters_read for shard in shards[1:])
    result = {
        "characters_per_second": later / (finished[-1] - finished[0]),
        "seconds": finished[-1] - began,
        "seconds_to_first_shard": finished[0] - began,
        "sentences": sum(shard.sentences for shard in shards),
        "sentences_read": sum(shard.sentences_read for shard in shards),
        "characters_read": sum(shard.characters_read for shard in shards),
    }
    if processes == 1:  # all the work is this process's
        result["characters_per_cpu_second"] = result["characters_read"] / cpu
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("gazetteer", type=Path)
    parser.add_argument("text", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shard-bytes", type=int, default=1 << 20)
    options = parser.parse_args()
    settings = DistantSettings(shard_bytes=options.shard_bytes)
    gazetteer = Gazetteer.load(options.gazetteer)
    started = time.perf_counter()
    labeller = Labeller.build(gazetteer, settings)
    compiled = time.perf_counter() - started
    rounds: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    for _ in range(options.rounds):
        for processes, results in rounds.items():
            results.append(measure(labeller, options.text, settings, processes))
            speed = results[-1]["characters_per_second"] / 1e6
            print(f"{processes} at work: {speed:.2f} M characters/s, load {os.getloadavg()[0]:.1f}")
    best: dict[int, dict[str, Any]] = {
        processes: max(results, key=lambda r: r["characters_per_second"])
        for processes, results in rounds.items()
    }
    print(f"one: {best[1]['characters_per_cpu_second'] / 1e6:.2f} M characters/s of processor time")
    result = {
        "experiment": "distant",
        "system": "two processes",
        "against": "one process",
        "case": f"{len(gazetteer):,} mentions",
        "ratio": best[2]["characters_per_second"] / best[1]["characters_per_second"],
        "settings": {
            "text": [path.name for path in options.text],
            "shard_bytes": options.shard_bytes,
            "rounds": options.rounds,
        },
        "own": best[2],
        "other": best[1],
        "rounds": {str(processes): results for processes, results in rounds.items()},
        "compile_seconds": compiled,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "peak_memory_of_a_worker_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3,
        "load": os.getloadavg()[0],
    }
    print(f"ratio {result['ratio']:.2f}", write_result("speed", result))


if __name__ == "__main__":
    main()
