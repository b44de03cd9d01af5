"""MySQL and MariaDB: error log, slow query log, general log, and the audit logs of MariaDB, Percona and Enterprise.

https://dev.mysql.com/doc/refman/8.4/en/server-logs.html and https://mariadb.com/kb/en/mariadb-audit-plugin-log-format/.
Lines that go on with a slow query or a message are merged into it. Whose login failed is read up to the last quote,
as the name comes from the other end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from collectors.formats import _mysql_audit, _mysql_slow
from collectors.formats._document import Event, piece
from collectors.formats._frames import gather
from collectors.formats._json import Record
from collectors.formats._text import decode
from soc_core.protocols import Context, Fault, Parsed

PROGRAMS = ("mysqld", "mysql", "mariadbd", "mariadb")
ISO = r"\d{4}-\d\d-\d\d(?:T| {1,2})\d{1,2}:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)?"
OLD = r"\d{6} {1,2}\d{1,2}:\d\d:\d\d"
COMMANDS = ("Connect|Query|Quit|Init DB|Prepare|Execute|Close stmt|Reset stmt|Field List|Statistics|Ping|Change user|"
            "Create DB|Drop DB|Refresh|Shutdown|Processlist|Kill|Debug|Set option|Fetch|Sleep|Binlog Dump|"
            "Register Slave|Long Data|Daemon|Delayed insert|Table Dump|Reset Connection")
GENERAL = re.compile(rf"(?:({ISO}|{OLD})\t|\t\t)\s*(\d{{1,19}}) ({COMMANDS})(?:\t(.*))?$", re.DOTALL)
ERROR = re.compile(rf"({ISO}|{OLD})\s+(?:(\d{{1,19}}|0x[0-9a-f]+)\s+)?(?:\[([A-Za-z]+)\]\s+)?(.*)$", re.DOTALL)
HEAD = re.compile(rf"(?:{ISO}|{OLD})\s+(?:\d{{1,19}}\s+)?\[(?:Note|Warning|ERROR|System|Error)\] "
                  rf"|(?:{ISO}|{OLD})\s+(?:\d+ )?(?:mysqld_safe|InnoDB|mysqld) ", re.ASCII)
CODE = re.compile(r"\[(MY-\d{6})\] \[(\w{1,32})\] ")
DENIED = re.compile(r"Access denied for user '(.*)'@'([^'\s]*)'(?: to database '.*')?"
    r"(?: \(using password: (?:YES|NO)\))?\s*\Z",
    re.DOTALL)
ABORTED = re.compile(r"Aborted connection (\d{1,19}) to db: '(.*)' user: '(.*)' host: '([^'\s]*)' \((.*)\)\s*\Z",
    re.DOTALL)
BLOCKED = re.compile(r"Host '([^'\s]{1,255})' is blocked because of many connection errors")
CONNECT = re.compile(r"(?:(?P<user>.*)@(?P<host>\S*) on(?: (?P<db>\S*))?(?: using .*)?)\Z", re.DOTALL)
PREFACE = re.compile(r"\S{0,200}, Version: .* started with:\Z|Tcp port: .*Unix socket: |Time\s+Id Command\s+Argument")
LONGEST = 2000  # characters of a message that says who connected
CONTINUED = frozenset(("mysql.slowlog", "mysql.error", "mysql.general"))
ABSENT = "no line of MySQL's logs"
FIXED = {"event.kind": "event", "event.module": "mysql", "service.type": "mysql",
    "sigma.logsource": ["mysql//", "/database/"]}
DATABASE: Record = {"event.category": ["database"], "event.type": ["info"]}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event, lines that go on with it and the server's preface merged; others are faults."""
    text, faults = decode(lines, ctx.encoding)
    listed = text.to_list()
    events: dict[str, list[Event]] = {}
    merged: list[int] = []
    open_: Event | None = None  # the record that an indented or bare line below it goes on with
    taken, slow = _mysql_slow.blocks(listed)
    for number, found in slow:
        events.setdefault("mysql.slowlog", []).append(Event(number, {}, found, found.pop("_rest", {})))
    merged += sorted(taken - {number for number, _ in slow})
    for number, line in enumerate(listed):
        if line is None or number in taken:
            open_ = None
            continue
        made = read(line)
        if made is None and open_ is not None and line and not PREFACE.match(line) and not _mysql_slow.OWN.match(line):
            open_.found["message"] = f"{open_.found.get('message', '')}\n{line}"
            merged.append(number)
        elif made is None and PREFACE.match(line):
            merged.append(number)
        elif made is None:
            faults.append(Fault(number, ABSENT))
        else:
            dataset, found = made
            event = Event(number, {}, found, found.pop("_rest", {}))
            events.setdefault(dataset, []).append(event)
            open_ = event if dataset in ("mysql.error", "mysql.general") else None
    for event in events.get("mysql.general", []):
        _general(event.found)
    return gather((piece(held, FIXED | {"event.dataset": name}, "mysql", ctx.timezone)
                   for name, held in events.items()), faults, sorted(merged))


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines that are of one of the logs, or belong to a slow query."""
    text, _ = decode(lines)
    listed = text.to_list()
    taken, _ = _mysql_slow.blocks(listed)
    sure = sum(n in taken or bool(line and (HEAD.match(line) or GENERAL.match(line) or PREFACE.match(line)
        or _mysql_audit.read(line))) for n, line in enumerate(listed))
    return 0.97 * sure / max(len(lines), 1)


def read(line: str) -> tuple[str, Record] | None:
    """(data set, columns) of a line of the error, general or audit log."""
    if (match := GENERAL.match(line)) is not None:
        stamp, thread, command, rest = match.groups()
        found: Record = {"mysql.thread_id": thread, "event.action": command, "message": rest or command}
        return "mysql.general", found | ({"@timestamp": _iso(stamp)} if stamp else {})
    audit = _mysql_audit.read(line)
    if audit is not None:
        return "mysql.audit", audit
    error = _error(line)
    return ("mysql.error", error) if error is not None else None


def _error(line: str) -> Record | None:
    match = ERROR.match(line)
    if match is None or not (match[2] or match[3] or HEAD.match(line)):
        return None
    stamp, thread, level, message = match.groups()
    found: Record = {"@timestamp": _iso(stamp), "message": message, **DATABASE}
    if thread:
        found["mysql.thread_id"] = thread
    if level:
        found["log.level"] = level
        found["event.type"] = ["error" if level.upper() == "ERROR" else "info"]
    if code := CODE.match(message):
        found["event.code"], found["event.provider"] = code[1], code[2]
        message = message[code.end():]
    _told(found, message)
    return found


def _told(found: Record, message: str) -> None:
    """Who was refused, cut off or blocked."""
    if len(message) > LONGEST:
        return
    if denied := DENIED.search(message):
        found |= {"event.category": ["database", "authentication"], "event.type": ["start", "denied"],
            "event.outcome": "failure", "event.action": "access denied", "user.name": denied[1],
            "source.address": denied[2]}
    elif aborted := ABORTED.search(message):
        found |= {"event.category": ["database", "network"], "event.type": ["connection", "end"],
            "event.outcome": "failure", "event.action": "aborted connection", "user.name": aborted[3],
            "source.address": aborted[4], "event.reason": aborted[5]}
    elif blocked := BLOCKED.match(message):
        found |= {"event.category": ["database", "network"], "event.type": ["connection", "denied"],
            "event.outcome": "failure", "event.action": "host blocked", "source.address": blocked[1]}


def _general(found: Record) -> None:
    """Category and type of a command, its statement, and who connects."""
    action, message = found["event.action"], str(found["message"])
    found |= {"event.category": ["database"], "event.type": ["access"]}
    if action == "Connect":
        found |= {"event.category": ["database", "authentication"], "event.type": ["start"]}
        match = CONNECT.match(message) if len(message) <= LONGEST else None
        if match is not None:
            found |= {"event.outcome": "success", "user.name": match["user"], "source.address": match["host"]}
        else:
            _told(found, message)
    elif action == "Quit":
        found |= {"event.category": ["database", "session"], "event.type": ["end"]}
    elif action in ("Query", "Execute", "Prepare"):
        found["mysql.general.query"] = message


def _iso(stamp: str) -> str:
    """The stamp in full: `191015  9:46:45` and `2015-10-07  8:25:38` have blanks for digits."""
    day, clock = re.split(r"T| {1,2}", stamp, maxsplit=1)
    if len(day) == 6:
        day = f"20{day[:2]}-{day[2:4]}-{day[4:]}"
    return f"{day}T{clock if clock[2:3] == ':' else '0' + clock}"


