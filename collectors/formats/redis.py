"""Redis's server log, `PID:ROLE TIME LEVEL TEXT` and the older form in brackets.

https://redis.io/docs/latest/operate/oss_and_stack/management/admin/.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from collectors.formats import _times
from collectors.formats._document import Event, piece
from collectors.formats._frames import gather
from collectors.formats._json import Record
from collectors.formats._text import decode
from soc_core.clock import from_datetime, to_text
from soc_core.protocols import Context, Fault, Parsed

LINE = re.compile(r"(?:(\d{1,10}):([XCSM]) |\[(\d{1,10})\] )?"
                  r"(\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)(?: \d{4})?) "
                  r"(\d\d:\d\d:\d\d)(?:\.(\d{1,6}))? ([.*#-]) (.*)$", re.DOTALL)
LEVELS = {".": "debug", "-": "verbose", "*": "notice", "#": "warning"}
ROLES = {"X": "sentinel", "C": "child", "S": "replica", "M": "master"}
ACCEPTED = re.compile(r"Accepted (?:connection from )?([0-9A-Fa-f.:]+):(\d{1,5})\Z")
ATTACK = re.compile(r"Possible SECURITY ATTACK detected\..{0,400}? Connection "
                    r"(?:from ([0-9A-Fa-f.:]+):(\d{1,5}) )?aborted")
FIXED = {"event.kind": "event", "event.module": "redis", "event.dataset": "redis.log", "service.type": "redis",
    "sigma.logsource": ["redis//", "/database/"]}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each line is one event; others are faults. The year of a time without one comes from the receipt."""
    text, faults = decode(lines, ctx.encoding)
    events: list[Event] = []
    for number, line in enumerate(text.to_list()):
        match = LINE.match(line) if line is not None else None
        if match is None:
            if line is not None:
                faults.append(Fault(number, "no line of Redis's log"))
            continue
        pid, role, old, day, clock, part, sign, message = match.groups()
        date, _, rest = day.partition(" ")
        found: Record = {"@timestamp": (f"{rest[:3]} {date}{rest[3:]}", clock, part), "log.level": LEVELS[sign],
            "message": message, "event.category": ["database"], "event.type": ["info"]}
        if pid or old:
            found["process.pid"] = pid or old
        if role:
            found["redis.log.role"] = ROLES[role]
        if accepted := ACCEPTED.match(message) or ATTACK.match(message):
            found["event.category"] = ["database", "network"]
            found["event.type"] = ["connection", "denied" if message.startswith("Possible") else "start"]
            if accepted[1]:
                found["source.address"], found["source.port"] = accepted[1], int(accepted[2])
        events.append(Event(number, {}, found, {}))
    _date(events, ctx)
    return gather([piece(events, FIXED, "", ctx.timezone)] if events else [], faults)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines of this form."""
    text, _ = decode(lines)
    return 0.96 * sum(line is not None and LINE.match(line) is not None for line in text.to_list()) / max(len(lines), 1)


def _date(events: Sequence[Event], ctx: Context) -> None:
    """The times of all events at once, with the year that the receipt gives."""
    parts = [event.found.pop("@timestamp") for event in events]
    if not parts:
        return
    days, clocks, fractions = (pl.Series(list(one), dtype=pl.String) for one in zip(*parts, strict=True))
    for event, at in zip(events, _times.rfc3164(days, clocks, ctx.received, ctx.timezone, fractions), strict=True):
        event.found["@timestamp"] = to_text(from_datetime(at)) if at is not None else None
