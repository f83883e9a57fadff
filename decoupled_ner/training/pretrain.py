"""Whole runs of stage 1: train, save the encoder, write what the run was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from decoupled_ner.disk import write_json
from decoupled_ner.locations import find_recipe
from decoupled_ner.models.encoder import is_small, load_encoder_config
from decoupled_ner.training.cli import TrainingCLI
from decoupled_ner.training.context import ContextData, ContextTraining
from decoupled_ner.training.curves import write_curves
from decoupled_ner.training.launch import Run, train
from decoupled_ner.training.mention import MentionData, MentionTraining
from decoupled_ner.training.runs import check_name, run_folder
from decoupled_ner.training.stage1 import StageOneTraining
from decoupled_ner.training.starts import resolve_start, resumed_start, stage_one_run

Stage = Literal["mention", "context"]
_CLASSES: dict[Stage, tuple[type[StageOneTraining], type[MentionData] | type[ContextData]]] = {
    "mention": (MentionTraining, MentionData),
    "context": (ContextTraining, ContextData),
}
_OTHER: dict[Stage, Stage] = {"mention": "context", "context": "mention"}


class _StageCLI(TrainingCLI):
    def after_fit(self) -> None:
        """One that is resumed behind its last epoch has no scores yet. All processes take part."""
        if self.datamodule.validates and self.model.monitor not in self.trainer.callback_metrics:
            self.trainer.validate(self.model, self.datamodule, verbose=False)


def pretrain(
    stage: Stage, run: Run, init: str, arguments: Sequence[str], name: str | None = None
) -> Path | None:
    """Run a stage of pre-training and return the run's folder, whose ``encoder`` is the result;
    None in a process that only helped.

    Args:
        init: ``none``, a directory, or ``auto``: the newest encoder of the other stage that fits.
        arguments: LightningCLI's that say what is trained on.
        name: of the run's folder in place of the stage's, e.g. to keep two corpora apart.

    Raises:
        InputError: an unknown encoder, missing data, or a wrong setting.
    """
    recipe = find_recipe("pretrain", stage, small=is_small(load_encoder_config(run.encoder)))
    check_name(name or stage)
    folder = pretrain_folder(name or stage, run)
    start = resolve_start(init, run.encoder, [_OTHER[stage]])
    if run.resume:
        start = resumed_start(folder, start)
    model_class, data_class = _CLASSES[stage]

    def finish(cli: TrainingCLI, folder: Path, record: dict[str, Any]) -> None:
        module = cli.model
        assert isinstance(module, StageOneTraining)
        module.save_encoder(folder / "encoder")
        write_curves(folder)
        held_out = cli.dev_scores()
        write_json(folder / "result.json", {"stage": stage, **record, "held_out": held_out})
        print(f"encoder {folder / 'encoder'}")

    return train(
        model_class,
        data_class,
        f"{stage} pre-training",
        folder,
        [f"--config={recipe}", f"--model.encoder={start.encoder}", *arguments],
        run,
        start,
        finish,
        _StageCLI,
    )


def pretrain_folder(name: str, run: Run) -> Path:
    """Where a run of :func:`pretrain` lies: an encoder's name goes on through the stages."""
    before = stage_one_run(run.encoder) or {}
    return run_folder("pretrain", name, before.get("encoder", run.encoder), run.seed)
