"""Self-contained pages: no script, nothing fetched, every text escaped, light and dark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from decoupled_ner.data.files import write_lines
from decoupled_ner.inference.evaluation import Evaluation
from decoupled_ner.inference.highlight import (
    colours_of,
    mark_html,
    safe_html,
)
from decoupled_ner.inference.report_parts import (
    cards,
    confusion_table,
    examples,
    losses,
    score_table,
)
from decoupled_ner.types import Sentence

__all__ = ["highlight_html", "report_html", "write_report"]


def highlight_html(predictions: Sequence[Sentence], *, title: str = "Entities") -> str:
    """A page of sentences with their entities in colour, score and offsets on hover.

    Args:
        predictions: texts with the entities that were found in them; nested and crossing ones too.
    """
    counts = Counter(entity.label for sentence in predictions for entity in sentence.entities)
    colours = colours_of(counts)
    legend = " ".join(
        f'<span><mark class="c{colour}">{safe_html(label)}</mark> {counts[label]:,}</span>'
        for label, colour in colours.items()
    )
    lines = "\n".join(
        f'<li><span class="number">{number}</span>'
        f'<div class="text">{mark_html(s.text, s.entities, colours)}</div></li>'
        for number, s in enumerate(predictions, start=1)
    )
    found = f"{sum(counts.values()):,} entities in {len(predictions):,} sentences"
    body = (
        f"<h1>{safe_html(title)}</h1>\n<p>{found}</p>\n"
        + (f'<p class="legend">{legend}</p>\n' if legend else "")
        + f'<section><ol class="sentences">\n{lines}\n</ol></section>'
    )
    return _page(title, body)


def write_report(
    evaluation: Evaluation, path: str | Path, *, facts: Mapping[str, str] | None = None
) -> None:
    """Write `report_html` beside ``path``, then rename.

    Raises:
        InputError: the file can't be written.
    """
    write_lines([report_html(evaluation, facts=facts).removesuffix("\n")], Path(path))


def report_html(evaluation: Evaluation, *, facts: Mapping[str, str] | None = None) -> str:
    """The page of an evaluation.

    Args:
        facts: what was evaluated on what, shown at the top: ``{"model": …, "dataset": …}``.
    """
    overall = evaluation.overall
    listed = {**(facts or {}), "sentences": f"{overall.sentences:,}"}
    if evaluation.candidates_a_sentence is not None:
        listed["candidates a sentence"] = f"{evaluation.candidates_a_sentence:.1f}"
    header = "".join(
        f"<div><dt>{safe_html(name)}</dt><dd>{safe_html(value)}</dd></div>"
        for name, value in listed.items()
    )
    parts = [
        f'<h1>Evaluation</h1>\n<dl class="facts">{header}</dl>',
        cards(overall),
        losses(evaluation),
        score_table(evaluation),
        confusion_table(evaluation.confusion),
        examples(evaluation),
    ]
    return _page(" · ".join(["Evaluation", *(facts or {}).values()]), "\n".join(parts))


def _page(title: str, body: str) -> str:
    folder = files("decoupled_ner") / "assets" / "html"
    page = Template((folder / "page.html").read_text(encoding="utf-8"))
    style = (folder / "style.css").read_text(encoding="utf-8")
    return page.substitute(title=safe_html(title), style=style, body=body)
