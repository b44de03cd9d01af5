"""Cloud and service audit logs: what rules read is where they read it, and public samples without a loss."""

from __future__ import annotations

import json
import random
from collections import defaultdict

import orjson
import pytest

from collectors import parse
from collectors.formats import azure, cloudtrail
from collectors.formats._deeds import deed
from soc_core import registry
from soc_core.schema import SCHEMA
from tests.collectors.formats.fixtures import CONTEXT, rows
from tests.corpora import corpus, read

FORMATS = {
    "AWS.CloudTrail": "cloudtrail", "Azure.MonitorActivity": "azure", "Azure.Audit": "azure", "GCP.AuditLog": "gcp",
    "Amazon.EKS.Audit": "kubernetes_audit", "GSuite.ActivityEvent": "gcp", "Okta.SystemLog": "okta",
    "GitHub.Audit": "github", "Microsoft365.Audit.SharePoint": "m365",
    "Microsoft365.Audit.AzureActiveDirectory": "m365",
}


@pytest.mark.parametrize(("action", "provider", "category", "kind"), [
    ("CreateUser", "iam.amazonaws.com", "iam", "creation"), ("DeleteTrail", "", "configuration", "deletion"),
    ("DescribeInstances", "", "configuration", "access"), ("ConsoleLogin", "", "authentication", "start"),
    ("user.session.end", "", "authentication", "end"), ("policy.lifecycle.update", "", "iam", "change"),
    ("MICROSOFT.COMPUTE/VIRTUALMACHINES/DELETE", "", "configuration", "deletion"),
    ("v1.compute.firewalls.insert", "", "configuration", "creation"), ("", "", "configuration", "info"),
    ("DeleteSecurityGroup", "", "configuration", "deletion"), ("repo.destroy", "", "configuration", "deletion"),
])
def test_the_verb_in_a_name_gives_category_and_type(action: str, provider: str, category: str, kind: str) -> None:
    categories, types = deed(action, provider)
    assert (categories[0], types[0]) == (category, kind)


def cases() -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = defaultdict(list)
    for line in read(corpus("panther-cloud") / "cases.jsonl.gz").splitlines():
        case = json.loads(line)
        log, kinds = case["log"] or {}, case["log_types"] or []
        kind = log.get("p_log_type") or (kinds[0] if len(kinds) == 1 else "")
        if kind in FORMATS and len(log.keys() - {"p_log_type", "p_any_ip_addresses", "p_enrichment"}) > 1:
            found[kind].append(orjson.dumps(log))
    return found


def test_public_samples_are_found_by_content_and_normalised() -> None:
    records = events = found = alone = 0
    for kind, lines in cases().items():
        name = FORMATS[kind]
        assert parse.detect(lines) == name, kind
        inner = [line for line in lines if b"kube-audit" not in line]  # Azure's wrapping of another format
        parsed = registry.get("collectors.formats", name).parse(inner, CONTEXT)
        records, events = records + len(inner), events + parsed.batch.height
        some = random.Random(6).sample(inner, 4)
        found += sum(parse.detect([line]) == name for line in some)
        alone += len(some)
        batch = parsed.batch
        assert all(SCHEMA.get(field) for field in batch.fields)
        for field in ("event.category", "event.type", "sigma.logsource"):
            assert batch.column(field).null_count() == 0 or kind == "GSuite.ActivityEvent", (kind, field)
        assert batch.column("event.action").null_count() <= 0.1 * batch.height, kind
    assert records > 750
    assert events / records >= 0.995
    assert found / alone >= 0.95


def test_what_rules_read_by_path_is_kept_whole() -> None:
    asked = {"userName": "x", "containerDefinitions": [{"command": ["curl", "a|sh"]}]}
    line = orjson.dumps({"eventSource": "ecs.amazonaws.com", "eventName": "RegisterTaskDefinition",
        "requestParameters": asked, "eventTime": "2026-11-20T01:02:03"})
    row = rows(cloudtrail.parse([line], CONTEXT).batch)[0]
    assert json.loads(row["aws.cloudtrail.request_parameters"]) == asked
    assert row["@timestamp"] == "2026-11-20T01:02:03.000000Z"  # CloudTrail's times are UTC


def test_one_delivered_file_is_many_events_of_one_record() -> None:
    one = {"eventSource": "s3.amazonaws.com", "eventName": "GetObject", "eventTime": "2026-11-20T01:02:03Z"}
    parsed = cloudtrail.parse([orjson.dumps({"Records": [one] * 3}), orjson.dumps({"Records": [one, 5]})], CONTEXT)
    assert parsed.line_no.tolist() == [0, 0, 0]
    assert [fault.line for fault in parsed.faults] == [1]


def test_letter_case_of_names_does_not_count() -> None:
    line = orjson.dumps({"CATEGORY": "AuditLogs", "OPERATIONNAME": "Add user", "TENANTID": "t",
        "PROPERTIES": {"RESULT": "success"}})
    row = rows(azure.parse([line], CONTEXT).batch)[0]
    assert row["event.dataset"] == "azure.auditlogs"
    assert row["azure.auditlogs.operation_name"] == "Add user"
    assert row["event.outcome"] == "success"
