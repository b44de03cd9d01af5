"""ElasticStore when things go wrong: refused documents, a full cluster, one that goes away, strangers on the line."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from elasticsearch import Elasticsearch
from pydantic import ValidationError

from soc_core import clock
from soc_core.access import EVERYTHING, Scope
from soc_core.protocols import Query, QueryError
from soc_core.store import elastic_client, elastic_reading
from soc_core.store.elastic import ElasticSettings, ElasticStore, StoreUnavailable, open_store
from tests.servers.proxy import Authority, Proxy, authority, proxy
from tests.soc_core.store.events import SECOND, START, Row, batch, found, identified, ids, plain

NUMBERS = itertools.count()
DAY = START // clock.DAY * clock.DAY


@pytest.fixture
def realm(elastic_url: str) -> Iterator[str]:
    """A realm of its own, emptied afterwards."""
    name = f"faults.{os.getpid()}.{next(NUMBERS)}"
    yield name
    with open_store(ElasticSettings(urls=[elastic_url], replicas="0"), name) as store:
        store.prune(1 << 61)


@pytest.fixture
def store(elastic_url: str, realm: str) -> Iterator[ElasticStore]:
    with open_store(ElasticSettings(urls=[elastic_url], replicas="0"), realm) as store:
        yield store


@pytest.fixture
def faulty(elastic_url: str, realm: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ElasticStore, Proxy]]:
    """A store behind a proxy that spoils what it is told to, with little patience."""
    monkeypatch.setattr(elastic_client, "FIRST_WAIT", 0.02)
    with proxy(elastic_url) as between:
        settings = ElasticSettings(urls=[between.url], replicas="0", patience=2)
        with open_store(settings, realm) as store:
            store.prepare()
            yield store, between


def indices(store: ElasticStore) -> list[str]:
    return store._names()


def received(rows: list[Row], at: int) -> list[Row]:
    return [{**row, "event.ingested": at} for row in rows]


# ---------------------------------------------------------------- where an event goes


def test_the_index_is_a_function_of_the_record(elastic_url: str, realm: str) -> None:
    settings = ElasticSettings(urls=[elastic_url], replicas="0", classes={"aws.*": "long"},
                               retention={"standard": 190, "long": 400})
    rows = received(plain(6), DAY + clock.DAY - 1)
    for row, name in zip(rows, ["system.auth", "aws.cloudtrail", None, "Ä/x", "ä_x", "system.auth"], strict=True):
        row["event.dataset"] = name
    rows[5]["event.ingested"] += 1
    with open_store(settings, realm) as store:
        assert len(store.write(batch(rows)).stored) == 6
        names = indices(store)
        assert {f"soc-{realm}-system.auth-standard-2026.09.21", f"soc-{realm}-aws.cloudtrail-long-2026.09.21",
                f"soc-{realm}-none-standard-2026.09.21", f"soc-{realm}-system.auth-standard-2026.09.22"} < set(names)
        assert len(names) == 6
        assert store.get([row["event.id"] for row in rows], EVERYTHING)[3]["event.dataset"] == "Ä/x"
        assert store.expire(DAY + clock.DAY) == 0
        assert store.expire(DAY + clock.DAY + 1) == 4  # whose class is the standard one
        left = [f"soc-{realm}-aws.cloudtrail-long-2026.09.21", f"soc-{realm}-system.auth-standard-2026.09.22"]
        assert sorted(indices(store)) == left
        assert store.expire(DAY + 211 * clock.DAY) == 1
        assert store.expire(DAY + 211 * clock.DAY + 1) == 1  # kept 400 days, which are 210 more than 190
        assert indices(store) == []


def test_nothing_is_stored_twice_across_midnight(elastic_url: str, realm: str, store: ElasticStore) -> None:
    """The same record met again: from our journal at once, from another place days later, by another process."""
    rows = received(plain(20), DAY + clock.DAY - SECOND)
    assert len(store.write(batch(rows)).stored) == 20
    with open_store(store.settings, realm) as other:
        assert len(other.write(batch(rows)).stored) == 20  # a crash between the two commits
        later = [{**row, "soc.offset": 500 + n} for n, row in enumerate(received(plain(22), DAY + 3 * clock.DAY))]
        later[3]["event.original"] = "a lie"
        result = other.write(batch(later))
        assert (list(result.stored), [r.row for r in result.rejected]) == ([20, 21], [3])
        assert len(result.duplicate) == 19
    assert found(store) == ids(plain(22))
    assert len(indices(store)) == 2


def test_an_agency_differs_by_every_letter(store: ElasticStore) -> None:
    store.write(batch(identified([{"organization.id": name} for name in ("one", "ONE", "One ", "one")])))
    assert store.search(Query(), Scope(frozenset(["one"]))).total == 2
    assert store.search(Query(text="organization.id:one"), EVERYTHING).total == 3


def test_counts_are_exact_however_few_values_a_shard_tells(
    elastic_url: str, realm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elastic_reading, "KEYS_A_SHARD", 1)
    monkeypatch.setattr(elastic_reading, "KEYS_A_REQUEST", 5)
    rows = identified([{"user.name": f"U{n % 13}", "source.port": n % 7, "own.path": f"p{n % 11}"} for n in range(200)])
    with open_store(ElasticSettings(urls=[elastic_url], replicas="0", shards=5), realm) as store:
        store.write(batch(rows))
        for field in ("user.name", "source.port", "own.path"):
            counts: dict[Any, int] = {}
            for row in rows:
                counts[row[field]] = counts.get(row[field], 0) + 1
            wanted = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            for limit in (1, 2, 5, 100):
                assert store.aggregate(Query(), EVERYTHING, field, limit) == wanted[:limit], (field, limit)


# ---------------------------------------------------------------- what the server refuses


def test_refused_documents_are_rejected_one_by_one(elastic_url: str, realm: str, store: ElasticStore) -> None:
    client = Elasticsearch(elastic_url)
    client.indices.create(index=f"soc-{realm}-none-standard-2026.09.21",
                          mappings={"properties": {"process": {"properties": {"name": {"type": "long"}}}}})
    client.close()
    rows = plain(6)
    rows[1]["process.name"] = rows[4]["process.name"] = "no number"
    rows[2]["process.name"] = "7"
    result = store.write(batch(rows))
    assert list(result.stored) == [0, 2, 3, 5]
    assert [r.row for r in result.rejected] == [1, 4]
    assert all("process.name" in r.reason and "Elasticsearch" in r.reason for r in result.rejected)
    again = store.write(batch(rows))
    assert (list(again.stored), [r.row for r in again.rejected]) == ([0, 2, 3, 5], [1, 4])


def test_ids_that_no_index_takes(store: ElasticStore) -> None:
    rows = plain(3)
    rows[0]["event.id"], rows[1]["event.id"] = "", "x" * 513
    result = store.write(batch(rows))
    assert (list(result.stored), [r.row for r in result.rejected]) == ([2], [0, 1])


def test_a_question_that_is_too_much_is_refused_and_the_node_lives(store: ElasticStore) -> None:
    store.write(batch(plain(3, message="aaaa")))
    for text in ("x" * 1001, "*a" + "?" * 300, "event.original:[a TO b]", "(a OR NOT (b " * 13 + "c" + "))" * 13):
        with pytest.raises(QueryError, match=r"Elasticsearch|no range"):
            store.search(Query(text=text), EVERYTHING)
    assert store.search(Query(text="message:aa"), EVERYTHING).total == 3


# ---------------------------------------------------------------- a full cluster, and one that goes away


def busy(forward: Any) -> tuple[int, bytes]:
    return 429, b'{"error":{"type":"circuit_breaking_exception","reason":"full"},"status":429}'


def partly(forward: Any) -> tuple[int, bytes]:
    """Every second event had no room (but was indexed: the worst case)."""
    _, body = forward()
    items = orjson.loads(body)["items"]
    for item in items[::2]:
        item["create"] = {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "queue full"}}
    return 200, orjson.dumps({"items": items})


def lost(forward: Any) -> None:
    """Done, but nobody hears of it."""
    forward()


def gone(forward: Any) -> None:
    """The line is cut before the server sees anything."""


@pytest.mark.parametrize("fault", [busy, partly, lost, gone])
def test_a_fault_that_passes_loses_and_doubles_nothing(faulty: tuple[ElasticStore, Proxy], fault: Any) -> None:
    store, between = faulty
    between.faults.extend([("_bulk", fault)] * 3)
    rows = plain(30)
    result = store.write(batch(rows))
    assert not between.faults
    assert (list(result.stored), list(result.duplicate), result.rejected) == (list(range(30)), [], [])
    assert found(store) == ids(rows)


@pytest.mark.parametrize("fault", [busy, partly, lost, gone])
def test_a_fault_that_stays_stops_the_writer(faulty: tuple[ElasticStore, Proxy], fault: Any,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    store, between = faulty
    store.settings.patience = 0.2
    between.faults.extend([("_bulk", fault)] * 500)
    with pytest.raises(StoreUnavailable, match="Elasticsearch") as caught:
        store.write(batch(plain(30)))
    assert isinstance(caught.value, OSError)
    between.faults.clear()
    result = store.write(batch(plain(30)))  # the pipeline comes back with the same records
    assert (list(result.stored), result.rejected) == (list(range(30)), [])
    assert found(store) == ids(plain(30))


def test_large_batches_go_in_several_requests(elastic_url: str, realm: str) -> None:
    with proxy(elastic_url) as between:
        settings = ElasticSettings(urls=[between.url], replicas="0", bulk_bytes=1 << 16)
        with open_store(settings, realm) as store:
            rows = plain(40, message="m" * 6000)
            assert len(store.write(batch(rows)).stored) == 40
            assert 3 <= sum("_bulk" in path for path in between.seen) <= 6
            assert found(store) == ids(rows)


def test_a_store_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elastic_reading, "PATIENCE", 0.2)
    with open_store(ElasticSettings(urls=["http://127.0.0.1:9"], patience=0.2), "real") as store:
        for call in (lambda: store.write(batch(plain(1))), lambda: store.search(Query(), EVERYTHING),
                     lambda: list(store.scan(Query(), EVERYTHING)), lambda: store.prune(0)):
            with pytest.raises(StoreUnavailable, match="does not answer"):
                call()


def refused(kind: str, reason: str, status: int) -> Any:
    """Each event is refused, as a bad one is, for what is no fault of it."""
    def fault(forward: Any) -> tuple[int, bytes]:
        error = {"type": kind, "reason": reason}
        return 200, orjson.dumps({"items": [{"create": {"status": status, "error": error}}] * 4})
    return fault


@pytest.mark.parametrize("fault", [
    refused("validation_exception", "Validation Failed: 1: this action would add [2] shards, but this cluster "
            "currently has [1000]/[1000] maximum normal shards open;", 400),  # as 8.19 says it
    refused("security_exception", "action [indices:data/write/bulk[s]] is unauthorized", 403),
], ids=["shards", "rights"])
def test_what_is_no_fault_of_the_events_makes_them_wait(faulty: tuple[ElasticStore, Proxy], fault: Any) -> None:
    store, between = faulty
    between.faults.append(("_bulk", fault))
    result = store.write(batch(plain(4)))
    assert (list(result.stored), result.rejected) == ([0, 1, 2, 3], [])


def test_an_index_that_may_not_be_made_stops_the_writer(elastic_url: str, realm: str) -> None:
    setting = {"action.auto_create_index": f"-soc-{realm}-*,*"}
    with (Elasticsearch(elastic_url) as client,
          open_store(ElasticSettings(urls=[elastic_url], replicas="0", patience=0.2), realm) as store):
        client.cluster.put_settings(persistent=setting)
        try:
            with pytest.raises(StoreUnavailable, match="does not take 4 events: no such index"):
                store.write(batch(plain(4)))
        finally:
            client.cluster.put_settings(persistent=dict.fromkeys(setting))
        result = store.write(batch(plain(4)))
        assert (list(result.stored), result.rejected) == ([0, 1, 2, 3], [])


# ---------------------------------------------------------------- strangers


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("tls"))


def test_tls_with_a_pinned_authority_and_credentials(elastic_url: str, realm: str, tls: Authority,
                                                     tmp_path: Path) -> None:
    with proxy(elastic_url, tls) as between:
        between.allow(user="writer", password="a:b ü")
        between.allow(api_key="aWQ6a2V5")
        rows = plain(5)
        good = [{"user": "writer", "password": "a:b ü"}, {"api_key": "aWQ6a2V5"}]
        for who, trust in itertools.product(good, [{"ca": tls.ca}, {"fingerprint": tls.fingerprint},
                                                   {"ca": tls.ca, "fingerprint": tls.fingerprint}]):
            with open_store(ElasticSettings(urls=[between.url], replicas="0", **who, **trust), realm) as store:
                assert len(store.write(batch(rows)).stored) == 5
                assert found(store) == ids(rows)
        stranger = authority(tmp_path / "stranger")
        bad = [
            ({"user": "writer", "password": "wrong"}, {"ca": tls.ca}, "credentials"),
            ({}, {"ca": tls.ca}, "credentials"),
            (good[0], {"ca": stranger.ca}, "trusted"), (good[0], {"fingerprint": stranger.fingerprint}, "trusted"),
            (good[0], {}, "trusted"),
        ]
        for who, trust, says in bad:
            seen = len(between.seen)
            settings = ElasticSettings(urls=[between.url], patience=0.2, **who, **trust)
            with open_store(settings, realm) as store, pytest.raises(StoreUnavailable, match=says):
                store.write(batch(rows))
            assert says == "credentials" or len(between.seen) == seen  # no word was said to a stranger


@pytest.mark.parametrize(("given", "says"), [
    ({"urls": []}, "at least 1"), ({"urls": ["localhost:9200"]}, "https://host"),
    ({"urls": ["https://u:p@host"]}, "stand apart"), ({"urls": ["http://h"], "fingerprint": "ab"}, "need https"),
    ({"urls": ["http://h"], "user": "u", "api_key": "k"}, "not both"), ({"urls": ["http://h"], "realm": "x"}, "Extra"),
    ({"urls": ["http://h"], "classes": {"a": "long"}}, "no days for the class long"),
    ({"urls": ["http://h"], "retention": {"a-b": 3}}, "retention class"),
    ({"urls": ["http://h"], "retention": {"standard": 30}}, "30 days, and the law wants six months"),
    ({"urls": ["http://h"], "prefix": "A"}, "pattern"),
])
def test_settings_that_cannot_be(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ElasticSettings(**given)


def test_secrets_come_from_the_environment_and_stay_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOC_ELASTIC_PASSWORD", "hush")
    settings = ElasticSettings(urls=["https://h"], user="u")
    assert settings.password.get_secret_value() == "hush"
    assert "hush" not in repr(settings)


def test_a_missing_authority_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"no-such\.pem"):
        open_store(ElasticSettings(urls=["https://h"], ca=tmp_path / "no-such.pem"), "real")
