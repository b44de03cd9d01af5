"""ModSecurity: its lines in Apache's and nginx's error logs, and its audit log, serial or JSON, versions 2 and 3.

https://github.com/owasp-modsecurity/ModSecurity/wiki/ModSecurity-2-Data-Formats. What a rule matched comes from the
other end: the client is read before the message, or after it where it stands once.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from collectors.formats import _audit
from collectors.formats._frames import Piece, gather
from collectors.formats._json import Record, records
from collectors.formats._records import Made, rows_to_piece
from collectors.formats._text import decode
from soc_core.protocols import Context, Fault, Parsed

CONTINUED = frozenset(("modsecurity.log",))
SYSLOG_MARKS = ("ModSecurity: ", "ModSecurity:[")
APACHE = re.compile(
    r"^\[(?:[A-Z][a-z]{2} )?([A-Z][a-z]{2}) +(\d{1,2}) (\d\d:\d\d:\d\d(?:\.\d+)?) (\d{4})\] \[(?:[\w.]*:)?(\w+)\] "
    r"(?:\[pid (\d+)(?::tid \d+)?\] )?(?:\[(?:client|remote) ([^\]\s]+)\] )+ ?ModSecurity: ?(.*)$", re.DOTALL)
NGINX = re.compile(
    r"^(\d{4})/(\d\d)/(\d\d) (\d\d:\d\d:\d\d) \[(\w+)\] (\d+)#\d+: (?:\*\d+ )?(?:\[client ([^\]\s]+)\] "
    ")?ModSecurity: ?(.*)$",
    re.DOTALL)
CLIENT = re.compile(r', client: ([^,\s]+), server: ')
REQUEST = re.compile(r', request: "([A-Z]+) (\S+)(?: HTTP/([\d.]+))?"')
HOST = re.compile(r', host: "([^":]*)(?::\d+)?"')
ABSENT = "no line of ModSecurity"
LOST = "part of an audit record whose head is not here"


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each message and each audit record is one event; the lines of a serial record are merged into its first."""
    text, faults = decode(lines, ctx.encoding)
    undecoded = {fault.line for fault in faults}
    made: dict[int, Made] = {}
    merged, serial = _audit.serial(text.fill_null("").to_list())
    made |= serial
    lost = []
    for number, line in enumerate(text.to_list()):
        if line is None or number in made or number in merged:
            continue
        found = _json(line) if line.lstrip()[:1] == "{" else _line(line)
        if found is not None:
            made[number] = found
        elif number not in undecoded:
            lost.append(Fault(number, LOST if _audit.BOUNDARY.match(line) else ABSENT))
    judged = {number: bool(found.pop("denied_", False)) for number, (found, _) in made.items()}
    pieces: list[Piece] = []
    for denied in (False, True):
        rows = [number for number in sorted(made) if judged[number] is denied]
        if rows:
            pieces.append(rows_to_piece(np.array(rows), [made[number] for number in rows], "modsecurity",
                                        _fixed(denied), ctx.timezone))
    return gather(pieces, [*faults, *lost], sorted(set(merged) - undecoded))


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines of one of the forms."""
    text, _ = decode(lines)
    held = text.fill_null("").to_list()
    merged, serial = _audit.serial(held)
    rest = [line for number, line in enumerate(held) if number not in merged and number not in serial]
    ours = sum((_json(line) if line.lstrip()[:1] == "{" else _line(line)) is not None for line in rest)
    return 0.98 * (len(merged) + len(serial) + ours) / max(len(lines), 1)


def _fixed(denied: bool) -> dict[str, Any]:
    return {
        "event.kind": "alert", "event.category": ["intrusion_detection", "web"],
        "event.type": ["info", "denied" if denied else "allowed"], "event.module": "modsecurity",
        "event.dataset": "modsecurity.log", "service.type": "modsecurity", "observer.vendor": "OWASP",
        "observer.product": "ModSecurity", "observer.type": "waf", "sigma.logsource": ["modsecurity//",
        "//modsecurity"],
        "event.action": "denied" if denied else "logged", **({"event.outcome": "failure"} if denied else {}),
    }


def _line(line: str) -> Made | None:
    """A message in an error log."""
    apache = APACHE.match(line)
    nginx = None if apache else NGINX.match(line)
    if apache is not None:
        month, day, clock, year, level, pid, client, said = apache.groups()
        stamp = f"{year}-{_audit.MONTHS.get(month, 0):02d}-{int(day):02d}T{clock}"
    elif nginx is not None:
        year, month, day, clock, level, pid, client, said = nginx.groups()
        stamp = f"{year}-{month}-{day}T{clock}"
    else:
        return None
    found, rest = _audit.message(said)
    if client is None and said.count(", client: ") == 1 and (told := CLIENT.search(said)):
        client = told[1]
    found |= _client(client or "")
    if nginx is not None and said.count(", request: ") == 1 and (asked := REQUEST.search(said)):
        found["http.request.method"], found["url.original"] = asked[1], asked[2]
        found |= {"http.version": asked[3]} if asked[3] else {}
    if "url.domain" not in found and nginx is not None and said.count(", host: ") == 1 and (host := HOST.search(said)):
        found["url.domain"] = host[1]
    found |= {"@timestamp": stamp, "message": said, "event.provider": "apache" if apache else "nginx",
        **({"process.pid": pid} if pid else {})}
    rest["level"] = level
    return found, rest


def _client(text: str) -> Record:
    """The address, and the port where one stands behind it."""
    head, _, port = text.rpartition(":")
    if not text or is_address(text) or not port.isdecimal() or not is_address(head.strip("[]")):
        return {"source.address": text} if text else {}
    return {"source.address": head.strip("[]"), "source.port": port}


def is_address(text: str) -> bool:
    """Whether the text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _json(line: str) -> Made | None:
    (record,), _ = records([line.encode()])
    return None if record is None else _audit.document(record)
