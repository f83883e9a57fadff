"""Running a comparison: each system and seed in a process of its own, so that one that fails does
not take the others with it; finished runs are not done again, unfinished ones go on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import BinaryIO

import torch

from decoupled_ner.comparison.experiment import Experiment, Plan, plan
from decoupled_ner.comparison.records import record_of
from decoupled_ner.comparison.results import Result, write_result
from decoupled_ner.comparison.tables import cost_plot, plot, score_table
from decoupled_ner.data.files import write_lines
from decoupled_ner.disk import read_json, stamp_of, told_of_writing, write_json
from decoupled_ner.progress import Progress, no_progress
from decoupled_ner.training.runs import only_process, written_since
from decoupled_ner.types import InputError


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
    progress: Progress = no_progress,
    jobs: int = 1,
) -> Comparison:
    """Do what is left of an experiment, and write ``table.md``, ``results.json``, ``f1.svg``
    and ``cost.svg`` after every run, with the runs that are finished then.

    Args:
        output: the comparison's folder; runs and logs lie in it too.
        results: a folder for one JSON file a run as well.
        progress: told how many runs are done, of how many, and the names of those that go on.
        jobs: how many runs go on at once, each with its share of the cores and, where there are
            GPUs, with one of them. A small encoder does not make use of many cores, so several
            runs with few each end sooner than one after the other; the times that are measured
            are then those of such a share.

    Raises:
        InputError: an unknown system, encoder or data set, jobs is below 1, or another process is
            at work in ``output``.
    """
    if jobs < 1:
        raise InputError(f"jobs={jobs} must be at least 1")
    if results is not None:
        with told_of_writing(results):
            results.mkdir(parents=True, exist_ok=True)
    with only_process(output):
        found = _compare(experiment, output, progress, jobs)
    if results is not None:
        for result in found.results:
            write_result("scores", result, results)
    return found


def _compare(experiment: Experiment, output: Path, progress: Progress, jobs: int) -> Comparison:
    plans = list(plan(experiment, output.resolve()))
    (output / "logs").mkdir(parents=True, exist_ok=True)
    ended: dict[str, Failure | None] = {}
    pool = _Pool(output / "logs", jobs, lambda names: progress(len(ended), len(plans), names))
    found = Comparison((), (), "")
    with pool:
        for name, failure in pool.run(plans):
            ended[name] = failure
            found = _write(experiment, plans, ended, output)
    progress(len(plans), len(plans), "done")
    return found


class _Pool:
    """Processes of runs, so many at once. Left by an exception, e.g. an interruption, it ends
    them; they go on from their checkpoints when they are run again.

    Args:
        logs: the folder of what they print.
        tell: called with the names of those that go on whenever one begins.
    """

    def __init__(self, logs: Path, jobs: int, tell: Callable[[str], None]) -> None:
        self.logs, self.tell = logs, tell
        self._places = SimpleQueue[Mapping[str, str]]()
        for place in range(jobs):
            self._places.put(_share(place, jobs) if jobs > 1 else {})
        self._executor = ThreadPoolExecutor(jobs)
        self._lock, self._left = Lock(), False
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._left = True
            running = list(self._running.values())
        for process in running:
            process.kill()
        for process in running:  # a thread that was interrupted as it began is not waited for
            process.wait()
        self._executor.shutdown()

    def run(self, plans: Sequence[Plan]) -> Iterator[tuple[str, Failure | None]]:
        """The name of each run as it ends, and what went wrong with it."""
        names = {self._executor.submit(self._work, planned): planned.name for planned in plans}
        for ended in as_completed(names):
            yield names[ended], ended.result()

    def _work(self, planned: Plan) -> Failure | None:
        place = self._places.get()
        try:
            return self._run(planned, self.logs / f"{planned.name}.log", place)
        finally:
            self._places.put(place)

    def _run(self, planned: Plan, log: Path, share: Mapping[str, str]) -> Failure | None:
        """Run it unless it is done; None where it is then."""
        state = planned.runs / f"seed-{planned.seed}.json"
        result, last = planned.folder / "result.json", planned.folder / "checkpoints" / "last.ckpt"
        begun = read_json(state)
        left = begun.pop("left", [None, None])
        if begun != planned.settings:
            left = [stamp_of(result), stamp_of(last)]  # by an earlier run
            planned.runs.mkdir(parents=True, exist_ok=True)
            write_json(state, {**planned.settings, "left": left})
        if written_since(result, left[0]):
            return _unscored(planned, log)
        resume = written_since(last, left[1])
        command = [sys.executable, "-m", "decoupled_ner.cli", *planned.command]
        with log.open("ab" if resume else "wb") as file:
            status = self._wait(
                planned.name,
                [*command, "--ckpt_path=last"] if resume else command,
                file,
                {**os.environ, **share, "DECOUPLED_NER_RUNS": str(planned.runs)},
            )
        if status == 0 and result.is_file():
            return _unscored(planned, log)
        text = log.read_text("utf-8", errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"ended with status {status}"
        return Failure(planned.name, reason, str(log))

    def _wait(
        self, name: str, command: Sequence[str], log: BinaryIO, environment: Mapping[str, str]
    ) -> int:
        """Run a command to its end; its status, which is not 0 once the pool is left."""
        with self._lock:
            if self._left:
                return -1
            self._running[name] = process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment
            )
            self.tell(", ".join(self._running))
        status = process.wait()
        with self._lock:
            del self._running[name]
        return status


def _unscored(planned: Plan, log: Path) -> Failure | None:
    """What is wrong with a run that has ended but can't be compared: it has no test scores."""
    try:
        record_of(planned.folder, planned.name)
        return None
    except InputError as error:
        return Failure(planned.name, str(error), str(log))


def _share(place: int, jobs: int) -> dict[str, str]:
    """The environment of the run in a place, 0 to jobs - 1: its share of the machine."""
    share = {"OMP_NUM_THREADS": str(max(1, torch.get_num_threads() // jobs))}
    if gpus := torch.cuda.device_count():
        allowed = os.environ.get("CUDA_VISIBLE_DEVICES")  # this process may not have all of them
        names = allowed.split(",") if allowed else [str(gpu) for gpu in range(gpus)]
        share["CUDA_VISIBLE_DEVICES"] = names[place % gpus].strip()
    return share


def _write(
    experiment: Experiment,
    plans: Sequence[Plan],
    ended: Mapping[str, Failure | None],
    output: Path,
) -> Comparison:
    """The files of the runs that have ended, in the order of the plans."""
    done = [planned for planned in plans if planned.name in ended]
    failures = [failure for planned in done if (failure := ended[planned.name])]
    results = tuple(_result(experiment, p) for p in done if ended[p.name] is None)
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
