"""A chain of commands, from dictionaries and raw text to a model: what is done, and what is to do.

A step is a command of ``decoupled-ner``. It is up to date when it has finished with the same
arguments on the same inputs, checked by their SHA-256, and so have the steps before it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

from decoupled_ner.disk import read_json, sha256_of, stamp_of, write_json
from decoupled_ner.training.runs import (
    CHAIN_STEP,
    STEP_FILE,
    written_since,
)
from decoupled_ner.types import InputError

State = Literal["up to date", "unfinished", "changed", "new"]

#: The stages that LightningCLI runs: they resume by themselves.
RESUMABLE = ("encoder", "mention", "context", "proposer", "unify")
#: Arguments whose files count by their checksums, among the inputs.
_PLACES = ("--text=", "--sources=", "--encoder=")
#: What has changed where a step's files are not those that it made.
_OUTPUT = "its output"
#: What the files in a folder end in that steps make.
_MADE = (".bin", ".json", ".model", ".safetensors", ".tsv", ".txt")


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        name: ``encoder``, ``gazetteer``, ``distant``, ``mention``, ``context``, ``proposer`` or
            ``unify``.
        arguments: of ``decoupled-ner``.
        inputs: SHA-256 by name of every file that it reads; for what another step makes, that
            step's fingerprint.
        folder: where it writes.
        result: the file that it writes last.
        record: what was done, where the chain keeps it.
        leaves: further files and folders in its folder that other steps and users read; the shards
            of ``distant`` are those that its manifest names.
        how: further arguments, which change nothing of what is made.
    """

    name: str
    arguments: tuple[str, ...]
    inputs: Mapping[str, str]
    folder: Path
    result: Path
    record: Path
    leaves: tuple[str, ...] = ()
    how: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the arguments and the inputs, wherever these lie."""
        what = [option for option in self.arguments if not option.startswith(_PLACES)]
        content = json.dumps([what, list(self.inputs.items())])  # texts count in their order
        return hashlib.sha256(content.encode()).hexdigest()

    def made(self) -> str | None:
        """SHA-256 of its result and of all that it made for others; None where a part of that is
        gone. Markdown that lies beside it does not count."""
        try:
            shards = json.loads(self.result.read_text(encoding="utf-8")).get("shards", [])
            names = [self.result.name, *self.leaves, *(shard["name"] for shard in shards)]
            parts = [sha256_of(self.folder / name, *_MADE) for name in names]
        except (InputError, OSError, ValueError):
            return None
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def state(self) -> tuple[State, str]:
        """Whether it is to be run, and what changed since it ran."""
        record = _read_record(self.record)
        if record is None:
            return "new", ""
        if record["fingerprint"] != self.fingerprint:
            before = record["inputs"]
            names = [n for n, checksum in self.inputs.items() if before.get(n) != checksum]
            names += [n for n in before if n not in self.inputs]
            return "changed", ", ".join(names) or "settings"
        if record["result"] is None:
            return "unfinished", ""
        if self.made() != record["result"]:
            return "changed", _OUTPUT
        return "up to date", ""

    def run(self, output: TextIO | None = None) -> None:
        """Run it, from its last checkpoint where it was interrupted.

        Args:
            output: where to it prints; None for this process's standard output.

        Raises:
            InputError: the command failed, or its options stopped it before its end.
        """
        arguments = [*self.arguments, *self.how]
        last = self.folder / "checkpoints" / "last.ckpt"
        record = {
            "step": self.name,
            "arguments": list(self.arguments),
            "inputs": dict(self.inputs),
            "fingerprint": self.fingerprint,
            "output": str(self.folder),
            "left": stamp_of(last),  # by an earlier run
        }
        state, why = self.state()
        done = False
        if state == "unfinished":
            record["left"] = (_read_record(self.record) or {}).get("left")
            began = _began(self)
            done = began and _is_done(self)  # and was ended before it could be recorded
            if began and written_since(last, record["left"]):
                arguments.append("--ckpt_path=last")
        else:
            if why == _OUTPUT and self.name not in RESUMABLE:
                # What such a command finds it takes for its own; the folder is the chain's alone.
                shutil.rmtree(self.folder, ignore_errors=True)
            self.record.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.record, {**record, "result": None})
        if not done and (status := _call(arguments, self, output)):
            raise InputError(f"step {self.name} ended with status {status}: see above")
        if not self.result.is_file():
            raise InputError(f"step {self.name} ended without {self.result}: look at its options")
        if not _finished(self.result):
            raise InputError(
                f"step {self.name} stopped before its end, as its options say: the same command"
                " goes on with it"
            )
        made = self.made()
        if made is None:
            parts = ", ".join(self.leaves)
            raise InputError(f"step {self.name} ended without {parts} in {self.folder}: see above")
        write_json(self.record, {**record, "result": made})


def _call(arguments: Sequence[str], step: Step, output: TextIO | None) -> int:
    """Run the command; its status."""
    return subprocess.run(
        [sys.executable, "-m", "decoupled_ner.cli", *arguments],
        env={**os.environ, CHAIN_STEP: step.fingerprint},
        stdout=output,
        check=False,
    ).returncode


def _is_done(step: Step) -> bool:
    return step.result.is_file() and _finished(step.result) and step.made() is not None


def _began(step: Step) -> bool:
    """Whether what lies in a step's folder is this step's: a run by hand writes there too."""
    try:
        return (step.folder / STEP_FILE).read_text(encoding="utf-8") == step.fingerprint
    except (OSError, UnicodeDecodeError):
        return False


def _finished(result: Path) -> bool:
    """False where a result says that its run is to be resumed, as one with ``piece_minutes``."""
    return json.loads(result.read_text(encoding="utf-8")).get("finished", True) is not False


def _read_record(path: Path) -> dict[str, Any] | None:
    record = read_json(path)
    return record if {"fingerprint", "inputs", "result"} <= record.keys() else None
