"""``decoupled-ner all …``: the whole chain."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from decoupled_ner.cli_gazetteer import AsJson, show
from decoupled_ner.cli_pretrain import EncoderOption, SeedOption, require_training

if TYPE_CHECKING:
    from decoupled_ner.training.chain import Step


def run_all(
    recipe: Annotated[str, typer.Argument(help="A chain's name, e.g. demo, or a YAML file.")],
    encoder: EncoderOption = "zh-small",
    text: Annotated[
        list[str] | None, typer.Option(help="Raw text in place of the recipe's; repeatable.")
    ] = None,
    sources: Annotated[
        str | None, typer.Option(help="A gazetteer's sources file in place of the recipe's.")
    ] = None,
    seed: SeedOption = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what is to do.")] = False,
    as_json: AsJson = False,
) -> None:
    """From dictionaries and raw text to a model: every step that is not up to date.

    Interrupted, the same command goes on where it was.
    """
    require_training()
    from decoupled_ner.training.chain_plan import plan_chain
    from decoupled_ner.training.runs import terminated_as_interrupted

    steps = plan_chain(recipe, encoder=encoder, text=text or (), sources=sources, seed=seed)
    output = sys.stderr if as_json else None  # standard output is JSON and nothing else
    show(_shown(steps), as_json, _render)
    if dry_run:
        return
    for step in steps:
        state, why = step.state()
        if state == "up to date":
            continue
        because = f" ({why})" if why else ""
        print(f"== {step.name}: {state}{because}", flush=True, file=output)
        with terminated_as_interrupted():
            step.run(output)


def _shown(steps: Sequence[Step]) -> dict[str, Any]:
    shown = []
    for step in steps:
        state, why = step.state()
        shown.append(
            {
                "step": step.name,
                "inputs": dict(step.inputs),
                "output": str(step.folder),
                "state": state,
                "changed": why,
            }
        )
    return {"steps": shown}


def _render(shown: dict[str, Any]) -> Table:
    table = Table("step")
    for column in ("inputs (SHA-256)", "output", "state"):
        table.add_column(column, overflow="fold")  # in a narrow terminal nothing is cut
    for step in shown["steps"]:
        inputs = "\n".join(f"{name} {checksum[:12]}" for name, checksum in step["inputs"].items())
        state = step["state"] + (f": {step['changed']}" if step["changed"] else "")
        cells = (step["step"], inputs, step["output"], state)
        table.add_row(*map(Text, cells), end_section=True)
    return table
