"""Make the tables and plots of docs/results.md from the results: ``python benchmarks/tables.py``.

Only what stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` is made; the words around
it are people's. A NAME is one of

- ``scores/EXPERIMENT``, ``plot/EXPERIMENT``: a table or a plot of scores;
- ``cost/EXPERIMENT``: a plot of F1 against what prediction costs a sentence;
- ``speed/EXPERIMENT``: a table of ratios;
- ``table/EXPERIMENT``: a table as its result has it;
- ``published/DATASET``: what others report, from ``decoupled_ner/comparison/published.yaml``.

An experiment whose results no block shows gets a section at the end. ``--check`` writes nothing and
fails where something would change.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from results import RESULTS

from decoupled_ner.comparison.results import Result, read_results
from decoupled_ner.comparison.tables import (
    cost_plot,
    plain_table,
    plot,
    published_table,
    score_table,
    speed_table,
)
from decoupled_ner.types import InputError

DOCUMENT = Path(__file__).parents[1] / "docs" / "results.md"

_TABLES = {"scores": score_table, "speed": speed_table, "table": plain_table}
_MARKER = re.compile(r"^<!-- (begin|end) (\S+) -->$")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write what is out of date, or only name it; 0 where all is well."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail if out of date")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of results")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="the Markdown file")
    options = parser.parse_args(arguments)
    try:
        files = made_files(options.document, read_results(options.results))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    stale = [path for path, content in files.items() if _content(path) != content]
    if options.check:
        for path in stale:
            print(f"{path} is out of date: run python benchmarks/tables.py", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.tmp")
        beside.write_text(files[path], encoding="utf-8")
        beside.replace(path)
        print(f"wrote {path}")
    return 0


def made_files(document: Path, results: Sequence[Result]) -> dict[Path, str]:
    """The document and its figures as they should be.

    Raises:
        InputError: no document, a block that is not closed, or a name that means nothing.
    """
    text = _content(document)
    if text is None:
        raise InputError(f"no {document}: make one with a heading, sections are added")
    by_kind: dict[str, dict[str, list[Result]]] = {"scores": {}, "speed": {}, "table": {}}
    for result in results:
        by_kind[result["kind"]].setdefault(result["experiment"], []).append(result)
    text += "".join(_sections(by_kind, set(_blocks(text, document))))
    files: dict[Path, str] = {}
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        marker = _MARKER.match(line)
        if marker and marker[1] == "end":
            inside = False
        if not inside:
            lines.append(line)
        if marker and marker[1] == "begin":
            inside = True
            content, figures = _block(marker[2], by_kind)
            lines += ["", content, ""]
            for name, figure in figures.items():
                files[document.parent / "figures" / name] = figure
    return {document: "\n".join(lines) + "\n", **files}


def _block(
    name: str, by_kind: Mapping[str, Mapping[str, Sequence[Result]]]
) -> tuple[str, dict[str, str]]:
    """A block's Markdown, and the figures by file name that it shows."""
    kind, _, subject = name.partition("/")
    if kind == "published":
        return published_table(subject), {}
    results = by_kind[kind if kind in by_kind else "scores"].get(subject, [])
    if not results:
        return "No results yet.", {}
    if kind == "cost":
        file = f"{subject}-cost.svg"
        return f"![F1 of {subject} against cost](figures/{file})", {
            file: cost_plot(subject, results)
        }
    if kind == "plot":
        file = f"{subject}.svg"
        return f"![F1 of {subject}](figures/{file})", {file: plot(subject, results)}
    return _TABLES[kind](results), {}


def _blocks(text: str, document: Path) -> Iterable[str]:
    """The names of a document's blocks; an InputError where one is malformed."""
    opened = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not (marker := _MARKER.match(line)):
            continue
        edge, name = marker.groups()
        if (edge == "begin") == bool(opened) or (edge == "end" and name != opened):
            raise InputError(f"{document}:{number}: {edge} {name} inside {opened or 'no block'}")
        if name.partition("/")[0] not in ("scores", "plot", "cost", "speed", "table", "published"):
            raise InputError(f"{document}:{number}: no such block as {name}; see tables.py")
        opened = name if edge == "begin" else ""
        yield name
    if opened:
        raise InputError(f"{document}: block {opened} is not closed")


def _sections(
    by_kind: Mapping[str, Mapping[str, Sequence[Result]]], shown: set[str]
) -> Iterable[str]:
    """A section for each experiment that the document does not show yet."""
    shown_as = {"scores": ("scores", "plot"), "speed": ("speed",), "table": ("table",)}
    for kind, names in shown_as.items():
        for experiment in sorted(by_kind[kind]):
            blocks = [f"{name}/{experiment}" for name in names]
            if shown.isdisjoint([*blocks, f"cost/{experiment}"]):
                marked = "\n\n".join(f"<!-- begin {b} -->\n<!-- end {b} -->" for b in blocks)
                yield f"\n## {experiment}\n\n{marked}\n"


def _content(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
