"""The noise audit for people: a self-contained page, or a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from decoupled_ner.data.files import write_lines
from decoupled_ner.labels import LabelSet

_HEADER = ("", "noisy", "gold", "precision", "recall", "F1")
# C0, C1 and lone surrogates: invisible, or orders to a terminal.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def write_audit(report: Mapping[str, Any], path: str | Path, *, title: str) -> None:
    """Write `audit_html` beside ``path``, then rename.

    Raises:
        InputError: the file can't be written.
    """
    write_lines([audit_html(report, title=title)], Path(path))


def audit_html(report: Mapping[str, Any], *, title: str) -> str:
    """The answer of `noise_audit` as a page: no script, nothing fetched, every text escaped."""
    sections = [f"<h1>{_safe(title)}</h1>", _facts(report["counts"])]
    if "agreement" in report:
        sections.append(_agreement_html(report["agreement"]))
    for colour, label in enumerate(LabelSet.of(report["types"]).types):
        sections.append(_type_html(label, report, f"c{colour % 12}"))
    for reason, samples in report["doubtful"].items():
        count = report["counts"]["doubtful"][reason]
        sections.append(
            f"<section><h2>Not labelled: {_safe(reason)} · {count:,}</h2>"
            f"{_samples_html(samples, reason, 'c6')}</section>"
        )
    folder = files("decoupled_ner") / "assets" / "html"
    page = Template((folder / "page.html").read_text(encoding="utf-8"))
    style = (folder / "style.css").read_text(encoding="utf-8")
    return page.substitute(title=_safe(title), style=style, body="\n".join(sections))


def render_audit(report: Mapping[str, Any]) -> RenderableType:
    """The answer of `noise_audit` for a terminal; ask for some eight samples."""
    parts: list[RenderableType] = [Text(_line(report["counts"]))]
    if "agreement" in report:
        table = Table(*_HEADER)
        for cells in _agreement_rows(report["agreement"]):
            table.add_row(*map(Text, cells))
        parts.append(table)
    for label in LabelSet.of(report["types"]).types:
        values = report["types"][label]
        common = " ".join(f"{_shown(mention)} {count:,}" for mention, count in values["common"])
        parts.append(Text(f"\n{label}: {values['mentions']:,} mentions, the most common\n{common}"))
        parts.extend(_sample_lines(values["samples"]))
    for reason, samples in report["doubtful"].items():
        parts.append(Text(f"\nnot labelled: {reason}"))
        parts.extend(_sample_lines(samples))
    return Group(*parts)


def _sample_lines(samples: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    for sample in samples:
        left, mention, right = (_shown(sample[key]) for key in ("left", "mention", "right"))
        yield Text.assemble("  ", left, (f"[{mention}]", "bold cyan"), right)


def _type_html(label: str, report: Mapping[str, Any], colour: str) -> str:
    values = report["types"][label]
    common = " ".join(
        f"<span>{_safe(mention)} <small>{count:,}</small></span>"
        for mention, count in values["common"]
    )
    return (
        f"<section><h2>{_safe(label)} · {report['counts']['entities'][label]:,}</h2>"
        f"<p>{values['mentions']:,} mentions; the most common:</p>"
        f'<p class="legend">{common}</p>'
        f"{_samples_html(values['samples'], label, colour)}</section>"
    )


def _samples_html(samples: Sequence[Mapping[str, Any]], label: str, colour: str) -> str:
    items = []
    for sample in samples:
        note = _safe(" · ".join([sample["id"], *sample["sources"]]))
        if sample["sources"]:
            note += f" · {sample['score']:.2f}"
        items.append(
            f'<li><div class="text">{_safe(sample["left"])}'
            f'<mark class="{colour}">{_safe(sample["mention"])}<b>{_safe(label)}</b></mark>'
            f"{_safe(sample['right'])}<br><small>{note}</small></div></li>"
        )
    return f'<ol class="sentences">{"".join(items)}</ol>'


def _agreement_html(agreement: Mapping[str, Any]) -> str:
    head = "".join(f"<th>{name}</th>" for name in _HEADER)
    body = "".join(
        f"<tr>{''.join(f'<td>{_safe(cell)}</td>' for cell in cells)}</tr>"
        for cells in _agreement_rows(agreement)
    )
    return (
        f"<section><h2>Agreement with {agreement['sentences']:,} gold sentences</h2>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></section>"
    )


def _agreement_rows(agreement: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for label, row in {"all": agreement["overall"], **agreement["by_type"]}.items():
        percent = (f"{100 * row[key]:.2f}" for key in ("precision", "recall", "f1"))
        yield label, f"{row['noisy']:,}", f"{row['gold']:,}", *percent


def _facts(counts: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in _fact_values(counts)
    )
    return f'<dl class="facts">{rows}</dl>'


def _line(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in _fact_values(counts))


def _fact_values(counts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "sentences read", f"{counts['sentences_read']:,}"
    yield "with labels", f"{counts['labelled']:,}"
    yield "labels", f"{sum(counts['entities'].values()):,}"
    yield "doubtful regions", f"{sum(counts['doubtful'].values()):,}"


def _shown(text: str) -> str:
    """``text`` with each control character as a visible one."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def _safe(text: str) -> str:
    """``text`` as it may stand in an element or in a quoted attribute."""
    return escape(_shown(text))
