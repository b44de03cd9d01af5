"""PostgreSQL's server log: lines with the usual prefix, csvlog and jsonlog.

https://www.postgresql.org/docs/current/runtime-config-logging.html. Lines that go on with a record before them are
merged into it; where a batch begins within a record they are faults.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from collectors.formats._document import Event, piece, read, tree
from collectors.formats._frames import gather
from collectors.formats._json import Record, records
from collectors.formats._text import decode
from soc_core.protocols import Context, Fault, Parsed

CONTINUED = frozenset(("postgresql.log",))
STAMP = r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?) ([A-Z]{3,5}|[+-]\d\d(?::?\d\d)?)"
# prefixes in use: the default, `%t [%p] %h %u@%d`, `%h %t …`, and `%t:%r:%u@%d:[%p]:` of hosted servers
HOST = r"\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}"
LINE = re.compile(rf"(?:(?P<before>{HOST}) )?{STAMP}(?::(?:(?P<remote>{HOST})?(?:\((?P<port>\d{{1,5}})\))?|\[local\])?:"
                  r"(?P<who>[^\s@]{0,63})@(?P<base>[^\s@:]{0,63}):\[(?P<process>\d{1,10})\]:"
                  r"|(?: \[(\d{1,10})(?:-(\d{1,10}))?\]:?)? "
                  rf"(?:(?P<after>{HOST}|\[local\]) )?(?:([^\s@]{{1,63}})@([^\s@]{{1,63}}) )?)"
                  r"(DEBUG\d?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION)"
                  r":  (.*)$", re.DOTALL)
CSV = re.compile(STAMP + r",")
SPACE = "postgresql.log"
LONGEST = 1000  # lines of one record
UNFINISHED = "belongs to a record that does not end"
NAMES = (
    "@timestamp", "user.name", SPACE + ".database", "process.pid", "_from", SPACE + ".session_id",
    SPACE + ".session_line_number", SPACE + ".command_tag", SPACE + ".session_start_time",
    SPACE + ".virtual_transaction_id", SPACE + ".transaction_id", "log.level", "event.code", "message",
    SPACE + ".detail", SPACE + ".hint", SPACE + ".internal_query", SPACE + ".internal_query_pos", SPACE + ".context",
    SPACE + ".query", SPACE + ".query_pos", SPACE + ".location", SPACE + ".application_name", SPACE + ".backend_type",
)
JSON = tree({
    "timestamp": "@timestamp", "user": "user.name", "dbname": SPACE + ".database", "pid": "process.pid",
    "remote_host": "source.address", "remote_port": "source.port", "session_id": SPACE + ".session_id",
    "error_severity": "log.level", "state_code": "event.code", "message": "message", "statement": SPACE + ".query",
    "detail": SPACE + ".detail", "hint": SPACE + ".hint", "application_name": SPACE + ".application_name",
    "backend_type": SPACE + ".backend_type", "ps": SPACE + ".command_tag",
})
ZONES = {"UTC": "Z", "GMT": "Z", "CET": "+01:00", "CEST": "+02:00", "CST": "+08:00", "HKT": "+08:00", "EST": "-05:00",
    "EDT": "-04:00"}
DURATION = re.compile(r"duration: (\d{1,12}(?:\.\d{1,6})?) ms(?:  (statement|parse|bind|execute)[^:]{0,80}: (.*))?",
    re.DOTALL)
RECEIVED = re.compile(r"connection received: host=(\S{1,255})(?: port=(\d{1,5}))?\Z")
FAILED = re.compile(r'(?:\w{1,20} authentication failed) for user "([^"]{1,63})"\Z')
AUTHORIZED = re.compile(r"connection authorized: user=(\S{1,63}) database=")
FIXED = {"event.kind": "event", "event.module": "postgresql", "event.dataset": "postgresql.log",
    "service.type": "postgresql", "sigma.logsource": ["postgresql//", "/database/"]}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event, lines that go on with it merged; others are faults."""
    text, faults = decode(lines, ctx.encoding)
    events: list[Event] = []
    merged: list[int] = []
    held: list[tuple[int, str]] = []  # a CSV record whose quotes are still open
    last = -2  # the line before, where it belongs to an event
    for number, line in enumerate(text.to_list()):
        if line is None:
            continue
        if held and not CSV.match(line) and len(held) < LONGEST:
            held.append((number, line))
            if line.count('"') % 2:
                _add(events, faults, held[0][0], _csv("\n".join(one for _, one in held)))
                done = bool(events) and events[-1].line == held[0][0]
                if done:
                    merged += [place for place, _ in held[1:]]
                else:
                    faults += [Fault(place, UNFINISHED) for place, _ in held[1:]]
                held = []
            continue
        faults += [Fault(place, UNFINISHED) for place, _ in held]
        held = []
        if CSV.match(line) and line.count('"') % 2:
            held = [(number, line)]
        elif line[:1] in ("\t", " ") and last == number - 1:
            events[-1].found["message"] = f"{events[-1].found.get('message', '')}\n{line}"
            merged.append(number)
            last = number
        elif _add(events, faults, number, _record(line, ctx)):
            last = number
    faults += [Fault(place, UNFINISHED) for place, _ in held]
    for event in events:
        _told(event.found)
        _worded(event.found)
    return gather([piece(events, FIXED, SPACE, ctx.timezone)] if events else [], faults, merged)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines that begin a record, those that go on with one counted for them."""
    text, _ = decode(lines)
    listed = [line for line in text.to_list() if line is not None]
    begins = sum(LINE.match(line) is not None or _csv(line) is not None or ('"error_severity":' in line
        and line[:1] == "{") for line in listed)
    more = sum(line[:1] in ("\t", " ") for line in listed) if begins else 0
    return float(0.97 * (begins + more) / max(len(lines), 1))


def _add(events: list[Event], faults: list[Fault], number: int, found: Record | None) -> bool:
    if found is None:
        faults.append(Fault(number, "no record of PostgreSQL's log"))
    else:
        events.append(Event(number, {}, found, found.pop("_rest", {})))
    return found is not None


def _record(line: str, ctx: Context) -> Record | None:
    return _json(line, ctx) if line[:1] == "{" else _csv(line) if CSV.match(line) else _plain(line)


def _zoned(stamp: str, zone: str) -> str:
    return stamp + (ZONES.get(zone, "") if zone[0] not in "+-" else zone)


def _plain(line: str) -> Record | None:
    match = LINE.match(line)
    if match is None:
        return None
    before, stamp, zone, remote, port, who, base, process, pid, number, after, user, database, level, message = (
        match.groups())
    pid, user, database = pid or process, user or who, database or base
    found: Record = {"@timestamp": _zoned(stamp, zone), "log.level": level, "message": message,
        "_head": line[: match.start(15)]}
    if (host := before or remote or after) and host != "[local]":
        found["source.address"] = host
    if port:
        found["source.port"] = int(port)
    if pid:
        found["process.pid"] = int(pid)
    if number:
        found[SPACE + ".session_line_number"] = number
    if user:
        found["user.name"], found[SPACE + ".database"] = user.strip("[]"), database.strip("[]")
    return found


def _csv(line: str) -> Record | None:
    if not CSV.match(line) or len(line) > 1 << 20:
        return None
    try:
        cells = next(csv.reader([line], strict=True), [])
    except csv.Error:
        return None
    if not 20 <= len(cells) <= 30:
        return None
    found: Record = {name: cell for name, cell in zip(NAMES, cells, strict=False) if cell}
    stamp, _, zone = found["@timestamp"].rpartition(" ")
    found["@timestamp"] = _zoned(stamp, zone)
    host, _, port = found.pop("_from", "").rpartition(":")
    if host and port.isdecimal():
        found["source.address"], found["source.port"] = host, int(port)
    return found


def _json(line: str, ctx: Context) -> Record | None:
    record = records([line.encode()], "utf-8")[0][0]
    if record is None or "error_severity" not in record or type(record.get("timestamp")) is not str:
        return None
    found: Record = {}
    rest = read(record, JSON, found)
    stamp, _, zone = record["timestamp"].rpartition(" ")
    found["@timestamp"] = _zoned(stamp, zone) if stamp and zone else record["timestamp"]
    return found | {"_rest": rest}


def _worded(found: Record) -> None:
    """The message of a statement: the whole line of a plain log, the statement alone of a table's row."""
    head, query = found.pop("_head", ""), found.get(SPACE + ".query")
    message = str(found.get("message", ""))
    if DURATION.match(message) or message.startswith("statement: "):
        found["message"] = head + message if head else query or message


def _told(found: Record) -> None:
    """Category, type, outcome, duration and the other end, by what the message says."""
    message = str(found.get("message", ""))
    bad = found.get("log.level") in ("ERROR", "FATAL", "PANIC")
    found["event.category"], found["event.type"] = ["database"], ["error" if bad else "info"]
    if match := DURATION.match(message):
        found["event.duration"] = round(float(match[1]) * 1_000_000)
        if match[3]:
            found[SPACE + ".query_step"], found[SPACE + ".query"] = match[2], match[3]
    elif message.startswith("statement: "):
        found[SPACE + ".query"] = message[11:]
    if match := RECEIVED.match(message):
        found["event.category"], found["event.type"] = ["database", "network"], ["connection", "start"]
        found["source.address"] = match[1]
        if match[2]:
            found["source.port"] = int(match[2])
    failed, authorized = FAILED.match(message), AUTHORIZED.match(message)
    if who := failed or authorized:
        found["event.category"], found["event.type"] = ["database", "authentication"], ["start"]
        found["event.outcome"] = "failure" if failed else "success"
        found["event.action"], found["user.name"] = "authentication", who[1]
