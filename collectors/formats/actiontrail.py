"""Alibaba Cloud ActionTrail: operations on cloud resources, one JSON event a line, or a list of events.

https://www.alibabacloud.com/help/en/actiontrail/user-guide/actiontrail-event-reference. What was asked and answered is
kept as JSON text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from collectors.formats._deeds import deed
from collectors.formats._document import Event, at, parse_records, share, tree, word
from collectors.formats._json import Record, sample
from soc_core.protocols import Context, Parsed

TABLE = tree({
    "eventTime": "@timestamp", "eventName": "event.action", "serviceName": "event.provider",
    "eventSource": "server.address", "sourceIpAddress": "source.address", "userAgent": "user_agent.original",
    "errorCode": "error.code", "errorMessage": "error.message", "acsRegion": "cloud.region",
    "eventRegion": "cloud.region", "recipientAccountId": "cloud.account.id", "eventId": "aliyun.actiontrail.event_id",
    "requestId": "aliyun.actiontrail.request_id", "eventType": "aliyun.actiontrail.event_type",
    "eventRW": "aliyun.actiontrail.event_rw", "apiVersion": "aliyun.actiontrail.api_version",
    "resourceType": "aliyun.actiontrail.resource_type", "resourceName": "aliyun.actiontrail.resource_name",
    "userIdentity.userName": "user.name", "userIdentity.principalId": "user.id",
    "userIdentity.type": "aliyun.actiontrail.user_identity.type",
    "userIdentity.accountId": "aliyun.actiontrail.user_identity.account_id",
    "userIdentity.accessKeyId": "aliyun.actiontrail.user_identity.access_key_id",
    "userIdentity.sessionContext.attributes.mfaAuthenticated": "aliyun.actiontrail.user_identity.mfa_authenticated",
    "requestParameters": "aliyun.actiontrail.request_parameters",
    "responseElements": "aliyun.actiontrail.response_elements",
    "additionalEventData": "aliyun.actiontrail.additional_eventdata",
})
FIXED = {
    "event.kind": "event", "event.module": "aliyun", "event.dataset": "aliyun.actiontrail", "service.type": "aliyun",
    "cloud.provider": "alibaba", "sigma.logsource": ["aliyun//actiontrail"],
}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each event is one event; a line that holds something else is a fault."""
    return parse_records(lines, ctx, TABLE, "aliyun.actiontrail", _wrong, _made, _unfold)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with ActionTrail's own names."""
    return 0.98 * share(sample(lines), lines, lambda record: any(
        type(one) is dict and not _wrong(one) for one in list(_unfold(record))[:3]))


def _unfold(record: Record) -> Iterable[Any]:
    many = record.get("events")
    if type(many) is list:
        return many
    inner = record.get("event")  # as Log Service delivers it
    return (inner,) if type(inner) is dict and "acsRegion" in inner else (record,)


def _wrong(record: Record) -> str:
    mine = "eventName" in record and ("acsRegion" in record or "eventRW" in record)
    return "" if mine else "no ActionTrail event (eventName, acsRegion)"


def _made(event: Event) -> Mapping[str, Any]:
    found = event.found
    category, kind = deed(str(found.get("event.action", "")), str(found.get("event.provider", "")))
    found["event.category"], found["event.type"] = list(category), list(kind)
    found["event.outcome"] = "failure" if event.record.get("errorCode") else "success"
    if "user.name" not in found and word(at(event.record, "userIdentity", "type")) == "root-account":
        found["user.name"] = "root"
    return FIXED
