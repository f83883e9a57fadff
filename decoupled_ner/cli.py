"""``decoupled-ner …``: each command imports what it needs only when it runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain, islice, tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from decoupled_ner.cli_chain import run_all
from decoupled_ner.cli_compare import compare
from decoupled_ner.cli_distant import distant_app
from decoupled_ner.cli_gazetteer import AsJson, gazetteer_app, show
from decoupled_ner.cli_material import augment, embeddings_app
from decoupled_ner.cli_pretrain import (
    LIGHTNING,
    EncoderOption,
    ResumeOption,
    SeedOption,
    pretrain_app,
    training_run,
)
from decoupled_ner.cli_proposer import proposer
from decoupled_ner.types import InputError, Sentence

if TYPE_CHECKING:
    from decoupled_ner.inference.model import DecoupledNER
    from decoupled_ner.inference.recognizer import Recognizer

app = typer.Typer(
    help="Named entity recognition with few labels, many dictionaries and much raw text.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Annotated data sets.", no_args_is_help=True)
candidates_app = typer.Typer(help="Candidate generators.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(candidates_app, name="candidates")
app.add_typer(gazetteer_app, name="gazetteer")
app.add_typer(distant_app, name="distant")
app.add_typer(pretrain_app, name="pretrain")
app.add_typer(embeddings_app, name="embeddings")
app.command()(augment)
app.command(context_settings=LIGHTNING)(compare)
app.command("all")(run_all)
app.command(context_settings=LIGHTNING)(proposer)


class Output(StrEnum):
    """What ``predict`` writes."""

    jsonl = "jsonl"
    conll = "conll"
    html = "html"
    terminal = "terminal"


@app.command(context_settings=LIGHTNING)
def unify(
    context: typer.Context,
    dataset: Annotated[
        str, typer.Argument(help="A data set (weibo, weibo:nom, a path), or a recipe's YAML file.")
    ],
    encoder: EncoderOption = "zh-small",
    init: Annotated[
        str,
        typer.Option(
            help="Encoder to start from: auto (the newest of stage 1 that fits), none, DIR, or"
            " MENTION,CONTEXT."
        ),
    ] = "auto",
    seed: SeedOption = 1,
    ckpt_path: ResumeOption = None,
) -> None:
    """Train a decoupled model, save the best state on dev, and evaluate it on test.

    A data set takes the recipe of its name in unify/, weibo:nom that of weibo, and one without a
    recipe that of demo.

    Further options are LightningCLI's and override the recipe, e.g. --model.lr 1e-4 or
    --trainer.max_epochs 3 or --trainer.devices 2.
    """
    run = training_run(context, encoder, seed, ckpt_path)
    from decoupled_ner.training.launch import unify as train

    train(dataset, run, init)


@app.command(context_settings=LIGHTNING)
def tagger(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A system's name, e.g. bert-crf, or a YAML file.")],
    dataset: Annotated[str, typer.Option(help="Name or path of a data set.")],
    encoder: EncoderOption = "zh-small",
    init: Annotated[
        str,
        typer.Option(
            help="Encoder to start from: none, auto (the newest of stage 1 that fits), or DIR."
        ),
    ] = "none",
    seed: SeedOption = 1,
    ckpt_path: ResumeOption = None,
) -> None:
    """Train a tagger to compare with, under the same data, metric and report."""
    run = training_run(context, encoder, seed, ckpt_path)
    from decoupled_ner.training.launch import train_tagger

    train_tagger(model, dataset, run, init)


@app.command()
def predict(
    inputs: Annotated[
        list[Path] | None, typer.Argument(help="Text files, a sentence a line; '-' for stdin.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Directory or hub id; by default the one trained last.")
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="A sentence; may be repeated.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Sentences of this data set's test.")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="Only so many sentences.")] = None,
    output_format: Annotated[Output, typer.Option("--format")] = Output.jsonl,
    output: Annotated[Path | None, typer.Option(help="A file; by default standard output.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
) -> None:
    """Find the entities of sentences."""
    from decoupled_ner.data.conll import conll_lines
    from decoupled_ner.data.files import write_lines
    from decoupled_ner.data.jsonl import sentence_to_json
    from decoupled_ner.inference.html import highlight_html, highlight_terminal
    from decoupled_ner.progress import track

    shown = output is not None or not sys.stdout.isatty()  # else the sentences show how far it is
    lines_read, count = _sentences(inputs or [], text or [], dataset, limit)
    recognizer = _load_model(model, dtype)
    sentences = track(
        _predicted(recognizer, lines_read), "predicting", "sentences", count, shown=shown
    )
    if output_format is Output.terminal and output is not None:
        raise InputError("--format terminal writes to the terminal; for a file take html")
    if output_format is Output.terminal:
        for sentence in sentences:
            Console(soft_wrap=True).print(highlight_terminal(sentence.text, sentence.entities))
        return
    lines: Iterator[str]
    if output_format is Output.html:
        lines = iter([highlight_html(list(sentences)).removesuffix("\n")])
    elif output_format is Output.conll:
        lines = conll_lines(sentences, "BIO")
    else:
        lines = (json.dumps(sentence_to_json(s), ensure_ascii=False) for s in sentences)
    if output is not None:
        write_lines(lines, output)
        return
    for line in lines:
        print(line)


@app.command()
def explain(
    text: Annotated[str, typer.Argument(help="One sentence.")],
    model: Annotated[str | None, typer.Option(help="Directory or hub id.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show every candidate of a sentence and what the three classifiers say of it."""
    from dataclasses import asdict

    from rich.table import Table

    scored = _load_decoupled(model).explain(text)
    if as_json:
        print(json.dumps([asdict(candidate) for candidate in scored], ensure_ascii=False))
        return
    table = Table("candidate", "at", "label", "global", "mention only", "context only", "sources")
    for c in scored:
        best = [_best(view) for view in (c.global_, c.mention, c.context)]
        table.add_row(c.text, f"{c.start}–{c.end}", c.label, *best, " ".join(c.sources))
    Console().print(table)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(help="Directory or hub id.")],
    dataset: Annotated[str, typer.Option(help="Name or path of a data set.")],
    split: str = "test",
    html: Annotated[Path | None, typer.Option(help="Write a report page here.")] = None,
    bootstrap: Annotated[int, typer.Option(help="Resamples for 95% intervals; 0 for none.")] = 1000,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    as_json: AsJson = False,
) -> None:
    """Score a model on a data set: by type, by kind of error, seen and unseen mentions."""
    from decoupled_ner.data.catalog import load_dataset
    from decoupled_ner.inference.evaluate import render
    from decoupled_ner.inference.html import write_report
    from decoupled_ner.inference.measure import measure

    recognizer, data = _load_model(model, dtype), load_dataset(dataset)
    evaluation, seconds = measure(recognizer, data, split, bootstrap=bootstrap)
    if html is not None:
        facts = {"model": model, "dataset": data.name, "split": split}
        write_report(evaluation, html, facts=facts)
    facts_json = {"model": model, "dataset": data.name, "split": split, "seconds": seconds}
    show({**facts_json, **evaluation.to_dict()}, as_json, lambda _: render(evaluation))


@data_app.command("report")
def data_report(
    name: Annotated[str, typer.Argument(help="Name or path of a data set.")],
    as_json: AsJson = False,
) -> None:
    """Counts, lengths, duplicates and leakage between the splits of a data set."""
    from decoupled_ner.data.catalog import load_dataset
    from decoupled_ner.data.report import dataset_report, render

    show(dataset_report(load_dataset(name)), as_json, render)


@candidates_app.command("report")
def candidates_report(
    dataset: Annotated[str, typer.Option(help="Name or path of a data set.")],
    split: str = "dev",
    model: Annotated[
        str | None, typer.Option(help="Take this model's generators instead of a recipe's.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Name or path of a recipe; by default the data set's.")
    ] = None,
    ltp: Annotated[str | None, typer.Option(help="Add LTP nouns, from a hub id or folder.")] = None,
    proposer_model: Annotated[
        str | None, typer.Option("--proposer", help="Add a proposer, from a folder or hub id.")
    ] = None,
    curve: Annotated[
        Path | None, typer.Option(help="Write the proposer's recall by candidates here, as SVG.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recall, candidates a sentence, F1 ceiling and cost of each generator and of all."""
    from decoupled_ner.candidates.report import candidate_report
    from decoupled_ner.data.catalog import load_dataset
    from decoupled_ner.data.recipes import recipe_candidates
    from decoupled_ner.inference.budget_curve import add_curve, render_report
    from decoupled_ner.locations import dataset_recipe, find_recipe

    if model:
        sentences, union = load_dataset(dataset).split(split), _load_decoupled(model).generator
    else:
        named = find_recipe("unify", recipe, small=True) if recipe else None
        path = named or dataset_recipe(dataset, small=True)
        data, union = recipe_candidates(path, dataset)
        sentences = data.split(split)
        print(f"generators of {path}", file=sys.stderr)
    if ltp is not None:
        from decoupled_ner.candidates.merged import MergedNeighbours
        from decoupled_ner.candidates.nouns import LtpNouns

        union = union.plus(LtpNouns(ltp), MergedNeighbours("ltp", model=ltp))
    if proposer_model is not None:
        from decoupled_ner.inference.proposer import ProposerCandidates

        union = union.plus(ProposerCandidates(proposer_model))
    report = candidate_report(sentences, union, progress=not as_json)
    if curve is not None:
        add_curve(report, union, sentences, curve)
    show(report, as_json, render_report)


def _load_model(name: str | None, dtype: str) -> Recognizer:
    from decoupled_ner.inference.load import load_model

    if dtype not in ("float32", "bfloat16", "float16"):
        raise InputError(f"--dtype takes float32, bfloat16 or float16, not {dtype!r}")
    return load_model(name, dtype=dtype)  # type: ignore[arg-type]


def _load_decoupled(name: str | None) -> DecoupledNER:
    from decoupled_ner.inference.load import load_model
    from decoupled_ner.inference.model import DecoupledNER

    model = load_model(name)
    if not isinstance(model, DecoupledNER):
        raise InputError(f"{name}: a tagger has no candidates; give a decoupled model")
    return model


def _sentences(
    inputs: list[Path], texts: list[str], dataset: str | None, limit: int | None
) -> tuple[Iterator[str], int | None]:
    """The sentences to read (``--text``, a data set's test, files line by line, ``-`` for stdin)
    and how many they are, where that is known."""
    from decoupled_ner.data.plain import check_inputs, count_lines, read_lines

    if not inputs and not texts and not dataset:
        raise InputError("nothing to read: give files, '-' for standard input, or --text")
    check_inputs(inputs)
    given = list(texts)
    if dataset:
        from decoupled_ner.data.catalog import load_dataset

        given += [sentence.text for sentence in load_dataset(dataset).split("test")]
    lines = chain(given, chain.from_iterable(read_lines(path) for path in inputs))
    in_files = count_lines(inputs)
    count = None if in_files is None else len(given) + in_files
    if limit is not None:
        count = limit if count is None else min(count, limit)
    return islice(lines, limit), count


def _predicted(recognizer: Recognizer, lines: Iterable[str]) -> Iterator[Sentence]:
    """Each line with its entities, in order, as they come."""
    kept, read = tee(lines)
    for text, entities in zip(kept, recognizer.predict_stream(read), strict=True):
        yield Sentence(text, tuple(entities))


def _best(distribution: dict[str, float]) -> str:
    label = max(distribution, key=distribution.__getitem__)
    return f"{label} {distribution[label]:.2f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; a mistake of the user's is one line and status 2.

    Args:
        arguments: by default the command line's.
    """
    try:
        app(list(arguments) if arguments is not None else None, standalone_mode=True)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, e.g. `head`


if __name__ == "__main__":
    main()
