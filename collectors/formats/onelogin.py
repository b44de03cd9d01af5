"""OneLogin's events, one JSON record a line, as its webhooks and its events interface give them.

https://developers.onelogin.com/api-docs/1/events/event-resource (event types by number).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from collectors.formats._document import Event, parse_records, share, tree
from collectors.formats._json import Record, sample
from soc_core.protocols import Context, Parsed

TABLE = tree({
    "event_timestamp": "@timestamp", "created_at": "@timestamp", "event_type_id": "event.code",
    "account_id": "cloud.account.id", "ipaddr": "source.address", "ip": "source.address",
    "user_name": "user.name", "user_id": "user.id", "actor_user_name": "user.name", "actor_user_id": "user.id",
    "user_agent": "user_agent.original", "app_name": "service.name",
    "role_name": "group.name", "group_name": "group.name", "notes": "message",
    "error_description": "error.message", "custom_message": "message",
})
# number → (action, category, types, outcome); the many others are told by their number alone
KINDS: dict[int, tuple[str, str, tuple[str, ...], str]] = {
    3: ("assumed-user", "iam", ("user", "change"), "success"),
    5: ("logged-in", "authentication", ("start",), "success"),
    6: ("login-failed", "authentication", ("start",), "failure"),
    7: ("logged-out", "authentication", ("end",), ""), 8: ("app-login", "authentication", ("start",), "success"),
    9: ("app-login-failed", "authentication", ("start",), "failure"),
    11: ("password-changed", "iam", ("user", "change"), "success"),
    13: ("user-created", "iam", ("user", "creation"), ""),
    17: ("user-deleted", "iam", ("user", "deletion"), ""), 19: ("user-locked", "iam", ("user", "change"), ""),
    21: ("user-suspended", "iam", ("user", "change"), ""), 149: ("otp-removed", "iam", ("user", "change"), ""),
    532: ("user-locked-by-interface", "iam", ("user", "change"), ""),
    551: ("user-locked-by-interface", "iam", ("user", "change"), ""),
    553: ("user-locked-by-interface", "iam", ("user", "change"), ""),
}
FIXED = {
    "event.kind": "event", "event.module": "onelogin", "event.dataset": "onelogin.events",
    "service.type": "onelogin", "sigma.logsource": ["onelogin//onelogin.events"],
}
OWN = {"account_id", "ipaddr", "actor_user_id", "event_timestamp", "created_at", "user_id", "uuid", "app_id"}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event, also those below `data`; a line that holds something else is a fault."""
    return parse_records(lines, ctx, TABLE, "onelogin", _wrong, _made, _unfold)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with the names of OneLogin's events."""
    return 0.97 * share(sample(lines), lines, lambda record: any(
        type(one) is dict and not _wrong(one) for one in list(_unfold(record))[:3]))


def _unfold(record: Record) -> Iterable[Any]:
    many = record.get("data")
    return many if type(many) is list and "event_type_id" not in record else (record,)


def _wrong(record: Record) -> str:
    code = record.get("event_type_id")
    mine = type(code) in (int, str) and str(code).isdecimal() and bool(OWN & record.keys())
    return "" if mine else "no event of OneLogin's (event_type_id)"


def _made(event: Event) -> Mapping[str, Any]:
    found = event.found
    found["event.code"] = str(found["event.code"]).lstrip("0") or "0"
    stamp = found.get("@timestamp")
    if type(stamp) is str and stamp.endswith(" UTC"):
        found["@timestamp"] = stamp[:-4]
    known = KINDS.get(int(found["event.code"])) if len(found["event.code"]) < 6 else None
    action, category, types, outcome = known or ("", "iam", ("info",), "")
    found["event.category"], found["event.type"] = [category], list(types)
    if action:
        found["event.action"] = action
    if outcome:
        found["event.outcome"] = outcome
    actor, user = event.record.get("actor_user_name"), event.record.get("user_name")
    if type(actor) is str and actor:
        found["user.name"] = actor
        if type(user) is str and user != actor:
            found["user.target.name"] = user
    return FIXED
