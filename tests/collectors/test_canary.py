"""Marked records through real doors: they come out, raise nothing, belong to nobody; one that is lost is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.canary import Door, Sender
from collectors.collect import Collector
from collectors.parse import detect
from collectors.sources.http import HttpSource
from collectors.sources.relp import RelpSource
from collectors.sources.syslog_tcp import SyslogTcp
from collectors.sources.syslog_udp import SyslogUdp
from detections import canaries as detector
from soc_cli.wiring import Platform
from soc_core import canaries, clock
from soc_core.access import EVERYTHING
from soc_core.config import load
from soc_core.events import EventBatch
from soc_core.models import REAL
from soc_core.protocols import Query
from soc_core.state import canaries as state
from soc_core.state.canaries import Canary
from soc_core.state.tables import AlertRow


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with Platform(load(data=tmp_path)) as opened:
        yield opened


def until(true: Callable[[], Any], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_each_door_is_proved_from_the_network_to_the_store(platform: Platform, tmp_path: Path) -> None:
    sources: dict[str, Any] = {"syslog-udp": SyslogUdp(), "syslog-tcp": SyslogTcp(), "relp": RelpSource(),
                               "http": HttpSource({"default": "t"}, detect)}
    doors = {f"{kind}:{one.port}": Door(kind, "127.0.0.1", one.port, "t" * (kind == "http"))
             for kind, one in sources.items()}
    real: list[int] = []
    collector = Collector(platform.journal, sources, on_real=lambda: real.append(1))
    collector.start()
    sent = Sender(doors, platform.canary_key, 300.0, lambda _: None).round()
    assert [one.error for one in sent] == [""] * 4
    until(lambda: sum(collector.counts()["sources"][kind]["committed"] for kind in sources) == 4)
    collector.stop()
    assert not real, "a canary is no reason to end the demonstration"
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "all.yml").write_text("title: All\nid: 6d1f9b1e-3f56-4a57-9a3a-5f0f6a7f8c11\nlogsource: {product: linux}\n"
                                   "detection: {a: [soc-canary, harmless], condition: a}\nlevel: high\n")
    platform.worker([rules]).drain()
    found = detector.arrived(platform.store(canaries.REALM), platform.canary_key, sent[0].sent)
    assert {one.id for one in sent} <= found
    assert not list(platform.store(REAL).scan(Query(), EVERYTHING)), "they are in no figure of the real events"
    with platform.state.read() as session:
        assert session.query(AlertRow).count() == 0


def test_only_what_is_signed_whole_is_moved() -> None:
    key = b"k" * 32
    good = canaries.signed(key, "token")
    said = [good, good + " rm -rf /", good.replace("token", "other"), "soc-canary/1", None,
            canaries.signed(b"x", "token")]
    batch = EventBatch.from_dicts([
        {"event.id": f"{n:032x}", "host.name": canaries.HOST, "message": text, "soc.realm": REAL,
         "organization.id": "cs-edu", "soc.system.id": "campus_safety"} for n, text in enumerate(said)])
    moved = canaries.Canaries(key).enrich(batch)
    assert moved.column("soc.realm").to_list() == [canaries.REALM, *[REAL] * 5]
    assert moved.column("organization.id").to_list() == [None, *["cs-edu"] * 5]
    plain = EventBatch.from_dicts([{"event.id": "1" * 32, "host.name": "edu-app-01", "message": good}])
    assert canaries.Canaries(key).enrich(plain) is plain
    assert canaries.is_ours(canaries.line(key, "token", 0))


def test_lost_refused_and_absent_canaries_are_told_once_each(platform: Platform) -> None:
    now, minute = clock.now(), clock.MINUTE
    with platform.state.begin() as session:
        state.note(session, [Canary("a1", "c", "udp", now - 30 * minute, 5 * minute),
                             Canary("b1", "c", "tcp", now - 6 * minute, 5 * minute),
                             Canary("d1", "c", "relp", now - minute, 5 * minute, "refused"),
                             Canary("e1", "c", "http", now - 2 * minute, 5 * minute)])
        state.came(session, ["a1"], now - 29 * minute)
    with platform.state.read() as session:
        found = {finding.title.split()[-1]: finding for finding in detector.findings(session, now)}
        again = detector.findings(session, now + 4 * minute)
    assert set(found) == {"udp", "tcp", "relp"}
    assert "sends none" in found["udp"].explanation
    assert "not in the store" in found["tcp"].explanation
    assert "refused" in found["relp"].explanation
    assert {one.event_id for one in found.values()} <= {one.event_id for one in again}
    with platform.state.begin() as session:
        state.came(session, ["b1", "d1"], now)
        state.note(session, [Canary("a2", "c", "tcp", now, 5 * minute)])
    with platform.state.read() as session:
        assert [one.group[1][1] for one in detector.findings(session, now)] == [], "doors that are gone are not awaited"


def test_a_door_that_is_shut_says_so() -> None:
    source = SyslogTcp()
    port = source.port
    source.close()
    told: list[Canary] = []
    sender = Sender({"syslog-tcp": Door("syslog-tcp", "127.0.0.1", port)}, b"k", 60.0, told.extend, first=0.0)
    sender.start()
    until(lambda: told)
    sender.close()
    assert told[0].error
    assert not told[0].seen
