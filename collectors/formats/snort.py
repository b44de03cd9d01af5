"""Snort: fast alerts, full alerts of several lines, and alerts over syslog; Suricata's fast.log too.

https://docs.snort.org/start/alert_logging. The lines below the head of a full alert are merged into it.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

from collectors.formats._device import share
from collectors.formats._json import Record
from collectors.formats._records import Made, parsed
from collectors.formats._text import decode
from soc_core.clock import Micros, to_datetime
from soc_core.protocols import Context, Fault, Parsed

CONTINUED = frozenset(("snort.alert",))
SYSLOG_MARKS = ("snort[", "snort: ", "snort3", "[**]")
WHEN = r"\d\d/\d\d(?:/\d\d(?:\d\d)?)?-\d\d:\d\d:\d\d\.\d{1,6}"
MARK = rf"(?:{WHEN} +)?\[\*\*\] \[\d+:\d+:\d+\] |\[\d+:\d+:\d+\] .*\{{[A-Za-z0-9-]+\}} \S+ -> \S+"
HEAD = re.compile(r"^\[\*\*\] \[\d+:\d+:\d+\] .*\[\*\*\]\s*$")
FOLLOWS = re.compile(rf"^(?:\[Classification: |\[Priority: |{WHEN} |[A-Z0-9-]+ TTL:|[*0-9A-Z]{{8}} Seq: |Type:|Len: "
"|TCP Options|"
                     r"\[Xref => |\s*$|\*\* ORIGINAL DATAGRAM|\*\* END OF DUMP|\S+ -> \S+$)")
ADDRESS = (r"(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|\[[0-9A-Fa-f:.]+\]|"
           r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)")
ENDS = rf"({ADDRESS})(?::(\d{{1,5}}))? -> ({ADDRESS})(?::(\d{{1,5}}))?"
ALERT = re.compile(rf"^(?:({WHEN}) +)?(?:\[\*\*\] )?\[(\d+):(\d+):(\d+)\] (.*?) ?(?:\[\*\*\])?"
                   rf"(?: ?\[Classification: ([^\]]*)\])?(?: ?\[Priority: (\d+)\])?:?(?: ?\[AppID: ([^\]]*)\])?"
                   rf"(?: ?\{{([\w-]+)\}})? ?(?:({WHEN}) )?{ENDS}", re.DOTALL)
ABSENT = "no alert of Snort"
BASE: dict[str, Any] = {
    "event.kind": "alert", "event.category": ["intrusion_detection", "network"], "event.type": ["info"],
    "event.module": "snort", "event.dataset": "snort.alert", "service.type": "snort", "observer.vendor": "Cisco",
    "observer.product": "Snort", "observer.type": "ids",
}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each alert is one event; the further lines of a full alert are merged; other lines are faults."""
    whole, merged, alone = _joined(lines, ctx.encoding)
    found = parsed(whole, ctx, mark=MARK, absent=ABSENT, space="snort", record=partial(_record, received=ctx.received),
                   kind=_kind, fixed=_fixed)
    faults = [fault for fault in found.faults if fault.line not in merged]
    lost = {fault.line for fault in faults}
    orphans = [line for line in merged if alone[line] in lost]  # lines below a head that is no alert after all
    faults += [Fault(line, ABSENT) for line in orphans]
    return Parsed(found.batch, found.line_no, sorted(faults), sorted(set(merged) - set(orphans)))


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines that are alerts, or the further lines of full ones."""
    text, _ = decode(lines)
    follows = sum(bool(FOLLOWS.match(line)) for line in text.fill_null("") if line.strip())
    heads = share(lines, MARK)
    return min(0.97, 0.97 * (heads + (follows / max(len(lines), 1) if heads else 0.0)))


def _joined(lines: Sequence[bytes], encoding: str) -> tuple[list[bytes], list[int], dict[int, int]]:
    """(lines with full alerts put together at their heads, merged lines, whose they are)."""
    text, _ = decode(lines, encoding)
    whole, merged, owners = list(lines), [], {}
    owner: int | None = None
    parts: dict[int, list[str]] = {}
    for number, line in enumerate(text.to_list()):
        if line is not None and HEAD.match(line):
            owner = number
            parts[number] = [line.strip()]
        elif owner is not None and line is not None and FOLLOWS.match(line):
            parts[owner].append(line.strip())
            merged.append(number)
            owners[number] = owner
            whole[number] = b""
        else:
            owner = None
    for head, held in parts.items():
        whole[head] = " ".join(part for part in held if part).encode()
    return whole, merged, owners


def _record(text: str, received: Micros) -> Made | None:
    alert = ALERT.match(text)
    if alert is None:
        return None
    early, generator, number, revision, name, sort, priority, app, proto, late, *ends = alert.groups()
    if proto is None:
        rest_of = text[alert.end() :].split()
        proto = rest_of[0] if rest_of and rest_of[0].isupper() else None
    found: Record = {"rule.id": number, "rule.version": revision, "rule.name": name.strip(), "message": text}
    columns = ("rule.category", "event.severity", "network.application", "network.transport", "source.address",
        "source.port", "destination.address", "destination.port")
    found |= {column: value for column, value in zip(columns, (sort, priority, app, proto, *ends),
        strict=True) if value}
    if stamp := _stamp(early or late, received):
        found["@timestamp"] = stamp
    return found, {"generator": generator}


def _stamp(text: str | None, received: Micros) -> str | None:
    """`11/20-08:15:01.1` with the year of receipt; years of two digits stand first or last: the later date counts."""
    if not text:
        return None
    day, clock = text.split("-")
    last = (to_datetime(received) + timedelta(days=1)).date()
    one, two, *three = (int(part) for part in day.split("/"))
    if not three:
        tries = [(last.year - back, one, two) for back in range(9)]
    elif three[0] > 99:
        tries = [(three[0], one, two)]
    else:
        tries = [(2000 + one, two, three[0]), (2000 + three[0], one, two)]
    known = [made for made in (_day(*parts) for parts in tries) if made is not None]
    past = [made for made in known if made <= last] or known
    return f"{max(past).isoformat()}T{clock}" if past else None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _kind(found: Record, rest: Record) -> Hashable:
    return None


def _fixed(kind: None) -> dict[str, Any]:
    return BASE
