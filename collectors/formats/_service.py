"""Logs of network services: a head (syslog's, or the service's own stamp, or none) and a table of message shapes.

A format gives the mark with which its messages begin and the shapes of its messages, in whose patterns groups are named
after columns. Groups that end in an underscore are for the format alone; of these `iso_`, and `clock_` with `day_`
(`Nov 23` or `Nov 23 2026`) and `part_`, are the service's own time, which goes before that of the syslog header.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from collectors.formats import _times
from collectors.formats._device import opened, share
from collectors.formats._frames import Piece, endpoints, finish, gather
from collectors.formats._text import Shape, match
from soc_core.protocols import Context, Parsed

SIDES = ("source", "destination", "client", "server")
WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]  # no hosts, but the begin of a C time
Polish = Callable[[pl.DataFrame, pl.DataFrame, Context], pl.DataFrame]


class Service(NamedTuple):
    """What a service writes: the mark, the shapes, what is true of all its events, and why a line is not its.

    `polish` (columns, groups with an underscore, context) adds what patterns cannot say.
    """

    mark: str
    shapes: tuple[Shape, ...]
    fixed: Mapping[str, Any]
    absent: str
    polish: Polish | None = None


def parse(lines: Sequence[bytes], ctx: Context, service: Service) -> Parsed:
    """Each line with the mark is one event, also where its message is of no known shape; others are faults."""
    found, faults = opened(lines, ctx, service.mark, service.absent)
    pieces: list[Piece] = []
    for one in found:
        for shape, rows, groups in match(one.body, service.shapes):
            head = one.head if len(rows) == one.head.height else one.head[rows]
            body = one.body.gather(rows).alias("message")
            frame = _frame(head.drop("observer.hostname", strict=False), body, groups, service, ctx)
            pieces.append(Piece(one.rows[rows], finish(frame, {**service.fixed, **(shape.constants if shape else {})})))
    return gather(pieces, faults)


def sniff(lines: Sequence[bytes], service: Service, sure: float = 0.97) -> float:
    """How sure a share of lines with the mark makes."""
    return sure * share(lines, service.mark)


def _frame(head: pl.DataFrame, body: pl.Series, groups: pl.DataFrame, service: Service, ctx: Context) -> pl.DataFrame:
    own = [group for group in groups.iter_columns() if group.name.endswith("_")]
    named = [group for group in groups.iter_columns() if not group.name.endswith("_")]
    if "log.syslog.appname" in head.columns:
        head = head.with_columns(pl.col("log.syslog.appname").alias("process.name"),
                                 pl.col("log.syslog.procid").cast(pl.Int64, strict=False).alias("process.pid"))
    hosts = [name for name in ("host.name", "host.hostname") if name in head.columns]
    head = head.with_columns(pl.when(~pl.col(name).is_in(WEEKDAYS)).then(name) for name in hosts)
    frame = head.with_columns(body, *named)
    private = pl.DataFrame(own)
    at = when(private, ctx)
    if at is not None:
        frame = frame.with_columns(at.fill_null(frame["@timestamp"]).alias("@timestamp"),
                                   pl.lit(ctx.timezone).alias("event.timezone"))
    if service.polish is not None:
        frame = service.polish(frame, private, ctx)
    return endpoints(frame, SIDES)


def when(groups: pl.DataFrame, ctx: Context) -> pl.Series | None:
    """The service's own time from the private groups; None where the shape has none."""
    at: pl.Series | None = None
    if "iso_" in groups.columns:
        at = _times.iso(groups["iso_"], ctx.timezone)
    if "clock_" in groups.columns:
        day = groups["day_"] if "day_" in groups.columns else _turned(groups)
        part = groups["part_"] if "part_" in groups.columns else None
        read = _times.rfc3164(day, groups["clock_"].str.strip_chars().str.zfill(8), ctx.received, ctx.timezone, part)
        at = read if at is None else at.fill_null(read)
    return at


def _turned(groups: pl.DataFrame) -> pl.Series:
    """`23-Nov-2026` and `Nov 23 10:00:00 2026` by parts: month, day and year."""
    parts = groups["month_"] + " " + groups["date_"]
    return parts + " " + groups["year_"] if "year_" in groups.columns else parts
