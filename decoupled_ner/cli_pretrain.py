"""``decoupled-ner pretrain …``, and the options that all commands share that train."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from decoupled_ner.types import InputError

if TYPE_CHECKING:
    from decoupled_ner.training.launch import Run

pretrain_app = typer.Typer(
    help="Stage 1: what names look like, and where they stand.", no_args_is_help=True
)

#: Options that are not ours go to LightningCLI.
LIGHTNING = {"allow_extra_args": True, "ignore_unknown_options": True}

EncoderOption = Annotated[
    str, typer.Option(help="Hub id, directory, or zh-small, which the package carries.")
]
SeedOption = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of everything random.")]
ResumeOption = Annotated[str | None, typer.Option("--ckpt_path", help="'last' resumes the run.")]
#: LightningCLI's options that have one of ours, by which a run is named and known.
_OURS = {"--model.encoder": "--encoder", "--seed_everything": "--seed"}
_NameOption = Annotated[str | None, typer.Option(help="Of the run's folder under runs/pretrain.")]


def training_run(
    context: typer.Context,
    encoder: str,
    seed: int,
    ckpt_path: str | None,
    points: tuple[str, ...] = ("last",),
) -> Run:
    """What a command that trains was given.

    Args:
        points: the states that a run can go on from.

    Raises:
        InputError: a wrong ``--ckpt_path``, an option that has another name here, or what training
            needs is not installed.
    """
    for option in (argument.partition("=")[0] for argument in context.args):
        if option in _OURS:
            raise InputError(f"{option}: give {_OURS[option]} in place of it")
    if ckpt_path is not None and ckpt_path not in points:
        raise InputError(f"--ckpt_path takes {' or '.join(map(repr, points))}, not {ckpt_path!r}")
    require_training()
    from decoupled_ner.training.launch import Run

    return Run(encoder, seed, ckpt_path is not None, context.args)


def require_training() -> None:
    """Check that the packages for training are there.

    Raises:
        InputError: one is not installed.
    """
    try:
        import jsonargparse  # noqa: F401
        import pytorch_lightning  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"training needs {error.name}: pip install 'decoupled-ner[train]'"
        ) from error


@pretrain_app.command("encoder", context_settings=LIGHTNING)
def encoder_stage(
    context: typer.Context,
    recipe: Annotated[
        str, typer.Argument(help="tiny, shallow, small, medium, base, adapt, or a YAML file.")
    ],
    text: Annotated[
        list[str], typer.Option(help="A text file, a text a line, .xz or .gz or plain; repeatable.")
    ],
    encoder: Annotated[
        str | None, typer.Option(help="Go on from this one; by default a new encoder is made.")
    ] = None,
    vocabulary: Annotated[
        str | None,
        typer.Option(help="A tokenizer's folder, hub id or vocab.txt; by default one is trained."),
    ] = None,
    name: _NameOption = None,
    seed: SeedOption = 1,
    ckpt_path: Annotated[
        str | None,
        typer.Option(
            "--ckpt_path", help="'last' resumes the run, 'stable' from where its decay began."
        ),
    ] = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="Resume, begin the decay now, and end.")
    ] = False,
) -> None:
    """Encoder pre-training: a masked language model on raw text, whole words masked.

    Further options are LightningCLI's and override the recipe, e.g. --model.minutes 60 or
    --model.piece_minutes 9 or --data.block_length 256 or --trainer.accumulate_grad_batches 4.
    """
    if finish and ckpt_path not in (None, "last"):
        raise InputError("--finish goes on from the newest state: leave out --ckpt_path")
    point = "last" if finish else ckpt_path
    run = training_run(context, encoder or "scratch", seed, point, ("last", "stable"))
    from decoupled_ner.training.pretrain_encoder import pretrain_encoder

    pretrain_encoder(
        recipe, run, text, vocabulary, name, finish=finish, from_stable=ckpt_path == "stable"
    )


@pretrain_app.command("mention", context_settings=LIGHTNING)
def mention(
    context: typer.Context,
    gazetteer: Annotated[
        str | None,
        typer.Option(help="A gazetteer's folder or a dictionary file; by default gazetteers/seed."),
    ] = None,
    encoder: EncoderOption = "zh-small",
    init: Annotated[
        str, typer.Option(help="Encoder to start from: none, DIR, or auto: the newest of context.")
    ] = "none",
    name: _NameOption = None,
    seed: SeedOption = 1,
    ckpt_path: ResumeOption = None,
) -> None:
    """Mention pre-training: a gazetteer's entries and their types.

    Further options are LightningCLI's and override the recipe, e.g. --data.exclude_mentions_of
    weibo or --model.lr 1e-4 or --config pretrain/noise-gce.yaml.
    """
    run = training_run(context, encoder, seed, ckpt_path)
    from decoupled_ner.training.pretrain import pretrain

    arguments = [f"--data.gazetteer={gazetteer}"] if gazetteer else []
    pretrain("mention", run, init, arguments, name)


@pretrain_app.command("context", context_settings=LIGHTNING)
def context_stage(
    context: typer.Context,
    distant: Annotated[str, typer.Option(help="The folder that distant supervision wrote.")],
    encoder: EncoderOption = "zh-small",
    init: Annotated[
        str, typer.Option(help="Encoder to start from: none, DIR, or auto: the newest of mention.")
    ] = "auto",
    name: _NameOption = None,
    seed: SeedOption = 1,
    ckpt_path: ResumeOption = None,
) -> None:
    """Context pre-training: masked mentions and their types in distantly supervised sentences.

    Further options are LightningCLI's and override the recipe, e.g. --data.sentences_per_epoch
    100000 or --model.mlm_weight 0.5 or --config pretrain/noise-gce.yaml.
    """
    run = training_run(context, encoder, seed, ckpt_path)
    from decoupled_ner.training.pretrain import pretrain

    pretrain("context", run, init, [f"--data.distant={distant}"], name)
