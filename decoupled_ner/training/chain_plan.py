"""The steps of a chain's recipe, with all that each reads."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from decoupled_ner.disk import read_yaml
from decoupled_ner.locations import find_recipe, recipe_folder, runs_folder
from decoupled_ner.models.encoder import is_small, load_encoder_config, resolve_encoder
from decoupled_ner.training.chain import RESUMABLE, Step
from decoupled_ner.training.chain_inputs import (
    dataset_inputs,
    encoder_inputs,
    has_proposer,
    joined,
    option_inputs,
    recipe_inputs,
    source_inputs,
    text_inputs,
)
from decoupled_ner.training.launch import Run, unify_folder, unify_recipe
from decoupled_ner.training.pretrain import Stage, pretrain_folder
from decoupled_ner.training.proposer_runs import ALL_FOLDS_FILE, proposer_folder
from decoupled_ner.training.runs import run_folder
from decoupled_ner.types import InputError

#: The steps that have options in a recipe.
_OPTIONS = ("distant", *RESUMABLE)
#: Those of them that a recipe without the key leaves out.
_OPTIONAL = ("encoder", "proposer")
_KEYS = {"dataset", "recipe", "text", "sources", *_OPTIONS}
#: Options of distant that change nothing of what it writes.
_HOW = ("--processes=", "--engine=")
#: Options of unify that may put another proposer, or none, in place of the recipe's or the chain's.
_OTHER_PROPOSER = ("--data.proposer", "--data.candidates", "--model.proposer", "--config")


def plan_chain(
    name: str,
    *,
    encoder: str = "zh-small",
    text: Sequence[str] = (),
    sources: str | None = None,
    seed: int = 1,
) -> tuple[Step, ...]:
    """The steps of a recipe in ``pretrain/chains``.

    Args:
        name: the recipe's name or path.
        encoder: hub id, directory or bundled name to start from.
        text, sources: in place of the recipe's.

    Raises:
        InputError: an unknown recipe, a wrong key, or a missing input.
    """
    if Path(name).is_dir() and not (recipe_folder("pretrain/chains") / f"{name}.yaml").is_file():
        raise InputError(
            f"{name} is a folder: the chain for your own data is a YAML file that names it as"
            " dataset: (an example is in pretrain/README.md)"
        )
    path = find_recipe("pretrain/chains", name)
    recipe = _read(path)
    builder = _Builder(path.stem, recipe["dataset"], encoder, seed)
    texts = [_expanded(item, path) for item in (text or recipe["text"])]
    if recipe.get("encoder") is not None:
        builder.encoder(texts, recipe["encoder"])
    gazetteer = builder.gazetteer(find_recipe("gazetteers", sources or recipe["sources"]))
    distant = builder.distant(texts, gazetteer, recipe["distant"])
    builder.stage("mention", f"--gazetteer={gazetteer.folder}", gazetteer, recipe["mention"])
    builder.stage("context", f"--distant={distant.folder}", distant, recipe["context"])
    if recipe.get("proposer") is not None:
        builder.proposer(recipe["proposer"])
    builder.unify(recipe.get("recipe"), gazetteer, recipe["unify"])
    return tuple(builder.steps)


class _Builder:
    """Puts the steps together. The next one starts from the encoder ``init`` of step ``start``; the
    model reads the proposer of step ``reading``."""

    def __init__(self, name: str, dataset: str, encoder: str, seed: int) -> None:
        self.name, self.dataset, self.base, self.seed = name, dataset, encoder, seed
        self.folder = runs_folder() / "chain" / name
        self.steps: list[Step] = []
        self.start: Step | None = None
        self.init = "none"
        self.reading: Step | None = None
        self._base_inputs = encoder_inputs(Path(resolve_encoder(encoder)))

    def gazetteer(self, sources: Path) -> Step:
        """Build the gazetteer."""
        inputs = source_inputs(sources)
        folder = self.folder / f"gazetteer-{_digest(inputs)}"
        arguments = ("gazetteer", "build", str(folder), f"--sources={sources}")
        leaves = ("gazetteer.safetensors",)
        return self._add("gazetteer", arguments, inputs, folder, "build.json", leaves)

    def distant(self, texts: Sequence[Path], gazetteer: Step, options: Sequence[str]) -> Step:
        """Label the raw text."""
        how = tuple(option for option in options if option.startswith(_HOW))
        what = [option for option in options if option not in how]
        inputs = {
            **text_inputs(texts),
            "gazetteer": gazetteer.fingerprint,
            **option_inputs(what),
        }
        folder = self.folder / f"distant-{_digest(inputs, *what)}"
        arguments = (
            *("distant", "label", f"--gazetteer={gazetteer.folder}", f"--output={folder}"),
            *(f"--text={text}" for text in texts),
            *what,
        )
        return self._add("distant", arguments, inputs, folder, "manifest.json", how=how)

    def encoder(self, texts: Sequence[Path], options: Sequence[str]) -> None:
        """Continue the encoder's own pre-training on the text."""
        name = f"{self.name}-encoder"
        folder = run_folder("pretrain", name, self.base, self.seed)
        arguments = (
            *("pretrain", "encoder", "adapt", f"--encoder={self.base}", f"--name={name}"),
            *(f"--text={text}" for text in texts),
            *(f"--seed={self.seed}", *options),
        )
        inputs = {
            **self._base_inputs,
            **text_inputs(texts),
            **recipe_inputs(find_recipe("pretrain", "encoder-adapt")),
            **option_inputs(options),
        }
        self.start = self._add("encoder", arguments, inputs, folder, leaves=(name,))
        self.init = str(folder / name)

    def stage(self, stage: Stage, data: str, source: Step, options: Sequence[str]) -> None:
        """A stage of pre-training on what ``source`` made."""
        name = f"{self.name}-{stage}"
        folder = pretrain_folder(name, Run(self.base, self.seed))
        arguments = (
            *("pretrain", stage, data, f"--name={name}", f"--encoder={self.base}"),
            *(f"--init={self.init}", f"--seed={self.seed}", *options),
        )
        small = is_small(load_encoder_config(self.base))
        inputs = {
            **self._start_inputs(),
            source.name: source.fingerprint,
            **recipe_inputs(find_recipe("pretrain", stage, small=small)),
            **option_inputs(options),
        }
        self.start = self._add(stage, arguments, inputs, folder, leaves=("encoder",))
        self.init = str(folder / "encoder")

    def proposer(self, options: Sequence[str]) -> None:
        """A proposer on the annotated sentences, for the model to read."""
        folder = proposer_folder(self.dataset, Run(self.base, self.seed))
        arguments = (
            *("proposer", self.dataset, f"--encoder={self.base}", f"--seed={self.seed}"),
            *options,
        )
        small = is_small(load_encoder_config(self.base))
        named = [o.partition("=")[2] for o in joined(options) if o.startswith("--recipe=")]
        recipe = (named or ["default"])[-1]
        inputs = {
            **recipe_inputs(find_recipe("unify/proposer", recipe, small=small)),
            **dataset_inputs(self.dataset),
            **self._base_inputs,
            **option_inputs(options),
        }
        folds = any(option.startswith("--folds") for option in options)
        leaves = ("model", *((ALL_FOLDS_FILE,) if folds else ()))
        self.reading = self._add("proposer", arguments, inputs, folder, leaves=leaves)

    def unify(self, recipe: str | None, gazetteer: Step, options: Sequence[str]) -> None:
        """Unified training on the annotated sentences; the model reads the gazetteer and, where
        there is one, the proposer."""
        read = self.reading
        path, dataset = unify_recipe(recipe or self.dataset, self.base)
        if read and has_proposer(path) and not any(o.startswith(_OTHER_PROPOSER) for o in options):
            raise InputError(
                f"{path} has a proposer of its own, and a model reads one: leave the key proposer"
                " out of the chain, or give unify --data.proposer=null"
            )
        folder = unify_folder(path, Run(self.base, self.seed), dataset)
        made = [step.folder for step in self.steps]
        arguments = (
            *("unify", recipe or self.dataset, f"--encoder={self.base}", f"--init={self.init}"),
            *((f"--data.dataset={self.dataset}",) if recipe else ()),
            f"--data.gazetteer={gazetteer.folder}",
            *((f"--data.proposer={read.folder / 'model'}",) if read else ()),
            *(f"--seed={self.seed}", *options),
        )
        inputs = {
            **recipe_inputs(path, made),
            **dataset_inputs(self.dataset),
            **self._start_inputs(),
            gazetteer.name: gazetteer.fingerprint,
            **({read.name: read.fingerprint} if read else {}),
            **option_inputs(options, made),
        }
        self._add("unify", arguments, inputs, folder, leaves=("model",))

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
        result: str = "result.json",
        leaves: tuple[str, ...] = (),
        how: tuple[str, ...] = (),
    ) -> Step:
        # Each encoder and seed has training runs of its own, so it has records of its own too.
        own = run_folder("chain", self.name, self.base, self.seed)
        record = (own if name in RESUMABLE else self.folder) / f"{name}.json"
        self.steps.append(
            Step(name, arguments, inputs, folder, folder / result, record, leaves, how)
        )
        return self.steps[-1]


def _read(path: Path) -> dict[str, Any]:
    """A chain's recipe, with every key checked."""
    recipe = read_yaml(path)
    if not isinstance(recipe, dict) or not {"dataset", "text", "sources"} <= recipe.keys() <= _KEYS:
        raise InputError(
            f"{path}: needs dataset, text and sources, and may have recipe, {', '.join(_OPTIONS)}"
        )
    settings: dict[str, Any] = {
        **{name: [] for name in _OPTIONS if name not in _OPTIONAL},
        **recipe,
    }
    for key in ("dataset", "sources", "recipe"):
        given = settings.get(key)
        if not (isinstance(given, str) and given) and not (key == "recipe" and given is None):
            raise InputError(f"{path}: {key} must be a name, not {given!r}")
    for key in ("text", *_OPTIONS):
        value = settings.get(key)
        if key in _OPTIONAL and value is None:
            continue
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InputError(f"{path}: {key} must be a list of strings")
        if key != "text" and (wrong := [item for item in value if not item.startswith("--")]):
            # The file that it names would not count as an input.
            raise InputError(f"{path}: {key}: {wrong[0]!r} must be written --option=value")
    return settings


def _expanded(text: str, recipe: Path) -> Path:
    """A text file; ``demo`` is the project's own, and ``$VARIABLES`` are filled in."""
    if text == "demo":
        return Path(str(resources.files("decoupled_ner") / "assets" / "demo" / "text.txt"))
    expanded = os.path.expandvars(text)
    if "$" in expanded:
        raise InputError(f"{recipe}: {text}: set that variable, or name files with --text")
    if not Path(expanded).is_file():
        raise InputError(f"no file {expanded}, which the chain of {recipe} is to read")
    return Path(expanded)


def _digest(inputs: Mapping[str, str], *options: str) -> str:
    """Names a folder by what goes into it, so that other inputs never meet its old content."""
    content = json.dumps([list(inputs.items()), options])  # texts count in their order
    return hashlib.sha256(content.encode()).hexdigest()[:12]
