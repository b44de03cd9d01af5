"""What ties alerts to one incident: shared entities, time, and the order of an attack."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from detections import stories
from detections.stories import in_order
from soc_core.access import EVERYTHING
from soc_core.clock import DAY, HOUR, MINUTE
from soc_core.models import Incident, Level
from soc_core.state import incidents, outbox
from soc_core.state.database import Database
from soc_core.state.incidents import Link
from tests.detections.test_triage import NOW, all_alerts, finding, take

HOST, USER = ("host.name", "web-1"), ("user.name", "deploy")


def told(database: Database) -> list[tuple[Incident, list[Link]]]:
    with database.read() as session:
        found = incidents.find(session, EVERYTHING)[0]
        return [(each, incidents.chain(session, each.id)) for each in found]


def alerts(database: Database, *given: tuple[str, int, Sequence[tuple[str, str]], Level, str]) -> None:
    """Alerts by (rule, at, entities, level, technique), one call each."""
    for number, (rule, at, named, level, technique) in enumerate(given, 1):
        take(database, finding(number, at, rule=rule, named=named, level=level)._replace(techniques=(technique,)))


@pytest.mark.parametrize(("before", "after", "said"), [
    (["T1566"], ["T1059"], "TA0001>TA0002"), (["T1041"], ["T1566"], "TA0010<TA0001"),
    (["T1110"], ["T1110"], "TA0006>TA0006"), ([], ["T1110"], ""), (["T1110"], ["T0000"], ""),
    (["T1078"], ["T1059"], "TA0001>TA0002"),
])
def test_the_order_of_an_attack(before: list[str], after: list[str], said: str) -> None:
    assert in_order(before, after) == said


def test_each_link_says_why(database: Database) -> None:
    alerts(database, ("mail", 0, [HOST], "medium", "T1566"), ("shell", 10 * MINUTE, [HOST, USER], "high", "T1059"),
           ("exfil", HOUR, [USER], "critical", "T1041"))
    ((incident, chain),) = told(database)
    first, second, third = (alert.id for alert in all_alerts(database))
    assert chain[0] == Link(first, incident.id, "", "began")
    assert chain[1]._replace(strength=0) == Link(second, incident.id, first, "shared", "host", "web-1", 10 * MINUTE,
                                                 "TA0001>TA0002", 0)
    assert (chain[2].other, chain[2].kind, chain[2].value, chain[2].stage) == (
        second, "user", "deploy", "TA0002>TA0010")
    assert (third, incident.level, incident.raised, incident.alerts) == (
        chain[2].alert, "critical", NOW, [first, second, third])
    with database.begin() as session:
        raised = outbox.claim(session, "test", ["incident.raised"])
    assert [item.key for item in raised] == [incident.id]


@pytest.mark.parametrize(("gap", "technique", "joined"), [
    (MINUTE, "T1566", True), (DAY, "T1041", True), (DAY, "T1566", False), (DAY + 1, "T1041", False),
])
def test_time_and_order_decide_what_a_shared_host_is_worth(
        database: Database, gap: int, technique: str, joined: bool) -> None:
    alerts(database, ("a", 0, [HOST], "medium", "T1059"), ("b", gap, [HOST], "medium", technique))
    assert bool(told(database)) is joined


def test_the_strongest_tie_wins(database: Database) -> None:
    alerts(database, ("a1", 0, [HOST], "medium", "T1059"), ("a2", 1, [HOST], "medium", "T1059"),
           ("b1", HOUR, [USER], "medium", "T1059"), ("b2", HOUR + 1, [USER], "medium", "T1059"),
           ("both", HOUR + MINUTE, [USER, HOST], "medium", "T1059"))
    by_rule = {alert.rule_id: alert.incident for alert in all_alerts(database)}
    assert by_rule["a1"] == by_rule["a2"] == by_rule["both"] != by_rule["b1"] == by_rule["b2"]


def test_low_alerts_join_but_begin_nothing(database: Database) -> None:
    alerts(database, ("l1", 0, [HOST], "low", "T1059"), ("l2", 1, [HOST], "low", "T1059"))
    assert told(database) == []
    alerts(database, ("m1", 2, [HOST], "medium", "T1059"))
    assert told(database) == []
    alerts(database, ("m1", 2, [HOST], "medium", "T1059"), ("m2", 3, [HOST], "medium", "T1059"),
           ("l3", 4, [HOST], "low", "T1059"))
    ((incident, _),) = told(database)
    assert {alert.rule_id for alert in all_alerts(database) if alert.incident} == {"m1", "m2", "l3"}
    assert incident.level == "medium"


def test_every_weight_and_tactic_is_known() -> None:
    from detections import attack, risk

    kinds = {risk.kind(field, "198.51.100.7") for field in ("source.ip", "host.name", "user.name")}
    assert kinds == set(stories.WEIGHT)
    assert set(stories.ORDER) <= set(attack.table().tactics)
    assert len(set(stories.ORDER)) == len(stories.ORDER)
