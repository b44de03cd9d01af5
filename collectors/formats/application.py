"""Applications' own logs with their stack traces: Java (Logback, Log4j), Python, Ruby on Rails, Node.js.

A record begins with a line of one of the usual layouts, or with a bare trace; the lines of a trace are merged into it,
and its message is all of them. Which framework wrote it is told by the record itself, as rules for application logs
are made for one framework each. Where a batch begins within a trace its lines are faults.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from collectors.formats._document import Event, piece
from collectors.formats._frames import Piece, gather
from collectors.formats._json import Record
from collectors.formats._text import decode
from soc_core.protocols import Context, Fault, Parsed

STAMP = r"(?P<stamp>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?)"
LEVEL = r"(?P<level>TRACE|DEBUG|INFO|WARN(?:ING)?|ERROR|FATAL|CRITICAL|SEVERE)"
HEADS = tuple((language, re.compile(pattern + r"(?P<message>.*)\Z", re.DOTALL)) for language, pattern in (
    ("spring", rf"{STAMP} +{LEVEL} (?P<pid>\d{{1,9}}) --- (?:\[[^\]]{{0,80}}\] ?){{0,2}}\[(?P<thread>[^\]]{{0,80}})\] "
               r"(?P<logger>\S{1,200}) +: "),
    ("java", rf"{STAMP} +{LEVEL} +\[(?P<thread>[^\]]{{0,120}})\] (?P<logger>[\w.$-]{{1,200}})(?: -)?:? "),
    ("java", rf"{STAMP} +\[(?P<thread>[^\]]{{0,120}})\] {LEVEL} +(?P<logger>[\w.$-]{{1,200}}) -? ?"),
    ("python", rf"\[?{STAMP}\]? (?:- )?(?P<logger>[\w.]{{1,120}}) - {LEVEL} - "),
    ("python", rf"\[{STAMP}\] {LEVEL} (?:in|\[)(?: ?)(?P<logger>[\w.]{{1,120}})\]?:? "),
    ("python", rf"{LEVEL}:(?P<logger>[\w.]{{1,120}}):"),
    ("ruby_on_rails", r"[DIWEFA], \[(?P<stamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}) #(?P<pid>\d{1,9})\] +"
                      rf"{LEVEL} -- (?P<logger>[^:]{{0,80}}): "),
    ("nodejs", rf"\[?{STAMP}\]? \[?(?P<level>error|warn|info|debug|verbose)\]?:? "),
))
BARE = (
    ("python", re.compile(r"Traceback \(most recent call last\):|(?:Internal Server Error|Bad Request|Forbidden): /")),
    ("java", re.compile(r'Exception in thread "|(?:[a-z][\w$]*\.){2,12}[A-Z][\w$]*(?:Exception|Error)\b')),
    ("nodejs", re.compile(r"(?:node:[\w/]+|/\S{1,200}\.[cm]?js):\d+\s*\Z|Uncaught |\[?(?:Type|Reference|Range|Syntax)?"
                          r"Error: ")),
    ("ruby_on_rails", re.compile(r"Action(?:Controller|Dispatch|View)::|ActiveRecord::")),
)
MORE = re.compile(r"\s|\Z|Caused by: |Suppressed: |Traceback \(most|During handling of|The above exception|\.\.\. \d+ |"
                  r"[\w.$:]{0,200}(?:Exception|Error|Warning|Exit|Interrupt|Host|Operation|Denied)(?::|\s|\(|\Z)|"
                  r"(?:app|lib|config|actionpack|activerecord|/\S+)/\S{1,200}:\d+:in |\}|\^")
TYPE = re.compile(r"(?m)^(?:Caused by: |Exception in thread \"[^\"]{0,80}\" |Uncaught )?"
                  r"((?:[\w$]+(?:\.|::)){0,12}[A-Z][\w$]*(?:Exception|Error))\b")
# tag → what in a record shows it; a head of that language shows it too
SIGNS = tuple((name, re.compile(pattern)) for name, pattern in (
    ("jvm", r"\bat (?:[\w$]+\.){1,12}[\w$<>]+\([^)\n]{0,120}\)|"
            r"(?:\b[a-z][\w$]{0,80}\.){2,12}[A-Z][\w$]*(?:Exception|Error)\b"),
    ("spring", r"\borg\.springframework\."),
    ("velocity", r"\borg\.apache\.velocity\.|\bVelocity(?:Engine|Exception)\b"),
    ("python", r"Traceback \(most recent|^\s*File \"[^\"\n]{1,300}\", line \d"), ("django", r"\bdjango\b"),
    ("ruby_on_rails", r"\bAction(?:Controller|Dispatch|View)::|\bActiveRecord::"),
    ("nodejs", r"\bat [^\n]{0,200}\(?(?:node:[\w/]+|/[^\s:()]{1,200}\.[cm]?js):\d+|\bnode:[a-z_/]+"),
    ("sql", r"(?i)\bsql\w{0,40}\b|\w{0,40}sql\w{0,10}exception|\bORA-\d{5}\b|sqlite|quoted string not properly|"
            r"Unclosed quotation|UNION do not have"),
))
IMPLIED = {"spring": ("jvm",), "django": ("python",), "velocity": ("jvm",)}
FAMILY = {"spring": "java"} | {name: name for name in ("java", "python", "ruby_on_rails", "nodejs")}
BAD = frozenset(("ERROR", "FATAL", "CRITICAL", "SEVERE"))
LONGEST = 2000  # lines of one record
CONTINUED = frozenset(("application.log",))
ABSENT = "neither the beginning of an application's record nor a line of its trace"


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event, the lines of its trace merged; other lines are faults."""
    text, faults = decode(lines, ctx.encoding)
    found: list[tuple[int, str, Record, list[str]]] = []
    merged: list[int] = []
    last = -2
    for number, line in enumerate(text.to_list()):
        if line is None:
            continue
        head = _head(line)
        trace = last == number - 1 and found and len(found[-1][3]) < LONGEST and _goes_on(line, found[-1])
        if head is not None and not (trace and not head[1] and _same(head[0], found[-1])):
            found.append((number, head[0], head[1], [head[2]]))
        elif trace:
            found[-1][3].append(line)
            merged.append(number)
        else:
            faults.append(Fault(number, ABSENT))
            continue
        last = number
    groups: dict[tuple[tuple[str, ...], bool], list[Event]] = {}
    for number, language, columns, told in found:
        key, event = _event(number, language, columns, "\n".join(told))
        groups.setdefault(key, []).append(event)
    return gather([_piece(key, events, ctx) for key, events in groups.items()], faults, merged)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines that are of records; one that begins without a layout of its own counts only with a trace."""
    text, _ = decode(lines)
    read = traced = heads = 0
    last: tuple[int, str, Record, list[str]] | None = None
    for line in text.to_list():
        head = _head(line) if line else None
        if head is not None:
            heads += bool(head[1])
            last = (0, *head[:2], [head[2]])
        elif line is None or last is None or not _goes_on(line, last):
            last = None
            continue
        else:
            traced += 1
        read += 1
    return (0.93 if traced else 0.85 if heads == read else 0.5) * read / max(len(lines), 1)


def _head(line: str) -> tuple[str, Record, str] | None:
    """(language, columns, message) of a record's first line; a bare trace has no columns."""
    for language, pattern in HEADS:
        if (found := pattern.match(line[:60_000])) is not None:
            said = found.groupdict()
            names = {"stamp": "@timestamp", "level": "log.level", "logger": "log.logger", "pid": "process.pid",
                "thread": "process.thread.name"}
            columns = {column: said[name].strip() for name, column in names.items() if said.get(name)}
            if "@timestamp" in columns:
                columns["@timestamp"] = columns["@timestamp"].replace(",", ".")
            return language, columns, line[found.start("message"):]
    return next(((language, {}, line) for language, pattern in BARE if pattern.match(line)), None)


def _same(language: str, record: tuple[int, str, Record, list[str]]) -> bool:
    """Whether a bare trace may be a record's own: an exception's name alone looks alike in Python and Java."""
    family = FAMILY.get(record[1])
    return FAMILY.get(language) == family or (family == "python" and language == "java")


def _goes_on(line: str, record: tuple[int, str, Record, list[str]]) -> bool:
    return MORE.match(line) is not None and (line != "" or len(record[3]) > 1)


def _event(number: int, language: str, columns: Record, message: str) -> tuple[tuple[tuple[str, ...], bool], Event]:
    start = message[:60_000]
    kinds = ["jvm"] if language in ("java", "spring") else []
    kinds += [language] if language not in ("java", "") else []
    kinds += [name for name, sign in SIGNS if sign.search(start)]
    if "python" in kinds and language not in ("java", "spring"):  # a class of Python's has as many dots
        kinds = [kind for kind in kinds if kind != "jvm"]
    if str(columns.get("log.logger", "")).startswith("django"):
        kinds.append("django")
    kinds += [other for kind in kinds for other in IMPLIED.get(kind, ())]
    wrong = TYPE.search(start)
    columns = {"message": message, **columns, **({"error.type": wrong[1]} if wrong else {})}
    bad = wrong is not None or str(columns.get("log.level", "")).upper() in BAD
    return (tuple(sorted(set(kinds))), bad), Event(number, {}, columns, {})


def _piece(key: tuple[tuple[str, ...], bool], events: Sequence[Event], ctx: Context) -> Piece:
    kinds, bad = key
    return piece(events, {
        "event.kind": "event", "event.module": "application", "event.dataset": "application.log",
        "event.category": ["process"], "event.type": ["error" if bad else "info"],
        "sigma.logsource": [f"{kind}/application/" for kind in kinds],
    }, "", ctx.timezone)
