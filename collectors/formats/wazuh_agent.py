"""Windows events as the Wazuh agent sends them: `{"win": {"system": …, "eventdata": …}}`, and the older WinEvtLog text.

https://documentation.wazuh.com/current/user-manual/capabilities/log-data-collection/configuration.html. Records are put
back into the form of Windows' own and read by windows_event: names get their capitals, doubled backslashes are undone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson

from collectors.formats import windows_event
from collectors.formats._document import at
from collectors.formats._frames import Piece, gather
from collectors.formats._json import Record, records
from collectors.formats._text import decode_line
from soc_core.protocols import Context, Fault, Parsed

PROGRAMS = ("winevtlog",)
TEXT = re.compile(
    r"(?:(\d{4} [A-Z][a-z]{2} \d{1,2} \d\d:\d\d:\d\d) )?(?:WinEvtLog: )?([^:\n]{1,120}): ([A-Z_]{4,16})\((\d{1,6})\): "
    r"([^:\n]{1,120}): [^:\n]{0,120}: [^:\n]{0,120}: ([^:\s]{1,255}): (.{0,65536})\Z", re.DOTALL)
DATUM = re.compile(
    r"(?:^|\s{2,8})([A-Z][A-Za-z]{1,40}): {1,8}(\S(?:.*?\S)?)(?=\s{2,8}[A-Z][A-Za-z ]{1,40}: |\Z)", re.DOTALL)
LEVELS = {"INFORMATION": "4", "WARNING": "3", "ERROR": "2", "CRITICAL": "1", "AUDIT_SUCCESS": "0",
    "AUDIT_FAILURE": "0"}
KEYWORDS = {"AUDIT_SUCCESS": "0x8020000000000000", "AUDIT_FAILURE": "0x8010000000000000"}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SYSTEM = {"eventID": "EventID", "version": "Version", "level": "Level", "task": "Task", "opcode": "Opcode",
    "keywords": "Keywords", "eventRecordID": "EventRecordID", "channel": "Channel", "computer": "Computer"}
ABSENT = "no Windows event of a Wazuh agent"


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event, as windows_event makes it; other lines are faults."""
    rows: list[int] = []
    turned: list[bytes] = []
    faults: list[Fault] = []
    for number, line in enumerate(lines):
        record = _record(line, ctx)
        if record is None:
            faults.append(Fault(number, ABSENT))
        else:
            rows.append(number)
            turned.append(orjson.dumps(record))
    made = windows_event.parse(turned, Context(ctx.received, ctx.timezone))
    place = np.array(rows, dtype=np.int64)
    faults += [Fault(rows[fault.line], fault.reason) for fault in made.faults]
    return gather([Piece(place[made.line_no[part.rows]], part.frame) for part in made.batch.parts], faults)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of such records."""
    mine = [(b'"win"' in line and b'"system"' in line) or b"WinEvtLog: " in line[:80] for line in lines]
    return 0.97 * sum(mine) / max(len(lines), 1)


def _record(line: bytes, ctx: Context) -> Record | None:
    if line.lstrip()[:1] == b"{":
        row = records([line], ctx.encoding)[0][0]
        return _json(row) if row is not None else None
    text = decode_line(line.rstrip(b"\r\n"), ctx.encoding)
    match = TEXT.match(text) if text is not None else None
    return _text(match, ctx.timezone) if match is not None else None


def _json(row: Record) -> Record | None:
    system, data = at(row, "win", "system"), at(row, "win", "eventdata")
    if type(system) is not dict or "eventID" not in system or "channel" not in system:
        return None
    head = {SYSTEM[name]: value for name, value in system.items() if name in SYSTEM}
    head |= _provider(system.get("providerName"), system.get("providerGuid"))
    head["TimeCreated"] = {"#attributes": {"SystemTime": system.get("systemTime")}}
    if "processID" in system or "threadID" in system:
        head["Execution"] = {"#attributes": {"ProcessID": system.get("processID"), "ThreadID": system.get("threadID")}}
    given = data.items() if type(data) is dict else ()
    values = {name[:1].upper() + name[1:]: _undoubled(value) for name, value in given}
    return {"Event": {"System": head, "EventData": values}}


def _provider(name: Any, guid: Any = None) -> Record:
    return {"Provider": {"#attributes": {"Name": name, **({"Guid": guid} if guid else {})}}}


def _undoubled(value: Any) -> Any:
    """The agent doubles each backslash; where one stands alone, it did not."""
    if type(value) is not str or "\\" not in value:
        return value
    single = value.replace("\\\\", "\\")
    return single if single.count("\\") * 2 == value.count("\\") else value


def _absolute(stamp: str, timezone: str) -> str | None:
    """The agent's own clock, which it writes without a zone."""
    year, month, day, clock = stamp.split()
    number = MONTHS.index(month) + 1 if month in MONTHS else 0
    try:
        at_ = datetime.fromisoformat(f"{year}-{number:02d}-{int(day):02d}T{clock}")
    except ValueError:
        return None
    return at_.replace(tzinfo=ZoneInfo(timezone)).isoformat()


def _text(match: re.Match[str], timezone: str) -> Record:
    stamp, channel, level, code, provider, computer, message = match.groups()
    head: Record = {"EventID": code, "Channel": channel, "Computer": computer, "Level": LEVELS.get(level, "4"),
        **_provider(provider)}
    if level in KEYWORDS:
        head["Keywords"] = KEYWORDS[level]
    if stamp:
        head["TimeCreated"] = {"#attributes": {"SystemTime": _absolute(stamp, timezone)}}
    data: Record = dict(reversed(DATUM.findall(message.strip())))  # the first of a name
    data |= {"Message": message} if not data else {}
    return {"Event": {"System": head, "EventData": data}}
