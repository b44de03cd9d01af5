"""Rules over what did not pass the pipeline, and over gaps: every span has its row, every finding counts once."""

from __future__ import annotations

import uuid
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detections.sigma.share import SharingSigma
from soc_cli.pushing import OVERLAP, SETTLE, STEP, Pushing
from soc_cli.wiring import Platform
from soc_core import clock
from soc_core.access import EVERYTHING
from soc_core.clock import DAY, HOUR, MINUTE
from soc_core.config import Events, Settings
from soc_core.models import Alert
from soc_core.protocols import Origin, Raws
from soc_core.state import alerts, windows
from soc_core.store.elastic import ElasticStore
from soc_core.store.elastic_foreign import row
from soc_core.store.elastic_settings import ElasticSettings
from tests.servers.elastic import elastic_url

__all__ = ["elastic_url"]
NOW = clock.from_text("2026-11-23T09:00:00Z")
RULES = """
title: Root from outside
id: 00000000-0000-4000-8000-00000000000a
status: test
logsource: {product: linux, service: sshd}
detection: {one: {user.name: root, event.outcome: failure}, condition: one}
level: high
---
title: Tool
id: 00000000-0000-4000-8000-00000000000b
status: test
logsource: {product: windows, category: process_creation}
detection: {one: {CommandLine|contains: mimikatz}, condition: one}
level: critical
"""
LINE = "2026-11-23T08:5{}:00+00:00 host1 sshd[12]: Failed password for root from 203.0.113.{} port 51514 ssh2"


@pytest.fixture
def plain(tmp_path: Path) -> Settings:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "few.yml").write_text(RULES)
    return Settings(data=tmp_path / "data", partitions=1, rules=[tmp_path / "rules"])


@pytest.fixture
def city(plain: Settings, elastic_url: str) -> Settings:
    elastic = ElasticSettings(urls=[elastic_url], replicas="0", prefix=f"t{uuid.uuid4().hex[:8]}", patience=5)
    return plain.model_copy(update={"event_engine": Events(elastic=elastic)})


def put(store: ElasticStore, *documents: dict[str, Any]) -> None:
    """As Beats would, into an index that our template maps."""
    store.prepare()
    index = store.indices.replace("*", "beats-standard-2026.11.23")
    for document in documents:
        store.client.index(index=index, document=document, id=document.pop("_id", None), refresh=True)


def sshd(minute: int, last: int, **more: Any) -> dict[str, Any]:
    """A document of Filebeat's system module: nested, nothing of ours in it."""
    return {"@timestamp": f"2026-11-23T08:{minute:02}:30.5Z", "event": {"dataset": "system.auth", "outcome": "failure"},
            "process": {"name": "sshd"}, "user": {"name": "root"}, "source": {"ip": f"203.0.113.{last}"},
            "host": {"name": "edge7"}, "agent": {"x": [{"y": 1}]}, "_id": f"beat-{minute}-{last}", **more}


def listed(platform: Platform) -> list[Alert]:
    with platform.state.read() as session:
        found, _ = alerts.find(session, EVERYTHING, limit=1000)
    return sorted(found, key=lambda each: str(each.entities))


def states(platform: Platform) -> list[str]:
    with platform.state.read() as session:
        return [each.status for each in sorted(windows.due(session, 1 << 60, 10_000), key=lambda each: each.until)]


def test_events_of_others_are_judged_once_with_overlap(city: Settings) -> None:
    with Platform(city) as platform:
        store = platform.store("real")
        assert isinstance(store, ElasticStore)
        put(store, sshd(56, 1), sshd(57, 1), sshd(50, 2), sshd(30, 3), sshd(56, 9, **{"soc": {"partition": 0}}),
            {"@timestamp": "2026-11-23T08:57:00Z", "event": {"dataset": "other"}, "user": {"name": "root"}})
        pushing = Pushing(platform)
        assert pushing.run_once(NOW + SETTLE) == 3  # that of 08:30 lies before the overlap of the first window
        assert [(one.count, one.entities["source.ip"]) for one in listed(platform)] == [
            (2, ["203.0.113.1"]), (1, ["203.0.113.2"])]
        assert listed(platform)[0].events == ["beat-56-1", "beat-57-1"]
        put(store, sshd(58, 1))  # late
        put(store, sshd(57, 1))  # the same again
        assert pushing.run_once(NOW + SETTLE) == 0  # nothing is due
        assert pushing.run_once(NOW + STEP + SETTLE) == 1
        assert [one.count for one in listed(platform)] == [3, 1]
        with platform.state.read() as session:
            done = windows.summary(session)
        assert (done.done, done.findings, done.gaps, done.until) == (2, 4, [], NOW + STEP)


def test_time_that_nobody_watched_is_a_gap_and_is_filled(city: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with Platform(city) as platform:
        store = platform.store("real")
        assert isinstance(store, ElasticStore)
        put(store, sshd(1, 1), sshd(31, 2), sshd(59, 3))
        pushing = Pushing(platform)
        pushing.run_once(NOW - HOUR + SETTLE)
        monkeypatch.setattr("soc_core.store.elastic_foreign.count", _away)
        assert pushing.run_once(NOW + SETTLE) == 0
        assert states(platform) == ["failed"] * 12
        with platform.state.read() as session:
            gaps = windows.summary(session).gaps
        assert (gaps[0].since, gaps[-1].until, gaps[0].why) == (NOW - HOUR, NOW, "away")
        monkeypatch.undo()
        assert pushing.run_once(NOW + SETTLE) == 0  # not yet: it waits before it tries again
        assert pushing.run_once(NOW + SETTLE + 2 * MINUTE) == 3
        assert states(platform) == []
        assert [one.count for one in listed(platform)] == [1, 1, 1]


def _away(*_: Any) -> int:
    raise OSError("away")


def append(platform: Platform, first: int, lines: list[str]) -> None:
    places = np.arange(first, first + len(lines), dtype=np.int64)
    raws = Raws(Origin(source="s", format="syslog"), [line.encode() for line in lines], NOW, places)
    platform.journal.append([raws])


@pytest.mark.parametrize("form", ["plain", "city"])
def test_records_on_which_the_rules_failed_are_judged_later(form: str, request: pytest.FixtureRequest,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    """The alert has far more findings than it remembers: none is counted twice, none left out."""
    settings: Settings = request.getfixturevalue(form)
    with Platform(settings) as platform:
        worker = platform.worker()
        sift = SharingSigma.sift
        append(platform, 0, [LINE.format(number % 9, 7) for number in range(300)])
        worker.drain()
        monkeypatch.setattr(SharingSigma, "sift", _broken)
        append(platform, 300, [LINE.format(number % 9, 7) for number in range(200)] + [LINE.format(0, 8)])
        worker.drain()
        monkeypatch.setattr(SharingSigma, "sift", sift)
        append(platform, 501, [LINE.format(number % 9, 7) for number in range(50)])
        worker.drain()
        assert [one.count for one in listed(platform)] == [350]
        with platform.state.read() as session:
            (gap,) = windows.summary(session).gaps
        assert (gap.kind, gap.first, gap.last, "broken" in gap.why) == ("gap", 300, 501, True)
        pushing = Pushing(platform)
        if form == "city":
            platform.store("real").search(query_of_all(), EVERYTHING)  # what was written is seen
        assert pushing.run_once(NOW) == 201
        assert pushing.run_once(NOW) == 0
        assert [one.count for one in listed(platform)] == [550, 1]
        assert worker.detector_errors


def query_of_all() -> Any:
    from soc_core.protocols import Query

    return Query()


def _broken(*_: Any) -> Any:
    raise RuntimeError("broken")


def test_windows_are_pruned_and_a_long_absence_is_told_in_days(plain: Settings) -> None:
    with Platform(plain) as platform, platform.state.begin() as session:
        assert windows.advance(session, "real", NOW, STEP) == 1
        assert windows.advance(session, "real", NOW + 30 * DAY, STEP) == 23 + 7 * DAY // STEP
        todo = sorted(windows.due(session, NOW, 10_000), key=lambda each: each.since)
        assert (todo[0].since, todo[-1].until) == (NOW - STEP, NOW + 30 * DAY)
        assert all(one.until == other.since for one, other in pairwise(todo))  # and nothing is left out
        windows.missed(session, "real", (NOW, NOW + STEP), 0, (1, 2), "broken")
        for each in windows.due(session, NOW, 10_000):
            windows.done(session, each.id, "r", 0, 0, NOW)
        assert windows.fresh(session, [("r", "e"), ("r", "e"), ("r", "f")], NOW) == {("r", "e"), ("r", "f")}
        assert windows.fresh(session, [("r", "e"), ("r", "g")], NOW) == {("r", "g")}
        windows.prune(session, NOW + 200 * DAY)
        assert windows.summary(session).done == 1  # of the clock's, the last
        assert windows.fresh(session, [("r", "e")], NOW) == {("r", "e")}
        assert windows.advance(session, "real", NOW + 30 * DAY + STEP, STEP) == 1  # it knows where it stood


def test_documents_of_others_as_rows() -> None:
    made = row("x", {"source": {"ip": "192.0.2.1", "port": "443"}, "event.category": "network", "unknown": {"a": 1},
                     "@timestamp": "2026-11-23T08:57:00Z", "user": {"name": ["a", "b"]}, "event": {"id": "its own"},
                     "destination": {"port": "none"}})
    assert made == {"source.ip": "192.0.2.1", "source.port": 443, "event.category": ["network"], "event.id": "x",
                    "@timestamp": NOW - 3 * MINUTE, "user.name": "a"}
    assert OVERLAP > STEP
