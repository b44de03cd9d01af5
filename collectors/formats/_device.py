"""What stands before a network device's own message: the syslog header in the many forms that devices give it.

RFC 3164, RFC 5424 and their variants: a sequence number, a year before or after the clock, a second stamp, a colon in
odd places, no header at all. A format names the mark with which its messages begin; the mark must follow the header
at once, so text that a program merely quotes is never taken for a device's message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from collectors.formats import _times
from collectors.formats._text import Shape, decode, match
from soc_core.protocols import Context, Fault, Ints

MONTH = "(?:" + "|".join(_times.MONTH_NAMES) + ")"
HOST = r"(?P<host>[A-Za-z0-9_][A-Za-z0-9_.:>@-]*?)"
PROGRAM = r"(?:(?P<program>\(?[\w./-]{1,48}\)?)(?:\[(?P<pid>\d*)\])?: ?)?"
PRI = r"(?:<(?P<pri>\d{1,3})>)?"
HOST_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.:-]*$"
FACILITIES = (
    "kernel", "user-level", "mail", "daemon", "auth", "syslogd", "lpr", "news", "uucp", "clock", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock2", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)
SEVERITIES = ("Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug")


class Opened(NamedTuple):
    """Lines whose head and mark were found: their numbers, the header's columns, the message from the mark on."""

    rows: Ints
    head: pl.DataFrame
    body: pl.Series


def _when(n: int) -> str:
    return (
        rf"[*.%:]?(?:(?:(?P<before{n}>\d{{4}}) )?(?P<day{n}>{MONTH} {{1,2}}\d{{1,2}})(?: (?P<between{n}>\d{{4}}))? "
        rf"(?P<clock{n}>\d\d:\d\d:\d\d)(?:[.:](?P<part{n}>\d{{1,9}}))?(?: (?P<after{n}>\d{{4}}))?"
        rf"(?: (?P<zone{n}>[A-Z]{{3,4}}|gmt|utc)|(?P<offset{n}>[+-]\d\d:\d\d))?"
        rf"|(?P<stamp{n}>\d{{4}}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{{1,9}})?(?: ?(?:Z|[+-]\d\d:?\d\d))?)"
        r"):?(?: +|$)"
    )


def shapes(mark: str) -> tuple[Shape, ...]:
    """The heads that may stand before a message that begins with the pattern `mark`."""
    body = f"(?P<body>(?:{mark})(?s:.*))$"
    return (
        Shape("", rf"^{PRI}\s?(?:[1-9]\d? )?(?:\d{{1,10}}: )?(?:{_when(1)})?(?:{HOST}(?: ?:)? +)?(?:\d{{1,10}}: )?"
              rf"(?:(?:[\w.-]+: )?{_when(2)})?{PROGRAM}{body}"),
        Shape("", rf"^{PRI}[1-9]\d? (?P<stamp1>\S+) (?P<host>\S+) \S+ \S+ \S+ (?:-|(?:\[(?:[^\]\x22]|\x22(?:[^\x22\\]|"
              rf"\\.)*\x22)*\])+)? ?\x{{feff}}?{PROGRAM}{body}"),
        Shape("", rf"^{PRI}[1-9]\d? (?P<stamp1>\S+) (?P<host>\S+) \S+ \S+ -? {body}"),
    )


def opened(lines: Sequence[bytes], ctx: Context, mark: str, reason: str) -> tuple[list[Opened], list[Fault]]:
    """Each line's head and body. Lines without the mark are faults that give `reason`."""
    text, faults = decode(lines, ctx.encoding)
    undecoded = {fault.line for fault in faults}
    found = []
    for shape, rows, groups in match(text.fill_null("") if undecoded else text, shapes(mark)):
        if shape is None:
            faults += [Fault(int(row), reason) for row in rows if int(row) not in undecoded]
        else:
            found.append(Opened(rows, _head(groups, ctx), groups["body"]))
    return found, faults


def share(lines: Sequence[bytes], mark: str) -> float:
    """Share of lines that have a known head and the mark."""
    text, _ = decode(lines)
    text = text.filter(text.str.contains(mark))  # the heads are dear to compile: most lines are of other formats
    if not len(text):
        return 0.0
    held = [len(rows) for shape, rows, _ in match(text, shapes(mark)) if shape is not None]
    return sum(held) / max(len(lines), 1)


def _head(groups: pl.DataFrame, ctx: Context) -> pl.DataFrame:
    """The header's groups as columns; empty ones are left to `finish`. An inner stamp is the device's own clock."""
    columns = priority(groups["pri"])
    times = [_time(groups, n, ctx) for n in (2, 1) if f"stamp{n}" in groups.columns]
    stamp = times[0] if len(times) == 1 else times[0].fill_null(times[1])
    columns.append(stamp.alias("@timestamp"))
    if "program" not in groups.columns:
        columns += [pl.Series(name, [None] * groups.height, dtype=pl.String)
                    for name in ("log.syslog.appname", "log.syslog.procid")]
    else:
        program = groups["program"].str.strip_chars("()")
        columns += [program.set((program == "CEF").fill_null(False), None).alias("log.syslog.appname"),
                    groups["pid"].alias("log.syslog.procid")]
    host = groups["host"]
    named = host.str.contains(HOST_NAME) & ~host.is_in(["-", "CEF"])
    host = host.set(~named.fill_null(False), None)
    columns += [host.alias("host.hostname"), host.alias("host.name"), host.alias("observer.hostname")]
    frame = pl.DataFrame(columns)
    local = pl.when(pl.col("@timestamp").is_not_null()).then(pl.lit(ctx.timezone))
    return frame.with_columns(local.alias("event.timezone"))


def _time(groups: pl.DataFrame, n: int, ctx: Context) -> pl.Series:
    stamp = _times.iso(groups[f"stamp{n}"], ctx.timezone)
    if f"day{n}" not in groups.columns or groups[f"day{n}"].null_count() == groups.height:
        return stamp
    year = groups[f"before{n}"].fill_null(groups[f"between{n}"]).fill_null(groups[f"after{n}"])
    day = groups[f"day{n}"]
    day = pl.select(pl.when(year.is_null()).then(day).otherwise(day + " " + year)).to_series()
    part = groups[f"part{n}"]
    local = _times.rfc3164(day, groups[f"clock{n}"], ctx.received, ctx.timezone, part)
    known = groups[f"zone{n}"].str.to_uppercase().is_in(["UTC", "GMT"]).fill_null(False)
    offset = _times.offsets(groups[f"offset{n}"].set(known, "Z"))
    if offset.null_count() < len(offset):
        plain = _times.rfc3164(day, groups[f"clock{n}"], ctx.received, "UTC", part)
        there = (plain.cast(pl.Int64) - offset).cast(_times.STAMP)
        local = pl.select(pl.when(offset.is_not_null()).then(there).otherwise(local)).to_series()
    return stamp.fill_null(local)


def priority(pri: pl.Series) -> list[pl.Series]:
    """The number in angle brackets as ECS has it; null where it is above 191."""
    number = pri.cast(pl.Int64)
    number = pl.select(pl.when(number < 192).then(number)).to_series()
    names = dict(enumerate(FACILITIES)), dict(enumerate(SEVERITIES))
    return pl.DataFrame({"n": number}).select(
        pl.col("n").alias("log.syslog.priority"),
        (pl.col("n") // 8).alias("log.syslog.facility.code"),
        (pl.col("n") % 8).alias("log.syslog.severity.code"),
        (pl.col("n") // 8).replace_strict(names[0], return_dtype=pl.String, default=None)
        .alias("log.syslog.facility.name"),
        (pl.col("n") % 8).replace_strict(names[1], return_dtype=pl.String, default=None)
        .alias("log.syslog.severity.name"),
    ).get_columns()


def picked(opened_: Opened, keep: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Opened:
    """Some of the lines, by place."""
    return Opened(opened_.rows[keep], opened_.head[keep], opened_.body.gather(keep))
