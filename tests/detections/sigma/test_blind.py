"""Which rules cannot see, and what they miss: rules, branches, denials, correlations."""

from __future__ import annotations

import pytest

from detections.sigma.blind import Sight
from detections.sigma.load import parse
from detections.sigma.map import Mapper

SIGHT = Sight(Mapper())
RULE = """title: {name}
id: 00000000-0000-4000-8000-00000000000{number}
name: {name}
logsource: {{product: linux, service: sshd}}
detection:
    seen: {{user.name: root}}
    unseen: {{no.such: a}}
    words: ['Failed']
    two: {{user.name|fieldref: no.such}}
    gone: {{no.such: null}}
    missing: {{no.such|exists: false}}
    {more}
    condition: {condition}
"""


def rule(condition: str, name: str = "a", number: int = 1, more: str = "") -> str:
    return RULE.format(condition=condition, name=name, number=number, more=more)


@pytest.mark.parametrize(("condition", "verdict"), [
    ("seen", None), ("words", None), ("unseen", True), ("seen and unseen", True), ("seen or unseen", False),
    ("seen and not unseen", False), ("not unseen", False), ("two", True), ("words or two", False), ("gone", False),
    ("missing", False), ("not gone", True), ("not missing and seen", True), ("not (seen or unseen)", False),
    ("1 of *seen and not gone", True),
])
def test_what_cannot_be_met_is_blind_and_what_has_lost_a_part_partly(condition: str, verdict: bool | None) -> None:
    found = SIGHT.of(parse(rule(condition)))
    assert [each.blind for each in found] == ([] if verdict is None else [verdict])
    assert {each.missing for each in found} <= {("no.such (overflow)",)}


@pytest.mark.parametrize("field", [
    "@timestamp|hour", "event.ingested|exists", "organization.id", "soc.system.id", "soc.source", "soc.zone",
    "event.original|contains", "event.dataset",
])
def test_what_every_event_has_is_missed_by_no_rule(field: str) -> None:
    """Rules on the time, the owner or the source were told blind, though they fired."""
    value = {"hour": "3", "exists": "true"}.get(field.partition("|")[2], "x")
    found = parse(rule("more", more=f"more: {{'{field}': {value}}}"))
    assert found.failed == []
    assert SIGHT.of(found) == []


def test_a_log_source_that_nobody_collects() -> None:
    (found,) = SIGHT.of(parse(rule("seen").replace("sshd", "no_such_daemon")))
    assert (found.blind, found.missing) == (True, ("log source linux//no_such_daemon",))


KIND = "type: {}, timespan: 5m, rules: [{}], group-by: [{}]"
PLAIN = [rule("seen", "a", 1), rule("words", "b", 2), rule("unseen", "c", 3), rule("seen or unseen", "d", 4)]


@pytest.mark.parametrize(("body", "verdict", "missing"), [
    (KIND.format("event_count", "a", "source.ip") + ", condition: {gte: 2}", None, None),
    (KIND.format("event_count", "a", "no.such") + ", condition: {gte: 2}", True, "no.such"),
    (KIND.format("event_count", "c", "source.ip") + ", condition: {gte: 2}", True, "no.such"),
    (KIND.format("event_count", "a, c", "source.ip") + ", condition: {gte: 2}", False, "no.such"),
    (KIND.format("event_count", "d", "source.ip") + ", condition: {gte: 2}", False, "no.such"),
    (KIND.format("event_count", "d", "no.where") + ", condition: {gte: 2}", True, "no.where"),
    (KIND.format("value_count", "a", "source.ip") + ", condition: {gte: 2, field: no.where}", True, "no.where"),
    (KIND.format("temporal", "a, b", "source.ip"), None, None),
    (KIND.format("temporal", "a, c", "source.ip"), True, "no.such"),
    (KIND.format("temporal", "a, b, c", "source.ip") + ", condition: {gte: 2}", False, "no.such"),
    (KIND.format("temporal_ordered", "b, a", "who") + ", aliases: {who: {a: user.name, b: source.ip}}", None, None),
    (KIND.format("temporal_ordered", "b, a", "who") + ", aliases: {who: {a: user.name}}", True, "who"),
])
def test_a_correlation_sees_what_its_rules_see_and_by_what_it_groups(
    body: str, verdict: bool | None, missing: str | None
) -> None:
    outer = "title: {0}\nname: {0}\nid: 00000000-0000-4000-8000-0000000000b{1}\ncorrelation: {{{2}}}\n"
    chain = KIND.format("event_count", "inner", "source.ip") + ", condition: {gte: 3}"
    loaded = parse("---\n".join([*PLAIN, outer.format("chain", 2, chain), outer.format("inner", 1, body)]))
    assert loaded.failed == []
    found = {each.rule.head.name: each for each in SIGHT.of(loaded)}
    for name in ("inner", "chain"):
        assert (found[name].blind if name in found else None) is verdict
        assert missing is None or any(each.startswith(f"{missing} (") for each in found[name].missing)
