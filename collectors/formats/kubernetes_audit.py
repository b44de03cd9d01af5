"""Kubernetes audit events (audit.k8s.io): who asked the API server for what, one JSON event a line, or lists.

https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/. Request and response objects are kept as JSON
text, to be searched whole or by path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from collectors.formats._document import Event, at, parse_records, share, tree
from collectors.formats._json import Record, records, sample
from soc_core.protocols import Context, Parsed

OBJECT = "kubernetes.audit.object_ref"
TABLE = tree({
    "requestReceivedTimestamp": "@timestamp", "stageTimestamp": "kubernetes.audit.stage_timestamp",
    "verb": "event.action", "requestURI": "url.original", "userAgent": "user_agent.original",
    "user.username": "user.name", "user.uid": "user.id", "user.groups": "kubernetes.audit.user.groups",
    "user.extra": "kubernetes.audit.user.extra", "impersonatedUser.username": "user.effective.name",
    "objectRef.resource": "orchestrator.resource.type", "objectRef.name": "orchestrator.resource.name",
    "objectRef.namespace": "orchestrator.namespace", "objectRef.apiVersion": "orchestrator.api_version",
    "objectRef.subresource": OBJECT + ".subresource", "objectRef.apiGroup": OBJECT + ".api_group",
    "responseStatus.code": "http.response.status_code", "responseStatus.reason": "event.reason",
    "responseStatus.message": "error.message", "responseStatus.status": "kubernetes.audit.response_status",
    "annotations.authorization\\.k8s\\.io/decision": "kubernetes.audit.decision",
    "annotations.authorization\\.k8s\\.io/reason": "kubernetes.audit.reason", "level": "kubernetes.audit.level",
    "stage": "kubernetes.audit.stage", "auditID": "kubernetes.audit.id",
    "requestObject": "kubernetes.audit.request_object", "responseObject": "kubernetes.audit.response_object",
})
KINDS = {
    "create": "creation", "delete": "deletion", "deletecollection": "deletion", "update": "change", "patch": "change",
    "get": "access", "list": "access", "watch": "access", "proxy": "access",
}
PEOPLE = {"roles", "clusterroles", "rolebindings", "clusterrolebindings", "serviceaccounts", "users", "groups"}
FIXED = {
    "event.kind": "event", "event.module": "kubernetes", "event.dataset": "kubernetes.audit_logs",
    "service.type": "kubernetes", "orchestrator.type": "kubernetes",
    "sigma.logsource": ["kubernetes//audit", "kubernetes/application/audit"],
}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each audit event is one event; a line that holds something else is a fault."""
    return parse_records(lines, ctx, TABLE, "kubernetes.audit", _wrong, _made, _unfold)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines that are audit events or lists of them."""
    return 0.98 * share(sample(lines), lines, lambda record: any(
        type(one) is dict and not _wrong(one) for one in list(_unfold(record))[:3]))


def _unfold(record: Record) -> Iterable[Any]:
    items = record.get("items")
    if record.get("kind") == "EventList" and type(items) is list:
        return items
    if str(record.get("category", "")).startswith("kube-audit"):  # as Azure delivers it
        inner, _ = records([str(at(record, "properties", "log")).encode()])
        return inner if inner[0] else (record,)
    return (record,)


def _wrong(record: Record) -> str:
    audit = str(record.get("apiVersion", "")).startswith("audit.k8s.io") or "auditID" in record
    mine = audit or ("objectRef" in record and "verb" in record) or (
        record.get("kind") == "Event" and ("verb" in record or "objectRef" in record or "requestURI" in record))
    return "" if mine else "no Kubernetes audit event (auditID, verb, objectRef)"


def _made(event: Event) -> Mapping[str, Any]:
    found = event.found
    addresses = [one for one in event.rest.pop("sourceIPs", None) or () if type(one) is str]
    if addresses:
        found["source.address"] = addresses[0]
        if len(addresses) > 1:
            found["network.forwarded_ip"] = addresses[-1]
            event.rest["sourceIPs"] = addresses
    for name in ("kind", "apiVersion"):
        event.rest.pop(name, None)
    status, decision = found.get("http.response.status_code"), found.get("kubernetes.audit.decision")
    denied = decision == "forbid" or (type(status) is int and status in (401, 403))
    kind = KINDS.get(str(found.get("event.action")), "info")
    people = found.get("orchestrator.resource.type") in PEOPLE
    found["event.category"] = ["iam", "configuration"] if people else ["configuration"]
    if at(event.record, "objectRef", "subresource") in ("exec", "attach"):
        found["event.category"], kind = ["process", "configuration"], "start"
    found["event.type"] = [kind, "denied" if denied else "allowed"] if decision or denied else [kind]
    if type(status) is int:
        found["event.outcome"] = "failure" if status >= 400 else "success"
    return FIXED
