"""Cisco Duo's authentication and administrator logs, one JSON record a line, as its Admin API gives them.

https://duo.com/docs/adminapi#logs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from collectors.formats._deeds import deed
from collectors.formats._document import Event, at, parse_records, share, tree
from collectors.formats._json import Record, sample
from soc_core.protocols import Context, Parsed

TABLE = tree({
    "isotimestamp": "@timestamp", "timestamp": "@timestamp", "event_type": "event.action",
    "eventtype": "event.action", "reason": "event.reason",
    "user.name": "user.name", "user.key": "user.id", "email": "user.email",
    "access_device.ip": "source.address", "access_device.hostname": "source.domain",
    "access_device.location.country": "source.geo.country_name", "access_device.location.city": "source.geo.city_name",
    "access_device.browser": "user_agent.name", "access_device.os": "user_agent.os.name",
    "application.name": "service.name", "integration": "service.name", "host": "host.name",
    "username": "user.name", "action": "event.action", "object": "user.target.name", "description": "message",
})
GOOD, BAD = {"success", "allow"}, {"failure", "denied", "fraud", "deny", "error"}
BASE = {"event.kind": "event", "event.module": "cisco", "service.type": "cisco", "observer.vendor": "Cisco",
    "observer.product": "Duo", "sigma.logsource": ["cisco//duo"]}
SIGN_IN = BASE | {"event.dataset": "cisco_duo.auth"}
ADMIN = BASE | {"event.dataset": "cisco_duo.admin"}
LISTS = ("authlogs", "items")


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event, also those of a whole answer of the interface; anything else is a fault."""
    return parse_records(lines, ctx, TABLE, "cisco.duo", _wrong, _made, _unfold)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with the names of Duo's records."""
    return 0.97 * share(sample(lines), lines, lambda record: any(
        type(one) is dict and not _wrong(one) for one in list(_unfold(record))[:3]))


def _unfold(record: Record) -> Iterable[Any]:
    held = record.get("response", record)
    many = next((held[name] for name in LISTS if type(held.get(name)) is list), held) if type(held) is dict else held
    return many if type(many) is list else (record,)


def _signs(record: Record) -> bool:
    kind = record.get("event_type", record.get("eventtype"))
    return type(kind) is str and "result" in record and ("access_device" in record or "txid" in record)


def _wrong(record: Record) -> str:
    admin = record.keys() >= {"action", "username", "timestamp"} and (
        "isotimestamp" in record or "object" in record) and "host" in record
    return "" if _signs(record) or admin else "no record of Duo's (event_type, access_device)"


def _made(event: Event) -> Mapping[str, Any]:
    found = event.found
    result = str(event.record.get("result", "")).lower()
    if result in GOOD or result in BAD:
        found["event.outcome"] = "success" if result in GOOD else "failure"
    if _signs(event.record):
        found["event.category"] = ["authentication"]
        found["event.type"] = ["start", "allowed" if result in GOOD else "denied"] if result else ["start"]
        name = at(event.record, "application", "name")
        found["message"] = f"{found.get('event.action')} {result} {found.get('event.reason', '')} {name or ''}".strip()
        return SIGN_IN
    category, types = deed(str(found.get("event.action", "")))
    found["event.category"] = ["iam"] if category == ("configuration",) else list(category)
    found["event.type"] = list(types)
    return ADMIN
