"""IIS: W3C extended logs by their #Fields line or a usual selection of fields, and the error log of HTTP.sys.

https://learn.microsoft.com/en-us/windows/win32/http/w3c-logging and
https://learn.microsoft.com/en-us/troubleshoot/developer/webapps/aspnet/site-behavior-performance/error-logging-http-apis.
A #Fields line holds for the lines below it that fit it; the file's last one comes with the batch. Times are UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import unquote_plus

import numpy as np
import orjson
import polars as pl

from collectors.formats import _times
from collectors.formats._access_log import url_parts
from collectors.formats._frames import Piece, addresses, by_value, either, endpoints, finish, gather
from collectors.formats._text import decode
from soc_core.protocols import Context, Fault, Ints, Parsed

DIRECTIVE = re.compile(r"^#(?:Software|Version|Date|Fields|Remark|Start-Date|End-Date|GMT-Offset): ?", re.I)
HEAD = "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip "
TAIL = " sc-status sc-substatus sc-win32-status"
AGENT, REFERER, COOKIE = "cs(User-Agent)", "cs(Referer)", "cs(Cookie)"
SITE = HEAD.replace("s-ip", "s-sitename s-computername s-ip") + f"cs-version {AGENT} {COOKIE} {REFERER} cs-host" + TAIL
SELECTIONS = tuple(tuple(one.split()) for one in (
    HEAD + f"{AGENT} {REFERER}" + TAIL + " time-taken",  # IIS 8 and later
    HEAD + f"{AGENT}" + TAIL + " time-taken",  # IIS 7
    HEAD.replace("s-ip", "s-sitename s-ip") + AGENT + TAIL,  # IIS 6
    HEAD + f"{AGENT} {REFERER}" + TAIL + " time-taken x-forwarded-for",
    HEAD + f"{AGENT} {REFERER} cs-host" + TAIL + " time-taken",
    HEAD + f"{AGENT} {REFERER}" + TAIL + " sc-bytes cs-bytes time-taken",
    HEAD + f"{AGENT} {REFERER} cs-host" + TAIL + " sc-bytes cs-bytes time-taken",
    HEAD + f"{AGENT} {COOKIE} {REFERER}" + TAIL + " time-taken",
    HEAD.replace("s-ip", "s-sitename s-ip") + AGENT + TAIL + " sc-bytes cs-bytes time-taken",
    HEAD.replace("s-ip ", "s-sitename ") + f"{AGENT} {COOKIE} {REFERER} cs-host" + TAIL
    + " sc-bytes cs-bytes time-taken",
    SITE + " sc-bytes cs-bytes time-taken",
    SITE + " sc-bytes cs-bytes time-taken x-forwarded-for",
    "date time c-ip c-port s-ip s-port cs-version cs-method cs-uri sc-status s-siteid s-reason s-queuename",
    "date time c-ip c-port s-ip s-port cs-version cs-method cs-uri streamid sc-status s-siteid s-reason s-queuename",
))
DIGITS, ADDRESS = r"^(?:\d+|-)$", r"^(?:\[?[0-9A-Fa-f:.]+(?:%\w+)?\]?(?:\(http://[^)]*\))?|-)$"
FITS = {
    "date": r"^\d{4}-\d\d-\d\d$", "time": r"^\d\d:\d\d:\d\d$", "s-ip": ADDRESS, "c-ip": ADDRESS, "s-port": DIGITS,
    "c-port": DIGITS, "sc-status": r"^(?:\d{3}|-)$", "sc-substatus": DIGITS, "sc-win32-status": DIGITS,
    "time-taken": DIGITS, "sc-bytes": DIGITS, "cs-bytes": DIGITS, "cs-version": r"^(?:HTTP/\d(?:\.\d)?|-)$",
    "cs-method": r"^(?:[A-Za-z_-]+|-)$", "s-siteid": DIGITS, "streamid": DIGITS,
}
DECLARED = ("date", "time", "sc-status", "s-port", "c-ip", "s-ip", "cs-method")  # what a declared selection is held to
NAMES = {
    "s-ip": "destination.address", "cs-method": "http.request.method", "cs-uri-stem": "url.path",
    "cs-uri-query": "url.query", "s-port": "destination.port", "cs-username": "user.name", "c-ip": "source.address",
    AGENT: "user_agent.original", REFERER: "http.request.referrer", "sc-status": "http.response.status_code",
    "cs-host": "url.domain", "cs-version": "http.version", "sc-bytes": "http.response.body.bytes",
    "cs-bytes": "http.request.body.bytes", "x-forwarded-for": "network.forwarded_ip", "c-port": "source.port",
    "cs-uri": "url.original", "s-reason": "event.reason", "s-computername": "host.name",
}
OWN = {  # names of the module in its own space of the overflow
    "sc-substatus": "sub_status", "sc-win32-status": "win32_status", "s-sitename": "site_name", COOKIE: "cookie",
    "s-computername": "server_name", "s-reason": "reason_phrase", "s-queuename": "queue_name", "s-siteid": "site_id",
}
VERBATIM = ("user.name", "user_agent.original", "http.request.referrer")  # a lone dash stays what it is
ABSENT = "no #Fields line above it, and no usual selection of fields"


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Access and error lines; #-lines are merged into what they declare; other lines are faults."""
    text, faults = decode(lines, ctx.encoding)
    pieces, merged, read = [], [], set()
    for fields, rows, columns in _fitting(text.fill_null(""), ctx.header):
        if fields is None:
            merged += rows.tolist()
        else:
            pieces.append(Piece(rows, _events(columns)))
        read.update(rows.tolist())
    undecoded = {fault.line for fault in faults}
    faults += [Fault(row, ABSENT) for row in range(len(lines)) if row not in read and row not in undecoded]
    return gather(pieces, faults, sorted(merged))


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines that are directives or fit their fields."""
    text, _ = decode(lines)
    return 0.96 * sum(len(rows) for _, rows, _ in _fitting(text.fill_null(""))) / max(len(lines), 1)


def _fitting(text: pl.Series, header: str = "") -> Iterator[tuple[tuple[str, ...] | None, Ints, pl.DataFrame]]:
    """(fields, rows, columns) for the lines of each selection of fields; (None, rows, …) for directives."""
    directives = np.flatnonzero(text.str.starts_with("#").to_numpy())
    directives = np.array([row for row in directives if DIRECTIVE.match(text[int(row)])], dtype=np.int64)
    if len(directives):
        yield None, directives, pl.DataFrame()
    parts = text.str.split(" ")
    left = np.setdiff1d(np.arange(len(text), dtype=np.int64), directives)
    tight = text.str.replace_all(r" {2,}", " ").str.split(" ")  # some write nothing where they mean a dash
    for fields, rows in _declared(text, directives, left, header):
        for form in (parts, tight):
            fitting, columns = _matched(form, rows, fields, DECLARED)
            if len(fitting):
                yield fields, fitting, columns
            rows, left = np.setdiff1d(rows, fitting), np.setdiff1d(left, fitting)
    for fields in SELECTIONS:
        if not len(left):
            return
        fitting, columns = _matched(tight, left, fields, tuple(FITS))
        if len(fitting):
            yield fields, fitting, columns
        left = np.setdiff1d(left, fitting)


def _declared(
    text: pl.Series, directives: Ints, left: Ints, header: str,
) -> Iterator[tuple[tuple[str, ...], Ints]]:
    """Each #Fields line's selection with the rows up to the next one; first what the file said before the batch."""
    before = [line for line in header.splitlines() if line.lower().startswith("#fields:")]
    named = dict.fromkeys([-1], before[-1]) if before else {}
    named |= {int(row): text[int(row)] for row in directives if text[int(row)].lower().startswith("#fields:")}
    for head, after in pairwise([*named, len(text)]):
        rows = left[(left > head) & (left < after)]
        fields = tuple(named[head].partition(":")[2].split())
        if fields and len(set(fields)) == len(fields) and len(rows):
            yield fields, rows


def _matched(parts: pl.Series, rows: Ints, fields: tuple[str, ...], held: Sequence[str]) -> tuple[Ints, pl.DataFrame]:
    """The rows that have as many parts as there are fields and whose parts look like them."""
    mine = parts.gather(rows)
    rows = rows[(mine.list.len() == len(fields)).to_numpy()]
    if not len(rows) or not {"date", "time"} <= set(fields):
        return rows[:0], pl.DataFrame()
    whole = parts.gather(rows).list.to_struct(fields=list(fields)).struct.unnest()
    lower = {field.lower(): field for field in fields}
    checks = [pl.col(lower[name]).str.contains(FITS[name]) for name in held if name in lower]
    keep = whole.select(pl.all_horizontal(checks)).to_series()
    return rows[keep.to_numpy()], whole.filter(keep)


def _events(columns: pl.DataFrame) -> pl.DataFrame:
    """The fields of one selection as ECS columns."""
    lower = {name.lower(): name for name in (*NAMES, *OWN)}
    columns = columns.rename({name: lower.get(name.lower(), name.lower()) for name in columns.columns})
    kind = "error" if "s-reason" in columns.columns else "access"
    stamp = _times.iso(columns["date"] + " " + columns["time"], "UTC").alias("@timestamp")
    found = {"@timestamp": stamp}
    for name, column in NAMES.items():
        if name in columns.columns:
            value = columns[name].alias(column)
            found[column] = value if column in VERBATIM else value.set((value == "-") | (value == ""), None)
    if "time-taken" in columns.columns:
        took = columns["time-taken"].cast(pl.Int64, strict=False)
        found["event.duration"] = (took * 1_000_000).alias("event.duration")
    _derive(found)
    known = {*NAMES, "date", "time", "time-taken"} - OWN.keys()
    left = [columns[name].alias(OWN.get(name, name)) for name in columns.columns if name not in known]
    found["overflow"] = _overflow(left, kind, columns.height)
    frame = endpoints(pl.DataFrame(list(found.values())), ("source", "destination"))
    return finish(frame, _fixed(kind))


def _derive(found: dict[str, pl.Series]) -> None:
    """The whole request target, the decoded agent, the outcome."""
    for name in ("source.address", "destination.address"):
        if name in found:
            found[name] = found[name].str.replace(r"^\[([^\]]*)\]\(http://[^)]*\)$", "${1}")
    if "http.version" in found:
        found["http.version"] = found["http.version"].str.strip_prefix("HTTP/")
    if "user_agent.original" in found:  # a space cannot stand in a field: IIS writes a plus
        found["user_agent.original"] = by_value(found["user_agent.original"], unquote_plus)
    if "network.forwarded_ip" in found:
        first = found["network.forwarded_ip"].str.extract(r"^([^,+]+)")
        found["network.forwarded_ip"] = addresses(first).alias("network.forwarded_ip")
    if "url.path" in found:
        query = found.get("url.query")
        path = found["url.path"]
        whole = path if query is None else (path + "?" + query).fill_null(path)
        found["url.original"] = whole.alias("url.original")
    if "url.original" in found:
        for part in url_parts(found["url.original"]):
            own = found.get(part.name)
            found[part.name] = part if own is None else either(own, part)
    if "url.query" in found:
        found["url.query"] = by_value(found["url.query"], unquote_plus)
    if "url.domain" in found:
        found["destination.domain"] = found["url.domain"].alias("destination.domain")
    if "host.name" in found:
        found["host.hostname"] = found["host.name"].alias("host.hostname")
    if "http.response.status_code" in found:
        status = found["http.response.status_code"].cast(pl.Int64, strict=False)
        outcome = pl.when(status < 400).then(pl.lit("success")).when(status >= 400).then(pl.lit("failure"))
        found["event.outcome"] = pl.select(outcome).to_series().alias("event.outcome")
    if {"source.address", "destination.address"} <= found.keys():
        ends = [addresses(found[name]).is_not_null() for name in ("source.address", "destination.address")]
        both = (ends[0] & ends[1]).to_list()
        for name, yes, no in (
            ("event.category", ["network", "web"], ["web"]), ("event.type", ["connection"], ["access"]),
        ):
            found[name] = pl.Series(name, [yes if one else no for one in both], dtype=pl.List(pl.String))


def _overflow(left: Sequence[pl.Series], kind: str, height: int) -> pl.Series:
    rows: list[str | None] = []
    for values in zip(*left, strict=True) if left else [()] * height:
        kept = {series.name: value for series, value in zip(left, values, strict=True) if value not in ("-", "")}
        rows.append(orjson.dumps({"iis": {kind: kept}}).decode() if kept else None)
    return pl.Series("overflow", rows, dtype=pl.String)


def _fixed(kind: str) -> dict[str, Any]:
    return {
        "event.kind": "event", "event.category": ["web"], "event.type": ["access"], "event.module": "iis",
        "event.dataset": f"iis.{kind}", "service.type": "iis", "sigma.logsource": ["/webserver/", "//iis"],
    }
