"""Columns that are made when they are read: from values of JSON, and from other columns.

What a format takes out of its records stays as Python has it until somebody asks: a rule for texts, the store for a
Series. Then one Series is made for all shapes of a batch that have the column, and cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from collectors.formats._frames import RELATED, Piece, relate
from collectors.formats._json import blank, lists, series, text
from soc_core.coded import CodedColumn
from soc_core.lexicon import ELSEWHERE, NOTHING
from soc_core.protocols import Ints
from soc_core.schema import SCHEMA
from soc_core.table import FEW, Coded, Column, Lazy, Rows, Single, Spread, Table, Texts, picked

Columns = dict[str, Column]
Values = Sequence[Any]
Read = Callable[[str], Any]
PLAIN = frozenset({str, type(None)})
SEVERAL = 200  # rows from which on codes are worth what they cost at once


class Shape(NamedTuple):
    """Events of one shape: the lines that they came from, their columns, and what is constant."""

    lines: Ints
    columns: Columns
    constants: Mapping[str, Any]


class Pool:
    """Values of JSON under their column's name, shape by shape; a name becomes a Series once, for all shapes."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[list[Values], Spread]] = {}
        self._size: dict[str, int] = {}

    def column(self, name: str, values: Values) -> Json:
        """One shape's part of a column."""
        if name not in self._held:
            pieces: list[Values] = []
            self._held[name] = (pieces, Spread(lambda: whole(name, pieces), None))
            self._size[name] = 0
        pieces, spread = self._held[name]
        at = self._size[name]
        self._size[name] = at + len(values)
        pieces.append(values)
        return Json(name, values, spread, at)


def whole(name: str, pieces: Sequence[Values]) -> pl.Series:
    """The pieces of a column one after another, in the schema's type."""
    values = pieces[0] if len(pieces) == 1 else list(chain.from_iterable(pieces))
    made = series(name, values)
    return made if made is not None else pl.Series(name, [None] * len(values), dtype=SCHEMA.dtype(name))


class Json(Column):
    """Values of JSON; a text column of them has each as `_json.text` writes it."""

    __slots__ = ("_at", "_spread", "values")

    def __init__(self, name: str, values: Values, spread: Spread | None = None, at: int = 0) -> None:
        super().__init__(name, len(values))
        self.values = values
        self._spread, self._at = spread, at

    def _make(self) -> pl.Series:
        if self._spread is None:
            return whole(self.name, [self.values])
        return self._spread.whole.slice(self._at, self.height)

    def _list(self) -> Texts:
        return self.values if PLAIN.issuperset(map(type, self.values)) else list(map(text, self.values))

    @property
    def empty(self) -> bool:
        return blank(self.values)

    def pick(self, rows: Rows) -> Column:
        return Json(self.name, picked(self.values, rows))


class Memo(dict[str | None, Any]):
    """What `read` gives for a text, asked once; nothing for nothing."""

    def __init__(self, read: Read) -> None:
        super().__init__({None: None})
        self._read = read

    def __missing__(self, value: str | None) -> Any:
        found = self[value] = self._read(value)  # type: ignore[arg-type]  # None is always known
        return found


@lru_cache(maxsize=256)
def then(first: Read, second: Read) -> Read:
    """One function of two, the same for the same: what the second makes of what the first makes."""

    def read(text: str) -> Any:
        found = first(text)
        return None if found is None else second(found)

    return read


def _alone(column: Column, read: Read, row: int) -> str | None:
    value = column.at([row])[0]
    found: str | None = None if value is None else read(value)
    return found


class Derived(Column):
    """`read` of another column's texts, once for each distinct one.

    Let `read` be the same function from batch to batch, not one made on the spot: what it made is remembered by it.
    """

    __slots__ = ("_coded", "_of", "_read")

    def __init__(self, name: str, of: Column, read: Read) -> None:
        super().__init__(name, of.height)
        self._of, self._read = of, read
        self._coded: Coded | None = None

    @property
    def coded(self) -> Coded | None:
        if self._coded is None and SCHEMA.textual(self.name):
            self._coded = self._of.through(self._read)
        return self._coded

    @property
    def _codes(self) -> CodedColumn | None:
        held = self.coded
        return None if held is None else CodedColumn(self.name, *held, partial(_alone, self._of, self._read))

    def through(self, read: Read) -> Coded | None:
        return self._of.through(then(self._read, read)) if SCHEMA.textual(self.name) else None

    @property
    def empty(self) -> bool:
        return super().empty if self.made or (held := self._codes) is None else held.empty

    def _make(self) -> pl.Series:
        if self._coded is not None and (held := self._codes) is not None:
            return held.series
        if self.height < SEVERAL and not isinstance(self.dtype, pl.List):
            return pl.Series(self.name, self._read_each(), dtype=self.dtype)
        coded = self._of.coded
        if coded is None or (coded.codes == ELSEWHERE).any():
            return pl.Series(self.name, self._read_each(), dtype=self.dtype)
        distinct, places = np.unique(coded.codes, return_inverse=True)
        if 2 * len(distinct) >= self.height and not isinstance(self.dtype, pl.List):
            return pl.Series(self.name, self._read_each(), dtype=self.dtype)
        texts = map(coded.lexicon.texts.__getitem__, distinct.tolist())
        values = [None if text is None else self._read(text) for text in texts]
        if isinstance(self.dtype, pl.List):
            return lists(self.name, values).gather(places)
        return pl.Series(self.name, values, dtype=self.dtype).gather(places)

    def _list(self) -> Texts:
        held = self._codes if self._coded is not None or self.height >= SEVERAL else None
        return self._read_each() if held is None else held.texts

    def _read_each(self) -> list[Any]:
        return list(map(Memo(self._read).__getitem__, self._of.texts))

    def at(self, rows: Sequence[int]) -> list[Any]:
        if self._coded is None and not self.made and len(rows) <= FEW and SCHEMA.textual(self.name):
            return [None if text is None else self._read(text) for text in self._of.at(rows)]
        return super().at(rows) if self.made or (held := self._codes) is None else held.at(rows)

    def pick(self, rows: Rows) -> Column:
        return Derived(self.name, self._of.pick(rows), self._read)


class First(Column):
    """Row by row what the first column has, or where it has nothing the second: no row decides for another.

    Both have the schema's type of this name; the second is not looked at while the first has everything.
    """

    __slots__ = ("_coded", "_first", "_second")

    def __init__(self, name: str, first: Column, second: Column) -> None:
        super().__init__(name, first.height)
        self._first, self._second = first, second
        self._coded: Coded | None = None

    @property
    def coded(self) -> Coded | None:
        if self._coded is None and SCHEMA.textual(self.name) and (first := self._first.coded) is not None:
            nothing = first.codes == NOTHING
            second = self._second.coded if nothing.any() else first
            if second is not None and second.lexicon is first.lexicon:
                codes = first.codes if second is first else np.where(nothing, second.codes, first.codes)
                self._coded = Coded(first.lexicon, codes)
        return self._coded

    @property
    def empty(self) -> bool:
        return self._first.empty and self._second.empty

    def _make(self) -> pl.Series:
        first = self._first.series
        return first.zip_with(first.is_not_null(), self._second.series) if first.null_count() else first

    def _list(self) -> Texts:
        first = self._first.texts
        if None not in first:
            return first
        return [two if one is None else one for one, two in zip(first, self._second.texts, strict=True)]

    def at(self, rows: Sequence[int]) -> list[Any]:
        found = self._first.at(rows)
        return [two if one is None else one for one, two in zip(found, self._second.at(rows), strict=True)
                ] if None in found else found

    def pick(self, rows: Rows) -> Column:
        return First(self.name, self._first.pick(rows), self._second.pick(rows))


class Listed(Column):
    """A text column that a function makes as a list."""

    __slots__ = ("_maker",)

    def __init__(self, name: str, height: int, maker: Callable[[], Texts]) -> None:
        super().__init__(name, height)
        self._maker = maker

    def _list(self) -> Texts:
        return self._maker()


class Later(Column):
    """A column that a function makes when it is first looked at, in whatever form."""

    __slots__ = ("_maker", "_one")

    def __init__(self, name: str, height: int, maker: Callable[[], Column]) -> None:
        super().__init__(name, height)
        self._maker = maker
        self._one: Column | None = None

    @property
    def _held(self) -> Column:
        if self._one is None:
            self._one = self._maker()
        return self._one

    @property
    def coded(self) -> Coded | None:
        return self._held.coded

    def through(self, read: Read) -> Coded | None:
        return self._held.through(read)

    @property
    def empty(self) -> bool:
        return self._held.empty

    def _make(self) -> pl.Series:
        return self._held.series.alias(self.name)

    def _list(self) -> Texts:
        return self._held.texts

    def at(self, rows: Sequence[int]) -> list[Any]:
        return self._held.at(rows)

    def pick(self, rows: Rows) -> Column:
        return Later(self.name, len(rows), lambda: self._held.pick(rows))


def gathered(shapes: Sequence[Shape]) -> list[Piece]:
    """Constants and related.* added; the latter are made for all shapes together."""
    held = [_filled(shape) for shape in shapes]
    for name, sources in RELATED.items():
        _related(name, sources, held)
    return [
        Piece(shape.lines, Table(len(shape.lines), found)) for shape, found in zip(shapes, held, strict=True)
    ]


def _filled(shape: Shape) -> Columns:
    height = len(shape.lines)
    found = dict(shape.columns)
    for name, value in shape.constants.items():
        known = found.get(name)
        if known is None:
            found[name] = Single(name, height, value)
        elif isinstance(value, str):
            found[name] = Lazy(name, height, partial(_fill, known, value))
    return found


def _fill(column: Column, value: str) -> pl.Series:
    return column.series.fill_null(value)


def _related(name: str, sources: Sequence[str], held: Sequence[Columns]) -> None:
    mine = [found for found in held if name not in found and not found.keys().isdisjoint(sources)]
    heights = [next(iter(found.values())).height for found in mine]
    given = [{source: found[source] for source in sources if source in found} for found in mine]
    spread = Spread(lambda: _whole_related(name, sources, given, heights), None)
    at = 0
    for found, height in zip(mine, heights, strict=True):
        found[name] = spread.cut(name, at, height)
        at += height


def _whole_related(name: str, sources: Sequence[str], given: Sequence[Columns], heights: Sequence[int]) -> pl.Series:
    made = [
        {source: made for source, column in found.items() if (made := column.series).null_count() < column.height}
        for found in given
    ]
    relate(name, sources, made)
    return pl.concat([
        found[name] if name in found else pl.Series(name, [None] * height, dtype=SCHEMA.dtype(name))
        for found, height in zip(made, heights, strict=True)
    ])
