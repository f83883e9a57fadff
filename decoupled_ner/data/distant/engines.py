"""Who does the work: this process, several processes of this machine, or a Ray cluster.

An engine takes inputs, a function that expands an input to tasks, and a function that does a task;
it gives what the tasks return, in any order. Tasks are made as they are needed, so that neither
they nor their results ever lie in memory together.
"""

from __future__ import annotations

import os
import pickle
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from typing import Any, Literal, TypeVar, get_args

from decoupled_ner.types import InputError

#: ``local``: processes of this machine. ``ray``: Ray Data, on the cluster that is running or else
#: on this machine; its machines must see the same files.
Engine = Literal["local", "ray"]

Input = TypeVar("Input")
Task = TypeVar("Task")
Result = TypeVar("Result")

Expand = Callable[[Input], Iterable[Task]]
Work = Callable[[Task], Result]


def check(engine: Engine, processes: int) -> None:
    """Whether `run` takes these, before there is anything to do.

    Raises:
        InputError: one is out of its range.
    """
    if engine not in get_args(Engine):
        raise InputError(f"no engine {engine!r}: use one of {', '.join(get_args(Engine))}")
    if processes < 1:
        raise InputError(f"processes={processes}: use 1 or more")


def run(
    inputs: Iterable[Input],
    expand: Expand[Input, Task],
    work: Work[Task, Result],
    engine: Engine = "local",
    processes: int = 1,
) -> Iterator[Result]:
    """Expand the inputs and do their tasks.

    Args:
        processes: how many work at a time, on Ray how many actors of one CPU; one process of the
            ``local`` engine is this one.

    Raises:
        InputError: Ray is asked for and not installed, a process died, or what a task raises.
    """
    check(engine, processes)
    if engine == "ray":
        return _on_ray(inputs, expand, work, processes)
    tasks = (task for item in inputs for task in expand(item))
    return map(work, tasks) if processes == 1 else _in_processes(tasks, work, processes)


# --- processes ---

_work: Callable[[Any], Any]


def _in_processes(
    tasks: Iterable[Task], work: Work[Task, Result], processes: int
) -> Iterator[Result]:
    """Fresh processes, since forking one that has threads (Arrow's, torch's) can hang."""
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (work,))
    under_way: deque[Future[Result]] = deque()
    try:
        for task in tasks:
            under_way.append(pool.submit(_do, task))
            if len(under_way) > 2 * processes:  # one at work and one ready for each
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    except BrokenProcessPool as error:
        raise InputError(
            "a process ended unexpectedly (out of memory?): run the same command again to go on,"
            " with fewer processes"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(work: Callable[[Any], Any]) -> None:
    """Set up a process: keep what all its tasks share, and end when its parent is gone."""
    global _work  # noqa: PLW0603 - a process pool has no other place for it
    _work = work
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _do(task: Any) -> Any:
    return _work(task)


# --- Ray ---

_RAY_BLOCK_BYTES = 16 << 20


def _on_ray(
    inputs: Iterable[Input],
    expand: Expand[Input, Task],
    work: Work[Task, Result],
    processes: int,
) -> Iterator[Result]:
    """Two steps of Ray Data: tasks that expand the inputs, actors that do the work.

    Rows hold our objects pickled. Ray's blocks are kept small, so that the actors begin while the
    inputs are still being expanded.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError("engine 'ray' needs Ray: pip install 'decoupled-ner[ray]'") from error
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    rows = [{"item": pickle.dumps(item)} for item in inputs]
    if not rows:
        return
    context = ray.data.DataContext.get_current()
    usual, context.target_max_block_size = context.target_max_block_size, _RAY_BLOCK_BYTES
    try:
        expanded = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            _RayExpand(expand),
            batch_size=1,
            num_cpus=0,  # the actors have all the CPUs, and nothing to do without this step
            compute=ray.data.TaskPoolStrategy(size=processes),
        )
        done = expanded.map_batches(
            _RayWork,
            batch_size=1,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=processes),
            fn_constructor_args=(ray.put(pickle.dumps(work)),),
        )
        for row in done.iter_rows():
            yield pickle.loads(row["item"])
    finally:
        context.target_max_block_size = usual


class _RayExpand:
    """A batch of one input to batches of one task each."""

    def __init__(self, expand: Callable[[Any], Iterable[Any]]) -> None:
        self._expand = expand

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for task in self._expand(pickle.loads(batch["item"][0])):
            yield {"item": [pickle.dumps(task)]}


class _RayWork:
    """A batch of one task to a batch of its result."""

    def __init__(self, work: Any) -> None:
        import ray

        self._work: Callable[[Any], Any] = pickle.loads(ray.get(work))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"item": [pickle.dumps(self._work(pickle.loads(batch["item"][0])))]}
