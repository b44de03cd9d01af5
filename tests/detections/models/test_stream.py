"""Learned detectors in the stream: domain_generation, web_attack, unusual_logon.

No cut into batches and no restart changes a finding; entities are told a few times an hour, not flooded; every
finding says why in words.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detections import learn
from detections.models import _logons, domain_generation, unusual_logon, web_attack
from detections.models._stream import Limit
from detections.models._text import Parameters
from soc_core import clock
from soc_core.events import EventBatch
from soc_core.models import Finding
from soc_core.protocols import Detector

START = clock.from_datetime(datetime(2026, 3, 2, 1, tzinfo=UTC))


def batch(rows: Sequence[dict[str, Any]], first: int = 0) -> EventBatch:
    made = [{"event.id": f"{first + n:032x}", "soc.realm": "real", "soc.partition": 0, "soc.offset": first + n,
             "organization.id": "cs-office", "soc.system.id": "city_portal", **row} for n, row in enumerate(rows)]
    return EventBatch.from_dicts(made)


def feed(detector: Detector, rows: Sequence[dict[str, Any]], cuts: Sequence[int], restart: int = -1) -> list[Finding]:
    found: list[Finding] = []
    edges = [0, *sorted({cut % (len(rows) + 1) for cut in cuts}), len(rows)]
    for number, (a, b) in enumerate(pairwise(edges)):
        if number == restart:
            saved = detector.snapshot()
            detector = type(detector)(getattr(detector, "parameters", None))  # type: ignore[call-arg]
            detector.restore(saved)
        if b > a:
            found += detector.detect(batch(rows[a:b], a))
    return found


@cache
def parameters(name: str) -> Parameters:
    data = learn.generated(name, 5)
    chosen = learn.model(name)
    own = chosen.train(data.values[::2], data.truth[::2], 5)
    return own | {"threshold": np.array([0.5])}


def dns(name: str, at: int, source: str = "10.64.100.37") -> dict[str, Any]:
    return {"@timestamp": clock.to_datetime(at), "dns.question.name": name, "source.ip": source}


def test_made_up_names_add_risk_and_say_why() -> None:
    detector = domain_generation.detector(parameters("domain_generation"))
    assert detector is not None
    names = ["www.changshaschool.example.cn", "7.0.168.192.in-addr.arpa", "_ldap._tcp.office.example",
             "xq8zt1mwplkdv3kqzj.com", "localhost"]
    found = detector.detect(batch([dns(name, START + n * clock.SECOND) for n, name in enumerate(names)]))
    assert [one.event_id for one in found] == [f"{3:032x}"]
    one = found[0]
    assert one.building_block
    assert one.risk > 0
    assert one.entities == (("source.ip", "10.64.100.37"),)
    assert "xq8zt1mwplkdv3kqzj.com" in one.explanation
    assert one.techniques == ("T1568.002",)
    assert one.organisation == "cs-office"
    assert one.offset == 3
    assert domain_generation.detector(None) is None


def test_attack_values_add_risk_and_say_why() -> None:
    detector = web_attack.detector(parameters("web_attack"))
    assert detector is not None
    urls = ["/search?q=%E7%A4%BE%E4%BF%9D%E5%8D%A1&page=1", "/static/app.js",
            "/item?id=1%27%20union%20select%20null,null--", "/news?day=2026-03-02"]
    rows = [{"@timestamp": clock.to_datetime(START), "url.original": url, "source.ip": "203.0.113.7"} for url in urls]
    found = detector.detect(batch(rows))
    assert [one.event_id for one in found] == [f"{2:032x}"]
    assert "union" in found[0].explanation
    assert found[0].techniques == ("T1190",)
    queries = [{**row, "url.query": str(row.pop("url.original")).partition("?")[2] or None} for row in rows]
    again = web_attack.WebAttack(parameters("web_attack")).detect(batch(queries))
    assert [one.event_id for one in again] == [f"{2:032x}"]


def test_no_flood() -> None:
    detector = domain_generation.detector(parameters("domain_generation"))
    assert detector is not None
    rows = [dns(f"xq8zt1mwplkdv{n:03d}kqzj.com", START + n * clock.SECOND) for n in range(500)]
    assert 0 < len(detector.detect(batch(rows))) <= detector.per_hour
    assert detector.detect(batch([dns("xq8zt1mwplkdv3kqzj.com", START + 2 * clock.HOUR)]))


def test_the_limit_is_bounded_and_takes_late_records() -> None:
    limit = Limit(1, clock.HOUR, size=3)
    assert [limit.allows(f"k{n}", START) for n in range(50)] == [True] * 50
    assert len(limit.dump()) == 3
    assert not limit.allows("k49", START + 1)
    assert not limit.allows("k49", START - 3 * clock.HOUR)
    assert limit.allows("k49", START + clock.HOUR)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 400), max_size=6), st.integers(0, 6), st.integers(0, 99))
def test_cuts_and_restarts_change_nothing_for_texts(cuts: list[int], restart: int, seed: int) -> None:
    rng = random.Random(seed)
    rows = [dns(domain_generation.generated(rng, n % 6) if n % 3 else "portal.example", START + n * clock.MINUTE,
                f"10.64.0.{n % 4}") for n in range(400)]
    whole = feed(domain_generation.DomainGeneration(parameters("domain_generation")), rows, [])
    cut = feed(domain_generation.DomainGeneration(parameters("domain_generation")), rows, cuts, restart)
    assert whole == cut
    assert whole


@cache
def logon_rows() -> tuple[list[dict[str, Any]], list[bool]]:
    logons, truth = _logons.generate(11)
    return [{"@timestamp": clock.to_datetime(one.at), "event.category": ["authentication"], "user.name": one.user,
             "event.outcome": "success" if one.success else "failure", "source.ip": one.source, "host.name": one.host}
            for one in logons], truth.tolist()


def test_unusual_logons_stand_out_without_any_training() -> None:
    rows, truth = logon_rows()
    found = feed(unusual_logon.detector(None), rows, range(0, len(rows), 2000))
    hit = [truth[int(one.event_id, 16)] for one in found]
    # Rows of intruders are about one in a hundred; of the findings they are many times that.
    assert len(found) < len(rows) / 40
    assert sum(hit) / len(found) > 5 * sum(truth) / len(truth)
    opened = sum(bad and row["event.outcome"] == "success" for row, bad in zip(rows, truth, strict=True))
    assert sum(hit) > opened / 3
    assert all(one.building_block and one.risk > 0 and " / " in one.explanation for one in found)
    assert all(dict(one.entities)["user.name"] for one in found)
    per_hour: dict[tuple[str, int], int] = {}
    for one in found:
        key = (dict(one.entities)["user.name"], one.at // clock.HOUR)
        per_hour[key] = per_hour.get(key, 0) + 1
    assert max(per_hour.values()) == 1


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(0, 2600), min_size=1, max_size=5), st.integers(1, 5))
def test_cuts_and_restarts_change_nothing_for_logons(cuts: list[int], restart: int) -> None:
    rows = logon_rows()[0][:2600]
    assert feed(unusual_logon.detector(None), rows, cuts, restart) == feed(unusual_logon.detector(None), rows, [])


def test_realms_do_not_teach_each_other() -> None:
    rows = logon_rows()[0][:1500]
    alone = feed(unusual_logon.detector(None), rows, [])
    mixed = [each for row in rows for each in (row, {**row, "soc.realm": "demo", "source.ip": "192.0.2.9"})]
    found = [one for one in feed(unusual_logon.detector(None), mixed, []) if one.realm == "real"]
    assert [(one.at, one.entities, one.explanation) for one in found] == [
        (one.at, one.entities, one.explanation) for one in alone]


@pytest.mark.parametrize("row", [
    {"event.category": ["authentication"], "event.outcome": "success", "user.name": None},
    {"event.category": ["network"], "event.outcome": "success", "user.name": "a"},
    {"event.category": None, "event.outcome": "success", "user.name": "a"},
    {"event.category": ["authentication"], "event.outcome": None, "user.name": "a"},
    {"event.category": ["authentication"], "event.outcome": "failure", "user.name": "DOC-PC-01$"},
    {"message": "no logon at all"},
])
def test_what_is_no_persons_logon_is_left_alone(row: dict[str, Any]) -> None:
    detector = unusual_logon.detector(None)
    assert detector.detect(batch([{"@timestamp": clock.to_datetime(START), **row}])) == []
    assert not detector.worlds
