"""``decoupled-ner proposer``: train a candidate generator."""

from __future__ import annotations

from typing import Annotated

import typer

from decoupled_ner.cli_pretrain import EncoderOption, ResumeOption, SeedOption, training_run
from decoupled_ner.types import InputError


def proposer(
    context: typer.Context,
    dataset: Annotated[str, typer.Argument(help="Name or path of a data set.")],
    encoder: EncoderOption = "zh-small",
    recipe: Annotated[
        str, typer.Option(help="A recipe's name in unify/proposer, or a YAML file.")
    ] = "default",
    folds: Annotated[
        int,
        typer.Option(
            help="Also train so many proposers, each without one part of the training sentences,"
            " and write what each proposes there, for unify's --data.train_candidates."
        ),
    ] = 0,
    fold: Annotated[
        str | None, typer.Option(help="Only the proposer without part I of N, as I/N.")
    ] = None,
    seed: SeedOption = 1,
    ckpt_path: ResumeOption = None,
) -> None:
    """Train a proposer, a candidate generator, choose its thresholds on dev and measure its recall.

    Further options are LightningCLI's and override the recipe, e.g. --model.budget 3.
    """
    run = training_run(context, encoder, seed, ckpt_path)
    from decoupled_ner.training.proposer_runs import train_in_folds, train_proposer

    if folds and fold:
        raise InputError("--folds trains every fold, --fold a single one: give one of them")
    if folds:
        train_in_folds(dataset, run, recipe, folds)
    else:
        train_proposer(dataset, run, recipe, _part(fold))


def _part(fold: str | None) -> tuple[int, int] | None:
    if fold is None:
        return None
    number, _, folds = fold.partition("/")
    if not (number.isdecimal() and folds.isdecimal()):
        raise InputError(f"--fold takes a number and how many there are, as 2/5, not {fold!r}")
    return int(number), int(folds)
