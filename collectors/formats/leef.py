"""LEEF 1.0 and 2.0, IBM's Log Event Extended Format: `LEEF:2.0|maker|product|version|id|delimiter|key=value…`.

https://www.ibm.com/docs/en/dsm?topic=overview-leef-event-components. Pairs are parted by tabs, or by the character
that the head of version 2 names.
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
from collectors.formats.cef import instant
from soc_core.protocols import Context, Parsed

SYSLOG_MARKS = ("LEEF:",)
MARK = r"LEEF: ?[12](?:\.0)?\|[^|]*\|[^|]*\|[^|]*\|[^|]*\|?"
ABSENT = "no LEEF record"
HEAD = re.compile(r"^LEEF: ?([12])(?:\.0)?\|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)(?:\|(.*))?$", re.DOTALL)
DELIMITER = re.compile(r"^(?:(?:0?x|\\x)([0-9A-Fa-f]{1,4})|(.)|)\|", re.DOTALL)
NAMES = {
    "src": "source.address", "srcPort": "source.port", "srcMAC": "source.mac", "srcPreNAT": "source.address",
    "srcPostNAT": "source.nat.ip", "srcPostNATPort": "source.nat.port", "srcBytes": "source.bytes",
    "srcPackets": "source.packets", "dst": "destination.address", "dstPort": "destination.port",
    "dstMAC": "destination.mac", "dstPostNAT": "destination.nat.ip", "dstPostNATPort": "destination.nat.port",
    "dstBytes": "destination.bytes", "dstPackets": "destination.packets", "proto": "network.transport",
    "usrName": "user.name", "accountName": "user.target.name", "domain": "user.domain", "groupID": "group.id",
    "role": "group.name", "action": "event.action", "Action": "event.action", "reason": "event.reason",
    "policy": "rule.ruleset", "resource": "service.name", "url": "url.original", "identHostName": "host.name",
    "devTime": "@timestamp", "sev": "event.severity", "srcUser": "source.user.name", "msg": "message",
    "method": "http.request.method", "filename": "file.name", "cat": "event.provider",
}
ADDRESSES = frozenset(("src", "dst", "srcPreNAT", "srcPostNAT", "dstPostNAT"))


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event; other lines are faults."""
    return parsed(lines, ctx, mark=MARK, absent=ABSENT, space="leef", record=_record, kind=_formed.kind, fixed=_fixed)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with a record."""
    return 0.98 * share(lines, MARK)


def _fixed(kind: Any) -> dict[str, Any]:
    return _formed.fixed(kind, "leef")


def _record(text: str) -> Made | None:
    head = HEAD.match(text)
    if head is None:
        return None
    version, vendor, product, release, code, tail = head.groups()
    part, tail = "\t", tail or ""
    named = DELIMITER.match(tail) if version == "2" else None
    if named is not None:
        number = int(named[1], 16) if named[1] else ord(named[2] or "\t")
        part, tail = chr(number), tail[named.end() :]
    row: Record = {}
    for pair in tail.split(part):
        name, mark, value = pair.partition("=")
        if mark and name.strip():
            put(row, name.strip(), value)
        elif pair.strip():
            put(row, "text", pair)
    found, rest = mapped(doubted(row, ADDRESSES), NAMES)
    if "@timestamp" in found:
        found["@timestamp"] = instant(found["@timestamp"])
    if "host.name" in found:
        found["host.hostname"] = found["host.name"]
    known = {"observer.vendor": vendor, "observer.product": product, "observer.version": release, "event.code": code,
        "rule.name": code}
    return found | {column: value for column, value in known.items() if value}, rest
