"""CEF, the Common Event Format: `CEF:0|maker|product|version|id|name|severity|key=value …`, of any maker.

https://docs.nxlog.co/integrate/cef-logging.html. Custom fields (cs1 with cs1Label) go to the overflow under their
labels. A maker that does not escape `=` may put a key into a value: an address named twice is not read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from collectors.formats import _formed
from collectors.formats._device import share
from collectors.formats._json import Record
from collectors.formats._pairs import doubted, put
from collectors.formats._records import Made, mapped, parsed
from soc_core.protocols import Context, Parsed

SYSLOG_MARKS = ("CEF:", "|UniFi")
PART = r"(?:[^|\\]|\\.)+\|"
MARK = (
    r"CEF: ?\d\|(?:[^|\\]|\\.)*\|(?:[^|\\]|\\.)*\||"
    rf"\d\|{PART}{PART}[^|]*\|[^|]*\|[^|]*\|(?:\d{{1,2}}|[A-Z][a-z-]+)\|"
)
ABSENT = "no CEF record"
HEAD = re.compile(r"^(?:CEF: ?)?(\d)\|" + r"((?:[^|\\]|\\.)*)\|" * 6 + r"(.*)$", re.DOTALL)
SHORT = re.compile(r"^(?:CEF: ?)?(\d)\|" + r"((?:[^|\\]|\\.)*)\|" * 5 + r"((?:[^|\\]|\\.)*)$", re.DOTALL)
KEY = re.compile(r"(?:^|\s)([A-Za-z0-9_][\w.\-\[\]]{0,62})=", re.ASCII)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
NAMES = {
    "src": "source.address", "spt": "source.port", "shost": "source.domain", "smac": "source.mac",
    "sourceTranslatedAddress": "source.nat.ip", "sourceTranslatedPort": "source.nat.port", "suser": "source.user.name",
    "dst": "destination.address", "dpt": "destination.port", "dhost": "destination.domain", "dmac": "destination.mac",
    "destinationTranslatedAddress": "destination.nat.ip", "destinationTranslatedPort": "destination.nat.port",
    "duser": "destination.user.name", "act": "event.action", "app": "network.protocol", "proto": "network.transport",
    "in": "source.bytes", "out": "destination.bytes", "request": "url.original", "requestMethod": "http.request.method",
    "requestClientApplication": "user_agent.original", "requestContext": "http.request.referrer", "msg": "message",
    "reason": "event.reason", "fname": "file.name", "filePath": "file.path", "fsize": "file.size",
    "fileHash": "file.hash.md5", "dvchost": "host.name", "deviceInboundInterface": "observer.ingress.interface.name",
    "deviceOutboundInterface": "observer.egress.interface.name", "deviceExternalId": "observer.serial_number",
    "sproc": "process.name", "dproc": "process.name", "spid": "process.pid", "rt": "@timestamp",
    "UNIFIutcTime": "@timestamp", "start": "event.start",
    "end": "event.end", "sourceServiceName": "service.name", "UNIFIadmin": "user.name",
}
ADDRESSES = frozenset(("src", "dst", "sourceTranslatedAddress", "destinationTranslatedAddress"))
LABEL = re.compile(r"^(?:c[sfn]\d|c6a\d|flexString\d|flexNumber\d|deviceCustomDate\d|flexDate\d)$")
MONTHLY = re.compile(r"^(?:([A-Z][a-z]{2}) (\d{1,2}),? (\d{4}) (\d\d:\d\d:\d\d)(?:\.\d+)?)(?:"
          r" ?(UTC|GMT|Z|[+-]\d\d:?\d\d))?")
MONTHS = {name: f"{n:02d}" for n, name in enumerate(
    ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1)}
TIMES = ("@timestamp", "event.start", "event.end")
WAYS = {"0": "inbound", "1": "outbound"}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event; other lines are faults."""
    return parsed(lines, ctx, mark=MARK, absent=ABSENT, space="cef", record=_record, kind=_formed.kind, fixed=_fixed)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with a record."""
    return 0.98 * share(lines, MARK)


def _fixed(kind: Any) -> dict[str, Any]:
    return _formed.fixed(kind, "cef")


def _record(text: str) -> Made | None:
    head = HEAD.match(text) or SHORT.match(text)
    if head is None:
        return None
    version, vendor, product, release, code, name, severity = (ESCAPED.sub(r"\1", one) for one in head.groups()[:7])
    row = doubted(extension(head[8] if head.re is HEAD else ""), ADDRESSES)
    found, rest = mapped(labelled(row), NAMES)
    for column in TIMES:
        if column in found:
            found[column] = instant(found[column])
    user = found.get("destination.user.name") or found.get("source.user.name")
    if user and "user.name" not in found:
        found["user.name"] = user
    if "host.name" in found:
        found["host.hostname"] = found["host.name"]
    if (way := WAYS.get(str(rest.get("deviceDirection")))) is not None:
        found["network.direction"] = way
    known = {"observer.vendor": vendor, "observer.product": product, "observer.version": release, "event.code": code,
        "rule.name": name, "rule.id": code}
    found |= {column: value for column, value in known.items() if value}
    if severity.strip().isdecimal():
        found["event.severity"] = severity.strip()
    elif severity.strip():
        rest["severity"] = severity
    return found, rest | ({"version": version} if version != "0" else {})


def extension(text: str) -> Record:
    """`key=value` pairs whose values may hold spaces: a value ends where the next key begins."""
    row: Record = {}
    marks = list(KEY.finditer(text))
    ends = [mark.start() for mark in marks[1:]] + [len(text)] if marks else []
    for mark, end in zip(marks, ends, strict=True):
        value = text[mark.end() : end].strip()
        put(row, mark[1], ESCAPED.sub(_unescaped, value) if "\\" in value else value)
    return row


def _unescaped(found: re.Match[str]) -> str:
    return {"n": "\n", "r": "\r", "=": "=", "\\": "\\", "|": "|"}.get(found[1], found[0])


def labelled(row: Record) -> Record:
    """Custom fields under the names that their labels give them."""
    named: Record = {}
    for name, value in row.items():
        if name.endswith("Label") and LABEL.match(name[:-5]) and name[:-5] in row:
            continue
        label = row.get(f"{name}Label") if LABEL.match(name) else None
        free = isinstance(label, str) and label and label not in named and label not in row and label not in NAMES
        named[str(label) if free else name] = value
    return named


def instant(text: Any) -> str:
    """`Aug 25 2017 17:22:01 UTC` as ISO 8601; what is ISO or a count already stays."""
    known = MONTHLY.match(str(text))
    if known is None or known[1] not in MONTHS:
        return str(text)
    zone = "Z" if known[5] in ("UTC", "GMT", "Z") else known[5] or ""
    return f"{known[3]}-{MONTHS[known[1]]}-{int(known[2]):02d}T{known[4]}{zone}"
