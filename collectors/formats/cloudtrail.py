"""AWS CloudTrail: one event a line, or a delivered file's {"Records": [...]} with many.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html. Request
and response are kept as JSON text, to be searched whole or by path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from collectors.formats._deeds import deed
from collectors.formats._document import Event, at, parse_records, share, tree, word
from collectors.formats._json import Record, sample
from soc_core.protocols import Context, Parsed

TABLE = tree({
    "eventTime": "@timestamp", "eventName": "event.action", "eventSource": "event.provider",
    "sourceIPAddress": "source.address", "userAgent": "user_agent.original", "errorCode": "error.code",
    "errorMessage": "error.message", "awsRegion": "cloud.region", "recipientAccountId": "cloud.account.id",
    "eventType": "aws.cloudtrail.event_type", "eventID": "aws.cloudtrail.event_id",
    "eventCategory": "aws.cloudtrail.event_category", "requestID": "aws.cloudtrail.request_id",
    "readOnly": "aws.cloudtrail.read_only", "userIdentity.type": "aws.cloudtrail.user_identity.type",
    "userIdentity.arn": "aws.cloudtrail.user_identity.arn", "userIdentity.userName": "user.name",
    "userIdentity.principalId": "user.id", "userIdentity.accountId": "aws.cloudtrail.user_identity.account_id",
    "userIdentity.accessKeyId": "aws.cloudtrail.user_identity.access_key_id",
    "userIdentity.invokedBy": "aws.cloudtrail.user_identity.invoked_by",
    "userIdentity.sessionContext.sessionIssuer.type":
        "aws.cloudtrail.user_identity.session_context.session_issuer.type",
    "userIdentity.sessionContext.sessionIssuer.userName": "user.name",
    "userIdentity.sessionContext.sessionIssuer.arn": "aws.cloudtrail.user_identity.session_context.session_issuer.arn",
    "userIdentity.sessionContext.attributes.mfaAuthenticated":
        "aws.cloudtrail.user_identity.session_context.mfa_authenticated",
    "requestParameters": "aws.cloudtrail.request_parameters", "responseElements": "aws.cloudtrail.response_elements",
    "additionalEventData": "aws.cloudtrail.additional_eventdata",
    "serviceEventDetails": "aws.cloudtrail.service_event_details", "tlsDetails.tlsVersion": "tls.version",
    "tlsDetails.cipherSuite": "tls.cipher",
})
FIXED = {
    "event.kind": "event", "event.module": "aws", "event.dataset": "aws.cloudtrail", "service.type": "aws",
    "cloud.provider": "aws", "sigma.logsource": ["aws//cloudtrail"],
}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each event of each line is one event; a line that holds something else is a fault."""
    return parse_records(lines, ctx, TABLE, "aws.cloudtrail", _wrong, _made, _unfold)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with CloudTrail's names, alone or in a delivered file's list."""
    return 0.97 * share(sample(lines), lines, lambda record: any(
        type(one) is dict and _sure(one) for one in list(_unfold(record))[:3]))


def _unfold(record: Record) -> Iterable[Any]:
    many = record.get("Records")
    return many if type(many) is list else (record,)


def _sure(record: Record) -> bool:
    names = {str(name).lower() for name in record}
    named = {"eventsource", "eventname"} <= names and "acsregion" not in names
    return named and bool({"awsregion", "eventversion", "useridentity", "eventtype"} & names)


def _wrong(record: Record) -> str:
    known = {"eventname", "eventsource", "eventtype", "useridentity"} & {str(name).lower() for name in record}
    return "" if known else "no CloudTrail event (eventName, eventSource)"


def _made(event: Event) -> Mapping[str, Any]:
    found = event.found
    action, identity = str(found.get("event.action", "")), at(event.record, "userIdentity")
    category, kind = deed(action, str(found.get("event.provider", "")))
    found["event.category"], found["event.type"] = list(category), list(kind)
    found["event.outcome"] = _outcome(event.record)
    if "user.name" not in found and (name := _name(identity)):
        found["user.name"] = name
    target = at(event.record, "requestParameters", "userName")
    if type(target) is str:
        found["user.target.name"] = target
    if type(version := found.get("tls.version")) is str:
        found["tls.version"] = version.removeprefix("TLSv")
    return FIXED


def _outcome(record: Record) -> str:
    login = word(at(record, "responseElements", "ConsoleLogin"))
    if record.get("errorCode") or record.get("errorMessage") or login == "failure":
        return "failure"
    return "success"


def _name(identity: Any) -> str:
    """Who acted, where the record has no user name: the session's name at the end of the ARN, or root."""
    if word(at(identity, "type")) == "root":
        return "root"
    arn = at(identity, "arn")
    return arn.rpartition("/")[2] if type(arn) is str and "/" in arn else ""
