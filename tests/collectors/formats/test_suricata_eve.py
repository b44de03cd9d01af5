"""Suricata EVE: three versions of DNS, verdicts, and nothing lost on the way to the overflow."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from collectors.formats import suricata_eve
from tests.collectors.formats.fixtures import CONTEXT, rows

BASE = {"timestamp": "2026-11-20T08:24:38.000000+0800", "src_ip": "10.1.2.3", "src_port": 5353, "dest_ip": "10.1.0.53",
    "proto": "UDP"}


def one(record: dict[str, Any]) -> dict[str, Any]:
    (event,) = rows(suricata_eve.parse([orjson.dumps({**BASE, **record})], CONTEXT).batch)
    return event


@pytest.mark.parametrize("dns", [
    {"type": "query", "id": 5, "rrname": "a.example", "rrtype": "A"},
    {"version": 2, "type": "query", "id": 5, "rrname": "a.example", "rrtype": "A"},
    {"version": 3, "type": "request", "id": 5, "queries": [{"rrname": "a.example", "rrtype": "A"}]},
])
def test_every_version_of_a_dns_question_reads_the_same(dns: dict[str, Any]) -> None:
    event = one({"event_type": "dns", "dns": dns})
    assert (event["dns.question.name"], event["dns.question.type"], event["dns.type"], event["dns.id"]) == ("a.example",
        "A", "query", "5")
    assert event["sigma.logsource"] == ["/dns/"]
    assert event["network.protocol"] == "dns"


@pytest.mark.parametrize("dns", [
    {"type": "answer", "rrname": "a.example", "rrtype": "A", "ttl": 5, "rdata": "203.0.113.5", "rcode": "NOERROR"},
    {"version": 2, "type": "answer", "rrname": "a.example", "rcode": "NOERROR",
     "answers": [{"rrname": "a.example", "rrtype": "A", "ttl": 5, "rdata": "203.0.113.5"}]},
])
def test_answers_of_both_shapes(dns: dict[str, Any]) -> None:
    event = one({"event_type": "dns", "dns": dns})
    assert event["dns.answers.data"] == ["203.0.113.5"]
    assert event["dns.resolved_ip"] == ["203.0.113.5"]
    assert "203.0.113.5" in event["related.ip"]
    assert event["dns.response_code"] == "NOERROR"


@pytest.mark.parametrize(("action", "types"), [("allowed", ["info", "allowed"]), ("blocked", ["info", "denied"])])
def test_an_alert_says_whether_it_was_stopped(action: str, types: list[str]) -> None:
    event = one({"event_type": "alert", "alert": {"action": action, "signature": "x", "signature_id": 7,
        "severity": 1}})
    assert (event["event.kind"], event["sigma.logsource"]) == ("alert", ["suricata//alert"])
    assert event["event.type"] == types
    assert (event["rule.name"], event["rule.id"], event["event.severity"]) == ("x", "7", 1)


def test_what_no_column_holds_stays_whole_in_the_overflow() -> None:
    event = one({"event_type": "ssh", "flow_id": 1, "ssh": {"client": {"software_version": "x"}},
        "metadata": {"flowbits": ["a"]}})
    assert event["overflow"] == {"suricata": {"eve": {
        "event_type": "ssh", "flow_id": 1, "ssh": {"client": {"software_version": "x"}},
        "metadata": {"flowbits": ["a"]}}}}


def test_odd_types_do_no_harm() -> None:
    event = one({"event_type": "http", "src_port": "80", "http": {"url": ["a"], "status": "200", "hostname": 7},
        "dns": "no object", "flow": None})
    assert event["source.port"] == 80
    assert event["http.response.status_code"] == 200
    assert event["url.domain"] == "7"
