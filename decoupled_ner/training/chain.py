"""The whole chain, from dictionaries and raw text to a model: what is to do, what is done, and why.

A step is a command of ``decoupled-ner``. It is up to date when it has finished with the same
arguments on the same inputs, checked by their SHA-256, and so have the steps before it.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml

from decoupled_ner.checksums import sha256_of
from decoupled_ner.data.catalog import load_dataset
from decoupled_ner.gazetteer.sources import load_sources
from decoupled_ner.locations import find_recipe, runs_folder
from decoupled_ner.models.encoder import resolve_encoder
from decoupled_ner.training.launch import Run, unify_folder, unify_recipe
from decoupled_ner.training.runs import run_folder, write_json
from decoupled_ner.types import InputError

State = Literal["up to date", "unfinished", "changed", "new"]

#: The stages that LightningCLI runs: they resume by themselves.
_RESUMABLE = ("encoder", "mention", "context", "unify")
_KEYS = {"dataset", "recipe", "text", "sources", *_RESUMABLE}


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        name: ``encoder``, ``gazetteer``, ``distant``, ``mention``, ``context`` or ``unify``.
        arguments: of ``decoupled-ner``.
        inputs: SHA-256 by name of every file that it reads; for what another step makes, that
            step's fingerprint.
        folder: where it writes.
        result: the file that it writes last.
    """

    name: str
    arguments: tuple[str, ...]
    inputs: Mapping[str, str]
    folder: Path
    result: Path

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the arguments and the inputs."""
        content = json.dumps([self.arguments, sorted(self.inputs.items())])
        return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True)
class Chain:
    """The steps of one recipe in their order; the record of what was done lies in ``folder``."""

    steps: tuple[Step, ...]
    folder: Path

    def state(self, step: Step) -> tuple[State, str]:
        """Whether a step is to be run, and what changed since it ran."""
        record = self._record(step)
        if record is None:
            return "new", ""
        if record["fingerprint"] != step.fingerprint:
            before = record["inputs"]
            names = [n for n, checksum in step.inputs.items() if before.get(n) != checksum]
            names += [n for n in before if n not in step.inputs]
            return "changed", ", ".join(names) or "settings"
        if record["result"] is None:
            return "unfinished", ""
        if not step.result.is_file() or sha256_of(step.result) != record["result"]:
            return "changed", "its output"
        return "up to date", ""

    def run(self, step: Step) -> None:
        """Run a step, from its last checkpoint where it was interrupted.

        Raises:
            InputError: the command failed.
        """
        arguments = list(step.arguments)
        resumes = self.state(step)[0] == "unfinished" and step.name in _RESUMABLE
        if resumes and (step.folder / "checkpoints" / "last.ckpt").is_file():
            arguments.append("--ckpt_path=last")
        record = {
            "step": step.name,
            "arguments": list(step.arguments),
            "inputs": dict(step.inputs),
            "fingerprint": step.fingerprint,
            "output": str(step.folder),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self._path(step), {**record, "result": None})
        done = subprocess.run([sys.executable, "-m", "decoupled_ner.cli", *arguments], check=False)
        if done.returncode:
            raise InputError(f"step {step.name} ended with status {done.returncode}: see above")
        write_json(self._path(step), {**record, "result": sha256_of(step.result)})

    def _path(self, step: Step) -> Path:
        return self.folder / f"{step.name}.json"

    def _record(self, step: Step) -> dict[str, Any] | None:
        try:
            record: Any = json.loads(self._path(step).read_text(encoding="utf-8"))
            return record if {"fingerprint", "inputs", "result"} <= record.keys() else None
        except (OSError, ValueError, AttributeError):
            return None


def plan_chain(
    name: str,
    *,
    encoder: str = "zh-small",
    text: Sequence[str] = (),
    sources: str | None = None,
    seed: int = 1,
) -> Chain:
    """The chain of a recipe in ``pretrain/chains``.

    Args:
        name: the recipe's name or path.
        encoder: hub id, directory or bundled name to start from.
        text, sources: in place of the recipe's.

    Raises:
        InputError: an unknown recipe, a wrong key, or a missing input.
    """
    path = find_recipe("pretrain/chains", name)
    recipe = _read(path)
    builder = _Builder(path.stem, recipe["dataset"], encoder, seed)
    texts = [_expanded(item, path) for item in (text or recipe["text"])]
    if recipe.get("encoder") is not None:
        builder.encoder(texts, recipe["encoder"])
    gazetteer = builder.gazetteer(find_recipe("gazetteers", sources or recipe["sources"]))
    distant = builder.distant(texts, gazetteer)
    builder.stage("mention", f"--gazetteer={gazetteer.folder}", gazetteer, recipe["mention"])
    builder.stage("context", f"--distant={distant.folder}", distant, recipe["context"])
    builder.unify(recipe.get("recipe"), recipe["unify"])
    return Chain(tuple(builder.steps), builder.folder)


class _Builder:
    """Puts the steps together. The next one starts from the encoder ``init`` of step ``start``."""

    def __init__(self, name: str, dataset: str, encoder: str, seed: int) -> None:
        self.name, self.dataset, self.base, self.seed = name, dataset, encoder, seed
        self.folder = runs_folder() / "chain" / name
        self.steps: list[Step] = []
        self.start: Step | None = None
        self.init = "none"
        self._base_inputs = _checksums("encoder", Path(resolve_encoder(encoder)))

    def gazetteer(self, sources: Path) -> Step:
        """Build the gazetteer."""
        plan = load_sources(sources)
        inputs = {f"sources {sources.name}": sha256_of(sources)}
        for source in plan.sources:
            if source.path is not None and source.package is None:
                file = plan.folder / os.path.expandvars(source.path)
                inputs |= _checksums(f"dictionary {source.name}", _there(file, sources))
        folder = self.folder / f"gazetteer-{_digest(inputs)}"
        arguments = ("gazetteer", "build", str(folder), f"--sources={sources}")
        return self._add("gazetteer", arguments, inputs, folder, folder / "build.json")

    def distant(self, texts: Sequence[Path], gazetteer: Step) -> Step:
        """Label the raw text."""
        inputs = {**_texts(texts), "gazetteer": gazetteer.fingerprint}
        folder = self.folder / f"distant-{_digest(inputs)}"
        arguments = (
            *("distant", "label", f"--gazetteer={gazetteer.folder}", f"--output={folder}"),
            *(f"--text={text}" for text in texts),
        )
        return self._add("distant", arguments, inputs, folder, folder / "manifest.json")

    def encoder(self, texts: Sequence[Path], options: Sequence[str]) -> None:
        """Continue the encoder's own pre-training on the text."""
        name = f"{self.name}-encoder"
        folder = run_folder("pretrain", name, self.base, self.seed)
        arguments = (
            *("pretrain", "encoder", "adapt", f"--encoder={self.base}", f"--name={name}"),
            *(f"--text={text}" for text in texts),
            *(f"--seed={self.seed}", *options),
        )
        inputs = {**self._base_inputs, **_texts(texts)}
        self.start = self._add("encoder", arguments, inputs, folder, folder / "result.json")
        self.init = str(folder / name)

    def stage(self, stage: str, data: str, source: Step, options: Sequence[str]) -> None:
        """A stage of pre-training on what ``source`` made."""
        name = f"{self.name}-{stage}"
        folder = run_folder("pretrain", name, self.base, self.seed)
        arguments = (
            *("pretrain", stage, data, f"--name={name}", f"--encoder={self.base}"),
            *(f"--init={self.init}", f"--seed={self.seed}", *options),
        )
        inputs = {**self._start_inputs(), source.name: source.fingerprint}
        self.start = self._add(stage, arguments, inputs, folder, folder / "result.json")
        self.init = str(folder / "encoder")

    def unify(self, recipe: str | None, options: Sequence[str]) -> None:
        """Unified training on the annotated sentences."""
        path, dataset = unify_recipe(recipe or self.dataset, self.base)
        folder = unify_folder(path, Run(self.base, self.seed), dataset)
        arguments = (
            *("unify", recipe or self.dataset, f"--encoder={self.base}", f"--init={self.init}"),
            *((f"--data.dataset={self.dataset}",) if recipe else ()),
            *(f"--seed={self.seed}", *options),
        )
        inputs = {
            f"recipe {path.name}": sha256_of(path),
            **{f"data {k}": v for k, v in load_dataset(self.dataset).checksums.items()},
            **self._start_inputs(),
        }
        self._add("unify", arguments, inputs, folder, folder / "result.json")

    def _start_inputs(self) -> dict[str, str]:
        if self.start is None:
            return self._base_inputs
        return {f"encoder of {self.start.name}": self.start.fingerprint}

    def _add(
        self,
        name: str,
        arguments: tuple[str, ...],
        inputs: Mapping[str, str],
        folder: Path,
        result: Path,
    ) -> Step:
        self.steps.append(Step(name, arguments, inputs, folder, result))
        return self.steps[-1]


def _read(path: Path) -> dict[str, Any]:
    """A chain's recipe, with every key checked."""
    try:
        recipe: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: can't be read ({error})".replace("\n", " ")) from error
    if not isinstance(recipe, dict) or not {"dataset", "text", "sources"} <= recipe.keys() <= _KEYS:
        raise InputError(
            f"{path}: needs dataset, text and sources, and may have recipe, {', '.join(_RESUMABLE)}"
        )
    settings: dict[str, Any] = {"mention": [], "context": [], "unify": [], **recipe}
    for key in ("text", *_RESUMABLE):
        value = settings.get(key)
        if key == "encoder" and value is None:
            continue
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InputError(f"{path}: {key} must be a list of strings")
    return settings


def _expanded(text: str, recipe: Path) -> Path:
    """A text file; ``demo`` is the project's own, and ``$VARIABLES`` are filled in."""
    if text == "demo":
        return Path(str(resources.files("decoupled_ner") / "assets" / "demo" / "text.txt"))
    expanded = os.path.expandvars(text)
    if "$" in expanded:
        raise InputError(f"{recipe}: {text}: set that variable, or name files with --text")
    return _there(Path(expanded), recipe)


def _there(file: Path, named_in: Path) -> Path:
    if not file.exists():
        raise InputError(f"{named_in}: no file {file}")
    return file


def _digest(inputs: Mapping[str, str]) -> str:
    """Names a folder by what goes into it, so that other inputs never meet its old content."""
    return hashlib.sha256(json.dumps(sorted(inputs.items())).encode()).hexdigest()[:12]


def _texts(texts: Sequence[Path]) -> dict[str, str]:
    return {f"text {text.name}": sha256_of(text) for text in texts}


def _checksums(name: str, path: Path) -> dict[str, str]:
    """Of a file, or of every file in a folder; a hub id stands for itself."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
        return {f"{name} {file.name}": sha256_of(file) for file in files}
    return {name: sha256_of(path) if path.is_file() else str(path)}
