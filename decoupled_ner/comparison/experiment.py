"""What is compared: systems on one data set under the same seeds, and the command of each run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from decoupled_ner.comparison.results import file_part
from decoupled_ner.disk import read_yaml, sha256_of
from decoupled_ner.locations import dataset_recipe, find_recipe, recipe_folder, runs_folder
from decoupled_ner.models.encoder import is_small, load_encoder_config
from decoupled_ner.training.chain_inputs import (
    dataset_inputs,
    encoder_inputs,
    named_inputs,
    option_inputs,
)
from decoupled_ner.training.launch import Run, tagger_folder, unify_folder
from decoupled_ner.training.starts import resolve_start, stage_one_run
from decoupled_ner.types import InputError

#: The command that trains a system.
Stage = Literal["tagger", "unify"]
#: A system of this name is the decoupled model under the data set's own recipe.
DECOUPLED = "decoupled"
_SIZE_OPTION = "--data.train_sentences"
#: What the runs are told already; a second time would make them others than they are called.
_OWN_OPTIONS = {
    **dict.fromkeys(("--seed", "--seed_everything"), "give --seeds, or seeds in the file"),
    **dict.fromkeys(("--encoder", "--model.encoder"), "give encoder in the file"),
    **dict.fromkeys(("--dataset", "--data.dataset"), "give --dataset, or dataset in the file"),
    "--init": "give init to a system in the file",
    "--ckpt_path": "leave it out, runs are resumed by themselves",
}


@dataclass(frozen=True, slots=True)
class System:
    """A row of the comparison.

    Attributes:
        name: what the row is called.
        recipe: of ``tagger`` or ``unify``, by name or path; by default ``name``.
        init: as for ``unify`` and ``tagger``.
        encoder: in place of the experiment's.
        arguments: LightningCLI's, behind the experiment's.
        published: the row of ``published.yaml`` that it is like, if not ``name``.
    """

    name: str
    recipe: str | None = None
    init: str = "none"
    encoder: str | None = None
    arguments: tuple[str, ...] = ()
    published: str | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """Systems under the same data, seeds and arguments.

    Attributes:
        sizes: numbers of training sentences, each a row of its own; by default all sentences.
        against: the system that all others are compared with, seed by seed.
        rows: names of the systems that are run; by default all. Results still name ``against``,
            which may have been run elsewhere.
    """

    name: str
    dataset: str
    systems: tuple[System, ...]
    seeds: tuple[int, ...] = (1,)
    sizes: tuple[int, ...] = ()
    encoder: str = "zh-small"
    arguments: tuple[str, ...] = ()
    against: str | None = None
    rows: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [system.name for system in self.systems]
        if not names or not self.seeds:
            raise InputError(f"{self.name}: needs at least one system and one seed")
        if any(len(set(given)) < len(given) for given in (names, self.seeds, self.sizes)):
            raise InputError(f"{self.name}: a system, a seed or a size is given twice")
        if odd := [name for name in names if not _is_name(name)]:
            raise InputError(
                f"{self.name}: {odd[0]!r} can't be a system's name: no path; give it as recipe"
            )
        if len({file_part(name) for name in names}) < len(names):
            raise InputError(f"{self.name}: two systems' results would have one file's name")
        if not _is_name(self.name):
            raise InputError(f"{self.name!r} can't be an experiment's name: it names a folder")
        if not all(0 <= seed < 2**32 for seed in self.seeds) or min(self.sizes, default=1) < 1:
            raise InputError(f"{self.name}: a seed is not from 0 to 2**32 - 1, or a size below 1")
        every = [*self.arguments, *(a for system in self.systems for a in system.arguments)]
        for option in (argument.partition("=")[0] for argument in every):
            if (instead := _OWN_OPTIONS.get(option)) is not None:
                raise InputError(f"{self.name}: {option} is no option of its runs: {instead}")
        if self.sizes and any(argument.startswith(_SIZE_OPTION) for argument in every):
            raise InputError(f"{self.name}: sizes and {_SIZE_OPTION}: leave one of them out")
        if self.against is not None and self.against not in names:
            raise InputError(f"{self.name}: against {self.against!r}, which is none of its systems")
        if unknown := [name for name in self.rows if name not in names]:
            raise InputError(f"{self.name}: no system {unknown[0]!r}; there are {', '.join(names)}")

    @property
    def chosen(self) -> tuple[System, ...]:
        """The systems that are run."""
        return tuple(s for s in self.systems if not self.rows or s.name in self.rows)


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: the arguments of ``decoupled-ner``, where its folder will lie, and all that makes
    it what it is, by which a finished run is known again."""

    system: System
    seed: int
    name: str
    command: tuple[str, ...]
    runs: Path
    folder: Path
    settings: Mapping[str, Any]


def read_experiment(path: Path) -> Experiment:
    """An experiment from YAML: the fields of `Experiment`, with ``systems`` a mapping from names
    to the other fields of `System`, or to nothing.

    Raises:
        InputError: the file is missing, is no such YAML, or has other fields.
    """
    content = read_yaml(path)
    try:
        given = {"name": path.stem, **content}
        systems = tuple(
            System(name, **_fields(System, row or {}, f"{path}: {name}"))
            for name, row in given.pop("systems").items()
        )
        return Experiment(systems=systems, **_fields(Experiment, given, str(path)))
    except (TypeError, AttributeError, KeyError) as error:
        raise InputError(f"{path}: no experiment: needs dataset and systems ({error})") from error


def _fields(kind: type[Any], given: Mapping[str, Any], place: str) -> dict[str, Any]:
    known = {field.name for field in fields(kind)} - {"systems"}
    if unknown := set(given) - known:
        raise InputError(
            f"{place}: no field {min(unknown)!r}; there are {', '.join(sorted(known))}"
        )
    types = {field.name: str(field.type) for field in fields(kind)}
    for key, value in given.items():
        if types[key].startswith("tuple"):
            item, wanted = (int, "whole numbers") if "int" in types[key] else (str, "strings")
            fits = isinstance(value, list) and all(type(part) is item for part in value)
            wanted = f"a list of {wanted}"
        else:
            fits, wanted = isinstance(value, str), "a string"
            fits |= value is None and "None" in types[key]
        if not fits:
            raise InputError(f"{place}: {key} must be {wanted}, not {value!r}")
    return {key: tuple(v) if isinstance(v, list) else v for key, v in given.items()}


def _is_name(name: str) -> bool:
    """Whether a folder can be called so, and no folder elsewhere is meant."""
    return Path(name).name == name and name not in ("", "..")


def plan(experiment: Experiment, output: Path) -> Iterator[Plan]:
    """The runs, seed after seed, so that an interrupted comparison has whole rounds.

    Raises:
        InputError: an unknown data set, system or encoder, or stage 1 that is asked for and not
            there.
    """
    data = {"data": dataset_inputs(experiment.dataset)}
    prepared = [_prepare(experiment, system) for system in experiment.chosen]
    for seed in experiment.seeds:
        for size in experiment.sizes or (None,):
            for system, found in zip(experiment.chosen, prepared, strict=True):
                yield _plan(experiment, system, seed, size, output / "runs", data, *found)


def _plan(
    experiment: Experiment,
    system: System,
    seed: int,
    size: int | None,
    runs: Path,
    data_files: Mapping[str, Any],
    stage: Stage,
    recipe: Path,
    encoder: str,
    start: str,
    files: Mapping[str, Any],
) -> Plan:
    run, dataset = Run(encoder, seed), experiment.dataset
    row = system.name if size is None else f"{system.name}-{size}"
    runs /= row
    if stage == "tagger":
        folder, data = tagger_folder(recipe, dataset, run), ["--dataset", dataset]
    else:
        folder, data = unify_folder(recipe, run), [f"--data.dataset={dataset}"]
    chosen = ["--encoder", encoder, "--init", start, "--seed", str(seed), *data]
    sized = [] if size is None else [f"{_SIZE_OPTION}={size}"]
    further = [*chosen, *sized, *experiment.arguments, *system.arguments]
    return Plan(
        system=system,
        seed=seed,
        name=f"{row}-seed-{seed}",
        command=(stage, str(recipe), *further),
        runs=runs,
        folder=runs / folder.relative_to(runs_folder()),
        settings={
            "command": [stage, recipe.name, *further],
            "recipe": sha256_of(recipe),
            **data_files,
            **files,
        },
    )


def _prepare(
    experiment: Experiment, system: System
) -> tuple[Stage, Path, str, str, dict[str, Any]]:
    """What trains a system, its recipe, its encoder, what ``--init`` is told, and the SHA-256 of
    the files of each encoder that is a folder, and of what the recipe and the options name: these
    may be made anew under the same name."""
    encoder = system.encoder or experiment.encoder
    start = system.init
    if start != "none":
        start = resolve_start(start, encoder).encoder
        if system.init == "auto" and stage_one_run(start) is None:
            raise InputError(
                f"{system.name}: there is no stage-1 run that fits {encoder}; run decoupled-ner"
                " pretrain first, or leave out init: auto"
            )
    first = encoder if start == "none" else start.partition(",")[0]
    stage, recipe = _find(system.recipe or system.name, experiment.dataset, first)
    folders = [name for name in (encoder, *start.split(",")) if Path(name).is_dir()]
    encoders = {name: encoder_inputs(Path(name)) for name in folders}
    options = option_inputs([*experiment.arguments, *system.arguments])
    named = {**named_inputs(recipe), **options}
    files = {"encoders": encoders, "files": named}
    return stage, recipe, encoder, start, {name: found for name, found in files.items() if found}


def _find(name: str, dataset: str, encoder: str) -> tuple[Stage, Path]:
    """A recipe and the command that it is of."""
    small = is_small(load_encoder_config(encoder))
    if name == DECOUPLED:
        return "unify", dataset_recipe(dataset, small=small)
    if name.endswith((".yaml", ".yml")):
        path = find_recipe("unify", name)
        return ("tagger" if _has_parts(path) else "unify"), path
    if (recipe_folder("baselines") / f"{name}.yaml").is_file():
        return "tagger", find_recipe("baselines", name)
    if any((recipe_folder("unify") / f"{name}{size}.yaml").is_file() for size in ("", "-small")):
        return "unify", find_recipe("unify", name, small=small)
    known = sorted(
        path.stem
        for stage in ("baselines", "unify")
        for path in recipe_folder(stage).glob("*.yaml")
    )
    raise InputError(f"no system {name!r}; there are decoupled, {', '.join(known)}")


def _has_parts(recipe: Path) -> bool:
    """Whether a recipe is of a tagger; of what is no recipe Lightning will say so."""
    try:
        return "parts" in read_yaml(recipe)["model"]
    except (InputError, LookupError, TypeError):
        return False


def named_systems(recipes: Sequence[str]) -> tuple[System, ...]:
    """Systems under the settings of recipes, given by name or path."""
    return tuple(System(Path(recipe).stem, recipe) for recipe in recipes)
