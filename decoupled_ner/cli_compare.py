"""``decoupled-ner compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

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
        typer.Option(help="Recipes of tagger or unify, with commas; decoupled is the data set's."),
    ] = None,
    experiment: Annotated[
        Path | None, typer.Option(help="A YAML file instead, which can say more of each system.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="With commas; by default 1.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Hub id or directory; by default zh-small.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="The system that the others are compared with.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="A folder; by default compare/NAME among the runs.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Write one JSON file a run here as well.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train and evaluate several systems under several seeds: one table and one plot.

    What was interrupted goes on, finished runs are not done again, and a run that fails is reported
    while the others go on. Further options go to all systems, e.g. --data.train_sentences=1000.
    """
    from rich.markdown import Markdown
    from rich.progress import Progress, TimeElapsedColumn

    training_run(context, encoder or "zh-small", 1, None)  # says what is not installed
    from decoupled_ner.comparison.run import compare as run
    from decoupled_ner.locations import runs_folder

    chosen = _experiment(experiment, dataset, systems, seeds, encoder, against, context.args)
    folder = output or runs_folder() / "compare" / chosen.name
    console = Console(stderr=True)
    bar = Progress(
        *Progress.get_default_columns(),
        TimeElapsedColumn(),
        console=console,
        disable=as_json or not console.is_terminal,
        transient=True,
    )
    with bar:
        task = bar.add_task("starting", total=None)
        found = run(
            chosen,
            folder,
            results,
            lambda name, done, total: bar.update(
                task, description=name, completed=done, total=total
            ),
        )
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
    encoder: str | None,
    against: str | None,
    arguments: list[str],
) -> Experiment:
    """What the options say, over what the file says."""
    from dataclasses import replace

    from decoupled_ner.comparison.experiment import Experiment, named_systems, read_experiment

    if path is not None:
        if dataset or systems:
            raise InputError("--experiment says data set and systems: leave out the others")
        chosen = read_experiment(path)
    elif dataset is None or systems is None:
        raise InputError("give --dataset and --systems, or --experiment")
    else:
        name = Path(dataset.partition("?")[0]).name.replace(":", "-")
        chosen = Experiment(name, dataset, named_systems(_listed(systems)))
    if seeds is not None:
        try:
            chosen = replace(chosen, seeds=tuple(int(seed) for seed in _listed(seeds)))
        except ValueError as error:
            raise InputError(f"--seeds {seeds}: give whole numbers, with commas") from error
    return replace(
        chosen,
        encoder=encoder or chosen.encoder,
        against=against or chosen.against,
        arguments=(*chosen.arguments, *arguments),
    )


def _listed(text: str) -> list[str]:
    return [part for item in text.split(",") if (part := item.strip())]
