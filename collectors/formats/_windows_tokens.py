"""Windows events whose names are all on one level, out of scanned lines: groups of one channel and event id.

What comes out is what `styles.system`, `styles.data` and `styles.rest` give for records; here no value is an object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from collectors.formats import _windows_styles as styles
from collectors.formats._json import Record, leftovers
from collectors.formats._lazy import Columns, Derived, Later
from collectors.formats._spans import Cells, Field, Grid, flat, read_text
from collectors.formats._tokens import WHOLE, Scanners
from collectors.formats._windows_derive import DATA, logon_id
from soc_core.coded import CodedColumn
from soc_core.lexicon import NOTHING
from soc_core.protocols import Ints
from soc_core.table import Coded, Column, Spread

MANY = 1  # lines from which on kernels are worth their calls
STAMP = "stamp"
PLACES = {column: tuple(path[0] for path in paths) for column, paths in styles.FLAT.items()}
LEVEL, SEVERITY = "winlog.level", "SeverityValue"
SCANNERS = Scanners({"Channel": False, "EventID": True})
LINE_ENDS = (b"\\r", b"\\n")
Key = tuple[str, str]


class Events(NamedTuple):
    """The events of one channel and id."""

    key: Key
    numbers: Ints
    columns: Columns  # of the system, then event data
    stamp: Column
    overflow: Column


def read(lines: Sequence[bytes], timezone: str, system: Callable[[Columns], Columns]) -> tuple[list[Events], Ints]:
    """The events, and the numbers of the lines that must be read otherwise; `system` adds what follows from columns."""
    every = np.arange(len(lines), dtype=np.int64)
    sheet = SCANNERS.scan(lines) if len(lines) >= MANY else None
    if sheet is None:
        return [], every
    known = sheet.scanner.memo

    def key(node: int) -> Key | None:
        if node not in known:
            names, told = sheet.scanner.shape(node)
            channel, code = told.get("Channel"), told.get("EventID")
            known[node] = (channel, code) if channel and code is not None and "Event" not in names else None
        found: Key | None = known[node]
        return found

    grid: Grid[Key] = Grid(sheet, key, flat(sheet, styles.COLLECTOR))
    if not grid.keys:
        return [], every
    rest = np.ones(len(lines), bool)
    rest[grid.lines] = False
    stamps, overflow = _stamps(grid, timezone), Spread(lambda: _overflow(grid), None)
    events = []
    for number, found in enumerate(grid.keys):
        start, end = grid.bounds[number : number + 2]
        events.append(Events(
            found, grid.lines[start:end], _columns(grid, number, system),
            stamps.cut("@timestamp", start, end - start), overflow.cut("overflow", start, end - start)))
    return events, every[rest]


def _columns(grid: Grid[Key], group: int, system: Callable[[Columns], Columns]) -> Columns:
    names = grid.names[group]
    made: Columns = {}
    for column, places in PLACES.items():
        held = tuple(name for name in places if name in names)
        if held and column != STAMP:
            made[column] = grid.cells(column, held, group)
    if SEVERITY in names:
        made[LEVEL] = _level(made.get(LEVEL), grid.cells(SEVERITY, (SEVERITY,), group))
    made = system(made)
    for name in names - styles.NO_DATA:
        for written in {name.replace(" ", ""), name.replace(" ", "_")} if " " in name else (name,):
            cells = grid.cells(DATA + written, (name,), group)
            made[DATA + written] = Derived(DATA + written, cells, logon_id) if name.endswith("LogonId") else cells
    return made


def _level(known: Column | None, told: Cells) -> Column:
    """The level, and where there is none what NXLog's own number says."""

    def make() -> Column:
        lexicon, codes = told.codes
        found = lexicon.through(_severity, np.where(told.kinds == WHOLE, codes, NOTHING))
        if known is None or (held := known.coded) is None:
            return CodedColumn(LEVEL, lexicon, found)
        return CodedColumn(LEVEL, lexicon, np.where(held.codes == NOTHING, found, held.codes),
            lambda row: known.at([row])[0])

    return Later(LEVEL, told.height, make)


def untangled(held: Column, kinds: Coded, message: Cells | None, pattern: re.Pattern[str]) -> Column:
    """Event types that are not NXLog's own; instead of those, what the message tells. `kinds` are those of `held`."""
    lexicon = kinds.lexicon

    def make() -> Column:
        codes = lexicon.through(_own, kinds.codes)
        if message is not None:
            rows = np.flatnonzero((codes == NOTHING) | (codes == lexicon.codes([""])[0]))
            told = [_told(raw, kind, pattern) for raw, kind in message.raws(rows)]
            distinct = sorted({one for one in told if one is not None})
            number: dict[str | None, int] = dict(zip(distinct, lexicon.codes(distinct).tolist(), strict=True))
            codes = codes.copy()
            codes[rows] = [number.get(one, NOTHING) for one in told]
        return CodedColumn(held.name, lexicon, codes, lambda row: held.at([row])[0])

    return Later(held.name, held.height, make)


def _own(text: str) -> str | None:
    return None if text in styles.NXLOG_TYPES else text


def _told(raw: bytes, kind: int, pattern: re.Pattern[str]) -> str | None:
    """What the pattern finds in a message; as a rule it stands in a line near its beginning."""
    at = raw.find(b"EventType: ")
    if at < 0 and b"\\u" not in raw:
        return None
    end = raw.find(b"\\", at) if at >= 0 else -1
    found = pattern.search(read_text(raw[:end], kind) or "") if raw[end : end + 2] in LINE_ENDS else None
    if found is None:
        found = pattern.search(read_text(raw, kind) or "")
    return found[1] if found else None


def _severity(text: str) -> str | None:
    return styles.NXLOG_SEVERITY.get(int(text))


def _stamps(grid: Grid[Key], timezone: str) -> Spread:
    """The time of every line."""
    names = tuple(name for name in PLACES[STAMP] if name in grid.column)
    height = len(grid.lines)
    whole = pl.Series("@timestamp", [None] * height, dtype=pl.Datetime("us", "UTC"))
    if not names:
        return Spread(whole, None)
    field = Field(grid, [grid.column[name] for name in names], 0, height)
    return Spread(lambda: field.moments(timezone), None)


def _overflow(grid: Grid[Key]) -> pl.Series:
    """What the collector says of itself."""
    left: list[Record | None] = [None] * len(grid.lines)
    for shape in np.unique(grid.shapes).tolist():
        rows = np.flatnonzero(grid.shapes == shape)
        known = sorted(
            name for name in styles.COLLECTOR & grid.column.keys() if grid.table[shape, grid.column[name]] >= 0)
        columns = [_values(grid, name, rows) for name in known]
        for row, values in zip(rows.tolist(), zip(*columns, strict=True), strict=bool(known)):
            left[row] = {"nxlog": dict(zip(known, values, strict=True))}
    made = leftovers(left)
    return made if made is not None else pl.Series("overflow", left, dtype=pl.String)


def _values(grid: Grid[Key], name: str, rows: Ints) -> list[Any]:
    return Field(grid, [grid.column[name]], 0, len(grid.lines)).values(rows)
