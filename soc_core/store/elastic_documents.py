"""Events as documents and back: Polars columns straight to JSON lines, hits to rows and columns.

A document is the event under its dotted ECS names, times as ISO 8601, and the helper fields that mapping.py
describes. Rows that come back are as they were written: times in microseconds, no nulls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import polars as pl

from soc_core.events import EventBatch
from soc_core.schema import SCHEMA
from soc_core.store import elastic_leaf, scanning
from soc_core.store.elastic_leaf import ODD_LETTERS
from soc_core.store.mapping import HELPERS, LEAF, LEAF_RAW, LONGEST, MICROS, ODD

ISO = "%Y-%m-%dT%H:%M:%S%.6fZ"
OVERFLOW = "overflow"
Row = dict[str, Any]


def texts(frame: pl.DataFrame) -> pl.Series:
    """Each row of a frame in the schema's types (segments.conform) as the JSON text of its document."""
    columns: list[pl.Expr | pl.Series] = []
    for name, dtype in frame.schema.items():
        if isinstance(dtype, pl.Datetime):
            columns += [pl.col(name).dt.strftime(ISO), pl.col(name).dt.epoch("us").alias(MICROS + name)]
        else:
            columns.append(pl.col(name))
    columns += _helpers(frame)
    return frame.select(pl.struct(columns).struct.json_encode().alias("text"))["text"]


def _helpers(frame: pl.DataFrame) -> list[pl.Series]:
    """The columns LEAF, LEAF_RAW and ODD, as far as any row has something to put there."""
    entries: dict[int, list[str]] = {}
    raws: dict[int, list[str]] = {}
    odd: dict[int, list[str]] = {}
    for name in frame.columns:
        declared = SCHEMA.columns.get(name)
        column = frame[name]
        if declared is None:
            rows = column.is_not_null().arg_true().to_list()
        elif declared.kind in ("keyword", "wildcard", "text", "json", "ip"):
            rows = _odd_rows(column, declared.kind == "ip")
        else:
            continue
        for row in rows:
            values = column[row]
            for value in values if isinstance(values, pl.Series) else [values]:
                if value is not None:
                    entries.setdefault(row, []).extend(elastic_leaf.entries(name, value, name_is_address(name)))
                    if declared is None:
                        _note(raws, row, elastic_leaf.written(name, value))
            if declared is not None:
                odd.setdefault(row, []).append(name)
    if OVERFLOW in frame.columns:
        _overflow(frame[OVERFLOW], entries, raws)
    return [
        pl.Series(name, [rows.get(row) for row in range(frame.height)], dtype=pl.List(pl.String))
        for name, rows in ((LEAF, entries), (LEAF_RAW, raws), (ODD, odd)) if rows
    ]


def name_is_address(name: str) -> bool:
    column = SCHEMA.columns.get(name)
    return column is not None and column.kind == "ip"


def _note(into: dict[int, list[str]], row: int, entry: str | None) -> None:
    if entry is not None:
        into.setdefault(row, []).append(entry)


def _odd_rows(column: pl.Series, address: bool) -> list[int]:
    """Rows with a value that Elasticsearch would index otherwise than we compare; nearly always none."""
    flat = column.list.explode() if isinstance(column.dtype, pl.List) else column
    size = flat.str.len_bytes()
    if not address and size.sum() == flat.str.len_chars().sum() and not (size > LONGEST).any():
        return []
    long = pl.element().str.len_chars() > LONGEST
    found = long | pl.element().str.contains("[%]|[^\\x00-\\x7f]" if address else ODD_LETTERS)
    if isinstance(column.dtype, pl.List):
        return column.list.eval(found).list.any().fill_null(False).arg_true().to_list()
    frame = pl.DataFrame({"value": column}).select(
        (pl.col("value").str.len_chars() > LONGEST)
        | pl.col("value").str.contains("[%]|[^\\x00-\\x7f]" if address else ODD_LETTERS)
    )
    return frame["value"].fill_null(False).arg_true().to_list()


def _overflow(column: pl.Series, entries: dict[int, list[str]], raws: dict[int, list[str]]) -> None:
    """Entries of every leaf of the overflow objects."""
    for row, text in enumerate(column):
        if text is None:
            continue
        try:
            tree = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        for path, value in leaves(tree, ""):
            if SCHEMA.get(path) is None:  # as the embedded store: declared names never mean a path
                entries.setdefault(row, []).extend(elastic_leaf.entries(path, value))
                _note(raws, row, elastic_leaf.written(path, value))


def leaves(value: Any, path: str) -> Iterable[tuple[str, str]]:
    """(dotted path, text) of each leaf; an array gives each of its elements."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    elif value is not None and path:
        yield path, value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


# ---------------------------------------------------------------- back


def row(source: Mapping[str, Any]) -> Row:
    """A stored document as the row that was written."""
    made = {
        name: value for name, value in source.items() if value is not None and not name.startswith(HELPERS)
    }
    for name, value in source.items():
        if name.startswith(MICROS) and value is not None:
            made[name[len(MICROS):]] = value
    return dict(sorted(made.items()))


def frame(rows: Sequence[Row]) -> pl.DataFrame:
    """Rows as one wide frame in the schema's types."""
    names = sorted({name for item in rows for name in item})
    data = []
    for name in names:
        dtype = SCHEMA.dtype(name)
        values = [item.get(name) for item in rows]
        if isinstance(dtype, pl.Datetime):
            data.append(pl.Series(name, values, dtype=pl.Int64).cast(dtype))
        else:
            data.append(pl.Series(name, values, dtype=dtype, strict=False))
    return pl.DataFrame(data)


def batch(rows: Sequence[Row]) -> EventBatch:
    """Rows as a batch with one part a shape."""
    return scanning.in_parts(frame(rows))
