"""Google Cloud audit logs and Google Workspace's activity reports, one JSON record a line.

https://cloud.google.com/logging/docs/audit/understanding-audit-logs and
https://developers.google.com/workspace/admin/reports/reference/rest/v1/activities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from collectors.formats._deeds import deed
from collectors.formats._document import Event, at, first, parse_records, share, tree
from collectors.formats._document import read as take
from collectors.formats._json import Record, sample
from soc_core.protocols import Context, Parsed

PAYLOAD = {
    "methodName": "event.action", "serviceName": "event.provider", "resourceName": "orchestrator.resource.name",
    "authenticationInfo.principalEmail": "user.email",
    "authenticationInfo.principalSubject": "gcp.audit.authentication_info.principal_subject",
    "authorizationInfo": "gcp.audit.authorization_info", "requestMetadata.callerIp": "source.address",
    "requestMetadata.callerSuppliedUserAgent": "user_agent.original", "status.code": "error.code",
    "status.message": "error.message", "request": "gcp.audit.request", "response": "gcp.audit.response",
    "metadata": "gcp.audit.metadata", "serviceData": "gcp.audit.service_data",
}
ENTRY = {
    "timestamp": "@timestamp", "receiveTimestamp": "@timestamp", "logName": "log.logger", "severity": "log.level",
    "insertId": "gcp.audit.insert_id", "resource.type": "gcp.audit.resource_type",
    "resource.labels.project_id": "cloud.project.id", "resource.labels.location": "cloud.region",
    **{f"protoPayload.{path}": column for path, column in PAYLOAD.items()},
}
AUDIT = tree({f"{prefix}{path}": column for prefix in ("", "data.") for path, column in ENTRY.items()})
WORKSPACES = {"admin.googleapis.com": ("gcp//google_workspace.admin",),
    "login.googleapis.com": ("gcp//google_workspace.login",)}
SETTINGS = {
    "SETTING_NAME": "google_workspace.admin.setting_name", "NEW_VALUE": "google_workspace.admin.new_value",
    "OLD_VALUE": "google_workspace.admin.old_value",
    "APPLICATION_NAME": "google_workspace.admin.application_name", "USER_EMAIL": "user.target.name",
}
WORKSPACE = tree({
    "id.time": "@timestamp", "actor.email": "user.email",
    "actor.profileId": "user.id", "ipAddress": "source.address", "name": "event.action",
    "parameters.SETTING_NAME": "google_workspace.admin.setting_name",
    "parameters.NEW_VALUE": "google_workspace.admin.new_value",
    "parameters.OLD_VALUE": "google_workspace.admin.old_value",
    "parameters.APPLICATION_NAME": "google_workspace.admin.application_name",
    "parameters.USER_EMAIL": "user.target.name", "parameters.doc_title": "file.name",
})


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event; a line that holds something else is a fault."""
    return parse_records(lines, ctx, {}, "", _wrong, _made)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with an audit payload, or of Google Workspace's reports."""
    return 0.97 * share(sample(lines), lines, lambda record: not _wrong(record))


def _reports(record: Record) -> bool:
    return type(at(record, "id", "applicationName")) is str


def _wrong(record: Record) -> str:
    body = record["data"] if type(record.get("data")) is dict else record
    payload = type(body.get("protoPayload")) is dict
    named = "cloudaudit.googleapis.com" in str(body.get("logName", body.get("logname", "")))
    entry = {"insertId", "resource", "severity"} <= body.keys() or {"resource", "logName"} <= body.keys()
    return "" if payload or named or entry or _reports(record) else "no audit record of Google's (protoPayload)"


def _made(event: Event) -> Mapping[str, Any]:
    return _workspace(event) if _reports(event.record) else _audit(event)


def _audit(event: Event) -> Mapping[str, Any]:
    found = event.found
    event.rest.clear()
    if left := take(event.record, AUDIT, found):
        event.rest["gcp"] = {"audit": left}
    service = str(found.get("event.provider"))
    if service in WORKSPACES:
        _told(found, at(event.record.get("data", event.record), "protoPayload", "metadata", "event"), "eventName",
              "parameter")
    category, types = deed(str(found.get("event.action", "")), service)
    granted = [one.get("granted") for one in found.get("gcp.audit.authorization_info") or () if type(one) is dict]
    found["event.category"] = list(category)
    found["event.type"] = [*types, *(["denied"] if False in granted else [])]
    failed = found.get("error.code") not in (None, 0, "0") or False in granted
    found["event.outcome"] = "failure" if failed else "success"
    _named(found)
    return {
        "event.kind": "event", "event.module": "gcp", "event.dataset": "gcp.audit", "service.type": "gcp",
        "cloud.provider": "gcp", "sigma.logsource": ["gcp//gcp.audit", *WORKSPACES.get(service, ())],
    }


def _workspace(event: Event) -> Mapping[str, Any]:
    found = event.found
    event.rest.clear()
    event.rest["google_workspace"] = take(event.record, WORKSPACE, found)
    application = str(at(event.record, "id", "applicationName"))
    _told(found, event.record.get("events"), "name", "parameters")
    category, types = deed(str(found.get("event.action") or ""))
    if application == "login":
        category, types = ("authentication",), ("end",) if found.get("event.action") == "logout" else ("start",)
    found["event.category"], found["event.type"] = list(category), list(types)
    service = f"{application}.googleapis.com"
    found["event.provider"] = service if service in WORKSPACES else application
    if application == "login":
        found["event.outcome"] = "failure" if "failure" in str(found.get("event.action")) else "success"
    _named(found)
    kind = application if application in ("admin", "login", "drive", "token", "groups") else "activity"
    tag = {"admin": ["gcp//google_workspace.admin"], "login": ["gcp//google_workspace.login"]}.get(kind, [])
    fixed: dict[str, Any] = {
        "event.kind": "event", "event.module": "google_workspace", "event.dataset": f"google_workspace.{kind}",
        "service.type": "google_workspace",
    }
    return fixed | ({"sigma.logsource": tag} if tag else {})


def _told(found: Record, events: Any, name: str, parameters: str) -> None:
    """The first event's name, which says more than the method, and the settings among its parameters."""
    event = events[0] if type(events) is list and events and type(events[0]) is dict else {}
    if type(event.get(name)) is str and (name == "eventName" or "event.action" not in found):
        found["event.action"] = event[name]
    held = event.get(parameters)
    for one in held if type(held) is list else ():
        column = SETTINGS.get(str(at(one, "name")).upper())
        value = first(one, "value", "multiValue", "boolValue", "intValue")
        if column and value is not None:
            found.setdefault(column, value)


def _named(found: Record) -> None:
    if "user.email" in found:
        found["user.name"] = found["user.email"]
