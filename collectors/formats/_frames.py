"""Columns to an EventBatch: types from the schema, addresses, what is related, and one place for every line."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from soc_core.events import EventBatch, Part
from soc_core.protocols import Fault, Ints, Parsed
from soc_core.schema import SCHEMA

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
    frame: pl.DataFrame


def by_value(text: pl.Series, read: Callable[[str], Any],
    dtype: pl.DataType | type[pl.DataType] = pl.String) -> pl.Series:
    """`read` applied once to each distinct value of a column; null stays null."""
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
    if isinstance(found.dtype, pl.List):
        return found.gather(text.replace_strict(values, range(len(values)), default=None,
            return_dtype=pl.Int64)).alias(text.name)
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
    return kept.fill_null(text.replace_strict(odd, [_address(value) for value in odd], default=None,
        return_dtype=pl.String))


def _address(value: str) -> str | None:
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
    return pl.Series(name, [value], dtype=SCHEMA.dtype(name)).new_from_index(0, height)


def endpoints(frame: pl.DataFrame, sides: Sequence[str] = ("source", "destination")) -> pl.DataFrame:
    """Fill X.ip from X.address where that is an IP address, X.domain where it is a name."""
    for side in sides:
        if f"{side}.address" in frame.columns:
            ip = addresses(frame[f"{side}.address"]).alias(f"{side}.ip")
            frame = frame.hstack([ip])
            if not ip.null_count() or f"{side}.domain" in frame.columns:
                continue
            named = ip.is_null() & frame[f"{side}.address"].str.contains(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
            if named.any():
                frame = frame.with_columns(pl.when(named).then(pl.col(f"{side}.address")).alias(f"{side}.domain"))
    return frame


def finish(frame: pl.DataFrame, constants: Mapping[str, Any] | None = None) -> pl.DataFrame:
    """Types as the schema has them, empty columns away, constants and related.* added."""
    columns = [typed(series) for series in frame.iter_columns() if series.null_count() < len(series)]
    have = {series.name for series in columns}
    fixed = [constant(name, value, frame.height) for name, value in (constants or {}).items() if name not in have]
    found = {series.name: series for series in columns + fixed}
    for name, value in (constants or {}).items():
        if found[name].null_count() and isinstance(value, str):
            found[name] = found[name].fill_null(value)
    for name, sources in RELATED.items():
        series = _related(name, [found[source] for source in sources if source in found])
        if series is not None and name not in found:
            found[name] = series
    return pl.DataFrame(list(found.values())) if found else pl.DataFrame({"message": [None] * frame.height})


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
    if not series.null_count():
        return series.reshape((-1, 1)).arr.to_list().alias(name)
    return series.reshape((-1, 1)).arr.to_list().set(series.is_null(), None).alias(name)


def _related(name: str, sources: list[pl.Series]) -> pl.Series | None:
    """Distinct values of the sources, row by row, without blanks; None when there is nothing."""
    kept: list[pl.Series] = []
    for series in sources:
        if isinstance(series.dtype, pl.List):
            kept.append(series)
            continue
        series = unblanked(series)
        if series.null_count() < len(series) and not any(series.equals(other) for other in kept):
            kept.append(series.alias(str(len(kept))))
    if not kept:
        return None
    if len(kept) == 1:
        return kept[0].alias(name) if isinstance(kept[0].dtype, pl.List) else single_list(kept[0], name)
    lists = [series.alias(str(n)).fill_null([]) if isinstance(series.dtype, pl.List) else series.alias(str(n))
             for n, series in enumerate(kept)]
    joined = pl.concat_list(lists).list.drop_nulls().list.unique(maintain_order=True)
    return pl.select(pl.when(joined.list.len() > 0).then(joined)).to_series().alias(name)


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
