"""Documents that are ECS already: nested, dotted, both; what is ours cannot be forged."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from collectors.formats import ecs
from tests.collectors.formats.fixtures import CONTEXT, rows


def one(document: dict[str, Any]) -> dict[str, Any]:
    (event,) = rows(ecs.parse([orjson.dumps({"@timestamp": "2026-11-20T00:00:00Z", **document})], CONTEXT).batch)
    return event


@pytest.mark.parametrize("document", [
    {"source": {"ip": "192.0.2.1", "port": 7}}, {"source.ip": "192.0.2.1", "source.port": "7"},
    {"source": {"ip": "192.0.2.1"}, "source.port": 7},
])
def test_nested_and_dotted_read_the_same(document: dict[str, Any]) -> None:
    event = one(document)
    assert (event["source.ip"], event["source.port"], event["related.ip"]) == ("192.0.2.1", 7, ["192.0.2.1"])


def test_identity_owner_and_realm_are_not_the_senders_to_say() -> None:
    event = one({"event": {"id": "x", "ingested": "2020-01-01T00:00:00Z"},
        "soc": {"realm": "real", "system": {"id": "y"}}, "organization": {"id": "z"}})
    assert not {"event.id", "event.ingested", "soc.realm", "soc.system.id", "organization.id"} & event.keys()
    assert event["overflow"]["organization"] == {"id": "z"}


@pytest.mark.parametrize(("document", "tags"), [
    ({"event.category": ["process"], "event.type": "start", "host.os.type": "linux"}, ["linux/process_creation/"]),
    ({"event.category": "process", "event.type": "start", "host.os.type": "windows", "winlog.channel": "Security",
        "event.code": 4688},
     ["windows/process_creation/", "windows//", "windows//security"]),
    ({"event.category": "web", "event.type": ["access"], "event.dataset": "nginx.access"}, ["/webserver/", "//nginx"]),
    ({"network.protocol": "dns"}, ["/dns/"]),
    ({"event.dataset": "aws.cloudtrail"}, ["aws//cloudtrail"]),
    ({"observer.type": "firewall"}, ["/firewall/"]),
    ({"message": "x"}, None),
])
def test_log_sources_follow_from_categories(document: dict[str, Any], tags: list[str] | None) -> None:
    assert one(document).get("sigma.logsource") == tags


def test_wrong_types_go_to_the_overflow_or_become_null_but_never_fail() -> None:
    event = one({"source": "text where an object belongs", "process": {"pid": "x", "name": ["a", "b"]},
        "user": {"name": {"deep": 1}}})
    assert event["overflow"] == {"source": "text where an object belongs", "process": {"name": ["a", "b"]},
        "user": {"name": {"deep": 1}}}


def test_as_many_shapes_as_a_sender_likes_are_few_parts_and_the_same_events() -> None:
    documents = [
        {"@timestamp": "2026-11-20T00:00:00Z", "event": {"dataset": f"made-up.{n % 200}", "code": str(n % 3)},
         f"field{n}": n, "source": {"ip": f"192.0.2.{n % 250}"}} for n in range(400)
    ]
    lines = [orjson.dumps(document) for document in documents]
    parsed = ecs.parse(lines, CONTEXT)
    assert len(parsed.batch.parts) <= ecs.SHAPES
    assert parsed.line_no.tolist() == list(range(400))
    alone = [row for line in lines[:150] for row in rows(ecs.parse([line], CONTEXT).batch)]
    together = rows(parsed.batch)[:150]
    known = [{name: value for name, value in row.items() if value is not None} for row in together]
    assert known == [{name: value for name, value in row.items() if value is not None} for row in alone]
