"""Event store: writing, one system's last hour, a rare address over everything, counting. `make-store` grows one.

The events have the shape that the pipeline gives them (some 25 columns, verbatim original of 250 bytes), spread
over the systems of a city and over a day for each million. Run `python -m bench.search make-store DIR --events N`
for a large store: it goes on where it stopped. `SOC_BENCH_STORE=DIR ./soc bench search` then asks that one.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from soc_core import clock
from soc_core.access import EVERYTHING, Scope
from soc_core.events import EventBatch
from soc_core.identity import event_ids, source_number
from soc_core.protocols import Page, Query
from soc_core.store.embedded import EmbeddedStore

START = 1_790_000_000_000_000 // clock.DAY * clock.DAY
BLOCK, PER_DAY = 50_000, 1_000_000
SYSTEMS, OWNERS, SOURCES = 2600, 471, 64
RARE = "10.77.77.251"  # within the range of the others, so that no minimum or maximum gives it away
Figure = dict[str, Any]


def block(number: int) -> EventBatch:
    """Events `number * BLOCK` and on: the same for the same number."""
    rng = np.random.default_rng(number)
    first = number * BLOCK
    count = np.arange(first, first + BLOCK)
    system = rng.zipf(1.4, BLOCK) % SYSTEMS
    source = system % SOURCES
    peers = rng.integers(0, 250 * 250, BLOCK)
    user, port = rng.integers(0, 4000, BLOCK), rng.integers(1024, 65000, BLOCK)
    failed = rng.random(BLOCK) < 0.3
    keys = np.array([source_number(f"bench-{n}") for n in range(SOURCES)])
    base = pl.DataFrame({
        "@timestamp": pl.Series(START + count * (clock.DAY // PER_DAY)).cast(pl.Datetime("us", "UTC")),
        "event.id": event_ids(keys[source], count, np.zeros(BLOCK, dtype=np.int64)),
        "system": system, "peer": peers, "user": user, "source.port": port, "failed": failed, "n": count,
        "soc.partition": source.astype(np.int64) % 4, "soc.offset": count,
    })
    rare = pl.col("n") % 3_000_017 == 700_001
    address = pl.when(rare).then(pl.lit(RARE)).otherwise(
        pl.format("10.{}.{}.{}", pl.col("peer") // 250, pl.col("peer") % 250, pl.col("system") % 250))
    word = pl.when("failed").then(pl.lit("Failed password for")).otherwise(pl.lit("Accepted password for"))
    frame = base.with_columns(
        address.alias("source.ip"), word.alias("word"), pl.format("user{}", "user").alias("user.name"),
        pl.format("sys-{}", pl.col("system").cast(pl.String).str.zfill(4)).alias("soc.system.id"),
        pl.format("org-{}", (pl.col("system") % OWNERS).cast(pl.String).str.zfill(3)).alias("organization.id"),
        pl.format("host{}", "system").alias("host.name"),
    ).with_columns(
        pl.format("{} {} from {} port {} ssh2", "word", "user.name", "source.ip", "source.port").alias("message"),
    ).with_columns(
        pl.format(
            "<38>1 2026-11-23T09:00:00.{}+08:00 {} sshd {} - [meta sequenceId=\"{}\" zone=\"extranet\" "
            "agent=\"rsyslogd\" facility=\"auth\"] {}", "n", "host.name", "source.port", "n", "message",
        ).alias("event.original"),
        pl.concat_list("source.ip").alias("related.ip"), pl.concat_list("user.name", "host.name").alias("related.user"),
        pl.when("failed").then(pl.lit("failure")).otherwise(pl.lit("success")).alias("event.outcome"),
        pl.format("机构 {}", "organization.id").alias("organization.name"),
        pl.col("@timestamp").alias("event.ingested"),
        **{name: pl.lit(value) for name, value in {
            "event.dataset": "system.auth", "event.module": "system", "event.action": "ssh_login",
            "event.kind": "event", "process.name": "sshd", "log.syslog.appname": "sshd",
            "soc.format": "syslog", "soc.realm": "real", "soc.zone": "city", "network.transport": "tcp",
        }.items()},
    ).drop("system", "peer", "user", "failed", "n", "word")
    return EventBatch.of(frame)


def fill(store: EmbeddedStore, events: int, note: Callable[[int], None]) -> float:
    """Write up to so many events, going on where the store ends, as if each million took a day; seconds of writing."""
    spent, real_now = 0.0, clock.now
    done = store.search(Query(), EVERYTHING, Page(0)).total // BLOCK
    try:
        for number in range(done, -(-events // BLOCK)):
            batch = block(number)
            moment = START + (number + 1) * BLOCK * (clock.DAY // PER_DAY)
            clock.now = lambda at=moment: at
            began = time.perf_counter()
            store.write(batch)
            spent += time.perf_counter() - began
            if number % 20 == 19:
                store.compact(moment)
                note((number + 1) * BLOCK)
        store.compact(START + 10_000 * clock.DAY)
    finally:
        clock.now = real_now
    return spent


def timed(ask: Callable[[], Any], rounds: int = 5) -> float:
    """Median milliseconds, the first round (cold caches of ours) left out."""
    ask()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        ask()
        times.append(time.perf_counter() - began)
    return sorted(times)[rounds // 2] * 1000


def plain_polars(store: EmbeddedStore, predicate: pl.Expr) -> Callable[[], tuple[int, pl.DataFrame]]:
    """The peer: the same question (total and newest 100 rows) put to Polars over the same files."""
    paths = sorted((store.path / "segments").glob("*.parquet"))
    lazy = pl.scan_parquet(paths, missing_columns="insert", extra_columns="ignore", cache=False).filter(predicate)

    def ask_polars() -> tuple[int, pl.DataFrame]:
        rows = lazy.sort("@timestamp", "event.id", descending=True).head(100).collect()
        return int(lazy.select(pl.len()).collect().item()), rows

    return ask_polars


def figure(name: str, value: float, unit: str, peer: str | None = None, peer_value: float | None = None,
           target: float | None = None) -> Figure:
    """`met`: a rate reaches its target, a time stays within it."""
    met = None if target is None else (value >= target if unit.endswith("/s") else value <= target)
    ratio = round(value / peer_value, 3) if peer_value else None
    rounded = None if peer_value is None else round(peer_value, 1)
    return {"name": name, "value": round(value, 1), "unit": unit, "peer": peer, "peer_value": rounded,
            "ratio": ratio, "target": target, "met": met}


def ask(store: EmbeddedStore) -> list[Figure]:
    """The questions of an analyst's page, each with its peer."""
    total = store.search(Query(), EVERYTHING, Page(0)).total
    last = store.search(Query(), EVERYTHING, Page(1)).rows[0]["@timestamp"]
    hour = Query(text="soc.system.id:sys-0003", since=last - clock.HOUR, until=last + 1)
    rare = Query(text=f"source.ip:{RARE}")
    day = Query(since=last - clock.DAY)
    agency = Scope(frozenset(["org-007"]))
    name, polars = f"of {total / 1e6:g} M events", "polars scan"
    since = pl.lit(clock.to_datetime(last - clock.HOUR), dtype=pl.Datetime("us", "UTC"))
    of_hour = plain_polars(store, (pl.col("soc.system.id") == "sys-0003") & (pl.col("@timestamp") >= since))
    of_rare = plain_polars(store, pl.col("source.ip") == RARE)
    for query, peer in ((rare, of_rare), (hour, of_hour)):
        hits, (count, rows) = store.search(query, EVERYTHING), peer()
        if hits.total != count or [row["event.id"] for row in hits.rows] != rows["event.id"].to_list():
            raise AssertionError(f"the store and a plain scan disagree on {query}")
    return [
        figure(f"first page {name}", timed(lambda: store.search(Query(), EVERYTHING)), "ms", target=500),
        figure(f"one system's last hour {name}", timed(lambda: store.search(hour, EVERYTHING)), "ms",
               polars, timed(of_hour), target=500),
        figure(f"rare address over all {name}", timed(lambda: store.search(rare, EVERYTHING)), "ms",
               polars, timed(of_rare), target=500),
        figure(f"one agency's last day {name}", timed(lambda: store.search(day, agency)), "ms", target=500),
        figure(f"top users of the last day {name}",
               timed(lambda: store.aggregate(day, EVERYTHING, "user.name")), "ms"),
        figure(f"histogram over all {name}",
               timed(lambda: store.histogram(Query(), EVERYTHING, 120)), "ms", target=500),
        figure(f"words in the last day {name}",
               timed(lambda: store.search(day.model_copy(update={"text": "failed user77"}), EVERYTHING)), "ms"),
    ]


def figures() -> list[Figure]:
    """Two million events in a store of its own, or the store that SOC_BENCH_STORE names."""
    kept = os.environ.get("SOC_BENCH_STORE")
    if kept:
        with EmbeddedStore(Path(kept)) as store:
            return ask(store)
    events = int(os.environ.get("SOC_BENCH_EVENTS", "2000000"))
    with tempfile.TemporaryDirectory() as folder, EmbeddedStore(Path(folder)) as store:
        spent = fill(store, events, lambda done: None)
        size = sum(path.stat().st_size for path in (store.path / "segments").iterdir())
        rate = figure("events written, durable at each 50,000", events / spent, "events/s", target=100_000)
        return [rate, figure("bytes kept an event", size / events, "bytes"), *ask(store)]


def main() -> int:
    """`make-store DIR --events N`: make or grow a large store."""
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=main.__doc__)
    parser.add_argument("what", choices=["make-store"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", type=int, default=100_000_000)
    given = parser.parse_args()
    with EmbeddedStore(given.folder) as store:
        fill(store, given.events, lambda done: print(f"\r{done / 1e6:g} M", end="", file=sys.stderr, flush=True))
        print(f"\n{store.search(Query(), EVERYTHING, Page(0)).total} events", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
