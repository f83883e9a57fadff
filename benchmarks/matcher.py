"""Speed and memory of the gazetteer's matcher against pyahocorasick and ahocorasick_rs.

    python benchmarks/matcher.py GAZETTEER TEXT...

GAZETTEER is a built folder; TEXT are UTF-8 files, packed with xz or not. Every system gets the
same mentions and finds all occurrences on one core, each as a tuple ``(start, end, type)``, once in
the files' lines and once in documents of ``--document`` characters made of them; their answers must
be equal. Each runs in a process of its own, so that memory can be told apart. Where the gazetteer
has fewer than ``--mentions``, made-up ones (halves of two of its mentions put together) fill it up.
Writes one result a comparison.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import hashlib
import json
import lzma
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

from results import write_result

from decoupled_ner.gazetteer import Entry, Gazetteer, Match

#: The library that does the search in each system.
LIBRARIES = {
    "decoupled-ner": "daachorse",
    "pyahocorasick": "pyahocorasick",
    "ahocorasick_rs": "ahocorasick_rs",
}

Find = Callable[[str], Sequence[Match]]


def ours(gazetteer: Gazetteer) -> Find:
    return gazetteer.matcher.find


def pyahocorasick(gazetteer: Gazetteer) -> Find:
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for mention, label in zip(gazetteer.mentions, gazetteer.best_labels, strict=True):
        automaton.add_word(mention, (len(mention) - 1, label))
    automaton.make_automaton()

    def find(text: str) -> list[Match]:
        return [(last - before, last + 1, label) for last, (before, label) in automaton.iter(text)]

    return find


def ahocorasick_rs(gazetteer: Gazetteer) -> Find:
    from ahocorasick_rs import AhoCorasick

    automaton = AhoCorasick(gazetteer.mentions, store_patterns=False)
    labels = gazetteer.best_labels

    def find(text: str) -> list[Match]:
        found = automaton.find_matches_as_indexes(text, overlapping=True)
        return [(start, end, labels[i]) for i, start, end in found]

    return find


BUILDERS = {"decoupled-ner": ours, "pyahocorasick": pyahocorasick, "ahocorasick_rs": ahocorasick_rs}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one system, ``options.only``."""
    lines = read_lines(options.text, options.characters)
    system, rounds = options.only, options.rounds
    gazetteer = Gazetteer(
        Gazetteer.load(options.gazetteer).table
    )  # without what is compiled already
    _ = gazetteer.mentions, gazetteer.best_labels
    before = _memory()
    started = time.process_time()
    find = BUILDERS[system](gazetteer)
    compiled = time.process_time() - started
    held = _memory() - before
    documents = joined(lines, options.document)
    state, matches = hashlib.sha256(), 0
    for text in documents:
        found = sorted(find(text))
        matches += len(found)
        state.update(repr(found).encode())
    return {
        "lines_per_second": speeds(find, lines, rounds),
        "documents_per_second": speeds(find, documents, rounds),
        "compile_seconds": compiled,
        "memory_mb": held / 1e6,
        "version": version(LIBRARIES[system]),
        "matches": matches,
        "answer_sha256": state.hexdigest(),
    }


def speeds(find: Find, texts: Sequence[str], rounds: int) -> list[float]:
    """Characters a second of processor time, fastest round first."""
    characters, found = sum(map(len, texts)), []
    for _ in range(rounds):
        started = time.process_time()
        for text in texts:
            find(text)
        found.append(characters / (time.process_time() - started))
    return sorted(found, reverse=True)


def joined(lines: Sequence[str], characters: int) -> list[str]:
    """Documents of at least ``characters`` made of whole lines."""
    documents: list[str] = []
    pending: list[str] = []
    length = 0
    for line in lines:
        pending.append(line)
        length += len(line) + 1
        if length >= characters:
            documents.append("\n".join(pending))
            pending, length = [], 0
    return [*documents, "\n".join(pending)]


def _memory() -> int:
    """Bytes of this process that are in memory, without those that the allocator only keeps."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def read_lines(paths: Sequence[Path], characters: int) -> list[str]:
    """Lines of the files in equal parts, ``characters`` in all or what there is."""
    lines: list[str] = []
    for path in paths:
        left = characters // len(paths)
        open_text = lzma.open if path.suffix == ".xz" else open
        with open_text(path, "rt", encoding="utf-8") as file:
            for line in file:
                lines.append(line.rstrip("\n"))
                left -= len(line)
                if left <= 0:
                    break
    return lines


def filled_up(gazetteer: Gazetteer, count: int) -> Gazetteer:
    """The gazetteer with made-up mentions, so that it has ``count``."""
    mentions = list(gazetteer.mentions)
    random.Random(0).shuffle(mentions)
    known = set(mentions)
    entries = list(zip(gazetteer.mentions, gazetteer.best_labels, strict=True))
    while len(known) < count:
        random.Random(len(known)).shuffle(mentions)
        for first, second in pairwise(mentions):
            made = first[: -(len(first) // 2)] + second[len(second) // 2 :]
            if made not in known and len(known) < count:
                known.add(made)
                entries.append((made, "LOC"))
    return Gazetteer.from_entries(Entry(mention, label) for mention, label in entries)


def compare(folder: Path, options: argparse.Namespace) -> None:
    """Measure every system in a process of its own, print and write the comparison."""
    started = time.perf_counter()
    gazetteer = Gazetteer.load(folder)
    _ = gazetteer.matcher
    loaded = time.perf_counter() - started
    print(f"{len(gazetteer):,} mentions, loaded with their matcher in {loaded:.2f} s")
    found: dict[str, dict[str, Any]] = {}
    for system in LIBRARIES:
        command = [sys.executable, __file__, str(folder), *map(str, options.text)]
        given = ("characters", "document", "rounds")
        command += [f"--{key}={getattr(options, key)}" for key in given] + [f"--only={system}"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found[system] = json.loads(output)
        figures = found[system]
        print(
            f"{system:15} lines {figures['lines_per_second'][0] / 1e6:5.1f}, "
            f"documents {figures['documents_per_second'][0] / 1e6:5.1f} M characters/s, "
            f"{figures['memory_mb']:6.1f} MB, compiled in {figures['compile_seconds']:.1f} s"
        )
    if len({result["answer_sha256"] for result in found.values()}) > 1:
        raise SystemExit("the systems found different matches")
    for other in ("pyahocorasick", "ahocorasick_rs"):
        for unit in ("lines", "documents"):
            write_comparison(len(gazetteer), loaded, found, other, unit, options)


def write_comparison(
    mentions: int,
    loaded: float,
    found: dict[str, dict[str, Any]],
    other: str,
    unit: str,
    options: argparse.Namespace,
) -> None:
    """One result: this project's matcher against another system, on lines or on documents."""
    own, theirs = found["decoupled-ner"], found[other]
    speed, other_speed = (figures[f"{unit}_per_second"][0] for figures in (own, theirs))
    result = {
        "experiment": "gazetteer-matcher",
        "system": "decoupled-ner",
        "against": other,
        "case": f"{mentions:,} mentions, {unit}",
        "ratio": speed / other_speed,
        "characters_per_second": speed,
        "memory_ratio": own["memory_mb"] / theirs["memory_mb"],
        "load_seconds": loaded,
        "settings": {
            "mentions": mentions,
            "characters": options.characters,
            "document_characters": options.document,
            "rounds": options.rounds,
            "text": [path.name for path in options.text],
        },
        "own": own,
        "other": theirs,
    }
    print(write_result("speed", result))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("gazetteer", type=Path)
    parser.add_argument("text", type=Path, nargs="+")
    parser.add_argument("--characters", type=int, default=10_000_000)
    parser.add_argument("--document", type=int, default=2_000)
    parser.add_argument("--mentions", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=LIBRARIES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        gazetteer = filled_up(Gazetteer.load(options.gazetteer), options.mentions)
        gazetteer.save(folder)
        compare(Path(folder), options)


if __name__ == "__main__":
    main()
