"""Questions answered over a pinned list of segments: what is read, and how little of it.

A segment is left unread when its times, owners, data sets, columns or filters show that nothing in it can match,
and counted unread when everything in it must. The scope is one more condition of the same filter.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from soc_core.access import Scope
from soc_core.clock import Micros
from soc_core.protocols import Bucket, Hits, Page, Query
from soc_core.schema import SCHEMA
from soc_core.store import _polars, bloom, query, segments
from soc_core.store._polars import OVERFLOW
from soc_core.store.manifest import Segment
from soc_core.store.segments import DATASET, FILE, ID, OWNER, ROW, TIME
from soc_core.store.tree import And, Contains, Equal, Everything, Inside, Node, Not, Or

GROUP_ROWS = 500_000
MAX_BUCKETS = 10_000
KEYS: dict[str, pl.DataType] = {TIME: pl.Datetime("us", "UTC"), ID: pl.String(), FILE: pl.String(), ROW: pl.Int64()}


class Question(NamedTuple):
    """A query with its scope, read once."""

    folder: Path
    node: Node
    since: Micros | None
    until: Micros | None
    scope: Scope

    @classmethod
    def of(cls, folder: Path, asked: Query, scope: Scope) -> Question:
        return cls(folder, query.parse(asked.text), asked.since, asked.until, scope)

    def columns(self) -> set[str]:
        owner = set() if self.scope.organisations is None else {OWNER}
        return _polars.columns(self.node) | owner | {TIME}

    def filter(self) -> pl.Expr:
        """Time, scope and text as one expression."""
        parts = [_polars.within(self.since, self.until), _polars.owned(self.scope), _polars.predicate(self.node)]
        return reduce(operator.and_, (part for part in parts if part is not None))

    def whole(self, segment: Segment) -> bool:
        """Every event of the segment matches."""
        return (
            isinstance(self.node, Everything) and self.scope.organisations is None
            and (self.since is None or self.since <= segment.first)
            and (self.until is None or segment.last < self.until)
        )

    def candidates(self, view: Sequence[Segment]) -> list[Segment]:
        """Segments in which something may match."""
        return [segment for segment in view if self._may(segment)]

    def _may(self, segment: Segment) -> bool:
        if self.since is not None and segment.last < self.since:
            return False
        if self.until is not None and segment.first >= self.until:
            return False
        owners = self.scope.organisations
        if owners is not None and (
            not owners or (segment.organisations is not None and owners.isdisjoint(segment.organisations))
        ):
            return False
        return may_match(self.node, segment, self.folder)

    def rows(self, held: Sequence[Segment], columns: set[str]) -> pl.LazyFrame:
        """The matching rows of some segments, with at least these columns."""
        return segments.scan(self.folder, held, self.columns() | columns).filter(self.filter())

    def keys(self, held: Sequence[Segment], more: pl.Expr | None = None) -> pl.DataFrame:
        """TIME, ID, FILE and the row in the file of the matching rows, as far as `more` holds for them too."""
        rows = self.rows(held, {ID})
        found = segments.collect((rows if more is None else rows.filter(more)).select(*KEYS))
        return segments.in_file(held, self.columns() | {ID}, found)


def may_match(node: Node, segment: Segment, folder: Path) -> bool:
    """False only when surely no event of the segment matches."""
    match node:
        case Everything() | Not():
            return True
        case And(parts):
            return all(may_match(part, segment, folder) for part in parts)
        case Or(parts):
            return any(may_match(part, segment, folder) for part in parts)
        case Contains(names, _):
            return any(_has(name, segment) for name in names)
    if not _has(node.field, segment):
        return False
    value = ""
    if isinstance(node, Equal) and isinstance(node.value, str):
        value = node.value
    elif isinstance(node, Inside) and node.network.num_addresses == 1:
        value = str(node.network.network_address)
    if not value or SCHEMA.get(node.field) is None:
        return True
    listed = {DATASET: segment.datasets, OWNER: segment.organisations}.get(node.field)
    if listed is not None:
        return value.lower() in {item.lower() for item in listed}
    if segment.bloom is None or not bloom.group(node.field):
        return True
    return bloom.may_hold(folder / f"{segment.file}.bloom", segment.bloom, node.field, value)


def _has(name: str, segment: Segment) -> bool:
    """The segment has the column, or an overflow object that may hold the path."""
    return name in segment.columns or (OVERFLOW in segment.columns and SCHEMA.get(name) is None)


# ---------------------------------------------------------------- rows


def search(question: Question, view: Sequence[Segment], page: Page) -> Hits:
    """One page of rows in order of (time, id), and the exact total. Raises ValueError on a page that cannot be."""
    if page.limit < 0:
        raise ValueError(f"a page cannot have {page.limit} rows")
    newest, wanted = page.newest_first, page.limit + 1
    after = _place(page.after)
    held = question.candidates(view)
    held.sort(key=lambda segment: -segment.last if newest else segment.first)
    total, best = 0, _no_keys()
    for run in segments.groups(held, GROUP_ROWS):
        edge = None if best.height < wanted else _micros(best[TIME][-1])
        near = [segment for segment in run if _near(segment, newest, edge, after)]
        total += _count(question, [segment for segment in run if not _near(segment, newest, edge, after)])
        if near:
            count, keys = _keys(question, near, after, newest, wanted)
            total += count
            best = _first(pl.concat([best, keys]), newest, wanted)
    rows = _fetch(question.folder, view, best.head(page.limit))
    more = best.height > page.limit and page.limit > 0
    last = best.row(page.limit - 1) if more else None
    return Hits(rows, total, f"{_micros(last[0])}~{last[1]}" if last else "")


def _place(after: str) -> tuple[Micros, str] | None:
    """A page's key taken apart."""
    if not after:
        return None
    at, tilde, name = after.partition("~")
    if not tilde or not at.lstrip("-").isdecimal() or len(at) > 18:
        raise ValueError(f"not the key of a page: {after!r}")
    return int(at), name


def _micros(at: Any) -> Micros:
    return int(pl.Series([at], dtype=pl.Datetime("us", "UTC")).dt.epoch("us")[0])


def _near(segment: Segment, newest: bool, edge: Micros | None, after: tuple[Micros, str] | None) -> bool:
    """The segment may hold one of the rows of this page."""
    if newest:
        return (edge is None or segment.last >= edge) and (after is None or segment.first <= after[0])
    return (edge is None or segment.first <= edge) and (after is None or segment.last >= after[0])


def _count(question: Question, held: Sequence[Segment]) -> int:
    """How many rows match."""
    total = sum(segment.rows for segment in held if question.whole(segment))
    partial = [segment for segment in held if not question.whole(segment)]
    if partial:
        total += int(segments.collect(question.rows(partial, set()).select(pl.len())).item())
    return total


def _keys(
    question: Question, held: Sequence[Segment], after: tuple[Micros, str] | None, newest: bool, wanted: int
) -> tuple[int, pl.DataFrame]:
    """(matching rows, the keys of the first `wanted` of them after the place)."""
    beyond = _beyond(after, newest)
    if not all(question.whole(segment) for segment in held):
        found = question.keys(held)
        return found.height, _first(found if beyond is None else found.filter(beyond), newest, wanted)
    # Everything matches: read ids only where the times say that they can be among the first.
    total = sum(segment.rows for segment in held)
    at = pl.col(TIME)
    side = pl.lit(True)
    if after is not None:
        side = at <= _polars.moment(after[0]) if newest else at >= _polars.moment(after[0])
    times = segments.collect(question.rows(held, set()).filter(side).select(TIME))[TIME]
    ends = (times.top_k if newest else times.bottom_k)(wanted)
    if not ends.len():
        return total, _no_keys()
    edge = _polars.moment(_micros(ends.min() if newest else ends.max()))
    found = question.keys(held, side & (at >= edge if newest else at <= edge))
    if beyond is not None:
        kept = found.filter(beyond)
        if kept.height < min(wanted, times.len()):  # many share the moment of the place: take them all
            kept = question.keys(held, beyond)
        found = kept
    return total, _first(found, newest, wanted)


def _no_keys() -> pl.DataFrame:
    return pl.DataFrame(schema=KEYS)


def _beyond(after: tuple[Micros, str] | None, newest: bool) -> pl.Expr | None:
    if after is None:
        return None
    at, name = _polars.moment(after[0]), pl.lit(after[1])
    if newest:
        return (pl.col(TIME) < at) | ((pl.col(TIME) == at) & (pl.col(ID) < name))
    return (pl.col(TIME) > at) | ((pl.col(TIME) == at) & (pl.col(ID) > name))


def _first(keys: pl.DataFrame, newest: bool, wanted: int) -> pl.DataFrame:
    return keys.sort([TIME, ID], descending=newest).head(wanted)


def _fetch(folder: Path, view: Sequence[Segment], keys: pl.DataFrame) -> list[dict[str, Any]]:
    """Whole rows by their keys, in the order of the keys."""
    if not keys.height:
        return []
    rows = {str(file[0]): part[ROW].to_list() for file, part in keys.group_by(FILE)}
    held = [segment for segment in view if segment.file in rows]
    large = [segment for segment in held if segment.rows > segments.ROW_GROUP]
    frames = [segments.pick(folder, segment, rows[segment.file]) for segment in large]
    small = [segment for segment in held if segment.rows <= segments.ROW_GROUP]
    if small:
        names = sorted(segments.all_columns(small))
        wanted = pl.col(ID).is_in(keys[ID].implode())
        frames.append(segments.collect(segments.scan(folder, small, names).filter(wanted).select(names)))
    frame = pl.concat(frames, how="diagonal")
    return as_rows(keys.select(ID).join(frame, on=ID, how="left", maintain_order="left"))


def as_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Dotted-name dictionaries without nulls; moments are microseconds."""
    plain = frame.select(sorted(frame.columns)).with_columns(pl.col(pl.Datetime).dt.epoch("us"))
    return [{name: value for name, value in row.items() if value is not None} for row in plain.iter_rows(named=True)]


def get(question: Question, view: Sequence[Segment], ids: Sequence[str]) -> list[dict[str, Any]]:
    """The rows with these ids, in their order, as far as they are there and in scope."""
    wanted = pl.DataFrame({ID: list(dict.fromkeys(ids))}, schema={ID: pl.String})
    held = question.candidates(view)
    if not held or not wanted.height:
        return []
    found = question.keys(held, pl.col(ID).is_in(wanted[ID].implode()))
    return _fetch(question.folder, view, wanted.join(found, on=ID, how="inner", maintain_order="left"))


# ---------------------------------------------------------------- figures


def aggregate(question: Question, view: Sequence[Segment], field: str, limit: int) -> list[Bucket]:
    """The values that most events have, with how many events have each; equal counts go by value."""
    name = query.field_name(field)
    known = SCHEMA.get(name)
    columns = {name} if known else {name, OVERFLOW}
    counts = pl.DataFrame(schema={"key": _item(name), "n": pl.Int64})
    for run in segments.groups([s for s in question.candidates(view) if _has(name, s)], GROUP_ROWS):
        frame = segments.collect(question.rows(run, columns).select(sorted(columns)))
        found = _values(frame, name).value_counts(name="n").select(pl.col("key"), pl.col("n").cast(pl.Int64))
        counts = pl.concat([counts, found]).group_by("key").agg(pl.col("n").sum())
    top = counts.sort(["n", "key"], descending=[True, False]).head(limit)
    if isinstance(top.schema["key"], pl.Datetime):
        top = top.with_columns(pl.col("key").dt.epoch("us"))
    return [Bucket(key, n) for key, n in top.iter_rows()]


def _item(name: str) -> pl.DataType:
    dtype = SCHEMA.dtype(name)
    return dtype.inner if isinstance(dtype, pl.List) else dtype  # type: ignore[return-value]  # polars' own are wider


def _values(frame: pl.DataFrame, name: str) -> pl.Series:
    """Every value of a field, once an event."""
    column = frame[name]
    if isinstance(column.dtype, pl.List):
        column = column.list.unique().explode()
    elif SCHEMA.get(name) is None:
        rows, texts = _polars.path_values(frame[OVERFLOW], name)
        both = pl.DataFrame({"row": rows, "value": texts})
        own = pl.DataFrame({"value": column}).with_row_index("row").drop_nulls()
        column = pl.concat([own, both]).unique()["value"]
    return column.drop_nulls().alias("key")


def histogram(question: Question, view: Sequence[Segment], buckets: int) -> list[Bucket]:
    """Counts in spans of equal width (the last may reach beyond the end); an open end is that of the matches."""
    if not 1 <= buckets <= MAX_BUCKETS:
        raise ValueError(f"a histogram has 1 to {MAX_BUCKETS} buckets, not {buckets}")
    held = question.candidates(view)
    low, high = question.since, question.until
    if low is None or high is None:
        span = _span(question, held)
        if span is None:
            return []
        low, high = (span[0] if low is None else low), (span[1] + 1 if high is None else high)
    if low >= high:
        return []
    width = -(-(high - low) // buckets)
    counts = np.zeros(buckets, dtype=np.int64)
    partial = []
    for segment in held:
        place = (segment.first - low) // width
        if question.whole(segment) and place == (segment.last - low) // width:
            counts[place] += segment.rows
        else:
            partial.append(segment)
    for run in segments.groups(partial, GROUP_ROWS):
        place_of = ((pl.col(TIME).dt.epoch("us") - low) // width).alias("place")
        found = segments.collect(question.rows(run, set()).group_by(place_of).len())
        counts[found["place"].to_numpy()] += found["len"].to_numpy().astype(np.int64)
    return [Bucket(low + place * width, int(n)) for place, n in enumerate(counts)]


def _span(question: Question, held: Sequence[Segment]) -> tuple[Micros, Micros] | None:
    """The lowest and highest time of the matching rows."""
    sure = [segment for segment in held if question.whole(segment)]
    ends = [segment.first for segment in sure] + [segment.last for segment in sure]
    for run in segments.groups([segment for segment in held if not question.whole(segment)], GROUP_ROWS):
        at = pl.col(TIME).dt.epoch("us")
        found = segments.collect(question.rows(run, set()).select(low=at.min(), high=at.max()))
        ends += [end for end in found.row(0) if end is not None]
    return (min(ends), max(ends)) if ends else None
