"""Feeds as others write them. The bundle follows the examples of the STIX 2.1 specification."""

from __future__ import annotations

import orjson
import pytest

from casework import feeds
from soc_core import clock

NOW = 1_800_000_000_000_000
MD5, SHA = "d41d8cd98f00b204e9800998ecf8427e", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
BUNDLE = {"type": "bundle", "id": "bundle--1", "objects": [
    {"type": "indicator", "id": "indicator--a", "name": "Poison Ivy", "pattern_type": "stix", "confidence": 80,
     "pattern": f"[file:hashes.'SHA-256' = '{SHA}' OR file:hashes.MD5 = '{MD5.upper()}']",
     "valid_from": "2026-01-01T00:00:00Z", "valid_until": "2027-01-01T00:00:00Z"},
    {"type": "indicator", "id": "indicator--b", "pattern_type": "stix", "valid_from": "2026-01-01T00:00:00Z",
     "pattern": "[ipv4-addr:value = '198.51.100.0/24'] OR [domain-name:value IN ('Evil.Example', 'b.example')]"},
    {"type": "indicator", "id": "indicator--c", "pattern_type": "stix", "valid_from": "2026-01-01T00:00:00Z",
     "pattern": "[url:value = 'http://evil.example/it\\'s'] AND [ipv4-addr:value = '192.0.2.1']"},
    {"type": "indicator", "id": "indicator--d", "pattern_type": "snort", "pattern": "alert tcp"},
    {"type": "indicator", "id": "indicator--e", "pattern_type": "stix", "pattern": "[ipv4-addr:value = '0.0.0.0/0']"},
    {"type": "indicator", "id": "indicator--f", "pattern_type": "stix", "revoked": True,
     "pattern": "[ipv6-addr:value = '2001:DB8::7']"},
    {"type": "attack-pattern", "id": "attack-pattern--1",
     "external_references": [{"source_name": "mitre-attack", "external_id": "T1105"}]},
    {"type": "relationship", "relationship_type": "indicates", "source_ref": "indicator--a",
     "target_ref": "attack-pattern--1"},
]}


def test_a_bundle() -> None:
    found = feeds.read_stix(orjson.dumps(BUNDLE), "ivy", NOW, "high")
    assert [(each.kind, each.value) for each in found.items] == [
        ("hash", SHA), ("hash", MD5), ("net", "198.51.100.0/24"), ("domain", "evil.example"), ("domain", "b.example"),
        ("ip", "2001:db8::7")]
    first = found.items[0]
    assert (first.name, first.confidence, first.techniques, first.feed) == ("Poison Ivy", 80, ["T1105"], "ivy")
    assert clock.to_text(first.valid_from or 0)[:10] == "2026-01-01"
    assert clock.to_text(first.valid_until or 0)[:10] == "2027-01-01"
    assert found.items[-1].revoked
    assert [each.where for each in found.refused] == ["indicator--c", "indicator--d", "indicator--e"]
    assert [each.reason.split(":")[0] for each in found.refused] == [
        "a pattern that asks for more than one value", "a pattern of type snort, not stix",
        "0.0.0.0/0 is too much of the world for an indicator"]
    assert len({each.id for each in found.items}) == len(found.items)


@pytest.mark.parametrize("text", [
    "[ipv4-addr:value = '192.0.2.1' AND ipv4-addr:value = '192.0.2.2']", "[ipv4-addr:value != '192.0.2.1']",
    "[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [url:value = 'http://a.example']", "[ipv4-addr:value LIKE '192.%']",
    "[ipv4-addr:value = '192.0.2.1'] WITHIN 5 SECONDS", "[mutex:name = 'x']", "ipv4-addr:value = '1'", "[",
    "[ipv4-addr:value = '192.0.2.1'",
])
def test_patterns_that_say_more_than_values_are_refused_whole(text: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|comparison|not matched"):
        list(feeds.pattern(text))


@pytest.mark.parametrize(("text", "why"), [
    ("{", "not JSON"), ("[1]", "not a STIX bundle"), ('{"objects": 3}', "bundle")])
def test_what_is_no_stix(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        feeds.read_stix(text, "x", NOW, "high")


def test_a_table() -> None:
    text = ("\ufeffvalue,kind,name,level,confidence,techniques,valid_from,valid_until\n"
            f"203.0.113.9,,scanner,medium,70,T1595;T1046,2026-01-01T00:00:00Z,\nEVIL.example.,,,,,,,\n{MD5},,,,,,,\n"
            "https://Evil.example/A,,,,,,,\nnot a name,,,,,,,\n203.0.113.9,hash,,,,,,\n198.51.100.1,,,severe,,,,\n"
            "198.51.100.2,,,,,,2026-01-02T00:00:00Z,2026-01-01T00:00:00Z\n198.51.100.3,,,,101,,,\n")
    found = feeds.read_csv(text, "table", NOW, "high")
    assert [(each.kind, each.value, each.level) for each in found.items] == [
        ("ip", "203.0.113.9", "medium"), ("domain", "evil.example", "high"), ("hash", MD5, "high"),
        ("url", "https://evil.example/A", "high")]
    assert found.items[0].techniques == ["T1595", "T1046"]
    assert [each.where for each in found.refused] == [f"line {n}" for n in (6, 7, 8, 9, 10)]


@pytest.mark.parametrize(("text", "why"), [
    ("", "first line"), ("a,b\n1,2\n", "first line"), ("value,x\n1,2\n", "no column x")])
def test_what_is_no_table(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        feeds.read_csv(text, "x", NOW, "high")
