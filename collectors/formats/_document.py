"""JSON records to columns by a table of paths, and what the table does not name whole to the overflow.

A table maps dotted paths of the record (`userIdentity.arn`) to columns; the first path that holds a value wins. A
path may stop at an object or a list: the column then holds its JSON text. A step through a list takes the first item.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from collectors.formats import _times
from collectors.formats._access_log import url_parts
from collectors.formats._frames import Piece, endpoints, finish, gather, under
from collectors.formats._json import Record, leftovers, records, series
from soc_core.protocols import Context, Fault, Parsed
from soc_core.schema import SCHEMA

STAMP = pl.Datetime("us", "UTC")
SIDES = ("source", "destination", "client", "server")
Tree = dict[str, Any]


class Event(NamedTuple):
    """One event while it is made: the number of its line (of the event, where a line holds several), the record,
    columns found, what is left."""

    line: int
    record: Record
    found: Record
    rest: Record


def tree(table: Mapping[str, str]) -> Tree:
    """A table of dotted paths as nested dictionaries; `\\.` in a path is a dot of the name itself.

    Letter case does not count: shippers and query languages change it.
    """
    root: Tree = {}
    for path, column in table.items():
        node = root
        *above, last = path.lower().replace("\\.", "\0").split(".")
        for step in above:
            node = node.setdefault(step.replace("\0", "."), {})
        node[last.replace("\0", ".")] = column
    return root


def read(record: Record, table: Tree, found: Record) -> Record:
    """Fill `found` from the record, and return what the table does not name."""
    rest: Record = {}
    for name, value in record.items():
        node = table.get(name) or table.get(name.lower())
        if node is None:
            rest[name] = value
        elif type(node) is str:
            if value is None:
                continue
            if node in found:
                rest[name] = value
            else:
                found[node] = value
        elif type(value) is dict:
            left = read(value, node, found)
            if left:
                rest[name] = left
        else:
            rest[name] = value
            if type(value) is list and value and type(value[0]) is dict:
                read(value[0], node, found)
    return rest


def parse_records(
    lines: Sequence[bytes], ctx: Context, table: Tree, space: str, mine: Callable[[Record], str],
    made: Callable[[Event], Mapping[str, Any] | None],
    unfold: Callable[[Record], Iterable[Any]] | None = None, timezone: str = "UTC",
) -> Parsed:
    """JSON lines whose records `mine` accepts (it gives "" or why not) as events.

    `unfold` gives the events of one record that holds many. `made` completes an event in place and gives what is
    true of all events of its kind; the rest goes to the overflow below `space`. `timezone` is of times without one.
    """
    found, faults = records(lines, ctx.encoding)
    groups: dict[str, tuple[Mapping[str, Any], list[Event]]] = {}
    origins: list[int] = []  # the line of each event: those of one line stay in its order, whatever stands beside them
    for number, whole in enumerate(found):
        if whole is None:
            continue
        inner: Iterable[Any] = (whole,) if unfold is None else unfold(whole)
        held = list(inner)
        wrong = next((why for one in held if (why := mine(one) if type(one) is dict else "no object")), "")
        if wrong or not held:
            faults.append(Fault(number, f"JSON, but {wrong or 'without any event'}"))
            continue
        for record in held:
            columns: Record = {}
            event = Event(len(origins), record, columns, read(record, table, columns))
            origins.append(number)
            fixed = made(event) or {}
            key = fixed.get("event.dataset", "")
            groups.setdefault(key, (fixed, []))[1].append(event)
    parsed = gather((piece(events, fixed, space, timezone) for fixed, events in groups.values()), faults)
    return dataclasses.replace(parsed, line_no=np.array(origins, dtype=np.int64)[parsed.line_no])


def piece(events: Sequence[Event], fixed: Mapping[str, Any], space: str, timezone: str) -> Piece:
    """Events of one kind as columns."""
    columns: list[pl.Series] = []
    for name in dict.fromkeys(name for event in events for name in event.found):
        made = series(name, [event.found.get(name) for event in events])
        if made is None:
            continue
        if SCHEMA.dtype(name) == STAMP:
            made = stamps(made, timezone)
        columns.append(made.alias(name))
    left = leftovers(nested(space, event.rest) for event in events)
    if left is not None:
        columns.append(left)
    frame = pl.DataFrame(columns, height=len(events))
    lines = np.array([event.line for event in events], dtype=np.int64)
    return Piece(lines, finish(derived(frame), fixed))


def nested(space: str, rest: Record) -> Record | None:
    """What is left, below a dotted name."""
    if not rest:
        return None
    for step in reversed(space.split(".")) if space else ():
        rest = {step: rest}
    return rest


def derived(frame: pl.DataFrame) -> pl.DataFrame:
    """Addresses, and the parts of an address on the web."""
    for side in SIDES:
        frame = endpoints(frame, (side,))
    return under(frame, url_parts(frame["url.original"])) if "url.original" in frame.columns else frame


def stamps(text: pl.Series, timezone: str) -> pl.Series:
    """ISO times, or seconds, milliseconds, microseconds or nanoseconds since 1970."""
    times = _times.iso(text, timezone)
    if not times.null_count():
        return times
    whole = text.cast(pl.Float64, strict=False)
    size = pl.col("n").abs()
    scale = pl.when(size < 1e11).then(1e6).when(size < 1e14).then(1e3).when(size < 1e17).then(1.0).otherwise(1e-3)
    fits = pl.col("n").is_finite() & (size < 4e18)
    micros = pl.DataFrame({"n": whole}).select(pl.when(fits).then((pl.col("n") * scale).round())).to_series()
    sane = micros.cast(pl.Int64, strict=False)
    return times.fill_null(sane.cast(STAMP)).alias(text.name)


def share(found: Sequence[Record], lines: Sequence[bytes], mine: Callable[[Record], bool]) -> float:
    """Share of the lines whose records `mine` accepts."""
    return sum(map(mine, found)) / max(len(lines), 1)


def at(record: Any, *path: str) -> Any:
    """The value at a path of objects, None where it leads nowhere."""
    for step in path:
        if type(record) is not dict:
            return None
        record = record.get(step)
    return record


def first(record: Any, *names: str) -> Any:
    """The value under the first of the names, whatever its letter case, that has one."""
    if type(record) is not dict:
        return None
    for name in names:
        if record.get(name) is not None:
            return record[name]
    lower = {str(key).lower(): value for key, value in record.items()}
    return next((lower[name.lower()] for name in names if lower.get(name.lower()) is not None), None)


def word(value: Any) -> str:
    """A text value in lower case, "" for anything else."""
    return value.lower() if type(value) is str else ""
