"""RADIUS: FreeRADIUS's log of logins and its detail files, whose attributes stand on lines of their own.

https://www.freeradius.org/documentation/freeradius-server/4.0.0/reference/raddb/radiusd.conf.html and
https://www.freeradius.org/documentation/freeradius-server/3.2.9/modules/detail/index.html. The user's name is foreign
text: client, port and calling station are those of the last parenthesis, which the server writes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from collectors.formats import _service, _times
from collectors.formats._document import Event, piece
from collectors.formats._frames import Piece, by_value, gather
from collectors.formats._json import Record
from collectors.formats._records import mac
from collectors.formats._service import Service
from collectors.formats._text import Shape, decode
from soc_core.protocols import Context, Fault, Parsed

CONTINUED = frozenset(("freeradius.detail",))
PROGRAMS = ("radiusd", "freeradius")
SPACE = "radius"
CTIME = r"(?:[A-Z][a-z]{2} [A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d \d{4} : )?"
OWN = (r"^(?:[A-Z][a-z]{2} (?P<month_>[A-Z][a-z]{2}) {1,2}(?P<date_>\d{1,2}) (?P<clock_>\d\d:\d\d:\d\d) "
       r"(?P<year_>\d{4}) : )?(?:(?P<log.level>[A-Z][a-z]+): )?(?:\(\d+\) )?")
SAID = r"(?:Login OK|Login incorrect|Invalid user|Multiple logins|rlm_\w+|Received conflicting|Discarding|Ignoring)"
MARK = rf"{CTIME}(?:(?:Auth|Info|Error|Warning|Proxy|Acct|Debug): )?(?:\(\d+\) )?(?:\d+  )?{SAID}"
WHO = r"\[(?P<who_>.*)\]"
FROM = (r" \(from client (?P<observer.name>[^\s)]+)(?: port (?P<radius.nas_port>\d+))?(?: cli (?P<station_>[^)\s]+))?"
        r"(?: via TLS tunnel)?\)[^\[\]]*$")
LOGIN = {"event.category": ["authentication"], "event.type": ["start"], "event.action": "login"}
SHAPES = (
    Shape("", OWN + r"Login OK: " + WHO + FROM, LOGIN | {"event.outcome": "success"}),
    Shape("", OWN + r"(?:Login incorrect|Invalid user)(?: \((?P<event.reason>[^\[]*)\))?: " + WHO + FROM,
          LOGIN | {"event.outcome": "failure"}),
    Shape("", OWN + r"Multiple logins (?:.*?): " + WHO + FROM,
          LOGIN | {"event.outcome": "failure", "event.reason": "multiple logins"}),
    Shape("", OWN, {}),
)
FIXED = {"event.kind": "event", "event.module": "freeradius", "event.dataset": "freeradius.log",
    "service.type": "freeradius", "observer.type": "radius", "network.protocol": "radius",
    "event.category": ["host"], "event.type": ["info"]}
DETAIL = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d\d:\d\d:\d\d) (\d{4})\s*\Z")
PAIR = re.compile(r"\t([A-Za-z0-9-]{1,64})(?::\d+)? [:+]?= (.{0,4096})\Z", re.DOTALL)
NAMES = {"User-Name": "user.name", "Calling-Station-Id": "source.mac", "Framed-IP-Address": "source.address",
    "NAS-IP-Address": "destination.address", "NAS-Identifier": "observer.name", "Acct-Input-Octets": "source.bytes",
    "Acct-Output-Octets": "destination.bytes", "Acct-Session-Id": "radius.session_id", "NAS-Port": "radius.nas_port"}
TYPES = {"Start": (["session"], ["start"]), "Stop": (["session"], ["end"]), "Interim-Update": (["session"], ["info"])}
REPLIES = {"Access-Accept": "success", "Access-Reject": "failure"}
ABSENT = "no message of a RADIUS server"


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each message and each packet of a detail file is one event, its attributes merged; others are faults."""
    text, _ = decode(lines, ctx.encoding)
    packets, merged = _packets(text.to_list())
    if not packets:
        return _service.parse(lines, ctx, SERVICE)
    taken = {event.line for event in packets} | set(merged)
    left = [number for number in range(len(lines)) if number not in taken]
    others = _service.parse([lines[number] for number in left], ctx, SERVICE)
    place = np.array(left, dtype=np.int64)
    pieces = [Piece(place[others.line_no[part.rows]], part.frame) for part in others.batch.parts]
    pieces.append(piece(packets, FIXED | {"event.dataset": "freeradius.detail"}, SPACE, ctx.timezone))
    faults = [Fault(left[fault.line], fault.reason) for fault in others.faults]
    return gather(pieces, faults, merged)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of messages, or of lines of detail files."""
    text, _ = decode(lines)
    packets, merged = _packets(text.to_list())
    return max(_service.sniff(lines, SERVICE), 0.97 * (len(packets) + len(merged)) / max(len(lines), 1))


def _packets(lines: Sequence[str | None]) -> tuple[list[Event], list[int]]:
    """Packets of a detail file, and the lines below their first ones, the blank that ends them included."""
    events: list[Event] = []
    merged: list[int] = []
    found: Record | None = None
    for number, line in enumerate(lines):
        below = lines[number + 1] if number + 1 < len(lines) else None
        if (match := DETAIL.match(line or "")) is not None and PAIR.match(below or ""):
            month, date, clock, year = match.groups()
            found = {"@timestamp": f"{year}-{_times.MONTHS.get(month, 0):02d}-{int(date):02d}T{clock}"}
            events.append(Event(number, {}, found, {}))
        elif line is not None and found is not None and (pair := PAIR.match(line)) is not None:
            _attribute(events[-1], pair[1], pair[2])
            merged.append(number)
        elif found is not None and line == "":
            merged.append(number)
            found = None
        else:
            found = None
    for event in events:
        _judged(event.found)
    return events, merged


def _attribute(event: Event, name: str, value: str) -> None:
    value = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    column = NAMES.get(name)
    if name in ("User-Password", "CHAP-Password"):
        return  # no secret becomes a column; the line itself is kept as every other
    if name in ("Acct-Status-Type", "Packet-Type"):
        event.found.setdefault("event.action", value)
    elif name == "Acct-Session-Time" and value.isdecimal() and len(value) < 9:
        event.found["event.duration"] = int(value) * 1_000_000_000
    elif column == "source.mac" and mac(value) is None:
        event.found.setdefault("source.address", value)
    elif column is not None and column not in event.found:
        event.found[column] = mac(value) if column == "source.mac" else value
    else:
        event.rest[name] = value


def _judged(found: Record) -> None:
    action = found.get("event.action", "Access-Request")
    category, kind = TYPES.get(action, (["authentication"], ["start"]))
    outcome = REPLIES.get(action, "success" if action in TYPES else "unknown")
    found |= {"event.category": category, "event.type": kind, "event.outcome": outcome, "message": action}


def _polish(frame: pl.DataFrame, own: pl.DataFrame, ctx: Context) -> pl.DataFrame:
    if "who_" not in own.columns:
        return frame
    frame = frame.with_columns(own["who_"].str.extract("^([^/]*)").alias("user.name"))  # what follows may be a password
    hard = by_value(own["station_"], mac)
    return frame.with_columns(hard.alias("source.mac"),
                              own["station_"].set(hard.is_not_null(), None).alias("source.address"))


SERVICE = Service(MARK, SHAPES, FIXED, ABSENT, _polish)
