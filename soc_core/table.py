"""Table: the rows of one record shape, in columns that are made when they are first read.

A rule set reads some forty of the hundreds of columns that a shape may fill; the store reads them all. So a column is
kept as what it comes from (values of JSON, another column, one value for all rows) and becomes a Series, or a list of
texts, only for who asks for it. A column that turns out empty counts as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from soc_core.arrow import Spans
from soc_core.lexicon import Bytes, Codes, Lexicon, Read
from soc_core.schema import SCHEMA
from soc_core.text import decode
from soc_core.written import Written

Rows = npt.NDArray[np.int64]
Texts = Sequence[str | None]
FEW = 64  # rows that are quicker read one by one


class Coded(NamedTuple):
    """A text column as codes of a lexicon, row by row; where one is ELSEWHERE the column itself has the text (`at`)."""

    lexicon: Lexicon
    codes: Codes


class Strings(NamedTuple):
    """Texts within strings of JSON, or plain: `data` from `starts` to `ends`; a start below 0 is null."""

    data: Bytes
    starts: Rows
    ends: Rows


class Column:
    """A column that is held as a Series already, and the ways in which others are read."""

    __slots__ = ("_series", "_texts", "height", "name")

    def __init__(self, name: str, height: int, series: pl.Series | None = None) -> None:
        self.name, self.height = name, height
        self._series = series
        self._texts: Texts | None = None

    @property
    def series(self) -> pl.Series:
        """The column in the schema's type."""
        if self._series is None:
            self._series = self._make()
        return self._series

    @property
    def texts(self) -> Texts:
        """The values of a text column, row by row."""
        if self._texts is None:
            self._texts = self._list()
        return self._texts

    def _make(self) -> pl.Series:
        return pl.Series(self.name, self.texts, dtype=SCHEMA.dtype(self.name))

    def _list(self) -> Texts:
        return self.series.to_list()

    @property
    def dtype(self) -> pl.DataType:
        """The type of the series."""
        return SCHEMA.dtype(self.name) if self._series is None else self._series.dtype

    @property
    def single(self) -> Any:
        """The one value of a column that holds nothing else, as far as that is known without looking; else None."""
        return None

    @property
    def made(self) -> bool:
        """Whether the series is there."""
        return self._series is not None

    @property
    def serial(self) -> bool:
        """Whether the series is there, or is what everything else is read from."""
        return self._series is not None

    @property
    def raw(self) -> Sequence[bytes] | None:
        """The bytes that the texts were read from, row by row, where they are at hand: of UTF-8 as a rule."""
        return None

    @property
    def spans(self) -> Spans | None:
        """Where the bytes of `raw` lie."""
        return None

    @property
    def coded(self) -> Coded | None:
        """The values, of any type as texts, by their codes, where its maker had them."""
        return None

    def through(self, read: Read) -> Coded | None:
        """What `read` makes of the texts, where these have codes; see Lexicon.through."""
        held = self.coded
        return None if held is None else Coded(held.lexicon, held.lexicon.through(read, held.codes))

    @property
    def written(self) -> Strings | None:
        """The texts as a record of JSON writes them, where they are at hand so."""
        return None

    @property
    def heads(self) -> frozenset[str] | None:
        """Of a column of JSON objects: their own names, and perhaps others, in small letters; None: not known."""
        return None

    @property
    def empty(self) -> bool:
        """Whether no row has a value."""
        return self.series.null_count() == self.height

    def pick(self, rows: Rows) -> Column:
        """These rows of the column, in this order."""
        return Lazy(self.name, len(rows), lambda: self.series[rows])

    def at(self, rows: Sequence[int]) -> list[Any]:
        """The values of a few rows, moments as microseconds; the others are not looked at."""
        if self._texts is None and (self._series is not None or self.dtype != pl.String):
            series = self.series.cast(pl.Int64) if isinstance(self.dtype, pl.Datetime) else self.series
            if len(rows) > FEW or isinstance(series.dtype, pl.List):
                return series.gather(list(rows)).to_list()
            return [series.item(row) for row in rows]
        texts = self.texts
        return [texts[row] for row in rows]

    def named(self, name: str) -> Column:
        """The same values under another name; of a text column only."""
        return Alias(name, self)


class Alias(Column):
    """Another column under a second name."""

    __slots__ = ("_of",)

    def __init__(self, name: str, of: Column) -> None:
        super().__init__(name, of.height)
        self._of = of

    def _make(self) -> pl.Series:
        return self._of.series.alias(self.name)

    def _list(self) -> Texts:
        return self._of.texts

    @property
    def single(self) -> Any:
        return self._of.single

    @property
    def coded(self) -> Coded | None:
        return self._of.coded if SCHEMA.textual(self.name) else None

    def through(self, read: Read) -> Coded | None:
        return self._of.through(read) if SCHEMA.textual(self.name) else None

    @property
    def serial(self) -> bool:
        return self._of.serial

    def pick(self, rows: Rows) -> Column:
        return Alias(self.name, self._of.pick(rows))

    def at(self, rows: Sequence[int]) -> list[Any]:
        return self._of.at(rows)


class Single(Column):
    """One value in all rows."""

    __slots__ = ("_value",)

    def __init__(self, name: str, height: int, value: Any) -> None:
        super().__init__(name, height)
        self._value = value

    def _make(self) -> pl.Series:
        return _one(self.name, self._value).new_from_index(0, self.height)

    def _list(self) -> Texts:
        return [self._value] * self.height

    @property
    def single(self) -> Any:
        return self._value

    @property
    def empty(self) -> bool:
        return self._value is None

    def at(self, rows: Sequence[int]) -> list[Any]:
        return [self._value] * len(rows) if isinstance(self._value, str | int) else super().at(rows)

    def pick(self, rows: Rows) -> Column:
        return Single(self.name, len(rows), self._value)


_ONES: dict[tuple[str, Any], pl.Series] = {}


def _one(name: str, value: Any) -> pl.Series:
    """The value as a column of one row; those that come again and again are kept."""
    key = (name, tuple(value) if isinstance(value, list) else value)
    known = _ONES.get(key)
    if known is None:
        if len(_ONES) > 4096:
            _ONES.clear()
        known = _ONES[key] = pl.Series(name, [value], dtype=SCHEMA.dtype(name))
    return known


class Lazy(Column):
    """A column that a function makes, as a Series in the schema's type."""

    __slots__ = ("_maker",)

    def __init__(self, name: str, height: int, maker: Callable[[], pl.Series]) -> None:
        super().__init__(name, height)
        self._maker = maker

    def _make(self) -> pl.Series:
        return self._maker().alias(self.name)

    @property
    def serial(self) -> bool:
        return True


class Cut(Column):
    """Some rows of a Spread: those at `place`."""

    __slots__ = ("place", "spread")

    def __init__(self, name: str, spread: Spread, place: slice | Rows) -> None:
        super().__init__(name, place.stop - place.start if isinstance(place, slice) else len(place))
        self.spread, self.place = spread, place

    def _make(self) -> pl.Series:
        whole, place = self.spread.whole, self.place
        made = whole.slice(place.start, self.height) if isinstance(place, slice) else whole.gather(place)
        return made.alias(self.name)

    @property
    def serial(self) -> bool:
        return True

    @property
    def rows(self) -> Rows:
        """Where the rows stand."""
        return np.arange(self.place.start, self.place.stop) if isinstance(self.place, slice) else self.place

    def pick(self, rows: Rows) -> Column:
        return type(self)(self.name, self.spread, rows + self.place.start if isinstance(self.place, slice)
                          else self.place[rows])


class Lines(Cut):
    """A text column whose bytes are at hand before its texts are."""

    __slots__ = ("_lines",)

    def __init__(self, name: str, spread: Spread, place: slice | Rows) -> None:
        super().__init__(name, spread, place)
        self._lines: Sequence[bytes] | None = None

    @property
    def raw(self) -> Sequence[bytes]:
        if self._lines is None:
            self._lines = self.spread.lines(self.place)
        return self._lines

    @property
    def spans(self) -> Spans | None:
        return self.spread.spans(self.place)

    def at(self, rows: Sequence[int]) -> list[Any]:
        return [decode(line) for line in map(self.raw.__getitem__, rows)]


class Table:
    """Columns of one height, by name. Reads like a frame: `columns`, `height`, `table[name]`; `frame()` makes all."""

    __slots__ = ("_frame", "height", "held")

    def __init__(self, height: int, held: Mapping[str, Column]) -> None:
        self.height, self.held = height, held
        self._frame: pl.DataFrame | None = None

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Table:
        """A frame's columns."""
        made = cls(frame.height, {one.name: Column(one.name, frame.height, one) for one in frame.iter_columns()})
        made._frame = frame
        return made

    @property
    def columns(self) -> list[str]:
        """Names of the columns; some may turn out empty."""
        return list(self.held)

    def __contains__(self, name: str) -> bool:
        return name in self.held

    def __getitem__(self, name: str) -> pl.Series:
        return self.held[name].series

    def texts(self, name: str) -> Texts:
        """The values of a text column, row by row."""
        return self.held[name].texts

    def frame(self) -> pl.DataFrame:
        """All columns that hold something, as a frame."""
        if self._frame is None:
            every = (column.series for column in self.held.values())
            made = [series for series in every if series.null_count() < self.height]
            self._frame = pl.DataFrame(made) if made else pl.DataFrame({"message": [None] * self.height})
        return self._frame

    def select(self, names: Iterable[str]) -> Table:
        """Only these columns, of those that there are."""
        return Table(self.height, {name: self.held[name] for name in names if name in self.held})

    def pick(self, rows: Rows) -> Table:
        """These rows, in this order."""
        return Table(len(rows), {name: column.pick(rows) for name, column in self.held.items()})

    def filter(self, mask: npt.NDArray[np.bool_]) -> Table:
        """The rows where `mask` is true."""
        return self.pick(np.flatnonzero(mask))

    def with_columns(self, columns: Mapping[str, Column]) -> Table:
        """With columns added or replaced."""
        return Table(self.height, {**self.held, **columns})


class Spread:
    """One Series for the rows of a whole batch, cut into columns of its parts when the first of them is read."""

    __slots__ = ("_rows", "_series", "_whole")

    def __init__(self, series: pl.Series | Callable[[], pl.Series], rows: Rows | None) -> None:
        self._series, self._rows = series, rows  # rows: those of all parts one after another; None: as they are
        self._whole: pl.Series | None = None

    def cut(self, name: str, at: int, height: int) -> Column:
        """The column of a part whose rows stand at `at`."""
        kind = Lines if isinstance(self._series, Written) else Cut
        return kind(name, self, slice(at, at + height))

    def lines(self, place: slice | Rows) -> Sequence[bytes]:
        """The bytes that these rows would read; only of what is Written."""
        held: Sequence[bytes] = self._series.lines  # type: ignore[union-attr]  # it is Written
        rows = place if self._rows is None else self._rows[place]
        return held[rows] if isinstance(rows, slice) else picked(held, rows)

    def spans(self, place: slice | Rows) -> Spans | None:
        """Where they lie."""
        held: Spans | None = self._series.spans  # type: ignore[union-attr]  # it is Written
        rows = place if self._rows is None else self._rows[place]
        return held and Spans(held.starts[rows], held.ends[rows], held.held)

    @property
    def whole(self) -> pl.Series:
        """In the order of the parts."""
        if self._whole is None:
            held = self._series() if callable(self._series) else self._series
            self._whole = held if self._rows is None else held.gather(self._rows)
        return self._whole


def picked(values: Sequence[Any], rows: Rows) -> Sequence[Any]:
    """The values at these places."""
    if len(rows) > 1:
        return itemgetter(*rows.tolist())(values)  # type: ignore[no-any-return]  # a tuple: rows are many
    return [values[row] for row in rows.tolist()]


def one(columns: Sequence[Column]) -> Cut | None:
    """These columns one after another, where all are cuts of one spread."""
    cuts = [column for column in columns if isinstance(column, Cut)]
    if len(cuts) < len(columns) or len({id(cut.spread) for cut in cuts}) > 1:
        return None
    return Cut(cuts[0].name, cuts[0].spread, np.concatenate([cut.rows for cut in cuts]))
