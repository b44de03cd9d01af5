"""Bitbucket Data Center's audit log, one JSON record a line; Confluence's and Jira's records have the same form.

https://confluence.atlassian.com/bitbucketserver/audit-log-events-776640423.html. Who wrote a record is told by the
application in its path or by the words of its categories; a record of another product gets no Sigma log source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from collectors.formats._deeds import deed
from collectors.formats._document import Event, at, first, parse_records, share, tree
from collectors.formats._json import Record, sample
from soc_core.protocols import Context, Parsed

TABLE = tree({
    "timestamp": "@timestamp", "author.name": "user.name",
    "author.id": "user.id", "auditType.action": "event.action",
    "auditType.category": "bitbucket.audit.category", "auditType.actionI18nKey": "event.code",
    "auditType.level": "log.level", "source": "source.address",
    "node": "host.name", "system": "url.original",
})
FIXED = {
    "event.kind": "event", "event.module": "bitbucket", "event.dataset": "bitbucket.audit",
    "service.type": "bitbucket", "sigma.logsource": ["bitbucket//audit"],
}
SISTER = {"event.kind": "event", "event.module": "atlassian", "event.dataset": "atlassian.audit",
    "service.type": "atlassian"}
SISTERS = ("jira.", "confluence.", "bamboo.")


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event; a line that holds something else is a fault."""
    return parse_records(lines, ctx, TABLE, "bitbucket", _wrong, _made)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with the names of Atlassian's audit records."""
    return 0.97 * share(sample(lines), lines, lambda record: not _wrong(record))


def _wrong(record: Record) -> str:
    kind = first(record, "auditType")
    mine = type(kind) is dict and type(kind.get("action")) is str and type(kind.get("category")) is str
    return "" if mine else "no audit record of Bitbucket's (auditType)"


def _made(event: Event) -> Mapping[str, Any]:
    found = event.found
    action, category = str(found.get("event.action", "")), str(found.get("bitbucket.audit.category", ""))
    found["message"] = f"{category}: {action}"
    about, types = deed(action)
    if category == "Authentication":
        about, types = ("authentication",), ("start",)
    elif category in ("Permissions", "Users and groups"):
        about = ("iam",)
    found["event.category"], found["event.type"] = list(about), list(types)
    if "fail" in action.lower() or "unauthorized" in action.lower():
        found["event.outcome"] = "failure"
    stamp = found.get("@timestamp")
    if type(stamp) is dict:
        whole, part = stamp.get("epochSecond"), stamp.get("nano")
        found["@timestamp"] = whole * 1_000_000 + (part // 1000 if type(part) is int else 0) if type(
            whole) is int else None
    sent = found.get("source.address")
    if type(sent) is str and "," in sent:  # as proxies write it: the first is the client
        found["source.address"] = sent.partition(",")[0].strip()
    targets = event.record.get("affectedObjects")
    for one in targets if type(targets) is list else ():
        if at(one, "type") == "USER" and type(one.get("name")) is str:
            found["user.target.name"] = one["name"]
            break
    key = str(found.get("event.code", ""))
    return SISTER if key.startswith(SISTERS) else FIXED
