"""Tomcat: access log (common, combined, with durations) and the JULI log of catalina and applications.

https://tomcat.apache.org/tomcat-10.1-doc/config/valve.html#Access_Log_Valve. Content alone cannot tell an access line
from Apache httpd's: name this format for it. Lines of a stack trace are merged into the record above them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from collectors.formats import _access_log, _times
from collectors.formats._frames import Piece, finish, gather
from collectors.formats._text import Shape, decode, match
from soc_core.protocols import Context, Fault, Ints, Parsed

CONTINUED = frozenset(("tomcat.log",))
JULI = Shape("", r"^(?P<day>\d\d-[A-Z][a-z]{2}-\d{4}) (?P<clock>\d\d:\d\d:\d\d)\.(?P<part>\d{1,6}) "
             r"(?P<log.level>[A-Z]+|[^\x00-\x7F]+) \[(?P<process.thread.name>[^\]]*)\] (?P<log.logger>\S+) "
             r"(?P<message>(?s:.*))$")
SHAPES = (*_access_log.ACCESS, JULI)
NEWS: dict[str, Any] = {
    "event.kind": "event", "event.category": ["web"], "event.type": ["info"], "event.module": "tomcat",
    "event.dataset": "tomcat.log", "service.type": "tomcat", "sigma.logsource": ["jvm/application/", "//tomcat"],
}
ERRORS = NEWS | {"event.type": ["error"]}
BAD = ("SEVERE", "WARNING", "ERROR", "FATAL", "严重", "警告")
TRACE = r"^(?:\s+at |\s+\.\.\. |Caused by: |\S+(?:Exception|Error)\b)"
ABSENT = "neither an access nor a log line of Tomcat"


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Access and log lines; lines that go on a log record are merged into it; anything else is a fault."""
    text, faults = decode(lines, ctx.encoding)
    undecoded = {fault.line for fault in faults}
    pieces: list[Piece] = []
    records: tuple[Ints, pl.DataFrame] | None = None
    unread: list[int] = []
    for shape, rows, groups in match(text.fill_null("") if undecoded else text, SHAPES):
        if shape is None:
            unread = [int(row) for row in rows if int(row) not in undecoded]
        elif shape is JULI:
            records = rows, groups
        else:
            pieces.append(Piece(rows, finish(_access_log.columns(groups), _access_log.fixed("tomcat"))))
    merged: list[int] = []
    if records is not None:
        rows, groups = records
        messages, merged = _continued(text, rows, groups["message"].to_list(), unread)
        pieces += _records(rows, groups.with_columns(pl.Series("message", messages)), ctx)
    lost = set(unread) - set(merged)
    return gather(pieces, [*faults, *(Fault(row, ABSENT) for row in sorted(lost))], merged)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines of one of the shapes; an access line may as well be another server's."""
    text, _ = decode(lines)
    found = {id(shape): len(rows) for shape, rows, _ in match(text.fill_null(""), SHAPES) if shape}
    log = found.pop(id(JULI), 0)
    follows = int(text.fill_null("").str.contains(TRACE).to_numpy().sum()) if log else 0
    return (0.95 * (log + follows) + 0.9 * sum(found.values())) / max(len(lines), 1)


def _continued(text: pl.Series, rows: Ints, messages: list[str], unread: Sequence[int]) -> tuple[list[str], list[int]]:
    """Lines without a head of their own, directly below a record, belong to its message."""
    heads = {int(row): n for n, row in enumerate(rows)}
    parts: dict[int, list[str]] = {}
    merged = []
    for row in unread:
        owner = heads.get(row - 1)
        if owner is not None:
            parts.setdefault(owner, [messages[owner]]).append(text[row])
            heads[row] = owner
            merged.append(row)
    for owner, held in parts.items():
        messages[owner] = "\n".join(held)
    return messages, merged


def _records(rows: Ints, groups: pl.DataFrame, ctx: Context) -> list[Piece]:
    day = groups["day"].str.replace(r"^(\d\d)-([A-Z][a-z]{2})-(\d{4})$", "$2 $1 $3")
    stamp = _times.rfc3164(day, groups["clock"], ctx.received, ctx.timezone, groups["part"])
    message = groups["message"]
    frame = groups.drop("day", "clock", "part").with_columns(
        stamp.alias("@timestamp"),
        message.str.extract(r"(?m)^((?:[a-zA-Z_$][\w$]*\.)+[A-Z][\w$]*(?:Exception|Error))\b").alias("error.type"),
        pl.Series("event.timezone", [ctx.timezone]).new_from_index(0, groups.height),
    )
    bad = groups["log.level"].is_in(BAD).to_numpy()
    return [Piece(rows[keep], finish(frame[np.flatnonzero(keep)], fixed))
            for keep, fixed in ((bad, ERRORS), (~bad, NEWS)) if keep.any()]
