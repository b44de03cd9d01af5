"""Columns over scanned lines (_tokens.py): lines in groups, and of each name the spans of its values in all of them.

What is made of a name (codes, a Series, numbers) is made once for all lines that have it, and cut for each group.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import orjson
import polars as pl

from collectors.formats import _times
from collectors.formats._frames import typed
from collectors.formats._json import series, text
from collectors.formats._tokens import ESCAPED, FALSE, MARKS, PLAIN, WHOLE, Sheet
from soc_core import arrow_texts
from soc_core.lexicon import ELSEWHERE, Codes, Read
from soc_core.native import kernels
from soc_core.protocols import Ints
from soc_core.schema import SCHEMA
from soc_core.table import Coded, Column, Rows, Strings, Texts

FIELDS = "collectors.formats._scan_fields"
Key = TypeVar("Key", bound=Hashable)
Place = slice | Rows
WIDE = 4096  # names in all lines; with more there are no groups: the table would be larger than what it is of
FEW = 256  # lines whose codes cost as much as to ask for those of some does
SEVERAL = 200  # texts from which on they are written by a kernel


def regular(sheet: Sheet, styles: Any, marks: Any) -> Any:
    """Which lines have objects and lists only where they may; see the kernel. A style below 0: not this line."""
    out = np.empty(len(sheet.node), np.uint8)
    kernels(FIELDS).regular(sheet.scanner.tree, sheet.found, styles, marks, out)
    return out


def told(sheet: Sheet, nodes: Ints, marks: Any, width: int) -> list[list[int]]:
    """What tells sequences of names apart, in so many numbers; see the kernel."""
    out = np.empty((len(nodes), width), np.int32)
    kernels(FIELDS).told(sheet.scanner.tree, nodes, marks, out)
    return out.tolist()


class Laid(NamedTuple):
    """Lines of a sheet one after another, and where in each its values stand: by its shape and a name's column."""

    sheet: Sheet
    kernels: Any
    lines: Ints
    shapes: Any
    table: Any


def distinct(numbers: Any) -> tuple[Any, Any]:
    """(the numbers that there are, in order; which of those each one is), of numbers from 0 on that are not large."""
    held = np.zeros(int(numbers.max(initial=0)) + 1, np.int32)
    held[numbers] = 1
    found = np.flatnonzero(held)
    held[found] = np.arange(len(found))
    return found, held[numbers]


class Grid(Generic[Key]):
    """The lines of a sheet that have a key, in groups of one key: `keys[n]` has lines[bounds[n] : bounds[n + 1]].

    `key` says what a sequence of names stands for, None where its lines are not wanted.
    """

    def __init__(self, sheet: Sheet, key: Callable[[int], Key | None], wanted: Any) -> None:
        self.sheet = sheet
        self.kernels = kernels(FIELDS)
        rows = np.flatnonzero(wanted)
        nodes, shapes = distinct(sheet.node[rows])
        held = [key(node) for node in nodes.tolist()]
        self.keys = sorted({one for one in held if one is not None})  # type: ignore[type-var]  # of one type
        number = {one: at for at, one in enumerate(self.keys)}
        groups = np.array([-1 if one is None else number[one] for one in held], np.int32)
        mine = groups[shapes]
        order = np.argsort(mine.astype(np.int16) if len(self.keys) < 1 << 15 else mine, kind="stable")
        self.skipped = int((mine < 0).sum())
        order = order[self.skipped :]
        self.lines: Ints = rows[order]
        self.shapes = shapes[order]
        self.bounds = np.concatenate([[0], np.cumsum(np.bincount(mine[order], minlength=len(self.keys)))]).tolist()
        self._lay(nodes.astype(np.int32), groups)
        self.laid = Laid(sheet, self.kernels, self.lines, self.shapes, self.table)
        self._fields: dict[tuple[str, ...], Field] = {}

    def _lay(self, nodes: Any, groups: Any) -> None:
        scanner = self.sheet.scanner
        names = scanner.names
        marks = np.zeros(len(names), np.uint8)
        self.kernels.mark(scanner.tree, nodes, marks)
        top = np.flatnonzero(marks & (scanner.tree.owner[: len(names)] >= 0))
        if len(top) > WIDE or not self.keys:
            self.keys, self.table = [], np.empty((0, 0), np.int16)
            return
        columns = np.full(len(names), -1, np.int32)
        columns[top] = np.arange(len(top))
        self.column = {names[code]: number for number, code in enumerate(top.tolist())}
        self.table = np.full((len(nodes), len(top)), -1, np.int16, order="F")  # a name is looked for in many
        self.kernels.lay(scanner.tree, nodes, columns, self.table)
        filled = np.zeros((len(self.keys), len(top)), np.uint8)
        self.kernels.present(
            self.sheet.found, self.lines, self.shapes, groups, self.table, np.zeros(len(nodes), np.uint8), filled)
        listed = list(self.column)
        self.names = [frozenset([listed[at] for at in np.flatnonzero(row).tolist()]) for row in filled]
        self._first = filled.argmax(axis=0).tolist()
        self._last = (len(filled) - 1 - filled[::-1].argmax(axis=0)).tolist()

    def field(self, names: tuple[str, ...]) -> Field:
        """The values of the first of these names, line by line, that has any; each must be in some group."""
        known = self._fields.get(names)
        if known is None:
            columns = [self.column[name] for name in names]
            low, high = min(self._first[one] for one in columns), max(self._last[one] for one in columns)
            known = self._fields[names] = Field(self.laid, columns, self.bounds[low], self.bounds[high + 1])
        return known

    def place(self, group: int) -> slice:
        """The places of a group's lines."""
        return slice(self.bounds[group], self.bounds[group + 1])

    def cells(self, name: str, names: tuple[str, ...], group: int) -> Cells:
        """A column of a group."""
        return Cells(name, self.field(names), self.place(group))


def composed(laid: Laid, low: int, high: int, wanted: Sequence[Sequence[tuple[bytes, int]]], end: bytes
             ) -> tuple[pl.Series, Ints]:
    """Values of lines as JSON writes them, null where none is wanted; and the rows that must be written otherwise.

    `wanted` says for each shape the columns, and what stands before each; `end` stands behind the last.
    """
    sheet, loops, lines, shapes, table = laid
    every = [one for some in wanted for one in some]
    begins = np.cumsum([0, *map(len, wanted)])
    cuts = np.cumsum([0, *(len(head) for head, _ in every), len(end)])
    heads = np.frombuffer(b"".join([*(head for head, _ in every), end, bytes(8)]), np.uint8)
    bounds, odd = np.empty(high - low + 1, np.int64), np.empty(high - low, np.uint8)
    out = np.empty(0, np.uint8)
    for write in (False, True):
        loops.compose(
            sheet.data, sheet.found, sheet.starts, lines[low:high], shapes[low:high], table, begins,
            np.array([column for _, column in every], np.int32), heads, cuts, out, bounds, odd, write)
        if not write:
            out = np.empty(int(bounds[-1]) + 8, np.uint8)
    nothing = (begins[1:] == begins[:-1])[shapes[low:high]]
    return arrow_texts.texts(out, bounds, nothing), np.flatnonzero(odd)


class Field:
    """The values of a name in all lines from `low` to `high` of a grid; places are counted from the grid's first."""

    def __init__(self, laid: Laid, columns: Sequence[int], low: int, high: int) -> None:
        self._laid, self._columns = laid, np.array(columns, np.int32)
        self.low, self._high = low, high
        self._spans: tuple[Ints, Ints, Any] | None = None
        self._codes: Codes | None = None
        self._asked = 0
        self._read: dict[Read, Codes] = {}
        self._made: dict[str, pl.Series] = {}

    @property
    def sheet(self) -> Sheet:
        """The lines."""
        return self._laid.sheet

    @property
    def spans(self) -> tuple[Ints, Ints, Any]:
        """(starts, ends, kinds); a start below 0 is no value."""
        if self._spans is None:
            self._spans = self._some(slice(self.low, self._high))
        return self._spans

    def _some(self, place: Place) -> tuple[Ints, Ints, Any]:
        """The same of some lines, looked at for them alone."""
        sheet, loops, lines, shapes, table = self._laid
        own = lines[place]
        made = np.empty(len(own), np.int64), np.empty(len(own), np.int64), np.empty(len(own), np.uint8)
        loops.spans(sheet.found, sheet.starts, own, shapes[place], table, self._columns, *made)
        return made

    def through(self, read: Read, place: Place) -> Codes:
        """Codes of what `read` makes of the texts of some lines, or at once of all; see Lexicon.through."""
        known = self._read.get(read)
        if known is None:
            some = self.coded(place)
            if self._codes is None:
                return self.sheet.lexicon.through(read, some)
            known = self._read[read] = self.sheet.lexicon.through(read, self._codes)
        return known[self.local(place)]

    @property
    def codes(self) -> Codes:
        """By the sheet's lexicon."""
        if self._codes is None:
            starts, ends, kinds = self.spans
            self._codes = self.sheet.lexicon.encode(self.sheet.data, starts, ends, MARKS[kinds])
        return self._codes

    def coded(self, place: Place) -> Codes:
        """Codes of some lines; of all of them at once when it is more than a few that are asked for."""
        if self._codes is not None and type(place) is slice:  # as a rule
            return self._codes[place.start - self.low : place.stop - self.low]
        here = self.local(place)
        if self._codes is None and isinstance(here, slice):
            self._asked += FEW + here.stop - here.start
            if self._asked <= self._high - self.low:
                starts, ends, kinds = (one[here] for one in self.spans)
                return self.sheet.lexicon.encode(self.sheet.data, starts, ends, MARKS[kinds])
        return self.codes[here]

    def local(self, place: Place) -> Place:
        """A place as counted from `low`."""
        if isinstance(place, slice):
            return slice(place.start - self.low, place.stop - self.low)
        return place - self.low

    def raws(self, place: Place) -> list[tuple[bytes, int]]:
        """Values as they are written, with their kinds."""
        data = self.sheet.data.data
        return [(bytes(data[start:end]), kind) for start, end, kind in self._cut(place)]

    def values(self, place: Place) -> list[Any]:
        """Values of JSON."""
        return [read_value(raw, kind) for raw, kind in self.raws(place)]

    def texts(self, place: Place) -> list[str | None]:
        """Values as texts."""
        return [read_text(raw, kind) for raw, kind in self.raws(place)]

    def _cut(self, place: Place) -> Any:
        if self._spans is None and not isinstance(place, slice) and len(place) <= FEW:
            return zip(*(one.tolist() for one in self._some(place)), strict=True)
        own = self.local(place)
        return zip(*(one[own].tolist() for one in self.spans), strict=True)

    def made(self, name: str) -> pl.Series:
        """The Series of a column of this name, for all lines."""
        known = self._made.get(name)
        if known is None:
            dtype = SCHEMA.dtype(name)
            known = self._strings() if dtype == pl.String else self._wholes() if dtype == pl.Int64 else None
            if known is None:
                every = slice(self.low, self._high)
                known = series(name, self.values(every))
                if known is None:
                    known = pl.Series(name, [None] * (self._high - self.low), dtype=dtype)
            known = self._made[name] = known.alias(name)
        return known

    def typed(self, name: str, other: str) -> pl.Series:
        """The values of a column of texts in the type of another."""
        known = self._made.get(f"{name}\0{other}")
        if known is None:
            known = self._made[f"{name}\0{other}"] = typed(self.made(name).alias(other))
        return known

    def _wholes(self) -> pl.Series | None:
        starts, ends, kinds = self.spans
        out = np.empty(len(starts), np.int64)
        if not self._laid.kernels.wholes(self.sheet.data, starts, ends, kinds, out):
            return None
        return _nulled(pl.Series(out), starts)

    def _strings(self) -> pl.Series:
        starts, ends, kinds = self.spans
        if len(starts) < SEVERAL:
            return pl.Series(self.texts(slice(self.low, self._high)), dtype=pl.String)
        if self._codes is not None and not (self._codes == ELSEWHERE).any():
            distinct, places = np.unique(self._codes, return_inverse=True)
            if 2 * len(distinct) < len(places):
                known = self.sheet.lexicon.texts
                return pl.Series([known[code] for code in distinct.tolist()], dtype=pl.String).gather(places)
        out = np.empty(int((ends - starts).sum()) + len(starts) + 8, np.uint8)
        bounds = np.empty(len(starts) + 1, np.int64)
        plain = self._laid.kernels.copy(self.sheet.data, starts, ends, kinds, out, bounds)
        found = arrow_texts.texts(out, bounds, starts < 0)
        if not plain:
            odd = np.flatnonzero(kinds > FALSE)
            found = found.scatter(odd, pl.Series(self.texts(odd + self.low), dtype=pl.String))
        return found

    def moments(self, timezone: str) -> pl.Series:
        """Times, as `_times.iso` reads them."""
        starts, ends, _ = self.spans
        out, zones = np.empty(len(starts), np.int64), np.empty(len(starts), np.uint8)
        module = self._laid.kernels
        module.moments(self.sheet.data, starts, ends, out, zones)
        found = pl.Series("@timestamp", out).cast(_times.STAMP)
        here = np.flatnonzero(zones == module.LOCAL)
        if len(here) and timezone != "UTC":
            found = found.scatter(here, _times.local(pl.Series(out[here]), timezone))
        odd = np.flatnonzero(zones == module.ODD)
        if len(odd):
            texts = pl.Series("@timestamp", self.texts(odd + self.low), dtype=pl.String)
            found = found.scatter(odd, _times.iso(texts, timezone))
        return found


class Cells(Column):
    """A column of some lines of a field."""

    __slots__ = ("_field", "_place")

    def __init__(self, name: str, field: Field, place: Place) -> None:
        self.name, self._field, self._place = name, field, place  # not by its class's own: these are many
        self.height = place.stop - place.start if type(place) is slice else len(place)
        self._series = self._texts = None

    @property
    def coded(self) -> Coded | None:
        return self.codes if SCHEMA.textual(self.name) else None

    @property
    def codes(self) -> Coded:
        """The texts of the values, whatever type the column has."""
        return Coded(self._field.sheet.lexicon, self._field.coded(self._place))

    def through(self, read: Read) -> Coded:
        return Coded(self._field.sheet.lexicon, self._field.through(read, self._place))

    @property
    def kinds(self) -> Any:
        """The kind of each value."""
        return self._field.spans[2][self._field.local(self._place)]

    @property
    def empty(self) -> bool:
        return bool((self._field.spans[0][self._field.local(self._place)] < 0).all())

    @property
    def written(self) -> Strings | None:
        if (self.kinds > WHOLE).any():
            return None
        here = self._field.local(self._place)
        starts, ends, _ = self._field.spans
        return Strings(self._field.sheet.data, starts[here], ends[here])

    def _make(self) -> pl.Series:
        return self._own(self._field.made(self.name))

    def typed(self, name: str) -> pl.Series:
        """The same under another name, in the type that the schema has for that."""
        return self._own(self._field.typed(self.name, name))

    def _own(self, whole: pl.Series) -> pl.Series:
        place = self._field.local(self._place)
        return whole.slice(place.start, self.height) if isinstance(place, slice) else whole.gather(place)

    def _list(self) -> Texts:
        return self._field.texts(self._place)

    def pick(self, rows: Rows) -> Column:
        place = self._place
        return Cells(self.name, self._field, rows + place.start if isinstance(place, slice) else place[rows])

    def at(self, rows: Sequence[int]) -> list[Any]:
        if self._texts is not None or self.made or self.dtype != pl.String:
            return super().at(rows)
        return self._field.texts(self._places(rows))

    def raws(self, rows: Sequence[int] | Rows) -> list[tuple[bytes, int]]:
        """A few values as they are written, with their kinds."""
        return self._field.raws(self._places(rows))

    def _places(self, rows: Sequence[int] | Rows) -> Rows:
        chosen, place = np.asarray(rows, np.int64), self._place
        return chosen + place.start if isinstance(place, slice) else place[chosen]


def _nulled(found: pl.Series, starts: Ints) -> pl.Series:
    nothing = starts < 0
    return found.set(pl.Series(nothing), None) if nothing.any() else found


def read_value(data: bytes, kind: int) -> Any:
    """The value that these bytes of a line say."""
    if kind == PLAIN:
        return data.decode()
    return orjson.loads(b'"' + data + b'"' if kind == ESCAPED else data or b"null")


def read_text(data: bytes, kind: int) -> str | None:
    """The value as a text."""
    if kind in (PLAIN, WHOLE):
        return data.decode()
    return text(read_value(data, kind))
