"""Small plots as SVG text: the same on every machine, readable in light and dark, no dependency.

Values are fractions in [0, 1] and are shown in percent. Each function returns a whole ``<svg>``
element that stands in a page or, written to a file, alone.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from decoupled_ner.inference.highlight import safe_html
from decoupled_ner.metrics import Interval

_WIDTH = 720
#: What is left for the bars and their values at least, however long the labels are.
_NARROWEST = 400
_ROW = 30
_TOP = 26
_FONT = 13
#: Where no line can be told from its neighbours any more, colours start again.
_COLOURS = ("#3b82c4", "#d9822b", "#2e9e6b", "#9b6bd1", "#c94f6d", "#8a8f2a", "#3aa6b0", "#7a7f87")
_STYLE = """
.plot text{font:13px system-ui,sans-serif;fill:#30363d}
.plot .soft{fill:#6a737d}
.plot .grid{stroke:#8b949e;stroke-opacity:.3}
.plot .range{stroke:#30363d;stroke-width:1.5}
.plot .limit{stroke:#c94f6d;stroke-width:2.5}
@media(prefers-color-scheme:dark){
.plot text{fill:#d7dce1}
.plot .soft{fill:#9aa4ae}
.plot .range{stroke:#d7dce1}
}"""


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of `bar_plot`: ``limit`` (candidate recall, say) is drawn as a red tick."""

    label: str
    value: float
    interval: Interval | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A point of `line_plot`; ``x`` is positive."""

    x: float
    y: float
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps ``[low, high]`` to pixels ``[start, stop]``, by logarithm where asked."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.stop - self.start)


def bar_plot(bars: Sequence[Bar], *, title: str, from_zero: bool = True) -> str:
    """Horizontal bars, or dots on an axis that zooms in where ``from_zero`` is false."""
    left = 16 + max((text_width(bar.label) for bar in bars), default=0)
    width = max(_WIDTH, math.ceil(left) + _NARROWEST)
    height = _TOP + _ROW * len(bars) + 30
    shown = [v for bar in bars for v in _extent(bar.value, bar.interval, bar.limit)]
    ticks = _ticks(0.0, 1.0) if from_zero or not shown else _ticks(min(shown), max(shown))
    x = _Scale(ticks[0], ticks[-1], left, width - 72)
    parts = []
    for tick in ticks:
        parts.append(_line("grid", x(tick), _TOP, x(tick), height - 28))
        parts.append(_text(x(tick), height - 10, f"{100 * tick:g}", "middle", "soft"))
    for row, bar in enumerate(bars):
        y = _TOP + _ROW * (row + 0.5)
        parts.append(_text(left - 10, y + 4, bar.label, "end"))
        if from_zero:
            wide = x(bar.value) - left
            parts.append(
                f'<rect x="{left:.1f}" y="{y - 8:.1f}" width="{wide:.1f}" height="16" rx="2"'
                f' fill="{_COLOURS[0]}"/>'
            )
        else:
            parts.append(_dot(x(bar.value), y, _COLOURS[0]))
        if bar.interval:
            low, high = _inside(bar.interval)
            parts.append(_line("range", x(low), y, x(high), y))
        if bar.limit is not None:
            parts.append(_line("limit", x(bar.limit), y - 10, x(bar.limit), y + 10))
        parts.append(_text(width - 6, y + 4, f"{100 * bar.value:.2f}", "end"))
    return _svg(title, height, parts, width)


def line_plot(
    series: Mapping[str, Sequence[Point]],
    *,
    title: str,
    x_label: str,
    log: bool = True,
    round_ticks: bool = False,
) -> str:
    """One line a series with its intervals; ``x`` has a tick at each point, or at 1, 2 and 5 times
    the powers of ten around the points."""
    points = [point for line in series.values() for point in line]
    left, bottom = 56.0, 330.0
    height = int(bottom) + 48 + 22 * len(series)
    ys = [v for point in points for v in _extent(point.y, point.interval, None)] or [0.0, 1.0]
    ticks = _ticks(min(ys), max(ys))
    xs = sorted({point.x for point in points}) or [1.0]
    if round_ticks:
        xs = _round_steps(xs[0], xs[-1])
    x = _Scale(xs[0], xs[-1], left + 16, _WIDTH - 40, log)
    y = _Scale(ticks[0], ticks[-1], bottom, _TOP)
    parts = [_text(_WIDTH / 2, bottom + 38, x_label, "middle", "soft")]
    for tick in ticks:
        parts.append(_line("grid", left, y(tick), _WIDTH - 24, y(tick)))
        parts.append(_text(left - 8, y(tick) + 4, f"{100 * tick:g}", "end", "soft"))
    parts += [_text(x(value), bottom + 18, f"{value:,g}", "middle", "soft") for value in xs]
    for row, (name, line) in enumerate(series.items()):
        colour = _COLOURS[row % len(_COLOURS)]
        places = " ".join(f"{x(p.x):.1f},{y(p.y):.1f}" for p in line)
        parts.append(
            f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        for p in line:
            if p.interval:
                low, high = _inside(p.interval)
                parts.append(_line("range", x(p.x), y(low), x(p.x), y(high), colour))
            parts.append(_dot(x(p.x), y(p.y), colour))
        below = bottom + 60 + 22 * row
        parts += [_dot(left, below - 4, colour), _text(left + 14, below, name)]
    return _svg(title, height, parts)


def text_width(text: str) -> float:
    """About how many pixels a text takes; East Asian characters are square."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return _FONT * (wide + 0.58 * (len(text) - wide))


def _extent(value: float, interval: Interval | None, limit: float | None) -> list[float]:
    ends = [*_inside(interval)] if interval else []
    return [value, *ends, *([] if limit is None else [limit])]


def _inside(interval: Interval) -> tuple[float, float]:
    """A t-interval over few runs may reach beyond what a score can be."""
    return max(interval.low, 0.0), min(interval.high, 1.0)


def _ticks(low: float, high: float) -> list[float]:
    """Four to eight round numbers that enclose ``[low, high]``, inside [0, 1]."""
    wanted = max(high - low, 0.02) / 5
    power = 10 ** math.floor(math.log10(wanted))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= wanted * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if first == last:
        first, last = first - 1, last + 1
    ticks = [round(number * step, 10) for number in range(first, last + 1)]
    return [tick for tick in ticks if 0 <= tick <= 1]


def _round_steps(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, from the last one below ``low`` to the first above ``high``,
    both positive."""
    first = math.floor(math.log10(low))
    steps = [f * 10.0**p for p in range(first, first + 40) for f in (1, 2, 5)]
    begin = max(i for i, step in enumerate(steps) if step <= low * (1 + 1e-9))
    end = next(i for i, step in enumerate(steps) if step >= high * (1 - 1e-9) and i > begin)
    return steps[begin : end + 1]


def _svg(title: str, height: int, parts: Sequence[str], width: int = _WIDTH) -> str:
    inside = "\n".join(parts)
    return (
        f'<svg class="plot" xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" aria-label="{safe_html(title)}">\n'
        f"<style>{_STYLE}</style>\n{_text(0, 14, title)}\n{inside}\n</svg>\n"
    )


def _text(x: float, y: float, text: str, anchor: str = "start", style: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} class="{style}">{safe_html(text)}</text>'


def _line(style: str, x1: float, y1: float, x2: float, y2: float, colour: str = "") -> str:
    own = f' style="stroke:{colour}"' if colour else ""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line class="{style}" {ends}{own}/>'


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
