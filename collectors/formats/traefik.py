"""Traefik: access log, common with request count, router, server and duration at its end, and its JSON form.

https://doc.traefik.io/traefik/observability/access-logs/. A line of the common form without that end is any server's:
name this format for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import polars as pl

from collectors.formats import _access_log, _times
from collectors.formats._document import Event, parse_records, share, tree
from collectors.formats._frames import Piece, finish, gather
from collectors.formats._json import Record, sample
from collectors.formats._records import outcome, polished
from collectors.formats._text import Shape, decode, match
from soc_core.protocols import Context, Fault, Parsed

END = (r'(?P<traefik.request_count>\d+|-) "(?P<traefik.frontend_name>[^"]*)" "(?P<traefik.backend_url>[^"]*)" '
       r"(?P<took_>\d+)ms$")
TEXT = _access_log.QUOTED
HEAD = (rf'^{_access_log.CLIENT} \S+ (?P<user.name>\S+) {_access_log.TIME} "(?P<request_>{TEXT})" '
        rf"{_access_log.ANSWER}")
FULL = Shape("", rf'{HEAD} (?:"(?P<http.request.referrer>{TEXT})"|-) (?:"(?P<user_agent.original>{TEXT})"|-) {END}')
STREAM = Shape("time=", r'^time="(?P<stamp_>[^"]+)" level=(?P<log.level>\w+) msg="Handling (?P<kind_>TCP|UDP) \w+ from '
               r'(?P<source.address>[^"\s]+):(?P<source.port>\d+) to (?P<destination.address>[^"\s]+):'
               r'(?P<destination.port>\d+)"')
SHAPES = (FULL, *_access_log.ACCESS, STREAM)
OPENED = {"event.kind": "event", "event.category": ["network"], "event.type": ["connection", "start"],
    "event.module": "traefik", "event.dataset": "traefik.log", "service.type": "traefik",
    "sigma.logsource": ["//traefik"]}
TABLE = tree({
    "ClientHost": "source.address", "ClientPort": "source.port", "ClientUsername": "user.name",
    "StartUTC": "@timestamp",
    "DownstreamStatus": "http.response.status_code", "DownstreamContentSize": "http.response.body.bytes",
    "RequestContentSize": "http.request.body.bytes", "RequestMethod": "http.request.method",
    "RequestPath": "url.original",
    "RequestHost": "url.domain", "RequestProtocol": "http.version", "RequestScheme": "url.scheme", "Duration":
    "event.duration", "request_User-Agent": "user_agent.original", "request_Referer": "http.request.referrer",
    "TLSVersion": "tls.version", "TLSCipher": "tls.cipher", "level": "log.level", "time": "@timestamp",
})
FIXED = _access_log.fixed("traefik")
ABSENT = "no access line of Traefik"


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each line is one event, text and JSON as they come; others are faults."""
    braced = np.array([line.lstrip()[:1] == b"{" for line in lines], dtype=bool)
    found = [_text(lines, np.flatnonzero(~braced), ctx), _json(lines, np.flatnonzero(braced), ctx)]
    pieces = [Piece(one.line_no[part.rows], part.frame) for one in found for part in one.batch.parts]
    return gather(pieces, [fault for one in found for fault in one.faults])


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with Traefik's own end, or names."""
    text, _ = decode(lines)
    held = text.fill_null("")
    ended = int((held.str.contains(FULL.pattern) | held.str.contains(STREAM.pattern)).to_numpy().sum())
    if ended:  # its plain access lines are Traefik's too, then
        plain = pl.any_horizontal([pl.lit(held).str.contains(shape.pattern) for shape in _access_log.ACCESS])
        ended = int(pl.select(plain | pl.lit(held).str.contains(FULL.pattern)
            | pl.lit(held).str.contains(STREAM.pattern)).to_series().sum())
    return 0.97 * ended / max(len(lines), 1) + 0.97 * share(sample(lines), lines, _mine)


def _mine(record: Record) -> bool:
    return {"ClientHost", "RequestMethod", "DownstreamStatus"} <= record.keys()


def _json(lines: Sequence[bytes], rows: np.ndarray[Any, np.dtype[np.int64]], ctx: Context) -> Parsed:
    made = parse_records([lines[row] for row in rows.tolist()], ctx, TABLE, "traefik.access",
                         lambda record: "" if _mine(record) else ABSENT, _made)
    faults = [Fault(int(rows[fault.line]), fault.reason) for fault in made.faults]
    return Parsed(made.batch, rows[made.line_no], faults)


def _made(event: Event) -> dict[str, Any]:
    found = event.found
    if "," in str(found.get("source.address", "")):  # a forwarded list: only the last was written by a proxy of ours
        event.rest["ClientHost"] = found["source.address"]
        found["source.address"] = str(found["source.address"]).rpartition(",")[2].strip()
    version = found.get("http.version")
    if isinstance(version, str):
        found["http.version"] = version.removeprefix("HTTP/")
    if (said := outcome(found.get("http.response.status_code"))) is not None:
        found["event.outcome"] = said
    if "url.domain" in found:
        found["destination.domain"] = found["url.domain"]
    return FIXED


def _text(lines: Sequence[bytes], rows: np.ndarray[Any, np.dtype[np.int64]], ctx: Context) -> Parsed:
    text, faults = decode([lines[row] for row in rows.tolist()], ctx.encoding)
    undecoded = {fault.line for fault in faults}
    pieces = []
    for shape, mine, groups in match(text.fill_null(""), SHAPES):
        if shape is None:
            faults += [Fault(int(row), ABSENT) for row in mine if int(row) not in undecoded]
            continue
        if shape is STREAM:
            stamp = _times.iso(groups["stamp_"], ctx.timezone).alias("@timestamp")
            kind = groups["kind_"].str.to_lowercase().alias("network.transport")
            pieces.append(Piece(mine, finish(polished(groups.drop("stamp_", "kind_").with_columns(stamp, kind)),
                OPENED)))
            continue
        own = groups.select([name for name in groups.columns if name.startswith(("traefik.", "took_"))])
        frame = _access_log.columns(groups.drop(own.columns))
        if own.width:
            frame = frame.with_columns((own["took_"].cast(pl.Int64, strict=False) * 1_000_000).alias("event.duration"))
            frame = frame.with_columns(_overflow(own.drop("took_")))
        pieces.append(Piece(mine, finish(frame, FIXED)))
    made = gather(pieces, faults)
    return Parsed(made.batch, rows[made.line_no] if len(made.line_no) else made.line_no,
                  [Fault(int(rows[fault.line]), fault.reason) for fault in made.faults])


def _overflow(own: pl.DataFrame) -> pl.Series:
    left = []
    for row in own.iter_rows(named=True):
        kept = {name.removeprefix("traefik."): value for name, value in row.items() if value}
        left.append(orjson.dumps({"traefik": {"access": kept}}).decode())
    return pl.Series("overflow", left, dtype=pl.String)
