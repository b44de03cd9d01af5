"""Records of cloud services, identity providers and code platforms as their own interfaces give them."""

from __future__ import annotations

from typing import Any

import orjson

from detections.sigma.rule import LogSource
from tests.detections.sigma.native.solve import Found

Line = tuple[str, list[str]]
STAMP = "2026-11-23T02:03:04Z"


def put(record: dict[str, Any], path: str, value: Any) -> None:
    """Set a value below a dotted path."""
    *above, last = path.split(".")
    for step in above:
        record = record.setdefault(step, {})
    record[last] = value


def typed(value: str) -> Any:
    """A word as JSON has it."""
    plain = int(value) if value.isdigit() and len(value) < 10 else value
    return {"true": True, "false": False}.get(value.lower(), plain)


def line(name: str, record: Any) -> Line:
    return name, [orjson.dumps(record).decode()]


def cloudtrail(source: LogSource, values: Found, text: str | None) -> Line:
    record: dict[str, Any] = {
        "eventVersion": "1.09", "eventTime": STAMP, "eventSource": "ec2.amazonaws.com", "eventName": "Describe",
        "awsRegion": "cn-north-1", "sourceIPAddress": "192.0.2.7", "userAgent": "aws-cli/2.15", "eventID": "e-1",
        "eventType": "AwsApiCall", "recipientAccountId": "123456789012",
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws-cn:iam::123456789012:user/demo", "userName": "demo"},
    }
    for name, value in sorted(values.items()):
        if name == "status":
            record |= {} if value.lower() == "success" else {"errorCode": "AccessDenied"}
        elif name in ("requestParameters", "responseElements"):
            record[name] = {**(record.get(name) or {}), "policyDocument": value}
        elif name == "requestParameters.containerDefinitions.command":
            put(record, "requestParameters.containerDefinitions", [{"command": [value]}])
        else:
            put(record, name, typed(value) if name.count(".") else value)
    return line("cloudtrail", record)


OPERATION = ("operationName", "OperationName", "ActivityDisplayName", "ActivityType", "activityType",
    "OperationNameValue")
AUDIT = {"Category": "category", "category": "category", "LoggedByService": "loggedByService",
    "failure_status_reason": "resultReason"}


def azure_audit(source: LogSource, values: Found, text: str | None) -> Line:
    target: dict[str, Any] = {"type": "User", "displayName": "demo"}
    inner: dict[str, Any] = {"result": "success", "targetResources": [target], "category": "Other",
        "activityDisplayName": "Update", "activityDateTime": STAMP}
    changed: dict[str, Any] = {"displayName": "Included", "oldValue": "[]", "newValue": "[]"}
    for name, value in values.items():
        if name in OPERATION or (name == "properties.message" and '"' not in value):
            inner["activityDisplayName"] = value
        elif name == "properties.message":
            inner["message"] = value
        elif name in ("Status", "properties.result"):
            inner["result" if value.lower() in ("success", "failure") else "resultReason"] = value
        elif name in ("TargetResources", "Target", "properties.targetResources"):
            target["displayName"] = value
        elif name == "targetResources.type":
            target["type"] = value
        elif name == "TargetResources.modifiedProperties" or name.endswith(".DisplayName"):
            changed["displayName"] = value
        elif name.lower().endswith(".newvalue"):
            changed["newValue"] = value
        elif name == "ConsentContext.IsAdminConsent":
            changed |= {"displayName": name, "newValue": f'"{value.capitalize()}"'}
        elif name == "Initiatedby":
            inner["initiatedBy"] = {"user": {"userPrincipalName": value}}
        elif name == "additionalDetails.additionalInfo":
            inner["additionalDetails"] = [{"key": "additionalInfo", "value": value}]
        else:
            inner[AUDIT[name]] = value
    target["modifiedProperties"] = [changed]
    return line("azure", {"time": STAMP, "category": "AuditLogs", "operationName": inner["activityDisplayName"],
        "resourceId": "/tenants/t1/providers/Microsoft.aadiam", "tenantId": "t1", "properties": inner})


def azure_activity(source: LogSource, values: Found, text: str | None) -> Line:
    record: dict[str, Any] = {"time": STAMP, "category": "Administrative", "operationName": "X/READ",
        "resourceId": "/SUBSCRIPTIONS/S1/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.COMPUTE/VIRTUALMACHINES/V",
        "resultType": "Success", "caller": "demo@city.example", "properties": {}}
    for name, value in values.items():
        if name in OPERATION or name == "properties.message":
            record["operationName"] = value
        elif name == "ResourceId":
            record["resourceId"] = f"/subscriptions/s1/providers/Microsoft.ADHybridHealthService/{value}"
        elif name == "ResourceProviderValue":
            record.setdefault("resourceId", "")
            if value.lower() not in record["resourceId"].lower():
                record["resourceId"] = f"/subscriptions/s1/providers/{value}/services/s"
        else:
            record["category"] = value
    if text:
        record["properties"]["entity"] = text
    return line("azure", record)


SIGN_IN = {
    "ResultType": "status.errorCode", "ResultDescription": "status.failureReason", "AuthenticationRequirement":
    "authenticationRequirement", "Resultdescription": "status.failureReason", "RiskState": "riskState",
    "DeviceDetail.trusttype": "deviceDetail.trustType", "DeviceDetail.isCompliant": "deviceDetail.isCompliant",
    "DeviceDetail.deviceId": "deviceDetail.deviceId", "ClientApp": "clientAppUsed", "Username": "userPrincipalName",
    "ResourceDisplayName": "resourceDisplayName", "NetworkLocationDetails": "networkLocationDetails",
    "conditionalAccessStatus": "conditionalAccessStatus", "properties.message": "authenticationProtocol",
    "userAgent": "userAgent",
}


def azure_signin(source: LogSource, values: Found, text: str | None) -> Line:
    inner: dict[str, Any] = {"userPrincipalName": "demo@city.example", "ipAddress": "192.0.2.7"}
    record = {"time": STAMP, "category": "SignInLogs", "operationName":
        "Sign-in activity", "tenantId": "t1", "properties": inner}
    for name, value in values.items():
        if name == "Status" and value.lower() in ("success", "failure"):
            put(inner, "status.errorCode", 0 if value.lower() == "success" else 50126)
        elif name == "Status":
            inner["authenticationDetails"] = value
        elif name != "ActivityDetails":
            put(inner, SIGN_IN[name], typed(value))
    inner.setdefault("conditionalAccessStatus", "notApplied")
    return line("azure", record)


def azure_risk(source: LogSource, values: Found, text: str | None) -> Line:
    return line("azure", {"time": STAMP, "category": "UserRiskEvents", "operationName": "User Risk Detection",
        "resourceId": "/tenants/t1", "properties": {"riskEventType": values["riskEventType"], "riskLevel": "high",
        "userPrincipalName": "demo@city.example"}})


def azure_pim(source: LogSource, values: Found, text: str | None) -> Line:
    kind = values["riskEventType"]
    if kind.endswith("AlertIncident"):
        return line("azure", {"@odata.type": f"#microsoft.graph.{kind}", "id": "i-1", "lastModifiedDateTime": STAMP})
    return line("azure", {"alertDefinitionId": f"DirectoryRole_t1_{kind}", "id": "a-1", "lastModifiedDateTime": STAMP})


M365 = {"eventName": "Operation", "eventSource": "Workload", "RequestType": "RequestType"}


def m365(source: LogSource, values: Found, text: str | None) -> Line:
    record: dict[str, Any] = {"CreationTime": STAMP, "Id": "r-1", "RecordType": 40, "UserKey": "k", "UserId":
        "demo@city.example", "Operation": "Set", "Workload": "Exchange", "OrganizationId": "o-1"}
    alert = values.get("eventSource") == "SecurityComplianceCenter"
    for name, value in values.items():
        if name == "RequestType":
            record["ExtendedProperties"] = [{"Name": "requestType", "Value": value}]
        elif name == "status":
            record |= {} if alert else {"ResultStatus": "True" if value.lower() == "success" else "False"}
        elif name == "Parameters":
            record[name] = [{"Name": "Name", "Value": value}]
        elif name == "OperationProperties":
            record[name] = [{"Name": "RuleActions", "Value": value}]
        elif name == "eventName" and alert:
            record |= {"Operation": "AlertTriggered", "Name": value, "Status": "Active"}
        elif name == "Payload":
            record |= {"Operation": "AlertEntityGenerated", "Payload": value}
        else:
            record[M365.get(name, name)] = value
    return line("m365", record)


def gcp(source: LogSource, values: Found, text: str | None) -> Line:
    record: dict[str, Any] = {"insertId": "i", "timestamp": STAMP, "severity": "NOTICE",
        "logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity", "resource": {"type": "project"},
        "protoPayload": {"@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName":
            "compute.googleapis.com", "methodName": "m", "authenticationInfo": {"principalEmail": "demo@city.example"}}}
    payload = record["protoPayload"]
    for name, value in values.items():
        last = name.rpartition(".")[2]
        if last in ("method_name", "methodName"):
            payload["methodName"] = value
        elif last in ("serviceName", "Servicename", "eventService"):
            payload["serviceName"] = value
        elif last == "logName":
            record["logName"] = value
        elif name.endswith("resource.type"):
            record["resource"]["type"] = value
        elif "authorizationInfo" in name:
            payload.setdefault("authorizationInfo", [{}])[0][last] = typed(value)
        else:
            event = payload.setdefault("metadata", {"event": [{"parameter": []}]})["event"][0]
            if last == "eventName":
                event["eventName"] = value
            else:
                event["parameter"].append({"name": last.upper(), "value": value, "type": "TYPE_STRING"})
    if text:
        payload["request"] = {"metadata": {"annotations": text}}
    return line("gcp", record)


def okta(source: LogSource, values: Found, text: str | None) -> Line:
    record: dict[str, Any] = {"uuid": "u-1", "published": STAMP, "eventType": "user.session.start", "version": "0",
        "severity": "INFO", "displayMessage": "User login to Okta", "actor": {"id": "a", "type": "User", "alternateId":
        "demo@city.example"}, "client": {"ipAddress": "192.0.2.7"}, "outcome": {"result": "SUCCESS"}, "target": None}
    if "actor.alternateId" in values.absent:
        del record["actor"]["alternateId"]
    for name, value in values.items():
        if name == "target.displayName":
            record["target"] = [{"id": "t", "type": "AppInstance", "displayName": value}]
        elif name == "securityContext.isProxy":
            put(record, name, typed(value))
        else:
            put(record, name, value)
    return line("okta", record)


def github(source: LogSource, values: Found, text: str | None) -> Line:
    return line("github", {"@timestamp": 1795399384000, "action": values["action"], "actor": "demo", "org": "city",
        "created_at": 1795399384000, "_document_id": "d-1"})


def bitbucket(source: LogSource, values: Found, text: str | None) -> Line:
    return line("bitbucket", {"affectedObjects": [], "author": {"id": "2", "name": "demo", "type": "NORMAL"},
        "auditType": {"action": values["auditType.action"], "category": values["auditType.category"], "level": "BASE"},
        "source": "192.0.2.7", "timestamp": {"epochSecond": 1795399384, "nano": 0}, "version": "1.0"})


def onelogin(source: LogSource, values: Found, text: str | None) -> Line:
    return line("onelogin", {"uuid": "u-1", "event_timestamp": "2026-11-23 02:03:04 UTC", "account_id": 1,
        "event_type_id": int(values["event_type_id"]), "user_name": "demo", "ipaddr": "192.0.2.7"})


def duo(source: LogSource, values: Found, text: str | None) -> Line:
    return line("duo", {"access_device": {"ip": "192.0.2.7"}, "event_type": values["event_type"], "isotimestamp":
        "2026-11-23T02:03:04+00:00", "reason": values["reason"], "result": "success", "txid": "t",
        "user": {"name": "demo"}})


def kubernetes(source: LogSource, values: Found, text: str | None) -> Line:
    record: dict[str, Any] = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse",
        "auditID": "a-1", "stage": "ResponseComplete", "requestURI": "/api/v1/x", "verb": "get",
        "user": {"username": "demo"}, "sourceIPs": ["192.0.2.7"], "requestReceivedTimestamp": "2026-11-23T02:03:04.1Z",
        "objectRef": {"apiVersion": "v1"}}
    for name, value in values.items():
        if name == "responseStatus.code" and not value.isdigit():
            record["annotations"] = {"authorization.k8s.io/decision": value.lower()}
        elif name == "hostPath":
            put(record, "requestObject.spec.volumes", [{"name": "root", "hostPath": {"path": "/" + value}}])
        elif name == "capabilities":
            put(record, "requestObject.spec.containers", [{"name": "c", "securityContext": {
                "capabilities": {"add": ["SYS_ADMIN"]}}}])
        else:
            put(record, "objectRef.apiGroup" if name == "apiGroup" else name, typed(value))
    return line("kubernetes_audit", record)


RENDERERS = (
    (LogSource("aws", "", "cloudtrail"), cloudtrail), (LogSource("azure", "", "auditlogs"), azure_audit),
    (LogSource("azure", "", "activitylogs"), azure_activity), (LogSource("azure", "", "signinlogs"), azure_signin),
    (LogSource("azure", "", "riskdetection"), azure_risk), (LogSource("azure", "", "pim"), azure_pim),
    (LogSource("m365"), m365), (LogSource("gcp"), gcp), (LogSource("okta"), okta), (LogSource("github"), github),
    (LogSource("bitbucket"), bitbucket), (LogSource("onelogin"), onelogin), (LogSource("cisco", "", "duo"), duo),
    (LogSource("kubernetes"), kubernetes),
)
