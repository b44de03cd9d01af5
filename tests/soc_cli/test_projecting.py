"""Alerts in an index of a real node: through the outbox, as ECS, each as it stands at last."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from detections.triage import apply
from soc_cli.projecting import CONSUMER, Projector
from soc_core import clock
from soc_core.access import EVERYTHING
from soc_core.clock import DAY, HOUR
from soc_core.models import Finding
from soc_core.state import alerts, outbox
from soc_core.state.alerts import CHANGED
from soc_core.state.database import Database
from soc_core.store.elastic_alerts import AlertIndex, Change, document
from soc_core.store.elastic_client import StoreUnavailable
from soc_core.store.elastic_settings import ElasticSettings
from tests.servers.elastic import elastic_url

__all__ = ["elastic_url"]
T = clock.from_text("2026-11-23T09:00:00Z")


def finding(number: int, rule: str = "r1", level: str = "high", realm: str = "real") -> Finding:
    return Finding(
        rule_id=rule, event_id=f"{number:032x}", at=T + number, level=level, title="暴力破解",
        group=(("host.name", "h"),),
        entities=(("source.ip", "203.0.113.9"), ("user.name", "Root"), ("host.name", "h"), ("x.y", "z")),
        techniques=("T1110",), organisation="c01", system="s1", realm=realm, partition=0, offset=number)


@pytest.fixture
def index(elastic_url: str) -> Iterator[AlertIndex]:
    made = AlertIndex(ElasticSettings(urls=[elastic_url], replicas="0", prefix=f"t{uuid.uuid4().hex[:8]}", patience=5))
    yield made
    for name in made.client.indices.get(index=f"{made.name}-*"):
        made.client.indices.delete(index=name)
    made.client.indices.delete_index_template(name=made.name)
    made.close()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/state.db")
    made.migrate()
    yield made
    made.close()


def found(client: Elasticsearch, index: AlertIndex, **asked: Any) -> list[dict[str, Any]]:
    client.indices.refresh(index=f"{index.name}-*")
    return [hit["_source"] for hit in client.search(index=f"{index.name}-*", query=asked or None)["hits"]["hits"]]


def take(state: Database, *findings: Finding) -> None:
    with state.begin() as session:
        apply(session, findings, T)


def test_every_change_arrives_and_the_index_is_as_the_state(state: Database, index: AlertIndex) -> None:
    take(state, finding(1))  # before anybody read the topic
    projector = Projector(state, index)
    assert projector.run_once() == 1
    take(state, finding(2), finding(3), finding(4, rule="r2", level="low"), finding(5, realm="demo"))
    take(state, finding(6))
    assert projector.run_once() == 3  # one word an alert, however often it changed
    with state.begin() as session:
        (known, *_), _ = alerts.find(session, EVERYTHING, alerts.Filter(rule="r1", realm="real"))
        alerts.set_verdict(session, known.id, known.version, "zhang", "benign")
    assert projector.run_once() == 1
    assert projector.run_once() == 0
    docs = found(index.client, index)
    with state.read() as session:
        listed, _ = alerts.find(session, EVERYTHING)
    assert sorted(docs, key=str) == sorted((document(each) for each in listed), key=str)
    (doc,) = found(index.client, index, bool={"filter": [
        {"term": {"source.ip": "203.0.113.0/24"}}, {"term": {"rule.id": "r1"}}, {"term": {"soc.realm": "real"}},
        {"term": {"related.user": "Root"}}, {"term": {"threat.technique.id": "T1110"}},
        {"range": {"event.start": {"lte": "2026-11-23T09:00:01Z"}}}]})
    assert (doc["soc.alert.count"], doc["soc.alert.status"], doc["soc.alert.verdict"]) == (4, "closed", "benign")
    assert (doc["event.kind"], doc["soc.alert.entity"][0]) == ("alert", "host.name=h")
    assert len(index.client.indices.get(index=f"{index.name}-*")) == 2  # a realm each


def test_late_hands_do_not_undo(state: Database, index: AlertIndex) -> None:
    take(state, finding(1))
    with state.read() as session:
        (old,), _ = alerts.find(session, EVERYTHING)
    take(state, finding(2))
    with state.read() as session:
        (new,), _ = alerts.find(session, EVERYTHING)
    assert index.put([Change(new, 7)]) == {}
    assert index.put([Change(old, 6)]) == {}
    assert index.put([Change(new, 7)]) == {}
    assert [doc["soc.alert.count"] for doc in found(index.client, index)] == [2]


def test_a_cluster_that_is_away_loses_nothing(state: Database, index: AlertIndex) -> None:
    away = AlertIndex(ElasticSettings(urls=["http://127.0.0.1:9"], patience=0))
    take(state, finding(1))
    for hours in range(2 * outbox.ATTEMPTS):
        with pytest.raises(StoreUnavailable):
            Projector(state, away).run_once(clock.now() + hours * HOUR)
    with state.read() as session:
        assert (outbox.given_up(session), outbox.waiting(session, CONSUMER, [CHANGED])) == ([], 1)
    assert Projector(state, index).run_once(clock.now() + 100 * HOUR) == 1
    assert len(found(index.client, index)) == 1
    away.close()


def test_months_past_their_time_go(state: Database, index: AlertIndex) -> None:
    take(state, finding(1))
    projector = Projector(state, index)
    projector.run_once()
    assert projector.expire(T + 190 * DAY) == 0  # the month has days that are younger
    assert projector.expire(T + 230 * DAY) == 1
    assert found(index.client, index) == []
