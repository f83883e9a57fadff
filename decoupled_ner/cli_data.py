"""``decoupled-ner data …``: annotated data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from decoupled_ner.cli_gazetteer import AsJson, show
from decoupled_ner.cli_output import (
    WordsOption,
    check_not_read,
    format_told,
    joiner_to_write,
    lines_to_write,
    text_lines,
)
from decoupled_ner.types import InputError

data_app = typer.Typer(help="Annotated data sets.", no_args_is_help=True)


@data_app.command("report")
def data_report(
    name: Annotated[str, typer.Argument(help="Name or path of a data set.")],
    as_json: AsJson = False,
) -> None:
    """Counts, lengths, duplicates and leakage between the splits of a data set."""
    from decoupled_ner.data.catalog import load_dataset
    from decoupled_ner.data.report import dataset_report, render

    show(dataset_report(load_dataset(name)), as_json, render)


@data_app.command("export")
def data_export(
    name: Annotated[str, typer.Argument(help="Name or path of a data set.")],
    output: Annotated[
        Path,
        typer.Option(
            help="Its extension tells the format: .jsonl; CoNLL with BIO tags (.conll) or others"
            " (.bmes, .bioes …); .txt for the texts alone, a sentence a line; .html. A name without"
            " one is a new folder of BRAT documents."
        ),
    ],
    split: Annotated[str, typer.Option(help="train, dev or test; train+dev for both.")] = "train",
    words: WordsOption = False,
) -> None:
    """Write a split of a data set in another format, or its texts to pre-train an encoder on.

    JSONL holds everything. What another format can't hold (CoNLL: entities that overlap) is an
    error, but for texts alone: a line break inside one becomes a space.
    """
    from decoupled_ner.data.brat_writer import write_brat
    from decoupled_ner.data.catalog import load_dataset
    from decoupled_ner.data.files import ending, write_lines

    form, is_folder = format_told(output), not output.suffix
    if form is None and not is_folder:
        raise InputError(
            f"{output}: the extension doesn't tell the format; take .jsonl, .conll, .txt or .html,"
            " or none for a folder of BRAT documents"
        )
    is_text = ending(output) == ".txt"
    joiner = joiner_to_write(words, None if is_text else form)
    dataset = load_dataset(name)
    check_not_read(output, dataset.paths)
    sentences = dataset.split(split)
    if form is None:
        write_brat(sentences, output)
    elif is_text:
        write_lines(text_lines(sentences), output)
    else:
        write_lines(lines_to_write(sentences, form, output, joiner), output)
    print(f"{output}: {name}, {split}, {len(sentences)} sentences")
