"""Quarantined records in their topic, on a real broker: each of them, whole, with one key, and none forgotten."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from soc_cli import quarantine_topic
from soc_cli.wiring import Platform
from soc_core import engines
from soc_core.config import Kafka, Settings, Stream
from soc_core.protocols import Frame
from soc_core.state import outbox, quarantine
from soc_core.state.quarantine import Item
from tests.servers.kafka import kafka_address

__all__ = ["kafka_address"]  # a fixture


def item(number: int, raw: bytes = b"\xff bad") -> Item:
    return Item(f"id-{number}", f"http:a/{number % 2}", "real", "syslog", 1_000 + number, f"no time {number}", raw, 0,
                number, None if number % 2 else 7)


def told(settings: Settings) -> list[Frame]:
    journal = engines.open_quarantine(settings)
    try:
        return [frame for partition in journal.partitions() for frame in journal.read(partition, 0, 1000)]
    finally:
        journal.close()


def test_every_record_in_quarantine_is_in_the_topic(
    kafka_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream(kafka=Kafka(servers=kafka_address, topic=f"q{uuid.uuid4().hex[:8]}", patience=10))
    settings = Settings(data=tmp_path).model_copy(update={"journal_engine": stream})
    with Platform(settings) as platform:
        feed = quarantine_topic.feed(settings, platform.state)
        assert feed is not None
        with platform.state.begin() as session:
            quarantine.add(session, [item(0)])  # before anybody reads
        assert feed.run_once() == 1
        with platform.state.begin() as session:
            quarantine.add(session, [item(1), item(2, b"x" * 5000)])
            quarantine.add(session, [item(1)])
        assert (feed.run_once(), feed.run_once()) == (2, 0)
        found = {frame.raws.origin.series: frame.raws for frame in told(settings)}
        assert sorted(found) == ["id-0", "id-1", "id-2"]
        assert [bytes(found[f"id-{n}"].lines[0]) for n in range(3)] == [b"\xff bad", b"\xff bad", b"x" * 5000]
        assert [found[f"id-{n}"].damaged for n in range(3)] == [{0: f"no time {n}"} for n in range(3)]
        assert [found[f"id-{n}"].received for n in range(3)] == [1000, 1001, 1002]
        with platform.state.begin() as session:
            quarantine.add(session, [item(3)])
        with monkeypatch.context() as patch:  # it dies before it can say that the record was carried over
            patch.setattr(outbox, "done", lambda *_: None)
            feed.run_once()
        assert feed.run_once(at=1 << 60) == 1
        again = [frame.raws for frame in told(settings) if frame.raws.origin.series == "id-3"]
        assert [len(raws.lines) for raws in again] in ([1, 1], [2])
        feed.close()


def test_there_is_none_without_kafka(tmp_path: Path) -> None:
    with Platform(Settings(data=tmp_path)) as platform:
        assert quarantine_topic.feed(platform.settings, platform.state) is None
