"""100 million events in an embedded store, made once and asked again: a system's last hour, a rare address over all.

Segments are written as compaction leaves them after a day: at most 500,000 events each, sorted by system and time,
filters beside. The store lies in SOC_BENCH_STORE (default: data/bench-store) and is grown to SOC_BENCH_ROWS
(default 100,000,000) from where it stands, for SOC_BENCH_SECONDS (default 600) at most; what it then has is asked.
"""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from bench.search import BLOCK, PER_DAY, RARE, START, block, figure, plain_polars, timed
from soc_core import clock
from soc_core.access import EVERYTHING
from soc_core.config import ROOT
from soc_core.protocols import Page, Query
from soc_core.store import compaction, segments
from soc_core.store.embedded import MANIFEST, EmbeddedStore
from soc_core.store.manifest import Manifest

ROWS = 500_000  # events a segment
DAYS = 3  # level of a segment that holds a day
HOUR_TARGET, RARE_TARGET = 500, 5000  # milliseconds


def grow(folder: Path, rows: int, seconds: float) -> tuple[int, float]:
    """Write segments until there are so many rows or the time is over; (rows written, processor time)."""
    with EmbeddedStore(folder):
        pass  # makes the folders where there are none
    manifest = Manifest(folder / MANIFEST)
    try:
        first = sum(each.rows for each in manifest.segments()) // ROWS
        number, until, spent = first, time.monotonic() + seconds, time.process_time()
        while number * ROWS < rows and time.monotonic() < until:
            parts = [block(number * (ROWS // BLOCK) + part).frame() for part in range(ROWS // BLOCK)]
            frame = segments.conform(pl.concat(parts))[0].sort(compaction.ORDER)
            created = START + (number + 1) * ROWS * (clock.DAY // PER_DAY)
            made = segments.write(folder / "segments", frame, DAYS, created, filters=True)
            manifest.change([(made, segments.spans(frame[segments.ID]))])
            number += 1
        return (number - first) * ROWS, time.process_time() - spent
    finally:
        manifest.close()


def ask(store: EmbeddedStore) -> list[dict[str, Any]]:
    """An analyst's two questions, and their answers held to a plain scan."""
    total = store.search(Query(), EVERYTHING, Page(0)).total
    last = store.search(Query(), EVERYTHING, Page(1)).rows[0]["@timestamp"]
    hour = Query(text="soc.system.id:sys-0003", since=last - clock.HOUR, until=last + 1)
    rare = Query(text=f"source.ip:{RARE}")
    since = pl.lit(clock.to_datetime(last - clock.HOUR), dtype=pl.Datetime("us", "UTC"))
    named = f"make-store: of {total / 1e6:g} M events"
    found = []
    for what, query, where, target in (
        ("one system's last hour", hour, (pl.col("soc.system.id") == "sys-0003") & (pl.col("@timestamp") >= since),
         HOUR_TARGET),
        ("a rare address over everything", rare, pl.col("source.ip") == RARE, RARE_TARGET),
    ):
        peer = plain_polars(store, where)
        began = time.perf_counter()
        count, rows = peer()
        slow = (time.perf_counter() - began) * 1000  # once: it reads everything
        hits = store.search(query, EVERYTHING)
        if hits.total != count or [row["event.id"] for row in hits.rows] != rows["event.id"].to_list():
            raise AssertionError(f"the store and a plain scan disagree on {query}")
        spent = timed(partial(store.search, query, EVERYTHING))
        found.append(figure(f"{named}, {what}", spent, "ms", "polars scan", slow, target=target))
    return found


def figures() -> list[dict[str, Any]]:
    """Grow the store, then ask it."""
    folder = Path(os.environ.get("SOC_BENCH_STORE", ROOT / "data" / "bench-store"))
    wanted = int(os.environ.get("SOC_BENCH_ROWS", "100000000"))
    rows, spent = grow(folder, wanted, float(os.environ.get("SOC_BENCH_SECONDS", "600")))
    with EmbeddedStore(folder) as store:
        rate = "make-store: events written a second of processor time"
        made = [figure(rate, rows / spent, "events/s")] if rows else []
        size = sum(path.stat().st_size for path in (folder / "segments").iterdir())
        total = store.search(Query(), EVERYTHING, Page(0)).total
        return [*made, figure("make-store: bytes an event, filters included", size / total, "bytes"), *ask(store)]
