"""Whole runs of encoder pre-training: train, save the encoder with its card, say what it was."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.cli import LightningArgumentParser

from decoupled_ner.disk import write_json
from decoupled_ner.locations import find_recipe
from decoupled_ner.models.encoder import is_uncased
from decoupled_ner.training.budget import (
    STABLE,
    BudgetProgressBar,
    StepResumePoint,
    replace_by_copy,
)
from decoupled_ner.training.cli import TrainingCLI, link_seeds
from decoupled_ner.training.launch import Run, train
from decoupled_ner.training.masked_lm import MaskedLMTraining, check_end, size_of_new
from decoupled_ner.training.masked_lm_data import SCRATCH, MaskedLMData
from decoupled_ner.training.runs import check_name, run_folder
from decoupled_ner.training.schedule import StableDecay
from decoupled_ner.training.stage1 import save_masked_lm
from decoupled_ner.training.starts import Start
from decoupled_ner.types import InputError

_OWN_SIZES = ("layers", "hidden_size", "heads", "feed_forward", "max_positions", "dropout")


class EncoderCLI(TrainingCLI):
    """``fit`` with the vocabulary given once, then the held-out scores."""

    progress_bar = BudgetProgressBar
    may_change = TrainingCLI.may_change | {
        *("model.steps", "model.minutes", "model.piece_minutes", "model.finish", "model.compile"),
        *("model.decay_share", "data.processes", "data.validation_blocks"),
    }

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_lightning_class_args(StepResumePoint, "resume_point")
        parser.set_defaults({"resume_point.dirpath": str(self.checkpoints)})
        parser.link_arguments("model.encoder", "data.encoder")
        parser.link_arguments("data.vocabulary", "model.vocabulary", apply_on="instantiate")
        link_seeds(parser)

    def before_instantiate_classes(self) -> None:
        """Find mistakes before the text is worked on."""
        model = self._get(self.config, "model")
        for check in (check_end, size_of_new):
            check(**{name: model[name] for name in inspect.signature(check).parameters})
        StableDecay(model.warmup_steps, model.decay_share, model.steps)
        if self._get(self.config, "trainer").max_steps != -1:
            raise InputError("--trainer.max_steps: give --model.steps, after which the run ends")

    def check_state(self, state: dict[str, Any]) -> None:
        super().check_state(state)
        budget: dict[str, Any] = next(
            (s for s in state["callbacks"].values() if "minutes" in s), {}
        )
        minutes, steps = budget.get("minutes"), budget.get("steps")
        model = self._get(self.config, "model")
        given = any(option.startswith("--model.steps") for option in self.given)
        if model.finish or model.minutes is not None or given:
            return
        if minutes is not None:
            raise InputError(
                f"this run was to take {minutes:g} minutes: give --model.minutes again, with"
                " --model.steps=null, or --model.steps"
            )
        if steps is not None and steps != model.steps and not budget.get("finished"):
            raise InputError(
                f"this run was to have {steps} steps: give --model.steps again, the same or another"
            )

    def after_fit(self) -> None:
        """All processes take part, so it is not done later."""
        if self.datamodule.validates:
            self.trainer.validate(self.model, self.datamodule, verbose=False)


class StableCLI(EncoderCLI):
    """Goes on from where the decay began. Only once all arguments have turned out to be right does
    that state take the newest one's place."""

    goes_on_from = STABLE

    def before_fit(self) -> None:
        # (Lightning takes settings from a checkpoint that is given as a file, and would not let
        # them be changed.)
        super().before_fit()
        if self.trainer.is_global_zero:
            checkpoints = Path(self.checkpoints)
            replace_by_copy(checkpoints / f"{STABLE}.ckpt", checkpoints / "last.ckpt")

    def check_state(self, state: dict[str, Any]) -> None:
        super().check_state(state)
        end = self.model.schedule.end
        if end is not None and state["global_step"] >= end:
            raise InputError(
                f"the decay began at step {state['global_step']}: to make the run longer, raise"
                " --model.steps above that"
            )


def pretrain_encoder(
    recipe_name: str,
    run: Run,
    texts: Sequence[str],
    vocabulary: str | None = None,
    name: str | None = None,
    *,
    finish: bool = False,
    from_stable: bool = False,
) -> Path | None:
    """Pre-train an encoder and return the run's folder; the encoder lies in it under the run's
    name. None in a process that only helped.

    Args:
        recipe_name: ``small`` for ``pretrain/encoder-small.yaml``, or a path.
        run: its encoder is the one to go on from, or `SCRATCH`.
        texts: files to train on.
        vocabulary: as in :class:`MaskedLMData`.
        name: of the run, by default the recipe's.
        finish: begin the decay of the run that is resumed.
        from_stable: resume not the newest state but the one where the decay began.

    Raises:
        InputError: an unknown recipe or encoder, missing text, or a wrong setting.
    """
    if not recipe_name.endswith((".yaml", ".yml")):
        recipe_name = f"encoder-{recipe_name.removeprefix('encoder-')}"
    recipe = find_recipe("pretrain", recipe_name)
    name = name or recipe.stem
    check_name(name)
    folder = run_folder("pretrain", name, run.encoder, run.seed)
    arguments = [f"--config={recipe}", f"--data.text={json.dumps(list(texts), ensure_ascii=False)}"]
    start = None
    if run.encoder != SCRATCH:
        start = Start(run.encoder, f"goes on from {run.encoder}")
        arguments += [f"--model.{size}=null" for size in _OWN_SIZES]
        arguments.append(f"--model.encoder={run.encoder}")
    if vocabulary is not None:
        arguments.append(f"--data.vocabulary={vocabulary}")
    if finish:
        arguments.append("--model.finish=true")
    stable = folder / "checkpoints" / f"{STABLE}.ckpt"
    if from_stable and not stable.is_file():
        raise InputError(f"no {stable}: no decay has begun; --ckpt_path last goes on")

    def save(cli: TrainingCLI, folder: Path, record: dict[str, Any]) -> None:
        module = cli.model
        assert isinstance(module, MaskedLMTraining)
        record = {"stage": "encoder", "name": name, **record, "held_out": cli.dev_scores()}
        save_masked_lm(module.masked_lm, module.tokenizer, folder / name, card(module, record))
        write_json(folder / "result.json", record)
        more = "" if record["finished"] else "; --ckpt_path last goes on, --finish ends it"
        print(f"encoder {folder / name}, {_scores(record)}{more}")

    model, data = MaskedLMTraining, MaskedLMData
    system = "encoder pre-training"
    cli_class = StableCLI if from_stable else EncoderCLI
    return train(model, data, system, folder, arguments, run, start, save, cli_class)


def card(module: MaskedLMTraining, record: dict[str, Any]) -> str:
    """The README of an encoder: what it is and how it was made."""
    config, data, schedule = module.masked_lm.config, module.data, module.schedule
    rows = {
        "architecture": f"`{type(module.masked_lm).__name__}`, {config.num_hidden_layers} layers of"
        f" {config.hidden_size}, {record['parameters'] / 1e6:.1f} M parameters",
        "started from": record["init"],
        "vocabulary": f"{config.vocab_size:,} word pieces",
        "case": "uncased, A is read as a" if is_uncased(module.tokenizer) else "cased",
        "text": ", ".join(f"{name} (SHA-256 {sha[:12]}…)" for name, sha in _texts(record)),
        "tokens": f"{record['tokens_seen']:,} seen in {record['steps']:,} steps,"
        f" {record['epochs']:.2f} passes over {len(data.corpus.train):,}",
        "input": f"blocks of {data.block_length}, texts joined with `[SEP]`"
        + (f"; single lines in {data.lines:.0%} of the steps" if data.lines else ""),
        "masking": f"{data.mask_share:.0%} of the tokens, whole words"
        f" ({data.corpus.manifest['segmenter']}) in {data.whole_words:.0%} of the blocks; 80/10/10",
        "optimiser": f"AdamW, lr {module.lr:g}, weight decay {module.weight_decay:g}, warm-up"
        f" {schedule.warmup} steps, "
        + (f"decay over the last {schedule.decay_steps}" if record["finished"] else "no decay yet"),
        "cost": f"{record['train_seconds'] / 60:.0f} minutes on {record['device']},"
        f" {record['tokens_per_second']:,.0f} tokens a second",
        "held out": f"{data.validation_blocks} blocks, {_scores(record)}",
        "seed": record["seed"],
    }
    lines = [
        f"# {record['name']}",
        "A masked language model, pre-trained by decoupled-ner.",
        "",
        "| what | value |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in rows.items()),
    ]
    return "\n".join(lines) + "\n"


def _texts(record: dict[str, Any]) -> list[tuple[str, str]]:
    return list(record["corpus"]["texts"].items())


def _scores(record: dict[str, Any]) -> str:
    held_out = record["held_out"]
    if not held_out:
        return "nothing held out"
    return f"loss {held_out['mlm']:.3f}, masked accuracy {held_out['mlm_accuracy']:.1%}"
