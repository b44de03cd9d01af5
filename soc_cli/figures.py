"""Runs bench/NAME.py: `figures()` returns what it measured, as plain dictionaries."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from typing import Any

import orjson

from soc_core import registry
from soc_core.config import ROOT

KEYS = ("name", "value", "unit", "peer", "peer_value", "ratio", "target", "met")
RECORDS = ROOT / "docs" / "benchmarks.json"

Figure = dict[str, Any]


def names() -> tuple[str, ...]:
    return registry.names("bench")


def listing() -> list[str]:
    """One line a bench."""
    lines = []
    for name in names():
        doc = (registry.get("bench", name).__doc__ or "").strip().splitlines()
        lines.append(f"{name:<12} {doc[0] if doc else ''}")
    return lines


def run(wanted: list[str]) -> list[Figure]:
    """The figures of the named benches, in order. Raises LookupError on an unknown name."""
    places = [name.replace("-", "_") for name in wanted]
    if odd := [name for name, place in zip(wanted, places, strict=True) if place not in names()]:
        raise LookupError(f"no bench named {odd[0]!r}; there are: {', '.join(names())}")
    modules = [(place, registry.get("bench", place)) for place in places]
    found = []
    for name, module in modules:
        for figure in module.figures():
            unknown = set(figure) - set(KEYS)
            if unknown:
                raise ValueError(f"bench {name} returned unknown keys: {', '.join(sorted(unknown))}")
            found.append({key: figure.get(key) for key in KEYS} | {"bench": name})
    return found


def record(found: list[Figure]) -> None:
    """Put the figures into docs/benchmarks.json, each under its name with date, bench and machine."""
    kept = orjson.loads(RECORDS.read_bytes()) if RECORDS.exists() else {}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    for figure in found:
        kept[figure["name"]] = {**figure, "date": datetime.now(UTC).strftime("%Y-%m-%d"), "machine": machine}
    RECORDS.write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")


def show(found: list[Figure]) -> None:
    """A table for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for name in ("figure", "value", "unit", "peer", "ratio", "target", "met"):
        table.add_column(name, justify="right" if name in ("value", "ratio") else "left")
    for figure in found:
        peer = "" if figure["peer"] is None else f"{figure['peer']} {number(figure['peer_value'])}"
        met = {True: "yes", False: "NO", None: ""}[figure["met"]]
        table.add_row(
            figure["name"], number(figure["value"]), figure["unit"], peer, number(figure["ratio"]),
            str(figure["target"] if figure["target"] is not None else ""), met,
        )
    Console().print(table)


def number(value: Any) -> str:
    """Short and readable."""
    if value is None:
        return ""
    return f"{value:,.0f}" if isinstance(value, (int, float)) and abs(value) >= 100 else f"{value:.3g}"
