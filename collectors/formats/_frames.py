"""Columns to an EventBatch: types from the schema, addresses, what is related, and one place for every line."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from soc_core.events import EventBatch, Part
from soc_core.protocols import Fault, Ints, Parsed
from soc_core.schema import SCHEMA
from soc_core.table import Table

IPV4 = r"^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$"
RELATED = {
    "related.ip": (
        "source.ip", "destination.ip", "client.ip", "server.ip", "network.forwarded_ip", "host.ip",
        "source.nat.ip", "destination.nat.ip", "dns.resolved_ip",
    ),
    "related.user": (
        "user.name", "user.effective.name", "user.target.name", "user.changes.name", "source.user.name",
        "destination.user.name",
    ),
    "related.hosts": (
        "host.hostname", "host.name", "source.domain", "destination.domain", "client.domain", "server.domain",
        "observer.hostname",
    ),
    "related.hash": tuple(
        f"{owner}.hash.{kind}" for owner in ("process", "file", "dll") for kind in ("md5", "sha1", "sha256", "sha512")
    ),
}
SMALL = 4096


class Piece(NamedTuple):
    """Events of one shape: `lines[i]` is the number of the line that the i-th row came from."""

    lines: Ints
    frame: pl.DataFrame | Table


def by_value(text: pl.Series, read: Callable[[str], Any],
    dtype: pl.DataType | type[pl.DataType] = pl.String) -> pl.Series:
    """`read` applied once to each distinct value of a column; null stays null."""
    if isinstance(dtype, pl.List):
        numbers: dict[str | None, int] = {}
        places = [numbers.setdefault(value, len(numbers)) for value in text.to_list()]
        held = pl.Series(text.name, [None if value is None else read(value) for value in numbers], dtype=dtype)
        return held.gather(places)
    if len(text) < SMALL:  # below this a dictionary beats the fixed cost of Polars' replace
        memo: dict[str | None, Any] = {None: None}
        for value in text.to_list():
            if value not in memo:
                memo[value] = read(value)
        return pl.Series(text.name, [memo[value] for value in text.to_list()], dtype=dtype)
    values = text.drop_nulls().unique()
    found = pl.Series([read(value) for value in values], dtype=dtype)
    if len(values) == 1 and not text.null_count():
        return found.new_from_index(0, len(text)).alias(text.name)
    return text.replace_strict(values, found, default=None, return_dtype=dtype)


def addresses(text: pl.Series) -> pl.Series:
    """The column with only true IP addresses left; mapped IPv4 (::ffff:…) unwrapped, zone ids cut off."""
    plain = text.str.contains(IPV4)
    if plain.all() and not text.null_count():
        return text
    odd = text.filter(~plain & text.str.contains(":", literal=True)).unique()
    kept = text.set(~plain, None)
    if not len(odd):
        return kept
    return kept.fill_null(text.replace_strict(odd, [wide(value) for value in odd], default=None,
        return_dtype=pl.String))


def wide(value: str) -> str | None:
    """An IPv6 address in its short form, a mapped IPv4 unwrapped, a zone id cut off; None where the text is none."""
    try:
        found = ipaddress.IPv6Address(value.partition("%")[0].strip("[]"))
    except ValueError:
        return None
    return str(found.ipv4_mapped or found)


def integers(text: pl.Series) -> pl.Series:
    """Whole numbers, decimal or `0x…`; null where the text is neither."""
    plain = text.cast(pl.Int64, strict=False)
    if plain.null_count() == text.null_count():
        return plain
    return plain.fill_null(by_value(text, _hexadecimal, pl.Int64))


def unblanked(text: pl.Series) -> pl.Series:
    """The column with empty texts and lone dashes made null."""
    blank = (text == "") | (text == "-")
    return text.set(blank, None) if blank.any() else text


def _hexadecimal(value: str) -> int | None:
    try:
        number = int(value, 16) if value[:2].lower() == "0x" else None
    except ValueError:
        return None
    return number if number is not None and number < 1 << 63 else None


def constant(name: str, value: Any, height: int) -> pl.Series:
    """A column that holds one value throughout."""
    return _single(name, tuple(value) if isinstance(value, list) else value).new_from_index(0, height)


@lru_cache(maxsize=4096)
def _single(name: str, value: Any) -> pl.Series:
    return pl.Series(name, [list(value) if isinstance(value, tuple) else value], dtype=SCHEMA.dtype(name))


def endpoints(frame: pl.DataFrame, sides: Sequence[str] = ("source", "destination")) -> pl.DataFrame:
    """Fill X.ip from X.address where that is an IP address, X.domain where it is a name."""
    for side in sides:
        if f"{side}.address" in frame.columns:
            ip = addresses(frame[f"{side}.address"]).alias(f"{side}.ip")
            frame = under(frame, [ip])
            if not ip.null_count():
                continue
            named = ip.is_null() & frame[f"{side}.address"].str.contains(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
            if named.any():
                name = pl.when(named).then(frame[f"{side}.address"]).alias(f"{side}.domain")
                frame = under(frame, pl.select(name).get_columns())
    return frame


def under(frame: pl.DataFrame, columns: Iterable[pl.Series]) -> pl.DataFrame:
    """The frame, and these columns where a row has nothing of that name: no row decides for those beside it."""
    return frame.with_columns([
        column if column.name not in frame.columns else either(frame[column.name], column) for column in columns])


def over(frame: pl.DataFrame, columns: Iterable[pl.Series]) -> pl.DataFrame:
    """These columns, and the frame's where they have nothing in a row."""
    return frame.with_columns([
        column if column.name not in frame.columns else either(column, frame[column.name]) for column in columns])


def either(first: pl.Series, second: pl.Series) -> pl.Series:
    """Row by row the first's value, or where it has none the second's."""
    return first.zip_with(first.is_not_null(), second.cast(first.dtype)) if first.null_count() else first


def finish(frame: pl.DataFrame, constants: Mapping[str, Any] | None = None) -> pl.DataFrame:
    """Types as the schema has them, empty columns away, constants and related.* added."""
    columns = {series.name: typed(series) for series in frame.iter_columns() if series.null_count() < len(series)}
    found = _filled(frame.height, columns, constants or {})
    for name, sources in RELATED.items():
        relate(name, sources, [found])
    return pl.DataFrame(list(found.values())) if found else pl.DataFrame({"message": [None] * frame.height})


def _filled(height: int, columns: Mapping[str, pl.Series], constants: Mapping[str, Any]) -> dict[str, pl.Series]:
    found = {
        name: series if series.name == name else series.alias(name)
        for name, series in columns.items() if series.null_count() < height
    }
    for name, value in constants.items():
        known = found.get(name)
        if known is None:
            found[name] = constant(name, value, height)
        elif known.null_count():
            found[name] = either(known, constant(name, value, height))
    return found


def typed(series: pl.Series) -> pl.Series:
    """The column in its schema type; what does not fit becomes null."""
    want = SCHEMA.dtype(series.name)
    if series.dtype == want:
        return series
    if want == pl.Int64 and series.dtype == pl.String:
        return integers(series)
    if isinstance(want, pl.List) and not isinstance(series.dtype, pl.List):
        return single_list(series.cast(want.inner, strict=False), series.name)
    if want == pl.Boolean and series.dtype == pl.String:
        return series.str.to_lowercase().replace_strict(
            ["true", "false", "1", "0"], [True, False, True, False], default=None, return_dtype=pl.Boolean
        )
    return series.cast(want, strict=False)


def single_list(series: pl.Series, name: str) -> pl.Series:
    """A column of lists with the one value of each row; null where there is none."""
    made = series.reshape((-1, 1)).cast(pl.List(series.dtype)).alias(name)
    return made.set(series.is_null(), None) if series.null_count() else made


def relate(name: str, sources: Sequence[str], held: Sequence[dict[str, pl.Series]]) -> None:
    """Distinct values of the sources, row by row, without blanks, for every shape that has one of them.

    What an event says itself stands.
    """
    alone: list[tuple[dict[str, pl.Series], pl.Series]] = []
    more: list[tuple[dict[str, pl.Series], list[pl.Series]]] = []
    for found in held:
        own = found.get(name)
        mine = [found[source] for source in sources if source in found] if own is None or own.null_count() else []
        if len(mine) == 1 and mine[0].dtype == pl.String:
            alone.append((found, mine[0].alias(name)))
        elif mine:
            more.append((found, mine))
    if alone:
        whole = unblanked(pl.concat([series for _, series in alone], rechunk=True))
        _share(single_list(whole, name), [found for found, _ in alone])
    if more:
        frame = pl.concat([pl.DataFrame(mine) for _, mine in more], how="diagonal", rechunk=True)
        ordered = [frame[source] for source in sources if source in frame.columns]
        _share(_joined(ordered).alias(name), [found for found, _ in more])


def _joined(sources: Sequence[pl.Series]) -> pl.Series:
    lists: list[pl.Series] = []
    seen: list[pl.Series] = []
    for one in sources:
        if not any(one.dtype == other.dtype and one.equals(other) for other in seen):
            seen.append(one)
            lists.append(one.fill_null([]) if isinstance(one.dtype, pl.List) else unblanked(one))
    if len(lists) == 1 and lists[0].dtype == pl.String:  # such as a host under two names
        return single_list(lists[0], lists[0].name)
    if len(lists) == 2 and all(one.dtype == pl.String and not one.null_count() for one in lists) and (
            lists[0] != lists[1]).all():
        return pl.select(pl.concat_list(lists)).to_series()  # the usual: two ends, both known
    joined = pl.concat_list(lists).list.drop_nulls().list.unique(maintain_order=True)
    return pl.select(pl.when(joined.list.len() > 0).then(joined)).to_series()


def _share(whole: pl.Series, parts: Sequence[dict[str, pl.Series]]) -> None:
    """Cut a column made for several shapes, and give each its own rows of it."""
    at = 0
    for found in parts:
        height = len(next(iter(found.values())))
        mine = whole.slice(at, height)
        if mine.null_count() < height:
            found[whole.name] = either(found[whole.name], mine) if whole.name in found else mine
        at += height


def gather(pieces: Iterable[Piece], faults: Sequence[Fault] = (), merged: Sequence[int] = ()) -> Parsed:
    """One batch in the order of lines, whatever order the pieces came in."""
    held = [piece for piece in pieces if piece.frame.height]
    if not held:
        return Parsed(EventBatch(0, []), np.empty(0, dtype=np.int64), sorted(faults), list(merged))
    lines = np.concatenate([piece.lines for piece in held])
    order = np.argsort(lines, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    parts, at = [], 0
    for piece in held:
        parts.append(Part(place[at : at + piece.frame.height], piece.frame))
        at += piece.frame.height
    return Parsed(EventBatch(len(lines), parts), lines[order], sorted(faults), list(merged))
