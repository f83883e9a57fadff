"""``decoupled-ner compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from decoupled_ner.cli_gazetteer import AsJson, show
from decoupled_ner.cli_pretrain import training_run
from decoupled_ner.types import InputError

if TYPE_CHECKING:
    from decoupled_ner.comparison.experiment import Experiment


def compare(
    context: typer.Context,
    dataset: Annotated[str | None, typer.Option(help="Name or path of a data set.")] = None,
    systems: Annotated[
        str | None,
        typer.Option(
            help="Recipes of tagger or unify, with commas; decoupled is the data set's. Rows of"
            " --experiment, to do only these."
        ),
    ] = None,
    experiment: Annotated[
        Path | None, typer.Option(help="A YAML file instead, which can say more of each system.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="With commas; by default 1.")] = None,
    sizes: Annotated[
        str | None,
        typer.Option(help="Numbers of training sentences, with commas: a row and a point each."),
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Hub id or directory; by default zh-small.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="The system that the others are compared with.")
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=1, help="Runs at once, each with its share of the cores or a GPU.")
    ] = 1,
    output: Annotated[
        Path | None, typer.Option(help="A folder; by default compare/NAME among the runs.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Write one JSON file a run here as well.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train and evaluate several systems under several seeds: one table and its plots.

    What was interrupted goes on, finished runs are not done again, and a run that fails is reported
    while the others go on. Further options go to all systems, e.g. --data.train_sentences=1000.
    """
    from rich.markdown import Markdown

    training_run(context, encoder or "zh-small", 1, None)  # says what is not installed
    from decoupled_ner.comparison.run import compare as run
    from decoupled_ner.locations import runs_folder
    from decoupled_ner.progress import progress_bar
    from decoupled_ner.training.runs import terminated_as_interrupted

    chosen = _experiment(experiment, dataset, systems, seeds, sizes, encoder, against, context.args)
    folder = output or runs_folder() / "compare" / chosen.name
    shown = progress_bar("starting", "runs", shown=not as_json)
    with terminated_as_interrupted(), shown as update:
        found = run(chosen, folder, results, update, jobs)
    failed = [f"{failure.run}: {failure.reason}" for failure in found.failures]
    content = {"output": str(folder), "results": list(found.results), "failed": failed}
    show(content, as_json, lambda _: Markdown(found.table))
    if failed:
        raise typer.Exit(1)


def _experiment(
    path: Path | None,
    dataset: str | None,
    systems: str | None,
    seeds: str | None,
    sizes: str | None,
    encoder: str | None,
    against: str | None,
    arguments: list[str],
) -> Experiment:
    """What the options say, over what the file says."""
    from dataclasses import replace

    from decoupled_ner.comparison.experiment import Experiment, named_systems, read_experiment
    from decoupled_ner.training.runs import dataset_slug

    if path is not None:
        if dataset:
            raise InputError("--experiment says the data set: leave out --dataset")
        chosen = read_experiment(path)
        if systems is not None:
            chosen = replace(chosen, rows=_names(systems))
    elif dataset is None or systems is None:
        raise InputError("give --dataset and --systems, or --experiment")
    else:
        chosen = Experiment(dataset_slug(dataset), dataset, named_systems(_names(systems)))
    return replace(
        chosen,
        seeds=_numbers("--seeds", seeds) or chosen.seeds,
        sizes=_numbers("--sizes", sizes) or chosen.sizes,
        encoder=encoder or chosen.encoder,
        against=against or chosen.against,
        arguments=(*chosen.arguments, *arguments),
    )


def _names(systems: str) -> tuple[str, ...]:
    names = tuple(_listed(systems))
    if not names:
        raise InputError(f"--systems {systems!r}: give names, with commas")
    return names


def _numbers(option: str, text: str | None) -> tuple[int, ...]:
    """The numbers that an option gives; none where it is not given."""
    try:
        numbers = tuple(int(number) for number in _listed(text or ""))
    except ValueError:
        numbers = ()
    if text is not None and (not numbers or min(numbers) < 0):
        raise InputError(f"{option} {text}: give whole numbers, with commas")
    return numbers


def _listed(text: str) -> list[str]:
    return [part for item in text.split(",") if (part := item.strip())]
