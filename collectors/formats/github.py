"""GitHub's audit log, one JSON record a line.

https://docs.github.com/en/enterprise-cloud@latest/admin/monitoring-activity-in-your-enterprise/reviewing-audit-logs-for-your-enterprise/audit-log-events-for-your-enterprise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from collectors.formats._deeds import deed
from collectors.formats._document import Event, parse_records, share, tree
from collectors.formats._json import Record, sample
from soc_core.protocols import Context, Parsed

TABLE = tree({
    "@timestamp": "@timestamp", "created_at": "@timestamp", "action": "event.action", "actor": "user.name",
    "actor_id": "user.id", "actor_ip": "source.address", "user_agent": "user_agent.original",
    "user": "user.target.name", "org": "github.org", "business": "github.business", "repo": "github.repo",
    "repository": "github.repo", "team": "group.name", "data\\.team": "group.name", "data.team": "group.name",
    "actor_location.country_code": "source.geo.country_iso_code", "operation_type": "github.operation_type",
    "_document_id": "github.document_id", "visibility": "github.visibility", "hashed_token": "github.hashed_token",
    "token_id": "github.token_id", "programmatic_access_type": "github.programmatic_access_type",
})
FIXED = {
    "event.kind": "event", "event.module": "github", "event.dataset": "github.audit", "service.type": "github",
    "sigma.logsource": ["github//audit"],
}
OWN = {"org", "org_id", "repo", "repository", "business", "business_id", "actor_location", "public_repo",
    "_document_id"}


def parse(lines: Sequence[bytes], ctx: Context) -> Parsed:
    """Each record is one event; a line that holds something else is a fault."""
    return parse_records(lines, ctx, TABLE, "github", _wrong, _made)


def sniff(lines: Sequence[bytes]) -> float:
    """Share of lines with the names of GitHub's audit records."""
    return 0.96 * share(sample(lines), lines, lambda record: not _wrong(record) and bool(OWN & record.keys()))


def _wrong(record: Record) -> str:
    action, actor = record.get("action"), record.get("actor")
    mine = type(action) is str and (type(actor) is str or (actor is None and "created_at" in record))
    return "" if mine else "no audit record of GitHub's (action, actor)"


def _made(event: Event) -> Mapping[str, Any]:
    found = event.found
    action = str(found["event.action"])
    category, types = deed(action)
    if action.startswith(("org.", "team.", "business.", "members", "personal_access_token.", "oauth")):
        category = ("iam",)
    found["event.category"], found["event.type"] = list(category), list(types)
    found["event.outcome"] = "failure" if "fail" in action else "success"
    return FIXED
