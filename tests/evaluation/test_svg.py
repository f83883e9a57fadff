"""Plots: well-formed, to scale, inside their frame."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decoupled_ner.inference.svg import Bar, Point, _ticks, bar_plot, line_plot
from decoupled_ner.metrics import Interval

SVG = "{http://www.w3.org/2000/svg}"
FRACTIONS = st.floats(0, 1)


def lines(root: ElementTree.Element, kind: str) -> list[list[float]]:
    found = [line for line in root.iter(f"{SVG}line") if line.get("class") == kind]
    return [[float(line.get(name, "")) for name in ("x1", "y1", "x2", "y2")] for line in found]


def test_bars_are_to_scale() -> None:
    bars = [Bar("PER", 0.5, Interval(0.25, 0.75), 1.0), Bar("<机构>", 1.0)]
    root = ElementTree.fromstring(bar_plot(bars, title="F1 & more"))
    half, whole = (float(rect.get("width", "")) for rect in root.iter(f"{SVG}rect"))
    assert whole == pytest.approx(2 * half, abs=0.2)
    [[low, _, high, _]] = lines(root, "range")
    assert high - low == pytest.approx(half, abs=0.2)
    [[limit, *_]] = lines(root, "limit")
    grid = [x for x, *_ in lines(root, "grid")]
    assert limit == max(grid) and len(grid) == 6
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert {"F1 & more", "PER", "<机构>", "50.00", "100.00"} <= set(texts)


def test_dots_zoom_in() -> None:
    bars = [Bar("a", 0.712), Bar("b", 0.734, Interval(0.72, 0.75))]
    root = ElementTree.fromstring(bar_plot(bars, title="F1", from_zero=False))
    first, second = (float(dot.get("cx", "")) for dot in root.iter(f"{SVG}circle"))
    assert second - first > 200
    assert not list(root.iter(f"{SVG}rect"))


@pytest.mark.parametrize("from_zero", [True, False])
def test_long_labels_make_a_plot_wider(from_zero: bool) -> None:
    bars = [Bar("a-system-" * 12, 0.75), Bar("b", 0.84)]
    root = ElementTree.fromstring(bar_plot(bars, title="F1", from_zero=from_zero))
    grid = [x for x, *_ in lines(root, "grid")]
    assert grid == sorted(grid) and grid[-1] - grid[0] > 200
    assert grid[-1] < float(root.get("width", ""))


def test_lines_have_a_log_axis_and_a_legend() -> None:
    series = {"ours": [Point(100, 0.5), Point(1000, 0.6, Interval(0.55, 1.4)), Point(10000, 0.7)]}
    plot = line_plot(series, title="F1", x_label="training sentences")
    root = ElementTree.fromstring(plot)
    [line] = root.iter(f"{SVG}polyline")
    xs = [float(place.split(",")[0]) for place in line.get("points", "").split()]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)
    [[_, bottom, _, top]] = lines(root, "range")
    assert 26 <= top < bottom, "the interval ends with the axis, at 100"
    assert "training sentences" in plot and "10,000" in plot and ">ours<" in plot


@given(st.lists(st.tuples(FRACTIONS, FRACTIONS, FRACTIONS, FRACTIONS), max_size=5), st.booleans())
def test_nothing_leaves_the_frame(rows: list[tuple[float, ...]], from_zero: bool) -> None:
    bars = [Bar("x", v, Interval(min(a, b) - 0.1, max(a, b) + 0.1), c) for v, a, b, c in rows]
    root = ElementTree.fromstring(bar_plot(bars, title="t", from_zero=from_zero))
    width, height = float(root.get("width", "")), float(root.get("height", ""))
    for kind in ("grid", "range", "limit"):
        for x1, y1, x2, y2 in lines(root, kind):
            assert 0 <= x1 <= width and 0 <= x2 <= width
            assert 0 <= y1 <= height and 0 <= y2 <= height


@given(FRACTIONS, FRACTIONS)
def test_ticks_enclose_the_values(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    ticks = _ticks(low, high)
    assert 2 <= len(ticks) <= 8 and ticks == sorted(set(ticks))
    assert 0 <= ticks[0] <= low + 1e-9 and high - 1e-9 <= ticks[-1] <= 1


def test_the_same_input_gives_the_same_plot() -> None:
    series = {"a": [Point(1, 0.1), Point(2, 0.2)]}
    once, again = (line_plot(series, title="t", x_label="x", log=False) for _ in range(2))
    assert once == again and not re.search(r"\d\.\d{4}", once)


def test_round_ticks_enclose_the_points() -> None:
    series = {"a": [Point(3.1, 0.5)], "b": [Point(3.2, 0.6)], "c": [Point(140.0, 0.7)]}
    plot = line_plot(series, title="t", x_label="ms", round_ticks=True)
    for tick in ("2", "5", "10", "20", "50", "100", "200"):
        assert f'class="soft">{tick}</text>' in plot
    assert ">3.1<" not in plot
    alone = line_plot({"a": [Point(1.0, 0.5)]}, title="t", x_label="ms", round_ticks=True)
    assert 'class="soft">1</text>' in alone and 'class="soft">2</text>' in alone
