"""From text files and a gazetteer to a folder of labelled sentences."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from decoupled_ner.data.distant.caps import Thin, plan_thinning
from decoupled_ner.data.distant.engines import Engine, check, run
from decoupled_ner.data.distant.labeller import Labeller
from decoupled_ner.data.distant.manifest import STAGED, is_whole, take_up, write_manifest
from decoupled_ner.data.distant.settings import DistantSettings
from decoupled_ner.data.distant.shards import Counts, read_counts
from decoupled_ner.data.distant.texts import TextFile, text_files
from decoupled_ner.data.distant.work import FinishShard, MatchBlock, MissingBlocks
from decoupled_ner.disk import sha256_of, stamp_of, told_of_writing
from decoupled_ner.gazetteer import Gazetteer, load_gazetteer
from decoupled_ner.locations import locked
from decoupled_ner.progress import Progress, no_progress
from decoupled_ner.types import InputError


def label_texts(
    texts: Sequence[str | Path],
    gazetteer: Gazetteer | str | Path,
    output: str | Path,
    settings: DistantSettings | None = None,
    *,
    processes: int = 1,
    engine: Engine = "local",
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Label text files with a gazetteer and write Parquet shards and a manifest to ``output``.

    Text is read as a stream: memory does not grow with it. The rows, their order and their
    division into shards depend on texts, gazetteer and settings alone. Interrupted at any time,
    the same call goes on where it was, and makes shards that were deleted; when all is there, it
    returns at once. A second call meanwhile waits for the first. While a cap (``max_occurrences``)
    is applied, the output takes twice its space on disk.

    With several processes a script needs the usual ``if __name__ == "__main__":``.

    Args:
        texts: UTF-8 files, ``.xz`` or ``.gz`` or plain, in which each line is a text; of
            ``.jsonl`` files the field ``text`` of each line.
        gazetteer: or the path of one: a compiled folder or a dictionary file.
        output: a folder; it is made.
        processes: how many work at a time.
        engine: ``local`` or ``ray``.

    Returns:
        The manifest: settings, checksums, versions, the shards with their number of sentences, and
        counts over all: what was read and written, the sentences with a label, entities by type,
        doubtful regions by reason.

    Raises:
        InputError: a text or the gazetteer is missing or malformed, or ``output`` can't be written
            or holds another run, or a text changed while it was read; or nothing in the gazetteer
            passes the rules or ``processes`` is below 1, which leaves ``output`` as it is.
    """
    check(engine, processes)
    output, settings = Path(output).absolute(), settings or DistantSettings()
    files = text_files(texts)
    before = [stamp_of(file.path) for file in files]
    if not isinstance(gazetteer, Gazetteer):
        gazetteer = load_gazetteer(gazetteer)
    identity = _identity(files, gazetteer, settings)
    manifest = take_up(output, identity)
    if not is_whole(output, manifest):
        progress(0, 1, "compiling the gazetteer")
        labeller = Labeller.build(gazetteer, settings)
        work = _Run(files, labeller, output, settings, engine, processes, progress)
        with locked(output, output / ".lock"):
            manifest = take_up(output, identity)  # another call may have done it meanwhile
            if not is_whole(output, manifest):
                manifest = _finished(work, manifest, before)
    shutil.rmtree(output / STAGED, ignore_errors=True)
    return manifest


@dataclass(frozen=True, slots=True)
class _Run:
    """One call of `label_texts` that has work to do."""

    files: Sequence[TextFile]
    labeller: Labeller
    output: Path
    settings: DistantSettings
    engine: Engine
    processes: int
    progress: Progress

    def __call__(self) -> None:
        for folder in (self.output, self.output / STAGED):
            for leftover in folder.glob(".part-*.tmp"):  # of a killed run
                leftover.unlink(missing_ok=True)
        cap = self.settings.max_occurrences
        if cap is None:
            self._match(self.output, staged=False)
        else:
            self._match(self.output / STAGED, staged=True)
            self._finish(cap)

    def _match(self, folder: Path, *, staged: bool) -> None:
        """Match every block that has no shard in ``folder``."""
        with told_of_writing(folder):
            folder.mkdir(exist_ok=True)
        missing = MissingBlocks(self.settings.shard_bytes, folder)
        work = MatchBlock(self.labeller, self.settings, folder, staged)
        total = sum(file.path.stat().st_size for file in self.files)
        done = run(self.files, missing, work, self.engine, self.processes)
        self._show(done, total, "matching")

    def _finish(self, cap: int) -> None:
        """Make the shards out of the staged ones."""
        staged = sorted((self.output / STAGED).glob("part-*.parquet"))
        work = FinishShard(self.labeller, cap, self.settings.keep_unlabelled, self.output)
        tasks = (
            thin
            for thin in plan_thinning(staged, len(self.labeller.mentions), cap)
            if not (self.output / thin.staged.name).exists()
        )
        done = run(tasks, _itself, work, self.engine, self.processes)
        self._show(done, len(staged), "applying the cap")

    def _show(self, positions: Iterable[int], total: int, what: str) -> None:
        """Run through the results, which come in any order, and tell of the furthest."""
        furthest = 0
        for position in positions:
            furthest = max(furthest, position)
            self.progress(furthest, total, what)
        self.progress(total, total, what)


def _finished(
    work: _Run, manifest: dict[str, Any], before: Sequence[list[int] | None]
) -> dict[str, Any]:
    """Do what there is to do; the manifest says before and after how far that is.

    Raises:
        InputError: a text is no longer what it was ``before`` its checksum was taken.
    """
    write_manifest(work.output, {**manifest, "complete": False})
    work()
    for file, stamp in zip(work.files, before, strict=True):
        if stamp_of(file.path) != stamp:
            raise InputError(
                f"{file.path}: changed while it was read: delete {work.output} and run again once"
                " nothing writes to it"
            )
    manifest = {**manifest, "complete": True, **_summary(work.output)}
    write_manifest(work.output, manifest)
    return manifest


def _itself(task: Thin) -> Iterator[Thin]:
    yield task


def _identity(
    files: Sequence[TextFile], gazetteer: Gazetteer, settings: DistantSettings
) -> dict[str, Any]:
    """What a run is known by, as the manifest has it."""
    return {
        "settings": asdict(settings),
        "gazetteer": {"mentions": len(gazetteer), "digest": gazetteer.digest},
        "texts": [
            {
                "source": file.name,
                "bytes": file.path.stat().st_size,
                "sha256": sha256_of(file.path),
            }
            for file in files
        ],
        "versions": {name: version(name) for name in ("decoupled-ner", "daachorse", "pyarrow")},
    }


def _summary(output: Path) -> dict[str, Any]:
    """The shards and what is in all of them, from their own metadata."""
    total = Counts()
    shards = []
    for path in sorted(output.glob("part-*.parquet")):
        counts = read_counts(path)
        shards.append({"name": path.name, "sentences": counts.sentences})
        total += counts
    return {**total.as_dict(), "shards": shards}
