"""The city's form on real servers: Kafka, PostgreSQL and Elasticsearch; the same records, the same results."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TopicCollection
from confluent_kafka.admin import AdminClient

from soc_cli import stages
from soc_cli.checks import all_checks
from soc_cli.member import Member
from soc_cli.wiring import Platform
from soc_cli.work import accept
from soc_core.config import Events, Kafka, Settings, Stream
from soc_core.journal.kafka_topic import CHECK_SECONDS
from soc_core.journal.remade import Remade
from soc_core.store.elastic_settings import ElasticSettings
from tests.servers.elastic import elastic_url
from tests.servers.kafka import kafka_address
from tests.servers.postgres import postgres
from tests.soc_cli.test_workers import LINES, Crew, alone, outcome, put, records, world

__all__ = ["elastic_url", "kafka_address", "world"]  # fixtures


def on_kafka(settings: Settings, address: str) -> Settings:
    name = f"soc-{uuid.uuid4().hex[:8]}"
    stream = Stream(kafka=Kafka(servers=address, topic=name, patience=10))
    return settings.model_copy(update={"journal_engine": stream})


@pytest.fixture
def city(world: Settings, kafka_address: str, elastic_url: str) -> Iterator[Settings]:
    """The same settings on the three servers."""
    elastic = ElasticSettings(urls=[elastic_url], replicas="0", prefix=f"t{uuid.uuid4().hex[:8]}")
    with postgres().new_database() as url:
        yield on_kafka(world, kafka_address).model_copy(update={"event_engine": Events(elastic=elastic), "state": url})


@pytest.mark.timeout(280)
def test_workers_on_real_engines_find_the_same(world: Settings, city: Settings, tmp_path: Path) -> None:
    """Three workers, of which one is thought dead and goes on; what it does then is not committed."""
    some, crew = records(3), Crew(city, random.Random(3))
    expected = alone(world, some, tmp_path)
    with Platform(city) as platform:
        for _ in range(3):
            crew.join()
        put(platform, some[: LINES // 2])
        for number in range(3):
            crew.turn(number)
        crew.vanish(0)
        put(platform, some[LINES // 2 :])
        crew.haunt()
        while sum(crew.turn(number) for number in range(2)):
            crew.haunt()
        assert outcome(platform) == expected
        put(platform, some[:10])  # and again, as another collector's source might
        while sum(crew.turn(number) for number in range(2)):
            continue
        assert sum(row.duplicate for row in outcome(platform)["fates"]) == 10
        checks = {check.name: check for check in all_checks(city)}
        assert [checks[name].state for name in ("journal", "events", "state")] == ["works"] * 3
        assert (checks["journal"].found.split(" ")[0], checks["state"].found.split(",")[0]) == ("Kafka", "PostgreSQL")
        whole = stages.stages(city)
        assert (whole["lag"], whole["totals"]["pending"], whole["balanced"], len(whole["workers"])) == (0, 0, True, 2)
        assert whole["events"] == {"real": LINES}
        crew.close()


def turned(member: Member) -> None:
    """Turns until something happens."""
    while member.turn() == 0:
        time.sleep(0.1)


def test_a_topic_made_anew_stops_the_work_until_somebody_accepts_it(
    world: Settings, kafka_address: str, tmp_path: Path
) -> None:
    settings, some = on_kafka(world, kafka_address), records(4)[:100]
    with Platform(settings) as platform, platform.member().working() as member:
        put(platform, some[:60])
        while member.turn():
            continue
        topic = settings.journal_engine.kafka.topic  # type: ignore[union-attr]
        admin = AdminClient({"bootstrap.servers": kafka_address})
        for done in admin.delete_topics([topic, f"{topic}.tails"], operation_timeout=10).values():
            done.result(20)
        gone = time.monotonic() + 20
        while topic in admin.list_topics(timeout=10).topics and time.monotonic() < gone:
            time.sleep(0.1)
        assert admin.describe_topics(TopicCollection([f"{topic}.shared"]))
        with Platform(settings) as collector:
            put(collector, some[50:])
        time.sleep(CHECK_SECONDS)
        with pytest.raises(Remade, match="made anew"):
            turned(member)
    with Platform(settings) as platform:
        with pytest.raises(ValueError, match="accept the new one"):
            platform.member()
        accept(platform)
        with platform.member().working() as member:
            while member.turn():
                continue
        whole = stages.stages(settings)
    assert (whole["totals"]["stored"], whole["totals"]["duplicate"], whole["lag"]) == (100, 10, 0)
    assert whole["balanced"]
