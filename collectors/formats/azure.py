"""Azure Monitor: activity logs, Entra ID audit logs, sign-ins and risk detections, as JSON lines or {"records": [...]}.

https://learn.microsoft.com/en-us/azure/azure-monitor/platform/activity-log-schema and
https://learn.microsoft.com/en-us/entra/identity/monitoring-health/concept-diagnostic-settings-logs-options.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from collectors.formats._deeds import deed
from collectors.formats._document import Event, Tree, first, parse_records, share, tree, word
from collectors.formats._document import read as take
from collectors.formats._json import Record, sample
from soc_core.protocols import Context, Parsed

COMMON = {
    "time": "@timestamp", "TimeGenerated": "@timestamp", "eventTimestamp": "@timestamp",
    "callerIpAddress": "source.address", "IPAddress": "source.address", "tenantId": "cloud.account.id",
    "correlationId": "azure.correlation_id", "resourceId": "azure.resource.id", "level": "log.level",
    "location": "cloud.region",
}
ACTIVITY = tree(COMMON | {
    "operationName": "azure.activitylogs.operation_name", "OperationNameValue": "azure.activitylogs.operation_name",
    "category": "azure.activitylogs.category", "CategoryValue": "azure.activitylogs.category",
    "ResourceProviderValue": "azure.resource.provider",
    "resultType": "azure.activitylogs.result_type", "resultSignature": "azure.activitylogs.result_signature",
    "ActivityStatusValue": "azure.activitylogs.result_type", "caller": "user.name",
    "resultDescription": "event.reason", "statusCode": "http.response.status_code", "uri": "url.original",
    "identity.claims.name": "user.full_name", "identity.claims.appid": "azure.activitylogs.identity.appid",
    "identity.claims.http://schemas\\.xmlsoap\\.org/ws/2005/05/identity/claims/upn": "user.name",
    "identity.claims.http://schemas\\.xmlsoap\\.org/ws/2005/05/identity/claims/emailaddress": "user.email",
    "properties.userAgentHeader": "user_agent.original",
})
AUDIT = tree(COMMON | {
    "activityDateTime": "@timestamp", "operationName": "azure.auditlogs.operation_name",
    "activityDisplayName": "azure.auditlogs.operation_name",
    "properties.activityDisplayName": "azure.auditlogs.operation_name",
    "properties.operationName": "azure.auditlogs.operation_name", "properties.message": "azure.auditlogs.message",
    "properties.category": "_category", "category": "azure.auditlogs.category",
    "loggedByService": "azure.auditlogs.logged_by_service",
    "properties.loggedByService": "azure.auditlogs.logged_by_service",
    "result": "azure.auditlogs.result", "properties.result": "azure.auditlogs.result",
    "resultReason": "azure.auditlogs.result_reason", "properties.resultReason": "azure.auditlogs.result_reason",
    "resultType": "azure.auditlogs.result", "targetResources": "azure.auditlogs.target_resources",
    "properties.targetResources": "azure.auditlogs.target_resources",
    "additionalDetails": "azure.auditlogs.additional_details",
    "properties.additionalDetails": "azure.auditlogs.additional_details",
    "properties.operationType": "azure.auditlogs.operation_type",
    "initiatedBy.user.userPrincipalName": "user.name", "initiatedBy.user.id": "user.id",
    "initiatedBy.user.ipAddress": "source.address", "initiatedBy.app.displayName": "azure.auditlogs.initiated_by.app",
    "properties.initiatedBy.user.userPrincipalName": "user.name", "properties.initiatedBy.user.id": "user.id",
    "properties.initiatedBy.user.ipAddress": "source.address",
    "properties.initiatedBy.app.displayName": "azure.auditlogs.initiated_by.app", "identity": "user.full_name",
})
SIGN = {
    "resultType": "azure.signinlogs.result_type", "status.errorCode": "azure.signinlogs.result_type",
    "resultDescription": "azure.signinlogs.result_description",
    "status.failureReason": "azure.signinlogs.result_description", "category": "azure.signinlogs.category",
    "operationName": "event.action",
    "authenticationRequirement": "azure.signinlogs.authentication_requirement",
    "conditionalAccessStatus": "azure.signinlogs.conditional_access_status",
    "riskState": "azure.signinlogs.risk_state", "riskLevelDuringSignIn": "azure.signinlogs.risk_level",
    "clientAppUsed": "azure.signinlogs.client_app_used",
    "resourceDisplayName": "azure.signinlogs.resource_display_name",
    "networkLocationDetails": "azure.signinlogs.network_location_details",
    "authenticationProtocol": "azure.signinlogs.authentication_protocol",
    "authenticationDetails": "azure.signinlogs.authentication_details",
    "deviceDetail.deviceId": "device.id", "deviceDetail.trustType": "azure.signinlogs.device_detail.trust_type",
    "deviceDetail.isCompliant": "azure.signinlogs.device_detail.is_compliant",
    "appDisplayName": "azure.signinlogs.app_display_name", "appId": "azure.signinlogs.app_id",
    "userAgent": "user_agent.original", "userPrincipalName": "user.name", "userId": "user.id",
    "userDisplayName": "user.full_name", "ipAddress": "source.address", "createdDateTime": "@timestamp",
    "isInteractive": "azure.signinlogs.is_interactive", "servicePrincipalName": "user.name",
    "servicePrincipalId": "azure.signinlogs.service_principal_id",
}
INNER = {f"properties.{path}": column for path, column in SIGN.items() if column != "event.action"}
SIGNIN = tree(COMMON | SIGN | INNER)
RISK = tree(COMMON | {
    path: column for prefix in ("", "properties.") for path, column in (
        (prefix + "riskEventType", "azure.identity_protection.risk_event_type"),
        (prefix + "riskType", "azure.identity_protection.risk_event_type"),
        (prefix + "riskLevel", "azure.identity_protection.risk_level"),
        (prefix + "riskState", "azure.identity_protection.risk_state"),
        (prefix + "userPrincipalName", "user.name"), (prefix + "userId", "user.id"),
        (prefix + "ipAddress", "source.address"), (prefix + "activityDateTime", "@timestamp"),
    )
})
PIM = tree(COMMON | {  # unifiedRoleManagementAlert of Microsoft Graph; rules say riskEventType for its definition
    "alertDefinitionId": "azure.pim.risk_event_type", "incidentType": "azure.pim.risk_event_type",
    "lastModifiedDateTime": "@timestamp", "createdDateTime": "@timestamp",
    "assigneeUserPrincipalName": "user.name", "assigneeId": "user.id",
    "roleDisplayName": "group.name",
})
TABLES: dict[str, Tree] = {"pim": PIM, "activitylogs": ACTIVITY, "auditlogs": AUDIT, "signinlogs": SIGNIN,
    "identity_protection": RISK}
PIM_KIND = re.compile(r"(?i)((?:[a-z]{3,40}AlertIncident|rolesAssignedOutsidePrivilegedIdentityManagement\w{0,30}))\Z")
TAGS = {"identity_protection": "riskdetection"}
GOOD = {"success", "succeeded", "0", "accept", "accepted", "start", "started", "ok", "created", "true"}
BAD = {"failure", "failed", "fail", "clienterror", "timeout", "cancelled", "false", "denied"}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event, by its kind of log; a line that holds something else is a fault."""
    return parse_records(lines, ctx, {}, "", _wrong, _made, _unfold)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with the names of Azure Monitor's records."""
    return 0.96 * share(sample(lines), lines, lambda record: any(
        type(one) is dict and not _wrong(one) for one in list(_unfold(record))[:3]))


def _unfold(record: Record) -> Iterable[Any]:
    many = record.get("records")
    return many if type(many) is list else (record,)


def _wrong(record: Record) -> str:
    names = {str(name).lower() for name in record}
    where = {"resourceid", "tenantid", "calleripaddress", "correlationid", "resultsignature", "operationversion"}
    audit = {"activitydisplayname", "loggedbyservice"} <= names
    monitor = bool({"operationname", "operationnamevalue"} & names) and bool(where & names)
    monitor = monitor or ("category" in names and bool({"resourceid", "resultsignature"} & names))
    risk = "riskeventtype" in names or bool(_alerted(record))
    sign = {"userprincipalname", "conditionalaccessstatus"} <= names
    taken = {"category", "operationname", "time"} <= names and "properties" in names
    mine = audit or monitor or risk or sign or taken
    return "" if mine else "no record of Azure Monitor's (operationName, resourceId)"


def _alerted(record: Record) -> str:
    """The kind of alert of Privileged Identity Management, without the tenant's number; "" for another record."""
    kind = first(record, "alertDefinitionId", "incidentType", "@odata.type", "riskEventType")
    name = PIM_KIND.search(kind) if type(kind) is str else None
    return name[1] if name else ""


def _kind(record: Record) -> str:
    if _alerted(record):
        return "pim"
    category = word(first(record, "category"))
    properties = first(record, "properties")
    if "riskevent" in category or first(record, "riskEventType") or first(properties, "riskEventType"):
        return "identity_protection"
    if "signin" in category or first(record, "conditionalAccessStatus"):
        return "signinlogs"
    audit = first(record, "activityDisplayName", "loggedByService") or first(properties, "activityDisplayName",
        "loggedByService")
    return "auditlogs" if category == "auditlogs" or audit else "activitylogs"


def _made(event: Event) -> Mapping[str, Any]:
    kind, found = _kind(event.record), event.found
    left = take(event.record, TABLES[kind], found)
    event.rest.clear()
    if left:
        event.rest["azure"] = {kind: left}
    if kind == "activitylogs":
        for name in ("azure.activitylogs.operation_name", "azure.activitylogs.category"):
            if type(value := found.get(name)) is dict:  # as the REST interface gives it
                found[name] = value.get("value")
    if kind == "pim":
        found["azure.pim.risk_event_type"] = found["rule.name"] = _alerted(event.record)
    if kind == "auditlogs":
        _audited(found)
    operation = found.get(f"azure.{kind}.operation_name") or found.get("event.action") or ""
    if type(operation) is str and operation:
        found["event.action"] = operation
    category, types = deed(str(operation))
    if kind == "signinlogs":
        category, types = ("authentication",), ("start",)
    elif kind == "auditlogs" and category == ("configuration",):
        category = ("iam",) if types != ("access",) else category
    found["event.category"], found["event.type"] = list(category), list(types)
    if kind in ("identity_protection", "pim"):
        found["event.category"], found["event.type"] = ["iam", "threat"], ["info"]
    outcome = _outcome(found, kind)
    if outcome:
        found["event.outcome"] = outcome
    if "user.name" in found and "@" in str(found["user.name"]):
        found["user.email"] = found["user.name"]
    resource = found.get("azure.resource.id")
    if type(resource) is str and "azure.resource.provider" not in found and "/providers/" in resource.lower():
        found["azure.resource.provider"] = resource[resource.lower().rindex("/providers/") + 11 :].partition("/")[0]
    return {
        "event.kind": "alert" if kind in ("identity_protection", "pim") else "event", "event.module": "azure",
        "event.dataset": f"azure.{kind}", "service.type": "azure", "cloud.provider": "azure",
        "sigma.logsource": [f"azure//{TAGS.get(kind, kind)}"],
    }


def _audited(found: Record) -> None:
    """The category of the deed rather than of the export, details by name, and an application's consent."""
    if (inner := found.pop("_category", None)) is not None:
        found["azure.auditlogs.category"] = inner
    details = found.get("azure.auditlogs.additional_details")
    if type(details) is list and details and all(type(one) is dict and type(one.get("key")) is str for one in details):
        found["azure.auditlogs.additional_details"] = {one["key"]: one.get("value") for one in details}
    targets = found.get("azure.auditlogs.target_resources")
    for target in targets if type(targets) is list else ():
        changed = first(target, "modifiedProperties")
        for one in changed if type(changed) is list else ():
            if word(first(one, "displayName")) == "consentcontext.isadminconsent":
                found["azure.auditlogs.is_admin_consent"] = str(first(one, "newValue")).strip('"').lower()


def _outcome(found: Record, kind: str) -> str:
    names = {"signinlogs": "result_type", "auditlogs": "result", "activitylogs": "result_type"}
    value = found.get(f"azure.{kind}.{names.get(kind, '')}")
    told = str(value).lower() if value is not None else ""
    if kind == "signinlogs" and told.lstrip("-").isdecimal():
        return "success" if told == "0" else "failure"
    if told in GOOD:
        return "success"
    if told in BAD:
        return "failure"
    code = str(found.get("http.response.status_code", found.get("azure.activitylogs.result_signature", "")))
    if code.isdecimal():
        return "success" if int(code) < 400 else "failure"
    return ""
