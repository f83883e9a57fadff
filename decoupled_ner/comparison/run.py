"""Running a comparison: each system and seed in a process of its own, so that one that fails does
not take the others with it; finished runs are not done again, unfinished ones go on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decoupled_ner.comparison.experiment import Experiment, Plan, plan
from decoupled_ner.comparison.records import record_of
from decoupled_ner.comparison.results import Result, write_result
from decoupled_ner.comparison.tables import cost_plot, plot, score_table
from decoupled_ner.data.files import write_lines
from decoupled_ner.training.runs import stamp_of, write_json, written_since

#: Told a run before it starts or is passed over: its name, how many are done, how many there are.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that did not end: its last words, and where the rest of them are."""

    run: str
    reason: str
    log: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of an experiment; ``table`` is Markdown."""

    results: tuple[Result, ...]
    failures: tuple[Failure, ...]
    table: str


def compare(
    experiment: Experiment,
    output: Path,
    results: Path | None = None,
    progress: Progress = lambda name, done, total: None,
) -> Comparison:
    """Do what is left of an experiment, and write ``table.md``, ``results.json``, ``f1.svg``
    and ``cost.svg`` after every run, with the runs that are finished then.

    Args:
        output: the comparison's folder; runs and logs lie in it too.
        results: a folder for one JSON file a run as well.

    Raises:
        InputError: an unknown system, encoder or data set.
    """
    plans = list(plan(experiment, output.resolve()))
    (output / "logs").mkdir(parents=True, exist_ok=True)
    failures: list[Failure] = []
    finished: list[Plan] = []
    found = Comparison((), (), "")
    for number, planned in enumerate(plans):
        progress(planned.name, number, len(plans))
        failure = _run(planned, output / "logs" / f"{planned.name}.log")
        failures += [failure] if failure else []
        finished += [] if failure else [planned]
        found = _write(experiment, finished, failures, output)
    progress("done", len(plans), len(plans))
    if results is not None:
        for result in found.results:
            write_result("scores", result, results)
    return found


def _run(planned: Plan, log: Path) -> Failure | None:
    """Run it unless it is done; None where it is then."""
    state = planned.runs / f"seed-{planned.seed}.json"
    result, last = planned.folder / "result.json", planned.folder / "checkpoints" / "last.ckpt"
    begun = _read(state)
    left = begun.pop("left", [None, None])
    if begun != planned.settings:
        left = [stamp_of(result), stamp_of(last)]  # by an earlier run
        planned.runs.mkdir(parents=True, exist_ok=True)
        write_json(state, {**planned.settings, "left": left})
    if written_since(result, left[0]):
        return None
    resume = written_since(last, left[1])
    command = [sys.executable, "-m", "decoupled_ner.cli", *planned.command]
    with log.open("ab" if resume else "wb") as file:
        done = subprocess.run(
            [*command, "--ckpt_path=last"] if resume else command,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "DECOUPLED_NER_RUNS": str(planned.runs)},
            check=False,
        )
    if done.returncode == 0 and result.is_file():
        return None
    lines = [line for line in log.read_text("utf-8", errors="replace").splitlines() if line.strip()]
    reason = lines[-1].strip() if lines else f"ended with status {done.returncode}"
    return Failure(planned.name, reason, str(log))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def _write(
    experiment: Experiment, plans: Sequence[Plan], failures: Sequence[Failure], output: Path
) -> Comparison:
    results = tuple(_result(experiment, planned) for planned in plans)
    parts = [f"# {experiment.name}"]
    if results:
        parts.append(score_table(results))
        for name, drawn in (("f1", plot), ("cost", cost_plot)):
            write_lines([drawn(experiment.name, results).rstrip("\n")], output / f"{name}.svg")
        parts.append("![F1](f1.svg)\n![F1 against cost](cost.svg)")
    parts += [f"**Failed:** {f.run}: {f.reason} (`{f.log}`)" for f in failures]
    text = "\n\n".join(parts)
    write_lines([text], output / "table.md")
    facts = {"experiment": experiment.name, "dataset": experiment.dataset, "results": results}
    failed = [{"run": f.run, "reason": f.reason, "log": f.log} for f in failures]
    write_json(output / "results.json", {**facts, "failed": failed})
    return Comparison(results, tuple(failures), text)


def _result(experiment: Experiment, planned: Plan) -> Result:
    system = planned.system
    record = record_of(planned.folder, experiment.name, system.name)
    if experiment.against not in (None, system.name):
        record["against"] = experiment.against
    if system.published is not None:
        record["published"] = system.published
    return {"kind": "scores", **record}
