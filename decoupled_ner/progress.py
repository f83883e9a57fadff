"""Progress bars of the command line: on standard error, and only where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich import progress as parts
from rich.console import Console

_T = TypeVar("_T")

#: Called with how much is done, of how much (None where nobody knows), and what is being done.
Progress = Callable[[int, int | None, str], None]


def no_progress(done: int, total: int | None, what: str) -> None:
    """Shows nothing."""


@contextmanager
def progress_bar(what: str, unit: str = "", *, shown: bool = True) -> Iterator[Progress]:
    """A bar while the block runs; call what it yields to move it.

    Args:
        what: is being done.
        unit: of what is counted, shown with the numbers; without one the bar shows the share.
        shown: False for no bar at all.
    """
    console = Console(stderr=True)
    amount = _Amount(unit) if unit else parts.TaskProgressColumn()
    columns = (
        parts.TextColumn("{task.description}"),
        parts.BarColumn(),
        amount,
        parts.TimeRemainingColumn(elapsed_when_finished=True),
    )
    with parts.Progress(
        *columns,
        console=console,
        disable=not (shown and console.is_terminal),
        redirect_stdout=False,  # else what is printed meanwhile would go to standard error
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total, what: bar.update(
            task, completed=done, total=total, description=what
        )


def track(
    items: Iterable[_T], what: str, unit: str, total: int | None = None, *, shown: bool = True
) -> Iterator[_T]:
    """The items, with a bar that counts them."""
    with progress_bar(what, unit, shown=shown) as update:
        update(0, total, what)
        for done, item in enumerate(items, start=1):
            yield item
            update(done, total, what)


def batches(
    items: Sequence[_T], size: int, what: str, *, shown: bool = True
) -> Iterator[Sequence[_T]]:
    """Sentences, or what stands for them, in slices of at most ``size``, with a bar that counts
    them."""
    with progress_bar(what, "sentences", shown=shown) as update:
        for start in range(0, len(items), size):
            update(start, len(items), what)
            yield items[start : start + size]
        update(len(items), len(items), what)


class _Amount(parts.ProgressColumn):
    """``1,024/50,652 sentences``."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: parts.Task) -> str:
        total = "" if task.total is None else f"/{int(task.total):,}"
        return f"{int(task.completed):,}{total} {self.unit}"
