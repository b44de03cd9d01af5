from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from casework import feeds
from detections.stream import indicators as stream
from detections.stream.indicators import Matcher, Signs, back, judge, question
from soc_core import clock
from soc_core.access import EVERYTHING
from soc_core.clock import DAY, SECOND
from soc_core.config import Settings
from soc_core.events import EventBatch
from soc_core.models import Indicator
from soc_core.state import indicators as state
from soc_core.state.database import Database
from soc_core.store.embedded import EmbeddedStore

T = 1_700_000_000 * SECOND
SHA = "ab" * 32


def sign(value: str, **more: Any) -> Indicator:
    return feeds.made(value, "feed", T, "high", **more)


def event(n: int, **fields: Any) -> dict[str, Any]:
    return {
        "event.id": f"{n:032x}", "@timestamp": clock.to_datetime(T + n * SECOND), "organization.id": "cs-edu",
        "soc.system.id": "campus", "soc.realm": "real", "soc.partition": 2, "soc.offset": n,
        **{name.replace("__", "."): value for name, value in fields.items()},
    }


EVENTS = [
    event(0, source__ip="203.0.113.9", user__name="deploy"),
    event(1, source__ip="2001:db8::1", destination__ip="198.51.100.77"),
    event(2, dns__question__name="a.b.evil.example", dns__resolved_ip=["192.0.2.4", "203.0.113.9"]),
    event(3, dns__question__name="notevil.example"),
    event(4, url__original="HTTPS://Evil.Example/drop.bin#x"),
    event(5, file__hash__sha256=SHA.upper()),
    event(6, url__original="http://203.0.113.9/a?b=1"),
    event(7, source__ip="10.0.0.1", user__name="evil.example"),
]
CASES = [
    ("203.0.113.9", [0, 2, 6]), ("198.51.100.0/24", [1]), ("2001:DB8:0::1", [1]), ("evil.example", [2, 4]),
    ("https://evil.example/drop.bin", [4]), (SHA, [5]), ("b.evil.example", [2]), ("203.0.113.10", []),
]


@pytest.mark.parametrize(("value", "rows"), CASES)
def test_what_is_a_sign_of_what(value: str, rows: list[int]) -> None:
    item = sign(value, techniques=["T1071"], name="C2")
    found = judge(Signs([item]), EventBatch.from_dicts(EVENTS))
    assert [int(each.event_id, 16) for each in found] == rows
    for each in found:
        assert (each.rule_id, each.level, each.organisation, each.system) == (
            f"indicator:{item.id}", "high", "cs-edu", "campus")
        assert (each.partition, each.offset, each.techniques) == (2, int(each.event_id, 16), ("T1071",))
        assert item.value in each.explanation
        assert not each.building_block


def test_any_cut_and_many_indicators_give_the_same() -> None:
    signs = Signs([sign(value) for value, _ in CASES])
    whole = judge(signs, EventBatch.from_dicts(EVENTS))
    single = [each for row in EVENTS for each in judge(signs, EventBatch.from_dicts([row]))]
    assert whole == single
    assert len(whole) == sum(len(rows) for _, rows in CASES)


def test_an_indicator_counts_for_events_within_its_validity() -> None:
    batch = EventBatch.from_dicts(EVENTS)
    spans: list[tuple[int, int | None, list[int]]] = [
        (0, T, []), (0, T + 1, [0]), (T + 1, None, [2, 6]), (T + 2 * SECOND, T + 6 * SECOND, [2])]
    for since, until, rows in spans:
        found = judge(Signs([sign("203.0.113.9", valid_from=since, valid_until=until)]), batch)
        assert [int(each.event_id, 16) for each in found] == rows


def test_the_matcher_takes_up_what_is_new_and_lets_go_of_what_is_revoked(
        database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LOOK_EVERY", 0.0)
    matcher = copy.deepcopy(stream.detector(Settings(), database))  # as each lane has its own
    batch = EventBatch.from_dicts(EVENTS)
    assert matcher.detect(batch) == []
    item = sign("203.0.113.9")
    with database.begin() as session:
        assert state.save(session, [item, item], T) == (1, 0, 0)
        assert state.save(session, [item], T + 1) == (0, 0, 1)
    assert len(matcher.detect(batch)) == 3
    assert (matcher.tick(T), matcher.snapshot()) == ([], b"")
    with database.begin() as session:
        assert state.revoke(session, [item.id, "none"], T + 5) == 1
        assert state.revoke(session, [item.id], T + 6) == 0
    assert matcher.detect(batch) == []


def test_looks_are_rare() -> None:
    asked = []
    matcher = Matcher(lambda known: asked.append(known))
    for _ in range(20):
        matcher.detect(EventBatch.from_dicts(EVENTS))
    assert len(asked) == 1


@pytest.mark.parametrize("many", [False, True])
def test_back_over_what_is_stored(tmp_path: Path, many: bool) -> None:
    items = [sign(value) for value, _ in CASES if not many or "." not in value[-3:]]
    if many:
        items = [sign("203.0.113.9"), sign(SHA), sign("192.0.2.200", valid_until=T + DAY)]
    with EmbeddedStore(tmp_path) as store:
        store.write(EventBatch.from_dicts(EVENTS))
        asked = question(items)
        assert bool(asked.text) is many
        found = list(back(items, store.scan(asked, EVERYTHING)))
    assert found
    direct = judge(Signs(items), EventBatch.from_dicts(EVENTS))
    assert sorted((each.rule_id, each.event_id) for each in found) == sorted(
        (each.rule_id, each.event_id) for each in direct)
    assert {(each.partition, each.offset) for each in found} == {(-1, -1)}
