"""Both event stores, filled with the same random events and asked the same random questions, give the same answers."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from soc_core.access import EVERYTHING, Scope
from soc_core.protocols import EventStore, Page, Query
from soc_core.store.elastic import ElasticSettings, ElasticStore
from soc_core.store.embedded import EmbeddedStore
from soc_core.store.tree import Node
from tests.soc_core.store.events import SECOND, START, Row, batch, identified
from tests.soc_core.store.test_query import FIELDS, TREES, readable, row_of, written

EVENTS = 150
LONG = "x" * 9000 + " needle İ in the haystack " + "y" * 30_000
ODD: list[Row] = [  # what Elasticsearch alone would index otherwise than we compare, or not at all
    {"user.name": "İstanbul", "message": "ΟΔΟΣ σς", "tags": ["ΣΑΣ", "plain"]},
    {"message": LONG, "event.original": LONG, "user.name": LONG, "own.path": LONG},
    {"process.command_line": "a" * 8191, "url.original": "a" * 8192},
    {"source.ip": "fe80::1%eth0", "related.ip": ["fe80::2%1", "10.0.0.1"]},
    {"source.ip": "::ffff:10.0.0.1", "related.ip": ["::ffff:10.0.0.1", "no address"]},
    {"source.ip": "１０.0.0.1"}, {"source.ip": "010.0.0.1"},
    {"winlog.event_data.A": "Root\0\x02", "own.path": "*?\\",
     "overflow": '{"own":{"path":[1.50,true,"Ab"]},"x":{"own":3}}'},
    {"event.end": 253_402_300_799_999_999, "event.start": -62_135_596_800_000_000},
    {"user.name": "", "message": "", "tags": []},
    {"overflow": "no JSON at all [", "tls.resumed": True, "process.pid": -(1 << 63)},
]
QUESTIONS = [
    "user.name:i*", "user.name:istanbul", "user.name:i̇stanbul", "user.name:*stanbul", "message:οδος",
    "message:ς", "message:σ", "tags:σας", "tags:σασ", "tags:plain", "needle", '"needle i"', '"i̇ in the"',
    "user.name:x*", "user.name:*y", "user.name:*haystack*", "user.name:*x", "own.path:*needle*",
    f"user.name:{LONG[:900]}*", f"user.name:*{LONG[-90:]}", f'user.name:"{LONG}"', f'own.path:"{LONG}"',
    "user.name:[w TO z]", "process.command_line:a*", "url.original:*a",
    "source.ip:fe80::/10", "source.ip:*", "source.ip:fe80::1", "related.ip:fe80::/10", "source.ip:10.0.0.1",
    "source.ip:10.0.0.0/24", "related.ip:[10.0.0.0 TO 10.0.0.9]", "related.ip:{10.0.0.1 TO fe80::2}", "source.ip:10.*",
    "winlog.event_data.A:root*", "winlog.event_data.A:*", "own.path:1.5", "own.path:true", "own.path:ab",
    r"own.path:\*\?\\\\", "x.own:3", "x.own:*", "own.path:[1 TO 2]", "event.end:>9998", "event.end:*",
    "event.start:<1970", "event.start:0001", 'user.name:""', "_exists_:user.name", "tags:*", "tls.resumed:true",
    "tls.resumed:false", "process.pid:<0", "overflow:JSON", "overflow:own", "event.original:line*", "event.original:*",
    "user.name:k*", "user.name:\u212a", "message:k", "*a*?*b*", "*0*1*", "message:??", "?",
]


class Pair(NamedTuple):
    embedded: EventStore
    elastic: EventStore


@pytest.fixture(scope="module")
def pair(elastic_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both stores with the same events, written in the same pieces."""
    rng = random.Random(11)
    rows = [*ODD, *examples(row_of(), EVENTS)]
    made = []
    for n, row in enumerate(identified([{**row} for row in rows])):
        made.append({**row, "@timestamp": START + rng.randrange(40) * SECOND // 7, "event.dataset": rng.choice("ab"),
                     "organization.id": rng.choice(["one", "ONE", "two", None]), "soc.offset": n})
    target = ElasticSettings(urls=[elastic_url], replicas="0", shards=3)
    with EmbeddedStore(tmp_path_factory.mktemp("embedded")) as embedded, \
            ElasticStore(target, f"agree.{os.getpid()}") as elastic:
        for at in range(0, len(made), 40):
            written_so = [store.write(batch(made[at : at + 40])) for store in (embedded, elastic)]
            assert list(written_so[0].stored) == list(written_so[1].stored) == list(range(len(made[at : at + 40])))
        yield Pair(embedded, elastic)
        elastic.prune(1 << 61)


def examples(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """The same so many draws each time."""
    drawn: list[Any] = []

    @seed(20261123)
    @settings(max_examples=1, database=None, deadline=None,
              suppress_health_check=list(HealthCheck))
    @given(st.lists(strategy, min_size=count, max_size=count))
    def draw(values: list[Any]) -> None:
        drawn[:] = values

    draw()
    return drawn


def same(pair: Pair, query: Query, scope: Scope, page: Page) -> None:
    """Everything that can be asked about one question."""
    first, second = (store.search(query, scope, page) for store in pair)
    assert [row["event.id"] for row in first.rows] == [row["event.id"] for row in second.rows], query
    assert first == second, query


def test_rows_come_back_alike(pair: Pair) -> None:
    ids = [row["event.id"] for row in pair.embedded.search(Query(), EVERYTHING, Page(1000)).rows]
    assert pair.embedded.get(ids, EVERYTHING) == pair.elastic.get(ids, EVERYTHING)
    scanned = [{row["event.id"]: row for part in store.scan(Query(), EVERYTHING)
                for row in part.frame().sort("event.id").to_dicts()} for store in pair]
    names = {name for rows in scanned for row in rows.values() for name in row}
    for name in ids:
        for field in names:
            assert scanned[0][name].get(field) == scanned[1][name].get(field), (name, field)


@pytest.mark.parametrize("text", QUESTIONS, ids=range(len(QUESTIONS)))
def test_traps(pair: Pair, text: str) -> None:
    for query in (Query(text=text), Query(text=f"NOT ({text})")):
        same(pair, query, EVERYTHING, Page(1000))


@seed(7)
@settings(max_examples=120, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(TREES.filter(readable), st.sampled_from([EVERYTHING, Scope(frozenset(["one"])), Scope(frozenset(["two", "x"]))]),
       st.sampled_from([1, 7, 1000]), st.booleans())
def test_random_questions(pair: Pair, tree: Node, scope: Scope, limit: int, newest: bool) -> None:
    same(pair, Query(text=written(tree), since=START + 1, until=START + 5 * SECOND), scope, Page(limit, "", newest))
    same(pair, Query(text=written(tree)), scope, Page(limit, "", newest))


@seed(8)
@settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(TREES.filter(readable), st.sampled_from([name for names in FIELDS.values() for name in names] +
                                               ["@timestamp", "tls.resumed", "event.dataset", "x", "event.end"]),
       st.sampled_from([1, 3, 400]), st.sampled_from([1, 7, 60]))
def test_random_figures(pair: Pair, tree: Node, field: str, limit: int, buckets: int) -> None:
    query = Query(text=written(tree))
    counted = [[b for b in store.aggregate(query, EVERYTHING, field, 1000) if len(str(b.key)) < 8000] for store in pair]
    assert counted[0] == counted[1]
    assert pair.embedded.histogram(query, EVERYTHING, buckets) == pair.elastic.histogram(query, EVERYTHING, buckets)
    if field not in ("user.name", "message", "own.path"):  # these have values too long to be counted
        assert pair.embedded.aggregate(query, EVERYTHING, field, limit) == pair.elastic.aggregate(
            query, EVERYTHING, field, limit)
