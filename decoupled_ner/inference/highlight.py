"""Entities marked in their text, for a page or a terminal: nested and crossing ones too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from rich.text import Text

from decoupled_ner.labels import LabelSet
from decoupled_ner.types import Entity

#: The usual types keep their colour in every document; the numbers are those of ``style.css``.
_FIXED_COLOURS = {"PER": 0, "ORG": 1, "GPE": 2, "LOC": 3}
COLOURS = 12
_TERMINAL_COLOURS = ("cyan", "yellow", "green", "magenta", "red", "blue")
#: C0 (but tab and line breaks), C1 and lone surrogates: invisible, or orders to a terminal.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Piece:
    """Characters between two boundaries, and the entities that begin and end around them.

    ``inside`` has every entity that covers the piece, the outermost first.
    """

    text: str
    begins: tuple[Entity, ...]
    inside: tuple[Entity, ...]
    ends: tuple[Entity, ...]


def colours_of(labels: Iterable[str]) -> dict[str, int]:
    """A colour number below `COLOURS` for each label: fixed for PER, ORG, GPE and LOC."""
    names = LabelSet.of(labels).types
    others = [name for name in names if name not in _FIXED_COLOURS]
    free = len(_FIXED_COLOURS)
    given = {name: free + place % (COLOURS - free) for place, name in enumerate(others)}
    return {name: _FIXED_COLOURS.get(name, given.get(name, 0)) for name in names}


def printable(text: str) -> str:
    """``text`` with each control character as a visible one, so that none acts on the reader."""

    def picture(match: re.Match[str]) -> str:
        code = ord(match[0])
        if code == 0x7F:
            return "␡"
        return chr(0x2400 + code) if code < 0x20 else "\N{REPLACEMENT CHARACTER}"

    return _CONTROL.sub(picture, text)


def safe_html(text: str) -> str:
    """``text`` as it may stand in an element or in a quoted attribute."""
    return escape(printable(text))


def mark_html(
    text: str,
    entities: Sequence[Entity],
    colours: Mapping[str, int],
    style_of: Callable[[Entity], str] = lambda _: "",
) -> str:
    """Escaped HTML of a text with a ``<mark>`` around each entity.

    Marks nest. One that crosses the end of another is written in parts; the label stands at the
    end of the last. ``style_of`` gives an entity's further CSS class.
    """
    written: list[str] = []
    stack: list[Entity] = []
    for piece in _pieces(text, entities):
        for entity in piece.begins:
            written.append(_opening(entity, colours, style_of(entity), entity.start))
            stack.append(entity)
        written.append(safe_html(piece.text))
        ending = list(piece.ends)
        position = ending[0].end if ending else -1
        crossed: list[Entity] = []
        while ending:
            entity = stack.pop()
            if entity in ending:
                ending.remove(entity)
                written.append(f"<b>{safe_html(entity.label)}</b></mark>")
            else:
                crossed.append(entity)
                written.append("</mark>")
        for entity in reversed(crossed):
            written.append(_opening(entity, colours, style_of(entity), position))
            stack.append(entity)
    return "".join(written)


def highlight_terminal(text: str, entities: Sequence[Entity]) -> Text:
    """A text for rich with ``[…/LABEL]`` around each entity, in the colour of its type.

    The brackets and labels make it readable without colour too. Escape sequences in the text are
    shown, not obeyed.
    """
    colours = colours_of(entity.label for entity in entities)

    def colour(entity: Entity) -> str:
        return _TERMINAL_COLOURS[colours[entity.label] % len(_TERMINAL_COLOURS)]

    shown = Text()
    for piece in _pieces(text, entities):
        for entity in piece.begins:
            shown.append("[", style=f"dim {colour(entity)}")
        inner = piece.inside[-1:]
        shown.append(printable(piece.text), style=f"bold {colour(inner[0])}" if inner else "")
        for entity in piece.ends:
            shown.append(f"/{printable(entity.label)}]", style=f"dim {colour(entity)}")
    return shown


def _pieces(text: str, entities: Sequence[Entity]) -> Iterator[_Piece]:
    """Cut a text wherever an entity begins or ends."""
    ordered = sorted(entities, key=lambda e: (e.start, -e.end, e.label))
    cuts = {0, len(text)} | {e.start for e in ordered} | {e.end for e in ordered}
    places = sorted(cuts)
    begins: dict[int, list[Entity]] = {}
    for entity in ordered:
        begins.setdefault(entity.start, []).append(entity)
    inside: list[Entity] = []
    for start, end in pairwise(places):
        inside = [entity for entity in inside if entity.end > start] + begins.get(start, [])
        ends = tuple(entity for entity in reversed(inside) if entity.end == end)
        yield _Piece(text[start:end], tuple(begins.get(start, ())), tuple(inside), ends)


def _opening(entity: Entity, colours: Mapping[str, int], style: str, at: int) -> str:
    classes = f"c{colours[entity.label]} {style}".strip()
    if at > entity.start:
        classes += " rest"
    score = f" · {100 * entity.score:.1f}%" if entity.score < 1 else ""
    title = f"{entity.label}{score} · [{entity.start}, {entity.end})"
    return f'<mark class="{classes}" title="{safe_html(title)}">'
