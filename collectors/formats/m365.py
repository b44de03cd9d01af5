"""Microsoft 365's unified audit log (Office 365 Management Activity API), one JSON record a line or in lists.

https://learn.microsoft.com/en-us/office/office-365-management-api/office-365-management-activity-api-schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from collectors.formats._deeds import deed
from collectors.formats._document import Event, parse_records, share, tree, word
from collectors.formats._json import Record, sample
from soc_core.protocols import Context, Parsed

TABLE = tree({
    "CreationTime": "@timestamp", "Operation": "event.action", "Workload": "event.provider", "UserId": "user.name",
    "UserKey": "user.id", "ClientIP": "source.address", "ClientIPAddress": "source.address",
    "ActorIpAddress": "source.address", "UserAgent": "user_agent.original", "ResultStatus": "o365.audit.result_status",
    "ObjectId": "o365.audit.object_id", "ApplicationId": "o365.audit.application_id",
    "AppId": "o365.audit.application_id", "Parameters": "o365.audit.parameters",
    "OperationProperties": "o365.audit.operation_properties", "DeliveryAction": "o365.audit.delivery_action",
    "Payload": "o365.audit.payload", "ExtendedProperties": "o365.audit.extended_properties",
    "Directionality": "email.direction", "RecordType": "event.code", "Id": "o365.audit.id",
    "OrganizationId": "o365.audit.organization_id", "UserType": "o365.audit.user_type",
    "LogonError": "event.reason", "SiteUrl": "url.full", "SourceFileName": "file.name",
    "SourceFileExtension": "file.extension", "TargetUserOrGroupName": "user.target.name", "Subject": "email.subject",
    "P1Sender": "email.from.address", "P2Sender": "email.from.address", "Recipients": "email.to.address",
    "eventName": "event.action", "eventSource": "event.provider", "status": "o365.audit.result_status",
})
FIXED = {
    "event.module": "o365", "event.dataset": "o365.audit", "service.type": "o365", "cloud.provider": "azure",
}
TAGS = ["m365//audit", "m365//exchange", "m365//threat_management", "m365//threat_detection"]
ADDRESS = re.compile(r"^\[?([0-9a-fA-F.:]+?)\]?(?::(\d{1,5}))?$")
FILES = {"SharePoint", "OneDrive"}
GOOD = {"success", "succeeded", "true", "partiallysucceeded"}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event; a line that holds something else is a fault."""
    return parse_records(lines, ctx, TABLE, "o365.audit", _wrong, _made)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with the names of the unified audit log."""
    return 0.97 * share(sample(lines), lines, lambda record: not _wrong(record))


def _wrong(record: Record) -> str:
    mine = "Operation" in record and {"Workload", "RecordType", "UserKey", "OrganizationId"} & record.keys()
    return "" if mine else "no record of Microsoft 365's (Operation, Workload)"


def _made(event: Event) -> Mapping[str, Any]:
    found, record = event.found, event.record
    action = str(found.get("event.action", ""))
    category, types = deed(action)
    if found.get("event.provider") in FILES and category == ("configuration",):
        category = ("file",)
    found["event.category"], found["event.type"] = list(category), list(types)
    told = word(found.get("o365.audit.result_status"))
    if action == "UserLoginFailed" or told in ("failed", "failure", "false") or "LogonError" in record:
        found["event.outcome"] = "failure"
    elif told:
        found["event.outcome"] = "success" if told in GOOD else "unknown"
    match = ADDRESS.match(str(found.get("source.address", "")))
    if match and match[2] and ("." in match[1] or "[" in match[0]):
        found["source.address"], found["source.port"] = match[1], int(match[2])
    properties = record.get("ExtendedProperties")
    if type(properties) is list:  # names and values as an object too, so that a path leads to them
        named = {one["Name"]: one.get("Value") for one in properties
                 if type(one) is dict and type(one.get("Name")) is str}
        found["o365.audit.extended_properties"] = named or properties
        if type(named.get("UserAgent")) is str:
            found.setdefault("user_agent.original", named["UserAgent"])
    if type(name := found.get("user.name")) is str and "@" in name:
        found["user.email"] = name
    alert = str(record.get("Workload", "")) == "SecurityComplianceCenter" or "Alert" in action
    if alert and type(record.get("Name")) is str:  # the alert's name says what happened, its operation only that it did
        found["event.action"] = record["Name"]
        found["event.outcome"] = "success"  # what `Status` says is how far its handling is
    return {**FIXED, "event.kind": "alert" if alert else "event", "sigma.logsource": TAGS}
