"""EventBatch: the one shape in which events travel from the parser to the store.

A batch is a few *parts*: each part holds the rows of one record shape (one log type) as a table with only the columns
that shape has, made when they are read (table.py). Nobody pays for the columns of another shape, and what is constant
for a shape (its data set, its Sigma log sources) is judged once a part. Column names are schema.yml's; a row is never
an object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from soc_core.schema import SCHEMA
from soc_core.table import Column, Rows, Single, Spread, Table, one


class Part:
    """Rows of one shape: `rows[i]` is the place in the batch of the table's i-th row. Unpacks to (rows, frame)."""

    __slots__ = ("rows", "table")

    def __init__(self, rows: Rows, held: pl.DataFrame | Table) -> None:
        self.rows = rows
        self.table = held if isinstance(held, Table) else Table.of(held)

    @property
    def frame(self) -> pl.DataFrame:
        """All columns: for the store and for tools."""
        return self.table.frame()

    def __iter__(self) -> Iterator[Any]:
        return iter((self.rows, self.frame))


Varying = pl.Series | Callable[[], pl.Series]


class EventBatch:
    """An immutable batch of events in columns. Heights of the parts add up to `height`."""

    __slots__ = ("_columns", "height", "parts")

    def __init__(self, height: int, parts: Sequence[Part]) -> None:
        if sum(part.table.height for part in parts) != height:
            raise ValueError("the parts of a batch must hold each of its rows exactly once")
        self.height = height
        self.parts = tuple(part for part in parts if part.table.height)
        self._columns: dict[str, pl.Series] = {}

    @classmethod
    def of(cls, frame: pl.DataFrame) -> EventBatch:
        """A batch of one shape."""
        return cls(frame.height, [Part(np.arange(frame.height, dtype=np.int64), frame)])

    @classmethod
    def from_dicts(cls, rows: Iterable[Mapping[str, Any]]) -> EventBatch:
        """A batch from dotted-name dictionaries: the slow way in, for tests and tools."""
        listed = list(rows)
        names = sorted({name for row in listed for name in row})
        data = [pl.Series(name, [row.get(name) for row in listed], dtype=SCHEMA.dtype(name)) for name in names]
        return cls.of(pl.DataFrame(data) if data else pl.DataFrame({"message": [None] * len(listed)}))

    @property
    def fields(self) -> frozenset[str]:
        """Names of the columns that a part has; some may turn out empty."""
        return frozenset().union(*(part.table.held for part in self.parts))

    def column(self, field: str) -> pl.Series:
        """One column over the whole batch, in row order, null where a shape lacks it."""
        known = self._columns.get(field)
        if known is None:
            known = self._columns[field] = self._gather(field)
        return known

    def _gather(self, field: str) -> pl.Series:
        held = [part for part in self.parts if field in part.table]
        if not held:
            return pl.Series(field, [None] * self.height, dtype=SCHEMA.dtype(field))
        if len(self.parts) == 1:
            rows, series = held[0].rows, held[0].table[field]
        elif len(held) == len(self.parts) and (whole := one([part.table.held[field] for part in held])) is not None:
            rows = np.empty(self.height, dtype=np.int64)
            rows[np.concatenate([part.rows for part in held])] = whole.rows
            return whole.spread.whole.gather(rows).alias(field)
        else:
            kind = held[0].table[field].dtype
            series = pl.concat([
                part.table[field] if field in part.table else pl.Series(field, [None] * part.table.height, dtype=kind)
                for part in self.parts
            ])
            rows = np.concatenate([part.rows for part in self.parts])
        if np.array_equal(rows, np.arange(self.height)):
            return series
        return series.gather(np.argsort(rows, kind="stable"))

    def distinct(self, field: str) -> tuple[npt.NDArray[np.int32], list[Any]]:
        """(codes, values): row i holds values[codes[i]]; code -1 is null. Lists come as tuples."""
        return distinct(self.column(field))

    def frame(self) -> pl.DataFrame:
        """Everything as one wide frame in row order; dear: for the store and for tools."""
        if not self.parts:
            return pl.DataFrame()
        if len(self.parts) == 1:
            whole, rows = self.parts[0].frame, self.parts[0].rows
        else:
            whole = pl.concat([part.frame for part in self.parts], how="diagonal")
            rows = np.concatenate([part.rows for part in self.parts])
        if np.array_equal(rows, np.arange(self.height)):
            return whole
        return whole[np.argsort(rows, kind="stable")]

    def with_columns(self, columns: Mapping[str, Varying | str | int | None]) -> EventBatch:
        """A batch with columns added or replaced: a Series of `height` rows, what makes one, or one value for all."""
        order = np.concatenate([part.rows for part in self.parts]) if len(self.parts) > 1 else None
        if order is None and self.parts and not np.array_equal(self.parts[0].rows, np.arange(self.height)):
            order = self.parts[0].rows
        spread = {
            name: Spread(value, order)
            for name, value in columns.items() if isinstance(value, pl.Series) or callable(value)
        }
        parts, at = [], 0
        for part in self.parts:
            height = part.table.height
            added: dict[str, Column] = {
                name: spread[name].cut(name, at, height) if name in spread else Single(name, height, value)
                for name, value in columns.items()
            }
            parts.append(Part(part.rows, part.table.with_columns(added)))
            at += height
        made = EventBatch(self.height, parts)
        made._columns = {name: known for name, known in self._columns.items() if name not in columns}
        made._columns |= {name: value.alias(name) for name, value in columns.items() if isinstance(value, pl.Series)}
        return made

    def take(self, mask: npt.NDArray[np.bool_]) -> EventBatch:
        """The rows where `mask` is true, in order."""
        if mask.all():
            return self
        place = np.cumsum(mask) - 1
        parts = []
        for part in self.parts:
            keep = mask[part.rows]
            if keep.all():
                parts.append(Part(place[part.rows], part.table))
            elif keep.any():
                parts.append(Part(place[part.rows[keep]], part.table.filter(keep)))
        return EventBatch(int(mask.sum()), parts)

    @classmethod
    def concat(cls, batches: Sequence[EventBatch]) -> EventBatch:
        """One batch after another, parts kept as they are."""
        parts, at = [], 0
        for batch in batches:
            parts += [Part(part.rows + at, part.table) for part in batch.parts]
            at += batch.height
        return cls(at, parts)


def distinct(series: pl.Series) -> tuple[npt.NDArray[np.int32], list[Any]]:
    """Dictionary-encode a column: (codes, values), code -1 for null; lists come as tuples."""
    listed = series.to_list()
    if isinstance(series.dtype, pl.List):
        listed = [None if item is None else tuple(item) for item in listed]
    seen: dict[Any, int] = {None: -1}
    codes = np.fromiter((seen.setdefault(v, len(seen) - 1) for v in listed), dtype=np.int32, count=len(listed))
    del seen[None]
    return codes, list(seen)
