"""EventBatch: the one shape in which events travel from the parser to the store.

A batch is a few *parts*: each part holds the rows of one record shape (one log type) as a Polars frame with only
the columns that shape has. Nobody pays for the columns of another shape, and what is constant for a shape (its
data set, its Sigma log sources) is judged once a part. Column names are schema.yml's; a row is never an object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from soc_core.schema import SCHEMA

Rows = npt.NDArray[np.int64]


class Part(NamedTuple):
    """Rows of one shape: `rows[i]` is the place in the batch of the frame's i-th row."""

    rows: Rows
    frame: pl.DataFrame


class EventBatch:
    """An immutable batch of events in columns. Heights of the parts add up to `height`."""

    __slots__ = ("_columns", "height", "parts")

    def __init__(self, height: int, parts: Sequence[Part]) -> None:
        if sum(part.frame.height for part in parts) != height:
            raise ValueError("the parts of a batch must hold each of its rows exactly once")
        self.height = height
        self.parts = tuple(part for part in parts if part.frame.height)
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
        """Names of the columns that at least one part has."""
        return frozenset(name for part in self.parts for name in part.frame.columns)

    def column(self, field: str) -> pl.Series:
        """One column over the whole batch, in row order, null where a shape lacks it."""
        known = self._columns.get(field)
        if known is None:
            known = self._columns[field] = self._gather(field)
        return known

    def _gather(self, field: str) -> pl.Series:
        held = [part for part in self.parts if field in part.frame.columns]
        if not held:
            return pl.Series(field, [None] * self.height, dtype=SCHEMA.dtype(field))
        if len(self.parts) == 1:
            rows, series = held[0].rows, held[0].frame[field]
        else:
            pieces = [
                part.frame[field] if field in part.frame.columns
                else pl.Series(field, [None] * part.frame.height, dtype=held[0].frame.schema[field])
                for part in self.parts
            ]
            series = pl.concat(pieces)
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

    def with_columns(self, columns: Mapping[str, pl.Series | str | int | None]) -> EventBatch:
        """A batch with columns added or replaced: a Series of `height` rows, or one value for all rows."""
        varying = [value.alias(name) for name, value in columns.items() if isinstance(value, pl.Series)]
        whole = pl.DataFrame(varying)
        if len(self.parts) > 1 and varying:  # one gather for all parts, then each gets its slice
            whole = whole[np.concatenate([part.rows for part in self.parts])]
        fixed = [
            pl.Series(name, [value], dtype=SCHEMA.dtype(name))
            for name, value in columns.items() if not isinstance(value, pl.Series)
        ]
        parts, at = [], 0
        for rows, frame in self.parts:
            height = frame.height
            known = [name for name in frame.columns if name in columns]
            add = whole.slice(at, height).get_columns() + [one.new_from_index(0, height) for one in fixed]
            parts.append(Part(rows, (frame.drop(known) if known else frame).hstack(add)))
            at += height
        return EventBatch(self.height, parts)

    def take(self, mask: npt.NDArray[np.bool_]) -> EventBatch:
        """The rows where `mask` is true, in order."""
        place = np.cumsum(mask) - 1
        parts = []
        for rows, frame in self.parts:
            keep = mask[rows]
            if keep.all():
                parts.append(Part(place[rows], frame))
            elif keep.any():
                parts.append(Part(place[rows[keep]], frame.filter(pl.Series(keep))))
        return EventBatch(int(mask.sum()), parts)

    @classmethod
    def concat(cls, batches: Sequence[EventBatch]) -> EventBatch:
        """One batch after another, parts kept as they are."""
        parts, at = [], 0
        for batch in batches:
            parts += [Part(rows + at, frame) for rows, frame in batch.parts]
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
