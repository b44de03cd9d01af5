"""Documents that are ECS already, one JSON object a line, nested or with dotted keys, or both.

https://www.elastic.co/docs/reference/ecs. Declared fields become columns; the rest goes whole to the overflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from collectors.formats import _times
from collectors.formats._frames import Piece, finish, gather
from collectors.formats._gates import GATING, tags
from collectors.formats._json import Record, leftovers, lists, records, sample, series
from soc_core.protocols import Context, Parsed
from soc_core.schema import SCHEMA, Column

OURS = ("soc.", "sigma.", "event.id", "event.ingested", "event.original", "organization.",
    "overflow")  # set by us alone: they decide who reads an event and which rules judge it
MARKS = ("ecs", "ecs.version", "event", "event.dataset", "event.kind", "event.category", "event.module", "event.action",
    "event.code")
FIXED = {"event.kind": "event"}
SHAPES = 64  # groups taken apart in one call
Group = list[tuple[int, dict[str, Any], Record]]  # (line, declared fields, what is left)


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each JSON object is one event; objects with the same fields are taken together."""
    found, faults = records(lines, ctx.encoding)
    groups: dict[tuple[str, ...], Group] = {}
    for number, record in enumerate(found):
        if record is not None:
            flat, rest = split(record)
            dataset = str(flat.get("event.dataset", ""))
            groups.setdefault((dataset, str(flat.get("event.code", ""))), []).append((number, flat, rest))
    return gather((piece(group, ctx) for group in _few(list(groups.values()))), faults)


def _few(groups: list[Group]) -> list[Group]:
    """The largest groups, and all others as one: each costs milliseconds, and a sender chooses how many there are."""
    if len(groups) <= SHAPES:
        return groups
    groups.sort(key=len, reverse=True)
    rest = [record for group in groups[SHAPES - 1 :] for record in group]
    return [*groups[: SHAPES - 1], sorted(rest, key=lambda record: record[0])]


def sniff(lines: Sequence[bytes]) -> float:
    """Share of JSON objects with a time under @timestamp, higher where ECS's own marks are."""
    found = sample(lines)
    stamped = sum("@timestamp" in record for record in found)
    marked = sum("@timestamp" in record and any(name in record for name in MARKS) for record in found)
    return (0.5 * stamped + 0.45 * marked) / max(len(lines), 1)


def split(record: Record) -> tuple[dict[str, Any], Record]:
    """(declared fields by dotted name, what is left, nested as it came)."""
    flat: dict[str, Any] = {}
    return flat, _walk(record, "", flat)


@lru_cache(16_384)
def _column(name: str) -> Column | None:
    """The declared column of a name that a document may fill."""
    return None if name.startswith(OURS) else SCHEMA.get(name)


def _walk(node: Record, path: str, flat: dict[str, Any]) -> Record:
    rest: Record = {}
    for key, value in node.items():
        name = f"{path}.{key}" if path else key
        kind = type(value)
        column = _column(name)
        if column is not None and (kind is not dict or column.kind == "json"):
            if kind is not list:
                if value is not None:
                    flat[name] = value
                continue
            if column.many or len(value) <= 1:
                flat[name] = value if column.many or not value else value[0]
                continue
        if kind is dict:
            value = _walk(value, name, flat)
            if not value:
                continue
        rest[key] = value
    return rest


def _tags(rows: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Each document's tags, judged once for those that are alike in what tags go by."""
    known: dict[str, list[str]] = {}
    found = []
    for row in rows:
        key = repr([row.get(name) for name in GATING])
        if key not in known:
            known[key] = tags(row)
        found.append(known[key])
    return found


def piece(group: Group, ctx: Context) -> Piece:
    """Documents as columns: (line, declared fields, what is left) of each."""
    names = sorted(set().union(*(flat for _, flat, _ in group)))
    columns: list[pl.Series] = []
    gated = lists("sigma.logsource", _tags([flat for _, flat, _ in group]))
    columns += [gated] if gated.null_count() < len(gated) else []
    for name in names:
        values = [flat.get(name) for _, flat, _ in group]
        made = series(name, values)
        if made is None:
            continue
        if SCHEMA.dtype(name) == pl.Datetime("us", "UTC"):
            whole = made.cast(pl.Int64, strict=False)
            times = _times.iso(made, "UTC")
            made = times.fill_null(_times.epoch(whole / 1000)) if whole.null_count() < len(whole) else times
        columns.append(made.alias(name))
    left = leftovers([rest or None for _, _, rest in group])
    if left is not None:
        columns.append(left)
    frame = pl.DataFrame(columns) if columns else pl.DataFrame({"message": [None] * len(group)})
    return Piece(np.array([number for number, _, _ in group], dtype=np.int64), finish(frame, FIXED))
