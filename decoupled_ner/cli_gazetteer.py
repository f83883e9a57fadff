"""``decoupled-ner gazetteer …``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, RenderableType

from decoupled_ner.types import InputError

if TYPE_CHECKING:
    from decoupled_ner.gazetteer import Gazetteer

gazetteer_app = typer.Typer(help="Build, look into and change gazetteers.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def show(
    content: dict[str, Any], as_json: bool, render: Callable[[dict[str, Any]], RenderableType]
) -> None:
    """Print for people or for programs."""
    if as_json:
        print(json.dumps(content, ensure_ascii=False))
    else:
        Console().print(render(content))


@gazetteer_app.command("build")
def gazetteer_build(
    output: Annotated[
        Path | None,
        typer.Argument(help="The gazetteer's folder; by default gazetteer in the runs folder."),
    ] = None,
    sources: Annotated[
        str, typer.Option(help="A sources file, or one in gazetteers/ by name: sources-open.")
    ] = "sources",
    as_json: AsJson = False,
) -> None:
    """Build a gazetteer from dictionaries."""
    from decoupled_ner.gazetteer.build import build_gazetteer
    from decoupled_ner.gazetteer.render import render_build
    from decoupled_ner.locations import find_recipe, runs_folder
    from decoupled_ner.progress import progress_bar

    folder = output or runs_folder() / "gazetteer"
    with progress_bar("reading", "sources", shown=not as_json) as update:
        manifest = build_gazetteer(find_recipe("gazetteers", sources), folder, update)
    show(manifest, as_json, render_build)


@gazetteer_app.command("report")
def gazetteer_report(
    gazetteer: Path,
    dataset: Annotated[
        str | None, typer.Option(help="Coverage and conflict against this data set instead.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Of the data set; by default test.")] = None,
    fold: Annotated[
        list[str] | None, typer.Option(help="Rename a type on both sides, e.g. GPE=LOC.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Counts by type and conflicts with examples; or coverage and conflict against a data set."""
    from decoupled_ner.data.catalog import load_dataset
    from decoupled_ner.gazetteer.render import render_agreement, render_report
    from decoupled_ner.gazetteer.report import agreement, report

    if (fold or split) and dataset is None:
        raise InputError("--fold and --split are for coverage and conflict: name a --dataset")
    loaded = _gazetteer(gazetteer)
    if dataset is None:
        show(report(loaded), as_json, render_report)
        return
    sentences = load_dataset(dataset).split(split or "test")
    show(agreement(loaded, sentences, renamed(fold)), as_json, render_agreement)


@gazetteer_app.command("diff")
def gazetteer_diff(old: Path, new: Path, as_json: AsJson = False) -> None:
    """What changed from one gazetteer to another."""
    from decoupled_ner.gazetteer.render import render_diff
    from decoupled_ner.gazetteer.report import diff

    show(diff(_gazetteer(old), _gazetteer(new)), as_json, render_diff)


@gazetteer_app.command("lookup")
def gazetteer_lookup(gazetteer: Path, mention: str, as_json: AsJson = False) -> None:
    """What each source says of a mention, as it is written or in the form that the build keeps."""
    from decoupled_ner.gazetteer.edit import kept_form
    from decoupled_ner.gazetteer.render import render_lookup
    from decoupled_ner.gazetteer.report import lookup

    found = lookup(loaded := _gazetteer(gazetteer), mention)
    if found["type"] is None:
        found = lookup(loaded, kept_form(gazetteer)(mention))
    show(found, as_json, render_lookup)


@gazetteer_app.command("add")
def gazetteer_add(gazetteer: Path, mention: str, label: str, as_json: AsJson = False) -> None:
    """Say that a mention is of a type; outweighs the dictionaries."""
    from decoupled_ner.gazetteer.edit import add
    from decoupled_ner.gazetteer.render import render_lookup

    show(add(gazetteer, mention, label), as_json, render_lookup)


@gazetteer_app.command("remove")
def gazetteer_remove(gazetteer: Path, mention: str, as_json: AsJson = False) -> None:
    """Take a mention out."""
    from decoupled_ner.gazetteer.edit import remove
    from decoupled_ner.gazetteer.render import render_lookup

    show(remove(gazetteer, mention), as_json, render_lookup)


def _gazetteer(path: Path) -> Gazetteer:
    from decoupled_ner.gazetteer import load_gazetteer

    return load_gazetteer(path)


def renamed(fold: list[str] | None) -> dict[str, str]:
    """``--fold OLD=NEW`` options as a mapping.

    Raises:
        InputError: one of another form.
    """
    pairs = [item.partition("=") for item in fold or ()]
    for old, equals, new in pairs:
        if not (old and equals and new):
            raise InputError(f"--fold takes OLD=NEW, not {old + equals + new!r}")
    return {old: new for old, _, new in pairs}
