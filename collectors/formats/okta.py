"""Okta's system log, one JSON record a line.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/SystemLog/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from collectors.formats._deeds import deed
from collectors.formats._document import Event, first, parse_records, share, tree, word
from collectors.formats._json import Record, sample
from soc_core.protocols import Context, Parsed

TABLE = tree({
    "published": "@timestamp", "eventType": "event.action", "displayMessage": "message",
    "legacyEventType": "okta.legacy_event_type", "severity": "log.level", "uuid": "okta.uuid",
    "outcome.result": "okta.outcome.result", "outcome.reason": "event.reason",
    "actor.alternateId": "okta.actor.alternate_id", "actor.displayName": "user.full_name", "actor.id": "user.id",
    "actor.type": "okta.actor.type", "client.ipAddress": "source.address",
    "client.userAgent.rawUserAgent": "user_agent.original", "client.userAgent.browser": "user_agent.name",
    "client.userAgent.os": "user_agent.os.name", "client.device": "user_agent.device.name",
    "client.zone": "okta.client.zone", "client.geographicalContext.country": "source.geo.country_name",
    "client.geographicalContext.city": "source.geo.city_name",
    "securityContext.isProxy": "okta.security_context.is_proxy", "securityContext.asOrg": "source.as.organization.name",
    "securityContext.asNumber": "source.as.number", "securityContext.isp": "okta.security_context.isp",
    "securityContext.domain": "okta.security_context.domain",
    "debugContext.debugData": "okta.debug_context.debug_data", "transaction.id": "okta.transaction.id",
    "transaction.type": "okta.transaction.type", "target": "okta.target",
    "authenticationContext.externalSessionId": "okta.authentication_context.external_session_id",
})
GOOD = {"success", "allow", "challenge", "skipped", "unanswered"}
FIXED = {
    "event.kind": "event", "event.module": "okta", "event.dataset": "okta.system", "service.type": "okta",
    "sigma.logsource": ["okta//okta"],
}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event; a line that holds something else is a fault."""
    return parse_records(lines, ctx, TABLE, "okta", _wrong, _made)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with the names of Okta's records."""
    return 0.97 * share(sample(lines), lines, lambda record: not _wrong(record))


def _wrong(record: Record) -> str:
    kind, actor = first(record, "eventType", "legacyEventType"), first(record, "actor")
    mine = type(kind) is str and ("." in kind or type(actor) is dict) and bool(
        {str(name).lower() for name in record} & {"displaymessage", "published", "outcome", "debugcontext",
            "legacyeventtype", "authenticationcontext", "securitycontext"})
    return "" if mine or (type(actor) is dict and "alternateId" in actor) else "no record of Okta's (eventType, actor)"


def _made(event: Event) -> Mapping[str, Any]:
    found = event.found
    category, types = deed(str(found.get("event.action", "")))
    found["event.category"], found["event.type"] = list(category), list(types)
    if (result := word(found.get("okta.outcome.result"))) and result != "unknown":
        found["event.outcome"] = "success" if result in GOOD else "failure"
    if type(who := found.get("okta.actor.alternate_id")) is str and who.lower() not in ("system@okta.com", "unknown"):
        found["user.name"] = who
    address = first(first(first(event.record, "debugContext"), "debugData"), "requestUri")
    if type(address) is str:
        found["url.original"] = address
    target = found.get("okta.target")
    for one in target if type(target) is list else ():
        if type(one) is dict and one.get("type") == "User" and type(one.get("alternateId")) is str:
            found["user.target.name"] = one["alternateId"]
            break
    return FIXED
