"""``decoupled-ner distant …``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from decoupled_ner.cli_gazetteer import AsJson, renamed, show
from decoupled_ner.types import InputError


class _LabelByDefault(TyperGroup):
    """``distant --text …`` is ``distant label --text …``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and args[0] not in self.get_help_option_names(ctx):
            args = ["label", *args]
        return super().parse_args(ctx, args)


distant_app = typer.Typer(
    cls=_LabelByDefault,
    help="Label raw text with a gazetteer: noisy sentences for the Context stage.",
    no_args_is_help=True,
)


@distant_app.command("label")
def label(
    text: Annotated[list[Path], typer.Option(help="A text file, .xz or .gz or plain; repeatable.")],
    gazetteer: Annotated[Path, typer.Option(help="A gazetteer's folder or a dictionary file.")],
    output: Annotated[Path, typer.Option(help="A folder for the Parquet shards.")],
    processes: Annotated[int, typer.Option(help="How many work at a time.")] = 1,
    engine: Annotated[str, typer.Option(help="local or ray.")] = "local",
    max_occurrences: Annotated[
        int | None, typer.Option(help="Keep so many occurrences of a mention, evenly spaced.")
    ] = None,
    min_length: Annotated[int, typer.Option(help="Shorter mentions are left out.")] = 2,
    min_share: Annotated[
        float, typer.Option(help="Share of a mention's weight that its best type must have.")
    ] = 0.75,
    min_weight: Annotated[
        float, typer.Option(help="What a mention's best type must weigh, over all its sources.")
    ] = 1.0,
    words: Annotated[
        bool, typer.Option(help="Whether common words compete too: 发展中国家 hides 中国.")
    ] = True,
    crossing: Annotated[
        str, typer.Option(help="Of matches that cross: drop both, or keep the longest.")
    ] = "drop",
    whole_words: Annotated[
        bool, typer.Option(help="Whether art isn't found in party; Chinese is not affected.")
    ] = True,
    blacklist: Annotated[
        Path | None, typer.Option(help="Mentions never to label, one a line.")
    ] = None,
    min_sentence_length: Annotated[
        int, typer.Option(help="Shorter sentences are left out; in characters.")
    ] = 6,
    max_sentence_length: Annotated[
        int, typer.Option(help="Longer sentences are cut; in characters.")
    ] = 250,
    keep_unlabelled: Annotated[
        bool, typer.Option(help="Whether sentences without a label are written too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Label text; interrupted, the same command goes on where it was."""
    from rich.pretty import Pretty

    from decoupled_ner.data.distant import DistantSettings, label_texts
    from decoupled_ner.gazetteer.edit import kept_form
    from decoupled_ner.gazetteer.readers import read_rows
    from decoupled_ner.progress import progress_bar

    if engine not in ("local", "ray"):
        raise InputError(f"--engine takes local or ray, not {engine!r}")
    never: list[str] = []
    if blacklist:
        form = kept_form(gazetteer)
        rows = read_rows(blacklist, "txt")
        never = [m for row in rows for m in (row.mention, form(row.mention)) if m]
    settings = DistantSettings(
        min_length=min_length,
        min_share=min_share,
        min_weight=min_weight,
        words=words,
        crossing=crossing,  # type: ignore[arg-type]
        whole_words=whole_words,
        blacklist=tuple(never),
        max_occurrences=max_occurrences,
        min_sentence_length=min_sentence_length,
        max_sentence_length=max_sentence_length,
        keep_unlabelled=keep_unlabelled,
    )
    with progress_bar("labelling", shown=not as_json) as update:
        manifest = label_texts(
            text,
            gazetteer,
            output,
            settings,
            processes=processes,
            engine=engine,  # type: ignore[arg-type]
            progress=update,
        )
    show(manifest, as_json, lambda found: Pretty(_summary(found)))


@distant_app.command("audit")
def audit(
    directory: Annotated[Path, typer.Argument(help="What `label` wrote.")],
    gazetteer: Annotated[
        Path | None, typer.Option(help="With --dataset: the gazetteer it was made with.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Agreement with the gold of this data set's train.")
    ] = None,
    fold: Annotated[
        list[str] | None, typer.Option(help="Rename a type on both sides, e.g. GPE=LOC.")
    ] = None,
    samples: Annotated[int, typer.Option(help="Occurrences to read of each type.")] = 8,
    html: Annotated[Path | None, typer.Option(help="Write a page to read here.")] = None,
    as_json: AsJson = False,
) -> None:
    """How noisy the labels are: samples to read, and agreement with gold."""
    from decoupled_ner.data.catalog import load_dataset
    from decoupled_ner.data.distant import noise_audit, render_audit, write_audit
    from decoupled_ner.data.files import make_room
    from decoupled_ner.gazetteer import load_gazetteer

    if (gazetteer is None) != (dataset is None):
        raise InputError("agreement with gold needs both --gazetteer and --dataset")
    if fold and dataset is None:
        raise InputError("--fold is for agreement with gold: name a --dataset and a --gazetteer")
    if html is not None:
        make_room(html)
    report = noise_audit(
        directory,
        samples=samples,
        gazetteer=load_gazetteer(gazetteer) if gazetteer else None,
        gold=load_dataset(dataset).split("train") if dataset else (),
        fold=renamed(fold),
    )
    if html is not None:
        write_audit(report, html, title=f"Noise audit of {directory}")
    show(report, as_json, render_audit)


def _summary(manifest: dict[str, Any]) -> dict[str, Any]:
    counts = ("sentences_read", "sentences", "labelled", "entities", "doubtful")
    return {"shards": len(manifest["shards"]), **{name: manifest[name] for name in counts}}
