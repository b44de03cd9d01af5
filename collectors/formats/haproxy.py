"""HAProxy: HTTP, TCP, error and connection lines and notices, with or without the syslog header.

https://docs.haproxy.org/dev/configuration.html#8.2. Requests and captured headers come from the other end; every
column but those of the request is read from what stands before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import polars as pl

from collectors.formats import _times
from collectors.formats._access_log import REQUEST, url_parts
from collectors.formats._device import opened, share
from collectors.formats._frames import Piece, finish, gather, integers, over
from collectors.formats._records import polished
from collectors.formats._text import Shape, match
from soc_core.protocols import Context, Fault, Ints, Parsed

SYSLOG_MARKS = ("haproxy[", "haproxy: ")
PEER = (r"(?P<source.address>(?:\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9A-Fa-f]*:[0-9A-Fa-f:.]+\]?|unix|-)):"
        r"(?P<source.port>\d{1,5})")
STAMP = r"\[(?P<stamp_>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\.\d{3,6})\]"
BACK = r"(?P<haproxy.frontend_name>\S+) (?P<haproxy.backend_name>[^\s/]+)/(?P<haproxy.server_name>\S+)"
COUNTS = (
    r"(?P<haproxy.connections.active>\d+)/(?P<haproxy.connections.frontend>\d+)/(?P<haproxy.connections.backend>\d+)/"
    r"(?P<haproxy.connections.server>\d+)/\+?(?P<haproxy.connections.retries>\d+) (?P<haproxy.server_queue>\d+)/"
    r"(?P<haproxy.backend_queue>\d+)"
)
HTTP = Shape("", rf"^{PEER} {STAMP} {BACK} (?:(?P<destination.address>[0-9A-Fa-f.:]+) )?"
             r"(?P<haproxy.time_wait_ms>-?\d+)/(?P<haproxy.total_waiting_time_ms>-?\d+)/"
             r"(?P<haproxy.connection_wait_time_ms>-?\d+)/(?P<haproxy.time_wait_without_data_ms>-?\d+)/"
             r"\+?(?P<took_>-?\d+) (?P<http.response.status_code>-?\d{1,3}) \+?(?P<http.response.bytes>\d+) "
             r"(?P<haproxy.captured_request_cookie>\S+) (?P<haproxy.captured_response_cookie>\S+) "
             rf"(?P<haproxy.termination_state>\S{{2,4}}) {COUNTS} "
             r"(?:\{(?P<haproxy.captured_request_headers>[^}]*)\} "
             r"(?:\{(?P<haproxy.captured_response_headers>[^}]*)\} )?)?"
             r'"(?P<request_>(?s:.*?))"?(?: (?P<haproxy.rest>[^"]+))?$')
TCP = Shape("", rf"^{PEER} {STAMP} {BACK} (?P<haproxy.total_waiting_time_ms>-?\d+)/"
            r"(?P<haproxy.connection_wait_time_ms>-?\d+)/\+?(?P<took_>-?\d+) \+?(?P<destination.bytes>\d+) "
            rf"(?P<haproxy.termination_state>\S{{2}}) {COUNTS}(?P<haproxy.rest>.*)$")
BAD = Shape("", rf"^{PEER} {STAMP} (?P<haproxy.frontend_name>[^\s/]+)/(?P<haproxy.bind_name>\S+?): "
            r"(?P<message>(?s:.*))$")
LINK = Shape("", rf"^(?:Connect|CONNECT) from {PEER} to (?P<destination.address>[0-9A-Fa-f.:\[\]]+):"
             r"(?P<destination.port>\d{1,5}) \((?P<haproxy.frontend_name>[^\s/()]+)/(?P<haproxy.mode>\w+)\)$")
SAID = r"(?:(?:Backup )?Server|Proxy|Health check|Backend|backend|proxy|Stopping|Pausing|\[[A-Z]+\]) "
NOTICE = Shape("", rf"^(?P<message>{SAID}(?s:.*))$")
SHAPES = (HTTP, TCP, BAD, LINK, NOTICE)
MARK = r"\S+:\d{1,5} \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\.\d{3,6}\] |[Cc](?:onnect|ONNECT) from \S+:\d+ to "
BASE: dict[str, Any] = {
    "event.kind": "event", "event.module": "haproxy", "event.dataset": "haproxy.log", "service.type": "haproxy",
    "observer.vendor": "HAProxy", "observer.product": "HAProxy", "observer.type": "proxy", "process.name": "haproxy",
    "sigma.logsource": ["//haproxy"],
}
FIXED: dict[int, dict[str, Any]] = {
    id(HTTP): {"event.category": ["web"], "event.type": ["access"], "sigma.logsource": ["/webserver/", "//haproxy"]},
    id(TCP): {"event.category": ["network"], "event.type": ["connection", "end"], "network.transport": "tcp"},
    id(BAD): {"event.category": ["network"], "event.type": ["connection", "denied"], "event.outcome": "failure"},
    id(LINK): {"event.category": ["network"], "event.type": ["connection"]},
    id(NOTICE): {"event.category": ["host"], "event.type": ["info"]},
}
ABSENT = "no line of HAProxy"


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each line is one event; lines of other programs are faults."""
    found, faults = opened(lines, ctx, f"{MARK}|{SAID}", ABSENT)
    pieces = []
    for one in found:
        ours = (one.head["log.syslog.appname"] == "haproxy").fill_null(False).to_numpy()
        for shape, rows, groups in match(one.body, SHAPES):
            keep = np.full(len(rows), shape is not None) if shape is not NOTICE else ours[rows]
            faults += [Fault(int(line), ABSENT) for line in one.rows[rows[~keep]]]
            if shape is not None and keep.any():
                rows = rows[keep]
                pieces.append(_piece(one.rows[rows], one.head[rows], groups.filter(pl.Series(keep)), shape, ctx))
    return gather(pieces, faults)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines that begin as HAProxy's do."""
    return 0.97 * share(lines, MARK)


def _piece(lines: Ints, head: pl.DataFrame, groups: pl.DataFrame, shape: Shape, ctx: Context) -> Piece:
    known = [one for one in groups.iter_columns() if not one.name.endswith("_") and not one.name.startswith("haproxy.")]
    frame = head.with_columns(known)
    if "log.syslog.procid" in frame.columns:
        frame = frame.with_columns(integers(frame["log.syslog.procid"]).alias("process.pid"))
    if "stamp_" in groups.columns:
        frame = frame.with_columns(_times.clf_local(groups["stamp_"], ctx.timezone).alias("@timestamp"))
    if "took_" in groups.columns:
        took = pl.Series("took", groups["took_"]).cast(pl.Int64, strict=False)
        frame = frame.with_columns(pl.when(took >= 0).then(took * 1_000_000).alias("event.duration"))
    if "request_" in groups.columns:
        frame = _requests(frame, groups["request_"])
    fixed = BASE | FIXED[id(shape)]
    if shape is LINK:  # one part of a proxy that speaks HTTP, or not
        web = (groups["haproxy.mode"] == "HTTP").to_list()
        kinds = [["network", "web"] if one else ["network"] for one in web]
        frame = frame.with_columns(pl.Series("event.category", kinds, dtype=pl.List(pl.String)))
    left = groups.select([name for name in groups.columns if name.startswith("haproxy.")])
    frame = frame.with_columns(_overflow(left)) if left.width else frame
    return Piece(lines, finish(polished(frame), fixed))


def _requests(frame: pl.DataFrame, request: pl.Series) -> pl.DataFrame:
    parts = request.str.extract_groups(REQUEST).struct.unnest()
    odd = pl.when(parts["url.original"].is_null() & ~request.is_in(["", "-", "<BADREQ>"])).then(request)
    parts = parts.with_columns(pl.col("url.original").fill_null(odd))
    status = frame["http.response.status_code"].cast(pl.Int64, strict=False)
    real = status >= 100
    outcome = pl.when(real & (status < 400)).then(pl.lit("success")).when(real).then(pl.lit("failure"))
    frame = over(frame.with_columns(parts.get_columns()), url_parts(parts["url.original"]))
    known = pl.when(real).then(status).alias("http.response.status_code")
    return frame.with_columns(outcome.alias("event.outcome"), known)


def _overflow(left: pl.DataFrame) -> pl.Series:
    names = [name.removeprefix("haproxy.") for name in left.columns]
    rows = []
    for values in left.iter_rows():
        kept = {name: value.strip() for name, value in zip(names, values, strict=True) if value not in (None, "", "-")}
        rows.append(orjson.dumps({"haproxy": kept}).decode() if kept else None)
    return pl.Series("overflow", rows, dtype=pl.String)
