"""A share of the windows is told of partitions that lag: what their sources still need is kept, be they late or not."""

from __future__ import annotations

from typing import Any

import pytest

from detections.sigma import plan
from detections.sigma.share import SharingSigma
from soc_core.clock import MINUTE
from soc_core.events import EventBatch
from soc_core.sharing import Keeper
from tests.detections.sigma.test_correlate import ID, START, rules, told

DELAY = 180  # minutes after which what source x tells is received


class World:
    """Source s is punctual, x is not; times in minutes. `late` is until when the partition of x is worked off."""

    def __init__(self) -> None:
        self.sharing = SharingSigma(rules("type: event_count, rules: [a], condition: {gte: 2}"))
        self.keeper: Keeper = self.sharing.keeper()

    def event(self, source: str, at: int, ip: str, complete: int, leap: int = 0) -> list[str]:
        received = at + leap + (DELAY if source == "x" else 0)
        row: dict[str, Any] = {
            "@timestamp": START + at * MINUTE, "event.ingested": START + received * MINUTE, "soc.source": source,
            "event.id": f"{source}{at}", "event.action": "a", "source.ip": ip, "sigma.logsource": ["linux//"]}
        _, partials = self.sharing.sift(EventBatch.from_dicts([row]))
        found = self.keeper.take([each.body for each in partials])
        found += self.keeper.tick(0, START + complete * MINUTE)
        return [each.event_id for each in told(found) if each.rule_id == ID.format(0)]


@pytest.fixture
def world() -> World:
    made = World()
    made.event("x", -5, "192.0.2.1", 175)
    for at in range(10, 176, 5):
        made.event("s", at, f"198.51.100.{at}", at - 1)
    return made


@pytest.mark.parametrize("lag", [0, 30, 220, 600])
def test_a_source_with_a_delay_in_a_partition_that_lags_meets_its_windows(world: World, lag: int) -> None:
    """Its records lie three hours back when they are received, and are seen later still."""
    for at in range(180, 195 + lag, 5):
        world.event("s", at, f"203.0.113.{at % 250}", min(at, 189))
    assert world.event("x", 12, "198.51.100.10", 191) == ["x12"]
    assert world.event("x", 35, "198.51.100.30", 214) == ["x35"]


@pytest.mark.parametrize("lag", [0, 30, 220, 600])
def test_what_is_complete_is_so_by_the_clock_of_receipt_be_it_hours_ahead(lag: int) -> None:
    """Our clock has leapt by eight hours: all sources are behind, and so is what is known of what they sent."""
    leap, world = 8 * 60, World()
    for at in range(0, 100, 5):
        for source in "st":
            world.event(source, at, f"192.0.2.{at}", at + leap - 1, leap)
    for at in range(100, 100 + lag, 5):
        world.event("s", at, f"198.51.100.{at % 250}", 100 + leap - 1, leap)
    assert world.event("t", 101, "198.51.100.100", 101 + leap, leap) == (["t101"] if lag else [])


def test_a_clock_that_leapt_and_came_back_keeps_nothing_for_longer() -> None:
    world = World()
    for at in range(0, 200, 5):
        world.event("s", at, f"192.0.2.{at}", at - 1, 8 * 60 if at < 50 else 0)
    known = world.keeper.correlator._horizons()  # type: ignore[attr-defined]
    assert known["s"] == START + (195 - 1 - 60) * MINUTE


def test_a_rule_costs_what_its_condition_and_its_findings_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of a value costs nothing again; what is found does each time."""
    sharing = SharingSigma(rules("type: event_count, rules: [a], condition: {gte: 2}"))

    def judge(action: str) -> dict[str, float]:
        row = {"@timestamp": START, "event.ingested": START, "soc.source": "s", "event.id": "1", "event.action": action,
               "source.ip": "192.0.2.1", "sigma.logsource": ["linux//"]}
        sharing.sift(EventBatch.from_dicts([row] * 50))
        return sharing.costs()

    assert judge("nobody asks for it") == {}
    first = judge("a")
    (rule,) = first
    monkeypatch.setattr(plan, "holds", None)  # nothing is judged again
    assert judge("a")[rule] > first[rule] > 0
    assert judge("nobody asks for it") == sharing.costs()
