"""MongoDB's server log: JSON since 4.4, and the older text form.

https://www.mongodb.com/docs/manual/reference/log-messages/.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from collectors.formats._document import Event, at, piece, read, share, tree
from collectors.formats._frames import gather
from collectors.formats._json import Record, records, sample
from collectors.formats._text import decode_line
from soc_core.protocols import Context, Fault, Parsed

TABLE = tree({
    "t.$date": "@timestamp", "s": "log.level", "c": "mongodb.log.component", "id": "mongodb.log.id",
    "ctx": "mongodb.log.context", "msg": "message", "attr.error": "error.message",
    "attr.principalName": "user.name", "attr.user": "user.name",
    "attr.authenticationDatabase": "mongodb.log.database", "attr.mechanism": "mongodb.log.mechanism",
})
TEXT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|[+-]\d{4})) ([DIWEF]\d?) +([A-Z_-]+) +"
                  r"\[([^\]]{1,80})\] (.*)$", re.DOTALL)
REMOTE = re.compile(r"(?:connection accepted from|received client metadata from|from client:?|end connection) "
                    r"\[?([0-9A-Fa-f.:]+?)\]?:(\d{1,5})\b")
PLACE = re.compile(r"\[?([0-9A-Fa-f.:]+?)\]?:(\d{1,5})\Z")
QUICK = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|[+-]\d{4}) [DIWEF]\d? +[A-Z_-]+ +\[")
AUTH = re.compile(r"(?:authenticated as principal|failed for) (\S{1,128})")
FIXED = {"event.kind": "event", "event.module": "mongodb", "event.dataset": "mongodb.log", "service.type": "mongodb",
    "sigma.logsource": ["mongodb//", "/database/"]}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record of either form is one event; others are faults."""
    faults: list[Fault] = []
    events: list[Event] = []
    for number, line in enumerate(lines):
        event = _json(number, line, ctx) if line.lstrip()[:1] == b"{" else _text(number, line, ctx)
        if event is None:
            faults.append(Fault(number, "no line of MongoDB's log"))
        else:
            _told(event)
            events.append(event)
    return gather([piece(events, FIXED, "mongodb.log", "UTC")] if events else [], faults)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines of either form."""
    mine = share(sample(lines), lines, _mine)
    return 0.97 * (mine + sum(QUICK.match(line) is not None for line in lines) / max(len(lines), 1))


def _mine(record: Record) -> bool:
    return type(at(record, "t", "$date")) is str and "c" in record and "msg" in record


def _json(number: int, line: bytes, ctx: Context) -> Event | None:
    record = records([line], ctx.encoding)[0][0]
    if record is None or not _mine(record):
        return None
    found: Record = {}
    rest = read(record, TABLE, found)
    place = at(record, "attr", "remote") or at(record, "attr", "client")
    if type(place) is str and (match := PLACE.match(place)):
        found["source.address"], found["source.port"] = match[1], int(match[2])
    return Event(number, record, found, rest)


def _text(number: int, line: bytes, ctx: Context) -> Event | None:
    text = decode_line(line.rstrip(b"\r\n"), ctx.encoding)
    match = TEXT.match(text) if text is not None else None
    if match is None:
        return None
    found: Record = {"@timestamp": match[1], "log.level": match[2], "mongodb.log.component": match[3],
        "mongodb.log.context": match[4], "message": match[5]}
    if remote := REMOTE.match(match[5]):
        found["source.address"], found["source.port"] = remote[1], int(remote[2])
    if who := AUTH.search(match[5]):
        found["user.name"] = who[1]
    return Event(number, {}, found, {})


def _told(event: Event) -> None:
    """Category, type and outcome by what the message says."""
    found = event.found
    message = str(found.get("message", ""))
    low = message.lower()
    found["event.category"], found["event.type"] = ["database"], ["info"]
    if "authenticat" in low and found.get("mongodb.log.component") == "ACCESS":
        found["event.category"], found["event.type"] = ["database", "authentication"], ["start"]
        found["event.outcome"] = "failure" if "fail" in low else "success"
        found["event.action"] = "authentication"
    elif low.startswith("connection accepted"):
        found["event.category"], found["event.type"] = ["database", "network"], ["connection", "start"]
    elif found.get("log.level") in ("E", "F"):
        found["event.type"] = ["error"]
