"""``decoupled-ner predict``, ``explain`` and ``evaluate``: what a trained model says."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice, tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from decoupled_ner.cli_gazetteer import AsJson, show
from decoupled_ner.cli_output import (
    Output,
    WordsOption,
    check_not_read,
    format_to_write,
    joiner_to_write,
    lines_to_write,
)
from decoupled_ner.types import InputError, Sentence

if TYPE_CHECKING:
    from decoupled_ner.inference.model import DecoupledNER
    from decoupled_ner.inference.recognizer import Recognizer

OverlapOption = Annotated[
    str | None,
    typer.Option(
        help="What becomes of entities that overlap: best (none overlap), outermost or nested; by"
        " default the model's own policy."
    ),
]
GazetteerOption = Annotated[
    str | None,
    typer.Option(
        help="For a model that reads a gazetteer: a folder or dictionary file in place of its own."
    ),
]


def predict(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(help="Text files (.xz and .gz too), a sentence a line; '-' for stdin."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Directory or hub id; by default the decoupled model trained last."),
    ] = None,
    text: Annotated[list[str] | None, typer.Option(help="A sentence; may be repeated.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Sentences of this data set's test.")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="Only so many sentences.")] = None,
    output_format: Annotated[
        Output | None,
        typer.Option(
            "--format",
            help="By default what the output's extension tells, else jsonl. conll has no empty"
            " texts, and needs entities that don't overlap: --overlap best.",
        ),
    ] = None,
    words: WordsOption = False,
    output: Annotated[Path | None, typer.Option(help="A file; by default standard output.")] = None,
    overlap: OverlapOption = None,
    gazetteer: GazetteerOption = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
) -> None:
    """Find the entities of sentences."""
    from decoupled_ner.data.files import write_lines
    from decoupled_ner.inference.highlight import highlight_terminal
    from decoupled_ner.progress import track

    written = format_to_write(output_format, output)
    joiner = joiner_to_write(words, written)
    shown = output is not None or not sys.stdout.isatty()  # else the sentences show how far it is
    read, count = _sentences(inputs or [], text or [], dataset, limit, output)
    recognizer = _load_model(model, dtype, overlap, gazetteer)
    if written is Output.conll and recognizer.may_overlap:
        raise InputError(
            "CoNLL can't hold entities that overlap, and the model's overlap policy keeps some:"
            " give --overlap best, or --format jsonl"
        )
    sentences = track(_predicted(recognizer, read), "predicting", "sentences", count, shown=shown)
    if written is Output.terminal:
        for sentence in sentences:
            Console(soft_wrap=True).print(highlight_terminal(sentence.text, sentence.entities))
        return
    lines = lines_to_write(sentences, written, output, joiner)
    if output is not None:
        write_lines(lines, output)
        return
    for line in lines:
        print(line)


def explain(
    text: Annotated[str, typer.Argument(help="One sentence.")],
    model: Annotated[str | None, typer.Option(help="Directory or hub id.")] = None,
    gazetteer: GazetteerOption = None,
    as_json: AsJson = False,
) -> None:
    """Show every candidate of a sentence and what the three classifiers say of it; of a model that
    reads a gazetteer or a proposer, what these say too."""
    from dataclasses import asdict

    from rich.table import Table
    from rich.text import Text

    from decoupled_ner.inference.highlight import printable

    recognizer = load_decoupled(model, gazetteer)
    scored = recognizer.explain(text)
    if as_json:
        print(json.dumps([asdict(candidate) for candidate in scored], ensure_ascii=False))
        return
    table = Table()
    known = ["gazetteer"] if recognizer.gazetteer is not None else []
    read = ["proposer"] if recognizer.config.proposer_reading else []
    views = ("label", "global", "mention only", "context only", *known, *read)
    for name in ("candidate", "at", *views, "sources"):
        table.add_column(name, overflow="fold")  # in a narrow terminal nothing is cut
    for c in scored:
        best = [
            _best(view) for view in (c.global_, c.mention, c.context, *([c.known] * len(known)))
        ]
        if c.proposer is not None:
            best.append(f"{c.proposer:.2f}")
        cells = (c.text, f"{c.start}–{c.end}", c.label, *best, " ".join(c.sources))
        table.add_row(*(Text(printable(cell)) for cell in cells))
    Console().print(table)


def evaluate(
    model: Annotated[str, typer.Argument(help="Directory or hub id.")],
    dataset: Annotated[str, typer.Option(help="Name or path of a data set.")],
    split: str = "test",
    html: Annotated[Path | None, typer.Option(help="Write a report page here.")] = None,
    bootstrap: Annotated[
        int, typer.Option(min=0, help="Resamples for 95% intervals; 0 for none.")
    ] = 1000,
    overlap: OverlapOption = None,
    gazetteer: GazetteerOption = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    as_json: AsJson = False,
) -> None:
    """Score a model on a data set: by type, by kind of error, seen and unseen mentions."""
    from decoupled_ner.data.catalog import load_dataset
    from decoupled_ner.data.files import make_room
    from decoupled_ner.inference.evaluate import render
    from decoupled_ner.inference.html import write_report
    from decoupled_ner.inference.measure import measure

    if html is not None:
        make_room(html)
    recognizer, data = _load_model(model, dtype, overlap, gazetteer), load_dataset(dataset)
    if data.losses:
        print(data.losses, file=sys.stderr)
    evaluation, seconds = measure(recognizer, data, split, bootstrap=bootstrap)
    facts = {"model": model, "dataset": data.name, "split": split}
    if overlap is not None:
        facts["overlap"] = overlap
    if gazetteer is not None:
        facts["gazetteer"] = gazetteer
    if html is not None:
        write_report(evaluation, html, facts=facts)
    content = {**facts, "seconds": seconds, **evaluation.to_dict()}
    show(content, as_json, lambda _: render(evaluation))


def load_decoupled(name: str | None, gazetteer: str | None = None) -> DecoupledNER:
    """A decoupled model by directory or hub id; None for the one trained last.

    Raises:
        InputError: it is missing, or a tagger; or it reads no gazetteer.
    """
    from decoupled_ner.inference.load import load_model
    from decoupled_ner.inference.model import DecoupledNER

    model = load_model(name, gazetteer=gazetteer)
    if not isinstance(model, DecoupledNER):
        named = name or "$DECOUPLED_NER_MODEL"  # what is trained last is no tagger
        raise InputError(f"{named}: a tagger has no candidates; give a decoupled model")
    return model


def _load_model(
    name: str | None, dtype: str, overlap: str | None, gazetteer: str | None
) -> Recognizer:
    from decoupled_ner.inference.load import load_model

    return load_model(name, dtype=dtype, overlap=overlap, gazetteer=gazetteer)  # type: ignore[arg-type]


def _sentences(
    inputs: list[Path],
    texts: list[str],
    dataset: str | None,
    limit: int | None,
    output: Path | None,
) -> tuple[Iterator[Sentence], int | None]:
    """The sentences to read (``--text``, a data set's test, files line by line, ``-`` for stdin)
    and how many they are, where that is known; ``output`` must be none of the files."""
    from decoupled_ner.data.plain import check_inputs, count_lines, read_lines

    if not inputs and not texts and not dataset:
        raise InputError("nothing to read: give files, '-' for standard input, or --text")
    if output is not None:
        check_not_read(output, inputs)
    check_inputs(inputs)
    given = [Sentence(text) for text in texts]
    if dataset:
        from decoupled_ner.data.catalog import load_dataset

        data = load_dataset(dataset)
        given += data.split("test")
        if output is not None:
            check_not_read(output, data.paths)
    lines = chain(given, (Sentence(line) for path in inputs for line in read_lines(path)))
    in_files = count_lines(inputs, check=limit is None)  # before the work
    count = None if in_files is None else len(given) + in_files
    if limit is not None:
        count = limit if count is None else min(count, limit)
    return islice(lines, limit), count


def _predicted(recognizer: Recognizer, sentences: Iterable[Sentence]) -> Iterator[Sentence]:
    """Each sentence with its entities, in order, as they come."""
    kept, read = tee(sentences)
    found = recognizer.predict_stream(sentence.text for sentence in read)
    for sentence, entities in zip(kept, found, strict=True):
        yield Sentence(sentence.text, tuple(entities), sentence.id)


def _best(distribution: dict[str, float]) -> str:
    if not distribution:
        return "–"
    label = max(distribution, key=distribution.__getitem__)
    return f"{label} {distribution[label]:.2f}"
