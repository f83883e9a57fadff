"""``decoupled-ner …``: each command imports what it needs only when it runs."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from decoupled_ner.cli_chain import run_all
from decoupled_ner.cli_compare import compare
from decoupled_ner.cli_data import data_app
from decoupled_ner.cli_distant import distant_app
from decoupled_ner.cli_gazetteer import AsJson, gazetteer_app, show
from decoupled_ner.cli_material import augment, embeddings_app
from decoupled_ner.cli_predict import evaluate, explain, load_decoupled, predict
from decoupled_ner.cli_pretrain import (
    LIGHTNING,
    EncoderOption,
    ResumeOption,
    SeedOption,
    pretrain_app,
    training_run,
)
from decoupled_ner.cli_proposer import proposer
from decoupled_ner.types import InputError

if TYPE_CHECKING:
    from decoupled_ner.candidates.base import CandidateGenerator

app = typer.Typer(
    help="Named entity recognition with few labels, many dictionaries and much raw text.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
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
app.command()(predict)
app.command()(explain)
app.command()(evaluate)


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
    tagger_model: Annotated[
        str | None,
        typer.Option("--tagger", help="Add the entities of a tagger, from a folder or hub id."),
    ] = None,
    gazetteer: Annotated[
        list[str] | None,
        typer.Option(help="Add the matches of a gazetteer or a dictionary file; may be repeated."),
    ] = None,
    ngrams: Annotated[
        int | None, typer.Option(help="Add every run of up to so many characters.")
    ] = None,
    curve: Annotated[
        Path | None, typer.Option(help="Write the proposer's recall by candidates here, as SVG.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recall, candidates a sentence, F1 ceiling and cost of each generator and of all."""
    from decoupled_ner.candidates.report import candidate_report
    from decoupled_ner.data.catalog import load_dataset
    from decoupled_ner.data.files import make_room
    from decoupled_ner.data.recipes import recipe_candidates
    from decoupled_ner.inference.budget_curve import add_curve, proposer_to_draw, render_report
    from decoupled_ner.locations import dataset_recipe, find_recipe

    if curve is not None:
        make_room(curve)
    if model is not None and recipe is not None:
        raise InputError("--model has generators of its own: leave out --recipe")
    if model is not None:
        sentences, union = load_dataset(dataset).split(split), load_decoupled(model).generator
    else:
        named = find_recipe("unify", recipe, small=True) if recipe else None
        path = named or dataset_recipe(dataset, small=True)
        data, union = recipe_candidates(path, dataset, split)
        sentences = data.split(split)
        print(f"generators of {path}", file=sys.stderr)
    union = union.plus(*_further(ltp, proposer_model, tagger_model, gazetteer or [], ngrams))
    if curve is not None:
        proposer_to_draw(union)  # or says that there is none, before the work
    report = candidate_report(sentences, union, progress=not as_json)
    if curve is not None:
        add_curve(report, union, sentences, curve)
    show(report, as_json, render_report)


def _further(
    ltp: str | None,
    proposer_model: str | None,
    tagger_model: str | None,
    gazetteers: Sequence[str],
    ngrams: int | None,
) -> list[CandidateGenerator]:
    """The generators that options add."""
    from decoupled_ner.candidates import GazetteerMatches, LtpNouns, MergedNeighbours, NGrams

    added: list[CandidateGenerator] = []
    if ltp is not None:
        added += [LtpNouns(ltp), MergedNeighbours("ltp", model=ltp)]
    if proposer_model is not None:
        from decoupled_ner.inference.proposer import ProposerCandidates

        added.append(ProposerCandidates(proposer_model))
    if tagger_model is not None:
        from decoupled_ner.inference.tagger import TaggerCandidates

        added.append(TaggerCandidates(tagger_model))
    added += [GazetteerMatches(path, name=f"gazetteer:{path}") for path in gazetteers]
    if ngrams is not None:
        added.append(NGrams(max_units=ngrams, max_length=ngrams))
        added[-1].name = f"ngrams:{ngrams}"  # the union may have others
    return added


def _json_escapes(error: UnicodeError) -> tuple[str, int]:
    """Characters that can't be encoded as JSON has them, so that JSON stays JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    pairs = zip(units[::2], units[1::2], strict=True)
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in pairs), error.end


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; a mistake of the user's is one line and status 2.

    Args:
        arguments: by default the command line's.
    """
    codecs.register_error("json", _json_escapes)
    for stream in (sys.stdout, sys.stderr):  # what the encoding can't hold, a lone surrogate say
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="json")
    try:
        app(list(arguments) if arguments is not None else None, standalone_mode=True)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, e.g. `head`


if __name__ == "__main__":
    main()
