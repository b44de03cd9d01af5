"""Events on a terminal: a table for people, lines for a pipe. What a log says is never let loose on the screen."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from soc_core import clock
from soc_core.protocols import Hits
from soc_core.schema import SCHEMA

COLUMNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("数据集", ("event.dataset", "soc.format")),
    ("单位", ("organization.name", "organization.id")),
    ("系统", ("soc.system.id", "host.name")),
    ("账户", ("user.name",)),
    ("来源", ("source.ip", "source.address")),
    ("目的", ("destination.ip", "destination.address")),
    ("内容", ("message", "event.original")),
)
TIME_WIDTH, CELL_WIDTH = len("2026-11-23 09:00:00.000"), 22


def with_texts(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its moments as RFC 3339 texts."""
    return {name: clock.to_text(value) if _is_moment(name, value) else value for name, value in row.items()}


def _is_moment(name: str, value: Any) -> bool:
    column = SCHEMA.get(name)
    return column is not None and column.kind == "date" and isinstance(value, int)


def visible(text: str) -> str:
    """Control and direction characters as their code points: a log line must not steer the terminal."""
    return "".join(
        char if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else f"⟨{ord(char):04X}⟩"
        for char in text.replace("\n", "⏎").replace("\t", " ")
    )


def cells(row: Mapping[str, Any], zone: tzinfo) -> list[str]:
    """Time and the columns of the table, each the first of its fields that has a value."""
    at = clock.to_datetime(row["@timestamp"]).astimezone(zone).isoformat(" ", "milliseconds")[:TIME_WIDTH]
    found = [next((row[name] for name in names if row.get(name) is not None), "") for _, names in COLUMNS]
    return [at, *(visible(str(value)) for value in found)]


def show(hits: Hits, timezone: str, console: Console | None = None) -> None:
    """Print the rows and how many there are; columns that no row fills are left out."""
    console = console or Console()
    zone = ZoneInfo(timezone)
    lines = [cells(row, zone) for row in hits.rows]
    if not console.is_terminal:
        for line in lines:
            console.file.write("\t".join(line) + "\n")
        return
    used = [n for n in range(1, len(COLUMNS) + 1) if any(line[n] for line in lines)]
    table = Table(box=None, pad_edge=False)
    table.add_column(f"时间 ({timezone})", no_wrap=True, min_width=TIME_WIDTH)
    for n in used:
        last, widest = n == len(COLUMNS), max(cell_len(line[n]) for line in lines)
        table.add_column(COLUMNS[n - 1][0], no_wrap=True, overflow="ellipsis", ratio=1 if last else None,
                         min_width=min(widest, CELL_WIDTH), max_width=None if last else CELL_WIDTH)
    for line in lines:
        table.add_row(*(Text(line[n]) for n in (0, *used)))
    if lines:
        console.print(table)
    more = f"，下一页 next page: --after {hits.next}" if hits.next else ""
    console.print(Text(f"共 {hits.total} 条 events, {len(lines)} shown{more}"))
