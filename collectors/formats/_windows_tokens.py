"""Windows events whose names are all on one level, out of scanned lines: groups of one channel and event id.

What comes out is what `styles.system`, `styles.data` and `styles.rest` give for records; here no value is an object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

from collectors.formats import _windows_styles as styles
from collectors.formats._json import Record, leftovers
from collectors.formats._lazy import Columns, Derived, Later
from collectors.formats._spans import Cells, Field, Grid, composed, distinct, read_text, regular, told
from collectors.formats._tokens import ARRAY, WHOLE, Scanner, Scanners, Sheet
from collectors.formats._windows_derive import DATA, logon_id
from soc_core.coded import CodedColumn
from soc_core.lexicon import ELSEWHERE, NOTHING
from soc_core.protocols import Ints
from soc_core.table import Column, Lazy, Rows, Spread

MANY = 1024  # lines from which on kernels are worth their calls, the store's columns included
STAMP = "stamp"
LEVEL, KEYWORDS, SEVERITY = "winlog.level", "winlog.keywords", "SeverityValue"
LINE_ENDS = (b"\\r", b"\\n")
STYLES = ("flat", "beats", "old_beats")
PLACES = {  # by style and column: where the value may stand, names one below the other with NUL between
    style: {column: tuple("\0".join(path) for path in paths) for column, paths in styles.STYLES[style].items()}
    for style in STYLES
}
HOLDERS = {"beats": "winlog\0event_data", "old_beats": "event_data"}
LISTED = {"beats": "winlog\0keywords", "old_beats": "keywords"}
SPLIT = {  # what tells records apart, and whether it may be a number: of each style the channel, then the event id
    "Channel": False, "EventID": True, "winlog\0channel": False, "winlog\0event_id": True, "log_name": False,
    "event_id": True,
}
SCANNERS = Scanners(SPLIT, levels=3)
EVENT, WINLOG = 1, 2  # marks of names
OF_NAMES = "names"
Key = tuple[str, str, str]  # style, channel, event id


class Events(NamedTuple):
    """The events of one channel and id in one style."""

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
    nodes, shapes = distinct(sheet.node + 1)
    keys = _keys(sheet, nodes - 1)
    style = np.array([-1 if one is None else STYLES.index(one[0]) for one in keys.values()], np.int8)
    grid: Grid[Key] = Grid(sheet, keys.__getitem__, regular(sheet, style[shapes], _marks(sheet.scanner)))
    if not grid.keys:
        return [], every
    rest = np.ones(len(lines), bool)
    rest[grid.lines] = False
    return [one for style in STYLES for one in _events(grid, style, timezone, system)], every[rest]


def _keys(sheet: Sheet, nodes: Ints) -> dict[int, Key | None]:
    """As `styles.place` has it for a record, for each sequence of names of those that can be told from them."""
    split, names = sheet.scanner.split, sheet.scanner.names
    marks = np.zeros(len(names), np.int32)
    for name, mark in (("Event", EVENT), ("winlog", WINLOG)):
        if name in names:
            marks[names.index(name)] = mark
    for place, name in enumerate(SPLIT, 1):
        marks[split[name]] = -place
    texts: list[str | None] = [None, *names[1:]]
    keys: list[Key | None] = []
    for bits, *values in told(sheet, nodes, marks, len(SPLIT) + 1):
        at = 0 if values[1] else 2 if bits & WINLOG else 4
        channel, code = texts[values[at]], texts[values[at + 1]]
        if bits & EVENT or channel is None or code is None or (not channel and at < 4):
            keys.append(None)
        else:
            keys.append((STYLES[at // 2], channel, code))
    return dict(zip(nodes.tolist(), keys, strict=True))


def _marks(scanner: Scanner) -> npt.NDArray[np.uint8]:
    """Where a style's record may hold objects and lists: see `regular`."""
    names = scanner.names
    known: npt.NDArray[np.uint8] | None = scanner.memo.get(OF_NAMES)
    if known is None:
        known = _marked(names)
    elif known.shape[1] < len(names):
        known = np.hstack([known, _marked(names[known.shape[1] :])])
    scanner.memo[OF_NAMES] = known
    return known


def _marked(names: Sequence[str]) -> npt.NDArray[np.uint8]:
    marks = np.ones((len(STYLES), len(names)), np.uint8)
    for number, name in enumerate(names):
        marks[0, number] = "\0" in name or name in styles.COLLECTOR
    for style, holder in HOLDERS.items():
        places = {place for some in PLACES[style].values() for place in some}
        above = {place.rpartition("\0")[0] for place in places} | {"winlog", "winlog\0process"}
        own = marks[STYLES.index(style)]
        for number, name in enumerate(names):
            if name == holder:
                own[number] = 4
            elif name in above:
                own[number] = 2
            elif name == LISTED[style]:
                own[number] = 3
            elif name in places or name.startswith(holder + "\0") or name.endswith("user_data"):
                own[number] = 0
    return marks


def _events(grid: Grid[Key], style: str, timezone: str, system: Callable[[Columns], Columns]) -> Iterator[Events]:
    """The events of one style."""
    groups = [number for number, key in enumerate(grid.keys) if key[0] == style]
    if not groups:
        return
    low, high = grid.bounds[groups[0]], grid.bounds[groups[-1] + 1]
    stamps = _stamps(grid, style, low, high, timezone if style == "flat" else "UTC")
    overflow = Spread(lambda: _overflow(grid, style, low, high), None)
    heads = {"nxlog"} if style == "flat" else {name.lower() for name in grid.column if name not in styles.BEATS_KNOWN}
    for number in groups:
        place = grid.place(number)
        at, height = place.start - low, place.stop - place.start
        yield Events(
            grid.keys[number], grid.lines[place], _columns(grid, style, number, system),
            stamps.cut("@timestamp", at, height), Leftover(overflow.cut("overflow", at, height), frozenset(heads)))


class Recipe(NamedTuple):
    """What columns events with certain names have, and of which names each is made."""

    system: tuple[tuple[str, tuple[str, ...]], ...]
    data: tuple[tuple[str, tuple[str, ...]], ...]
    logons: tuple[str, ...]  # event data that are numbers of logons


@lru_cache(maxsize=4096)
def _recipe(style: str, names: frozenset[str]) -> Recipe:
    head = HOLDERS[style] + "\0" if style in HOLDERS else ""
    system = tuple(
        (column, held) for column, places in PLACES[style].items()
        if column != STAMP and (held := tuple(name for name in places if name in names)))
    data: dict[str, tuple[str, ...]] = {}
    for place in sorted(names):
        name = place.removeprefix(head)
        if len(name) + len(head) != len(place) or "\0" in name or (not head and name in styles.NO_DATA):
            continue
        for written in {name.replace(" ", ""), name.replace(" ", "_")} if " " in name else (name,):
            data[DATA + written] = (place, *data.get(DATA + written, ()))
    return Recipe(system, tuple(data.items()), tuple(column for column in data if column.endswith("LogonId")))


def _columns(grid: Grid[Key], style: str, group: int, system: Callable[[Columns], Columns]) -> Columns:
    names, place, field = grid.names[group], grid.place(group), grid.field
    recipe = _recipe(style, names)
    made: Columns = {column: Cells(column, field(held), place) for column, held in recipe.system}
    if style == "flat" and SEVERITY in names:
        made[LEVEL] = _level(made.get(LEVEL), grid.cells(SEVERITY, (SEVERITY,), group))
    if style in LISTED and LISTED[style] in names:
        made[KEYWORDS] = _listed(grid.cells(KEYWORDS, (LISTED[style],), group))
    made = system(made)
    for column, held in recipe.data:
        made[column] = Cells(column, field(held), place)
    for column in recipe.logons:
        made[column] = Derived(column, made[column], logon_id)
    return made


def _listed(cells: Cells) -> Column:
    """Keywords, which may be lists."""

    def make() -> Column:
        kinds = cells.kinds
        if not (kinds == ARRAY).any():
            return cells
        lexicon, codes = cells.codes
        lists = lexicon.through(_line, np.where(kinds == ARRAY, codes, NOTHING))
        return CodedColumn(KEYWORDS, lexicon, np.where(kinds == ARRAY, lists, codes),
            lambda row: _line_of(cells.at([row])[0], kinds[row]))

    return Later(KEYWORDS, cells.height, make)


def _line(text: str) -> str:
    return ", ".join(map(str, orjson.loads(text)))


def _line_of(text: str | None, kind: int) -> str | None:
    return _line(text) if kind == ARRAY and text is not None else text


def untangled(held: Cells, message: Cells | None, pattern: re.Pattern[str], slowly: Callable[[], Column]) -> Column:
    """Event types that are not NXLog's own; instead of those, what the message tells."""
    lexicon, known = held.through(_own)
    if (known == ELSEWHERE).any():
        return slowly()
    if not ((known == NOTHING) & (held.codes.codes != NOTHING)).any():
        return held

    def make() -> Column:
        codes = known
        if message is not None:
            rows = np.flatnonzero((codes == NOTHING) & (held.codes.codes != NOTHING))
            told = [_told(raw, kind, pattern) for raw, kind in message.raws(rows)]
            distinct = sorted({one for one in told if one is not None})
            number: dict[str | None, int] = dict(zip(distinct, lexicon.codes(distinct).tolist(), strict=True))
            if ELSEWHERE in number.values():
                return slowly()
            codes = codes.copy()
            codes[rows] = [number.get(one, NOTHING) for one in told]
        return CodedColumn(held.name, lexicon, codes)

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


def _level(known: Column | None, told: Cells) -> Column:
    """The level, and where there is none what NXLog's own number says."""

    def make() -> Column:
        lexicon, codes = told.codes
        found = lexicon.through(_severity, np.where(told.kinds == WHOLE, codes, NOTHING))
        if known is None or (held := known.coded) is None:
            return CodedColumn(LEVEL, lexicon, found, one)
        return CodedColumn(LEVEL, lexicon, np.where(held.codes == NOTHING, found, held.codes), one)

    def one(row: int) -> str | None:
        value: str | None = None if known is None else known.at([row])[0]
        return _severity(told.at([row])[0]) if value is None else value

    return Later(LEVEL, told.height, make)


def _severity(text: str) -> str | None:
    return styles.NXLOG_SEVERITY.get(int(text))


def _stamps(grid: Grid[Key], style: str, low: int, high: int, timezone: str) -> Spread:
    """The time of every line of a style."""
    names = [name for name in PLACES[style][STAMP] if name in grid.column]
    if not names:
        return Spread(pl.Series("@timestamp", [None] * (high - low), dtype=pl.Datetime("us", "UTC")), None)
    field = Field(grid.laid, [grid.column[name] for name in names], low, high)
    return Spread(lambda: field.moments(timezone), None)


class Leftover(Lazy):
    """What no column holds, made only for who asks for a name that stands in it."""

    __slots__ = ("_heads", "_of")

    def __init__(self, of: Column, heads: frozenset[str]) -> None:
        super().__init__(of.name, of.height, lambda: of.series)
        self._of, self._heads = of, heads

    @property
    def heads(self) -> frozenset[str]:
        return self._heads

    def pick(self, rows: Rows) -> Column:
        return Leftover(self._of.pick(rows), self._heads)


def _overflow(grid: Grid[Key], style: str, low: int, high: int) -> pl.Series:
    """What no column holds: of flat records what the collector says of itself."""
    shapes = grid.shapes[low:high]
    known: dict[int, list[str]] = {}
    for shape, row in zip(*np.unique(shapes, return_index=True), strict=True):
        names = grid.sheet.scanner.shape(int(grid.sheet.node[grid.lines[low + row]])).names
        known[int(shape)] = sorted(styles.COLLECTOR.intersection(names)) if style == "flat" else [
            name for name in names if name not in styles.BEATS_KNOWN]
    opening, end = (b'{"nxlog":{', b"}}") if style == "flat" else (b"{", b"}")
    wanted: list[list[tuple[bytes, int]]] = [[] for _ in grid.table]
    for shape, held in known.items():
        wanted[shape] = [
            ((b"," if number else opening) + orjson.dumps(name) + b":", grid.column[name])
            for number, name in enumerate(held)]
    made, odd = composed(grid.laid, low, high, wanted, end)
    if not len(odd):
        return made.alias("overflow")
    left = leftovers(_records(grid, style, low, high, odd, known))
    return made.scatter(odd, left if left is not None else [None] * len(odd)).alias("overflow")


def _records(grid: Grid[Key], style: str, low: int, high: int, rows: Ints, known: Mapping[int, Sequence[str]]
             ) -> list[Record]:
    """The values of these names in some rows."""
    fields: dict[str, Field] = {}
    found: list[Record] = [{}] * len(rows)
    shapes = grid.shapes[low + rows]
    for shape in np.unique(shapes).tolist():
        mine, names = np.flatnonzero(shapes == shape), known[shape]
        fields |= {name: Field(grid.laid, [grid.column[name]], low, high) for name in names if name not in fields}
        columns = [fields[name].values(rows[mine] + low) for name in names]
        for place, values in zip(mine.tolist(), zip(*columns, strict=True), strict=True):
            record = dict(zip(names, values, strict=True))
            found[place] = {"nxlog": record} if style == "flat" else record
    return found
