"""Every command that README and docs show is one that the command line takes."""

from __future__ import annotations

import inspect
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import typer
from pytorch_lightning import Trainer

from decoupled_ner.cli import app
from decoupled_ner.training import launch, pretrain, pretrain_encoder, proposer_runs
from decoupled_ner.training.base import BaseTraining
from decoupled_ner.training.datamodule import TrainingData

COMMANDS = (launch, pretrain, pretrain_encoder, proposer_runs)  # which bring their classes along

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("**/README.md")),
    *sorted(ROOT.glob("docs/*.md")),
]


def documented() -> list[str]:
    """The commands of all blocks of code, without their comments."""
    blocks = [
        block
        for page in PAGES
        if not {".venv", "runs"} & set(page.relative_to(ROOT).parts)
        for block in re.findall(
            r"^(?:```\w*\n(.*?)```|((?: {4}\S.*\n)+))", page.read_text(), re.M | re.S
        )
    ]
    lines = "\n".join(part for block in blocks for part in block).splitlines()
    return [
        line.partition(" #")[0].strip()
        for line in lines
        if re.match(r"(make|decoupled-ner|python -m unify) ", line.strip())
    ]


def check(command: str) -> None:
    """Parse a command of ``decoupled-ner`` as it would be before it runs."""
    parser, names = typer.main.get_command(app), []
    program, *arguments = shlex.split(command)
    assert Path(program).name == "decoupled-ner"
    while isinstance(parser, typer.core.TyperGroup):
        names.append(arguments.pop(0))
        assert names[-1] in parser.commands, f"no command {' '.join(names)}"
        parser = parser.commands[names[-1]]
    context = parser.make_context(" ".join(names), arguments)
    for option in (option for option in context.args if option.startswith("--")):
        group, _, name = option[2:].partition("=")[0].partition(".")
        assert name.partition(".")[0] in recipe_options()[group], f"no option {option}"


@cache
def recipe_options() -> dict[str, set[str]]:
    """What Lightning's command line takes, of any of the training commands."""

    def taken(base: type) -> set[str]:
        below = (taken(kind) for kind in base.__subclasses__())
        return set(inspect.signature(base).parameters).union(*below)

    named = {"data": TrainingData, "model": BaseTraining, "trainer": Trainer}
    return {**{group: taken(kind) for group, kind in named.items()}, "ckpt_path": {""}}


def expanded(target: str) -> list[str]:
    """What ``make`` would run for it, the environment being there."""
    dry = ["make", "--dry-run", "--no-print-directory", "--old-file=.venv/.ready"]
    done = subprocess.run(
        [*dry, *shlex.split(target)[1:]], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("command", documented())
def test_a_documented_command_is_taken(command: str):
    if not command.startswith("make "):
        check(command.replace("python -m", "decoupled-ner"))
        return
    lines = [line for line in expanded(command) if "decoupled-ner" in line]
    assert lines or command.split()[1] in {"test", "check", "format", "results"}
    for line in lines:
        check(line)


def test_documented_commands_are_found():
    assert len(documented()) > 50
    with pytest.raises(Exception, match="No such option"):
        check("decoupled-ner predict --modl mine")
    for slip in ("--encodr=x", "--data.gazetter=y", "--trainer.device=2"):
        with pytest.raises((AssertionError, KeyError)):
            check(f"decoupled-ner unify weibo {slip}")


def test_python_m_unify_is_the_command_of_that_name():
    done = subprocess.run(
        [sys.executable, "-m", "unify", "nothing"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: no recipe 'nothing' in unify/")
