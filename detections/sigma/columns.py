"""Values of a field, row by row, as the judge takes them: text, None, or a tuple of texts.

A list is a tuple of its elements; an empty list is absent; JSON paths lead through arrays. Nothing is trimmed.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy.typing as npt
import orjson
import polars as pl

from detections.sigma.books import Books
from detections.sigma.judge import Value
from detections.sigma.map import Reader
from detections.sigma.terms import as_text
from soc_core.table import Coded, Column, Table

WHOLE = ("event.original", "message")  # what keywords are looked for in


class Rows:
    """The rows of one part, with parsed JSON kept for the paths of several fields."""

    def __init__(self, held: pl.DataFrame | Table, books: Books | None = None) -> None:
        self.frame = held if isinstance(held, Table) else Table.of(held)
        self.have = frozenset(self.frame.held)
        self.parsed: dict[str, dict[int, Any]] = {}
        self.books = books
        self.by_code: dict[str, Coded | None] = {}

    def codes(self, name: str) -> Coded | None:
        """A column by codes, where that is known or quick; None: read its values."""
        if name not in self.by_code:
            prepare([(self, (name,))])
        return self.by_code[name]

    @classmethod
    def empty(cls) -> Rows:
        """Rows of which nothing is known."""
        return cls(pl.DataFrame())

    def read(self, reader: Reader) -> Sequence[Any] | None:
        """Values of all rows; None when no row has any (then every row's value is None)."""
        held = [self._source(s.column, s.path) for s in reader.sources if s.column in self.have]
        labels = [(label, column) for label, column in reader.labelled if column in self.have]
        held += [_labelled(label, values(self.frame.held[column])) for label, column in labels]
        found = [values for values in held if values is not None]
        if len(found) < 2:
            return found[0] if found else None
        return [joined(values) for values in zip(*found, strict=True)]

    def single(self, reader: Reader) -> Value:
        """The value that all rows are known to have; None where that is not known."""
        if len(reader.sources) != 1 or reader.labelled or reader.sources[0].path:
            return None
        column = self.frame.held.get(reader.sources[0].column)
        one = None if column is None else column.single
        return one if type(one) is str else None

    def filled(self, names: Sequence[str]) -> pl.Series:
        """Places of the rows that have a value in any of these columns."""
        held = [self.frame[name].is_not_null() for name in names if name in self.have]
        return reduce(operator.or_, held).arg_true() if held else pl.Series(dtype=pl.UInt32)

    def coded(self, reader: Reader) -> tuple[npt.NDArray[Any], list[Any]] | None:
        """(codes, values) of a field that one column without nulls holds, value by value; else None."""
        if len(reader.sources) != 1 or reader.labelled or reader.sources[0].path:
            return None
        series = self.frame[reader.sources[0].column]
        if isinstance(series.dtype, pl.List) or series.dtype.is_float():
            return None
        if series.dtype == pl.String:
            values = series.unique()
            return series.cast(pl.Enum(values)).to_physical().to_numpy(), values.to_list()
        distinct = series.unique()
        codes = series.replace_strict(distinct, pl.Series(range(len(distinct)), dtype=pl.UInt32))
        return codes.to_numpy(), texts(distinct) or []

    def _source(self, column: str, path: str) -> Sequence[Any] | None:
        if not path:
            return values(self.frame.held[column])
        heads = self.frame.held[column].heads
        if heads is not None and not _begins(path.lower(), heads):
            return None
        series = self.frame[column]
        last = path.rpartition(".")[2]
        near = series.str.contains_any([last], ascii_case_insensitive=True).fill_null(False)
        places = near.arg_true().to_list()
        if not places:
            return None
        known = self.parsed.setdefault(column, {})
        out: list[Any] = [None] * len(series)
        for row in places:
            if row not in known:
                known[row] = _json(series[row])
            out[row] = value(follow(known[row], path))
        return out


def prepare(several: Sequence[tuple[Rows, Sequence[str]]]) -> None:
    """Know some columns of parts of one engine by codes, all of them at once."""
    books = several[0][0].books if several else None
    if books is None:
        return
    found = iter(books.codes([rows.frame.held[name] for rows, names in several for name in names]))
    for rows, names in several:
        rows.by_code.update(zip(names, found))  # noqa: B905 - the rest is of those that follow


def values(column: Column) -> Sequence[Any] | None:
    """As `texts`, without making a series of what is text already."""
    if column.dtype != pl.String or (column.serial and column.series.dtype != pl.String):  # of a name nobody declared
        return texts(column.series)
    found = column.texts
    return None if not len(found) or (found[0] is None and found.count(None) == len(found)) else found


def texts(series: pl.Series) -> list[Any] | None:
    """A column as texts (tuples of texts for lists), None where null; None for a column without values."""
    if series.null_count() == len(series):
        return None
    dtype = series.dtype
    if dtype == pl.String:
        return series.to_list()
    if isinstance(dtype, pl.List):
        if dtype.inner != pl.String and not dtype.inner.is_float():
            series = series.cast(pl.List(pl.String))
        return [value(item) if item is not None else None for item in series.to_list()]
    if isinstance(dtype, pl.Datetime):
        return series.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_list()
    if dtype.is_float():
        return [None if item is None else as_text(item) for item in series.to_list()]
    return series.cast(pl.String).to_list()


def _labelled(label: str, found: Sequence[Any] | None) -> list[Any] | None:
    if found is None:
        return None
    return [None if item is None else f"{label}={item}" for item in found]


def joined(values: tuple[Value, ...]) -> Value:
    """Several values of one field as one: each once, in order."""
    held = list(dict.fromkeys(item for item in values if item is not None))
    if len(held) < 2:
        return held[0] if held else None
    return tuple(text for item in held for text in (item if isinstance(item, tuple) else (item,)))


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def follow(node: Any, path: str) -> Any:
    """What a dotted path leads to: through objects by name (as written, else without case) and through arrays."""
    if isinstance(node, list):
        found = [item for item in (follow(each, path) for each in node) if item is not None]
        return found or None
    if not isinstance(node, dict):
        return None
    at = len(path)
    while at > 0:
        name, rest = path[:at], path[at + 1 :]
        child = node.get(name)
        if child is None:
            low = name.lower()
            child = next((each for key, each in node.items() if key.lower() == low), None)
        if child is not None:
            found = follow(child, rest) if rest else child
            if found is not None:
                return found
        at = path.rfind(".", 0, at)
    return None


def _begins(path: str, heads: Iterable[str]) -> bool:
    """Whether a path may begin with one of the names, as `follow` takes it: up to a dot, or whole."""
    return any(path.startswith(head) and path[len(head) :][:1] in ("", ".") for head in heads)


def value(found: Any) -> Value:
    """Anything from JSON or a list column as a value: scalars as text, arrays as tuples, objects as JSON text."""
    if found is None:
        return None
    if isinstance(found, list):
        flat = [text for item in found for text in _flat(value(item))]
        return tuple(flat) if len(flat) > 1 else flat[0] if flat else None
    if isinstance(found, dict):
        return orjson.dumps(found).decode()
    return as_text(found)


def _flat(item: Value) -> tuple[str, ...]:
    return () if item is None else item if isinstance(item, tuple) else (item,)


def whole(texts: Mapping[str, str | None]) -> Value:
    """The text of an event that keywords are looked for in: its record, its message, and a JSON record unescaped.

    Unescaped means: what JSON writes as two backslashes is one, an escaped quotation mark is plain.
    """
    found = [text for text in texts.values() if text]
    original = texts.get("event.original")
    if original and original[0] == "{" and "\\" in original:
        found.append(original.replace('\\"', '"').replace("\\\\", "\\"))
    return tuple(found) or None
