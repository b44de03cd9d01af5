"""Elasticsearch: our writer beside the bare bulk API with the same documents, on the same node, in the same run.

Rounds alternate, each into indices of its own, so that both meet the node in the same states. The node is the one of
the tests (tests/servers/elastic.py), or the one that SOC_TEST_ELASTIC names. `python -m bench.elastic` prints it.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np
from elasticsearch import Elasticsearch

from bench.search import block
from soc_core import clock
from soc_core.access import EVERYTHING, Scope
from soc_core.events import EventBatch
from soc_core.protocols import Page, Query
from soc_core.store.elastic import ElasticSettings, ElasticStore, open_store
from tests.servers.elastic import running

Figure = dict[str, Any]
STEP = 16_384  # events a write: what the pipeline takes at a time
STEPS = 3  # a round
OVERHEAD = 15.0  # percent


def batches(number: int) -> list[EventBatch]:
    """The events of one block, cut as the pipeline cuts."""
    whole = block(number)
    place = np.arange(whole.height)
    return [whole.take((place >= n * STEP) & (place < (n + 1) * STEP)) for n in range(STEPS)]


def bodies(store: ElasticStore, given: list[EventBatch]) -> list[bytes]:
    """The request bodies that the writer would send."""
    made: list[bytes] = []
    for batch in given:
        parts = [(part.rows, part.frame) for part in batch.parts]
        chunks = store._writer._chunks(parts, np.ones(batch.height, dtype=np.bool_))
        made += [lines.body() for lines in chunks]
    return made


def round_of(url: str, number: int, kind: str) -> tuple[float, float]:
    """(seconds, seconds of our own processor time) of one round."""
    given = batches(number)
    with open_store(ElasticSettings(urls=[url], replicas="0"), f"bench.{os.getpid()}.{kind}.{number}") as store:
        store.prepare()
        ready = bodies(store, given) if kind == "bare" else []
        with Elasticsearch(url, request_timeout=120) as client:
            began, used = time.perf_counter(), time.process_time()
            if kind == "bare":
                for body in ready:
                    answer = client.bulk(operations=body, filter_path="errors")  # type: ignore[arg-type]  # bytes as they are
                    assert not answer["errors"]
            else:
                for batch in given:
                    assert len(store.write(batch).stored) == batch.height
            spent = time.perf_counter() - began, time.process_time() - used
        store.prune(1 << 61)
    return spent


def writing(url: str, rounds: int) -> list[Figure]:
    """Events a second of both, and what ours costs more."""
    times: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": []}
    for kind in times:
        round_of(url, 1000, kind)  # the node warms up
    for number in range(rounds):
        for kind in ("ours", "bare") if number % 2 else ("bare", "ours"):
            times[kind].append(round_of(url, number, kind))
    events = STEP * STEPS
    ours, bare = (float(np.median([spent for spent, _ in times[kind]])) for kind in ("ours", "bare"))
    over = float(np.median([a[0] / b[0] for a, b in zip(times["ours"], times["bare"], strict=True)]) - 1) * 100
    used = float(np.median([used for _, used in times["ours"]]))
    return [
        {"name": "elastic: write", "value": round(events / ours), "unit": "events/s", "peer": "bare bulk API",
         "peer_value": round(events / bare), "ratio": round(bare / ours, 3), "target": None, "met": None},
        {"name": "elastic: writer's overhead (median of pairs)", "value": round(over, 1), "unit": "%",
         "peer": "bare bulk API", "peer_value": 0.0, "ratio": round(1 + over / 100, 3), "target": OVERHEAD,
         "met": over <= OVERHEAD},
        {"name": "elastic: writer's own processor time", "value": round(used / events * 1e6, 1), "unit": "µs/event",
         "peer": None, "peer_value": None, "ratio": None, "target": None, "met": None},
    ]


def asking(url: str, blocks: int) -> list[Figure]:
    """Questions of a page to some hundred thousand events."""
    found: list[Figure] = []
    with open_store(ElasticSettings(urls=[url], replicas="0"), f"bench.{os.getpid()}.ask") as store:
        for number in range(blocks):
            store.write(block(number))
        hits = store.search(Query(), EVERYTHING, Page(1))
        last = hits.rows[0]["@timestamp"]
        questions = {
            "one system's last hour": Query(text="soc.system.id:sys-0003", since=last - clock.HOUR, until=last + 1),
            "an address over everything": Query(text="source.ip:10.77.77.251"),
            "a word anywhere": Query(text='"password for user39"'),
        }
        for name, query in questions.items():
            found.append(_timed(f"elastic: {name}, {hits.total:,} events", lambda q=query: store.search(q, EVERYTHING)))
        agency = Scope(frozenset(["org-007"]))
        found.append(_timed("elastic: an agency's top users", lambda: store.aggregate(Query(), agency, "user.name")))
        found.append(_timed("elastic: histogram of everything", lambda: store.histogram(Query(), EVERYTHING)))
        began = time.perf_counter()
        total = sum(batch.height for batch in store.scan(Query(), EVERYTHING))
        found.append({"name": "elastic: scan", "value": round(total / (time.perf_counter() - began)),
                      "unit": "events/s", "peer": None, "peer_value": None, "ratio": None, "target": None, "met": None})
        store.prune(1 << 61)
    return found


def _timed(name: str, ask: Any, rounds: int = 5) -> Figure:
    times = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1000)
    return {"name": name, "value": round(float(np.median(times[1:])), 1), "unit": "ms", "peer": None,
            "peer_value": None, "ratio": None, "target": None, "met": None}


def figures(rounds: int = 6, blocks: int = 4) -> list[Figure]:
    """What `./soc bench elastic` prints."""
    with running() as url:
        return [*writing(url, rounds), *asking(url, blocks)]


if __name__ == "__main__":
    for figure in figures():
        sys.stdout.write(f"{figure}\n")
