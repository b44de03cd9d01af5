"""Squid: the native access log, the combined one with Squid's result at its end, and cache.log.

https://wiki.squid-cache.org/Features/LogFormat. The address asked for comes from the other end; all else is read
around it from both sides of the line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import polars as pl

from collectors.formats import _access_log, _times
from collectors.formats._device import opened, share
from collectors.formats._frames import Piece, by_value, finish, gather, over, unblanked
from collectors.formats._records import polished
from collectors.formats._text import Shape, match
from soc_core.protocols import Context, Fault, Parsed

SYSLOG_MARKS = ("squid[", "(squid", "squid: ")
RESULT = r"(?P<event.action>(?:TCP|UDP|NONE|TAG)[A-Z_]*|NONE)"
PEER = r"(?P<squid.hierarchy>[A-Z][A-Z_]+)"
HEAD = (rf"^(?P<stamp_>\d{{9,11}}\.\d{{3,6}}) +(?P<took_>-?\d+) (?P<source.address>\S+) {RESULT}/"
        r"(?P<http.response.status_code>\d{1,3}) (?P<http.response.bytes>\d+) (?P<http.request.method>\S+) ")
TAIL = rf"(?P<user.name>\S+) {PEER}/(?P<destination.address>\S+) (?P<http.response.mime_type>\S+)"
NATIVE = Shape("", rf"{HEAD}(?P<url.original>\S+) {TAIL}(?: (?P<squid.rest>.*))?$")
SPACED = Shape("", rf"{HEAD}(?P<url.original>.*) {TAIL}$")  # what was asked for may hold anything: read from both ends
COMBINED = Shape("", _access_log.ACCESS[0].pattern.removesuffix(_access_log.TAIL)
                 + r' "(?P<http.request.referrer>' + _access_log.QUOTED + r')" "(?P<user_agent.original>'
                 + _access_log.QUOTED + rf')" {RESULT}:{PEER}$')
CACHE = Shape("", r"^(?P<stamp_>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)?)(?: kid\d+)?\| (?P<message>(?s:.*))$")
SHAPES = (NATIVE, SPACED, COMBINED, CACHE)
MARK = (
    r"\d{9,11}\.\d{3,6} +-?\d+ \S+ (?:TCP|UDP|NONE|TAG)[A-Z_]*/\d|"
    r"\S+ \S+ \S+ \[\d\d/[^\]]+\] \x22[^\x22]*\x22 \d+ \S+ \x22.*\x22 (?:TCP|UDP|NONE|TAG)[A-Z_]*:[A-Z_]+$|"
    r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?: kid\d+)?\| "
)
FIXED: dict[str, Any] = {
    "event.kind": "event", "event.category": ["network", "web"], "event.type": ["access"], "event.module": "squid",
    "event.dataset": "squid.access", "service.type": "squid", "observer.vendor": "Squid", "observer.product": "Squid",
    "observer.type": "proxy", "network.protocol": "http", "sigma.logsource": ["/proxy/", "//squid"],
}
NEWS = FIXED | {"event.category": ["host"], "event.type": ["info"], "event.dataset": "squid.cache",
    "sigma.logsource": ["//squid"]}
NEWS.pop("network.protocol")
AUTHORITY = r"^(?P<url.domain>\[[^\]]+\]|[^/:?#\s]+):(?P<url.port>\d{1,5})$"
ABSENT = "no line of Squid"


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each line is one event; other lines are faults."""
    found, faults = opened(lines, ctx, MARK, ABSENT)
    pieces = []
    for one in found:
        for shape, rows, groups in match(one.body, SHAPES):
            if shape is None:
                faults += [Fault(int(line), ABSENT) for line in one.rows[rows]]
                continue
            head = one.head[rows]
            if shape is CACHE:
                stamp = _times.iso(groups["stamp_"], ctx.timezone).alias("@timestamp")
                pieces.append(Piece(one.rows[rows], finish(head.with_columns(groups["message"], stamp), NEWS)))
            else:
                pieces.append(Piece(one.rows[rows], _access(head, groups, shape)))
    return gather(pieces, faults)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with Squid's own result codes."""
    return 0.97 * share(lines, MARK)


def _access(head: pl.DataFrame, groups: pl.DataFrame, shape: Shape) -> pl.DataFrame:
    if shape is COMBINED:
        frame = _access_log.columns(groups.drop("event.action", "squid.hierarchy", "forwarded_"))
        frame = head.with_columns(frame.get_columns()).with_columns(groups["event.action"])
    else:
        known = [one for one in groups.iter_columns() if not one.name.endswith("_") and "squid." not in one.name]
        took = groups["took_"].cast(pl.Int64, strict=False)
        status = groups["http.response.status_code"].cast(pl.Int64, strict=False)
        frame = head.with_columns(known).with_columns(
            _times.epoch(groups["stamp_"]).alias("@timestamp"),
            pl.when(took >= 0).then(took * 1_000_000).alias("event.duration"),
            pl.when(status < 100).then(None).when(status < 400).then(pl.lit("success")).otherwise(pl.lit("failure"))
            .alias("event.outcome"),
        )
        frame = frame.with_columns(unblanked(frame[name])
                                   for name in ("destination.address", "http.response.mime_type"))
        frame = over(frame, _access_log.url_parts(frame["url.original"]))
    frame = frame.with_columns(_authority(frame))
    denied = groups["event.action"].str.contains("DENIED", literal=True).to_list()
    kinds = [["access", "denied" if one else "allowed"] for one in denied]
    frame = frame.with_columns(pl.Series("event.type", kinds, dtype=pl.List(pl.String)), _overflow(groups))
    frame = frame.select(pl.exclude("event.timezone"))
    return finish(polished(frame, cut=True), FIXED)


def _authority(frame: pl.DataFrame) -> list[pl.Series]:
    """CONNECT names host and port alone."""
    parts = frame["url.original"].str.extract_groups(AUTHORITY).struct.unnest()
    if "url.domain" in frame.columns:
        parts = parts.with_columns(frame["url.domain"].fill_null(parts["url.domain"]))
    found = parts.get_columns()
    path = frame["url.path"] if "url.path" in frame.columns else None
    if path is not None:
        found.append(path.set(parts["url.port"].is_not_null(), None))
        found.append(by_value(frame["url.path"], _extension).set(parts["url.port"].is_not_null(), None)
                     .alias("url.extension"))
    return found


def _extension(path: str) -> str | None:
    _, dot, ending = path.rpartition("/")[2].rpartition(".")
    return ending if dot and ending and len(ending) <= 32 else None


def _overflow(groups: pl.DataFrame) -> pl.Series:
    rows = []
    for row in groups.select([name for name in groups.columns if name.startswith("squid.")]).iter_rows(named=True):
        kept = {name.removeprefix("squid."): value for name, value in row.items() if value}
        rows.append(orjson.dumps({"squid": kept}).decode() if kept else None)
    return pl.Series("overflow", rows, dtype=pl.String)
