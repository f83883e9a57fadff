"""The reports of a gazetteer as tables for a rich console."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


def render_build(manifest: Mapping[str, Any]) -> RenderableType:
    """What `build.build_gazetteer` returns."""
    rows = [
        (
            source["name"],
            source["rows"],
            _counts(source["kept"]),
            _counts(source["dropped"]),
            source["licence"],
        )
        for source in manifest["sources"]
    ]
    return Group(
        _table(("source", "rows", "kept", "dropped", "licence"), rows),
        Text(f"{manifest['mentions']:,} entity mentions: {_counts(manifest['types'])}"),
        Text(f"{manifest['words']:,} words that no source calls an entity"),
    )


def render_report(report: Mapping[str, Any]) -> RenderableType:
    """What `report.report` returns."""
    pairs = [
        (pair, count, "、".join(report["examples"][pair]))
        for pair, count in report["conflict_pairs"].items()
    ]
    return Group(
        Text(f"{report['mentions']:,} entity mentions, {report['words']:,} words"),
        _table(("type", "mentions"), report["types"].items()),
        _table(("source", "claims"), [(name, _counts(c)) for name, c in report["sources"].items()]),
        Text(f"{report['conflicts']:,} mentions with several entity types"),
        _table(("types", "mentions", "examples → most probable"), pairs),
    )


def render_lookup(found: Mapping[str, Any]) -> RenderableType:
    """What `report.lookup` returns."""
    if found["type"] is None:
        return Text(f"{found['mention']}: not in the gazetteer")
    claims = [(claim["type"], claim["source"], f"{claim['weight']:g}") for claim in found["claims"]]
    return Group(
        Text(f"{found['mention']}: {found['type']}"),
        _table(("type", "source", "weight"), claims),
    )


def render_diff(changes: Mapping[str, Any]) -> RenderableType:
    """What `report.diff` returns."""
    rows = [
        (kind, sum(changes[kind].values()), _counts(changes[kind]), "、".join(examples))
        for kind, examples in changes["examples"].items()
    ]
    return _table(("", "mentions", "by type", "examples"), rows)


def render_agreement(found: Mapping[str, Any]) -> RenderableType:
    """What `report.agreement` returns."""
    columns = ("entities", "held", "coverage", "conflict", "conflict_any_type")
    lines = [*found["by_type"].items(), ("all", found)]
    rows = [(name, *(_value(rates[column]) for column in columns)) for name, rates in lines]
    fold = ", ".join(f"{old} as {new}" for old, new in found["fold"].items())
    return Group(
        Text(f"coverage and conflict{f', {fold}' if fold else ''}"),
        _table(("type", *(column.replace("_", " ") for column in columns)), rows),
        _table(("conflict", "times"), found["examples"].items()),
    )


def _table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")  # in a narrow terminal nothing is cut
    for row in rows:
        table.add_row(*(Text(_value(value)) for value in row))
    return table


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2%}"
    return f"{value:,}" if isinstance(value, int) else str(value)
