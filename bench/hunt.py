"""Rules over stored events: 200 public Windows rules drawn by seed, one by one, over ten million events on disk.

The store is made once, of the recordings otrf with hosts, accounts, processes and command lines varied, and kept in
SOC_BENCH_HUNT (by default in the cache folder); SOC_BENCH_HUNT_EVENTS makes it smaller, SOC_BENCH_HUNT_RULES takes
fewer rules. At least half of the rules look inside texts (contains, re). Before each hunt the page cache is dropped for
the store's files. Rates are of processor time, all threads together; those by the clock stand beside.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from bench.sigma import CORPORA, EVENTS, RULES, figure, lines, normalised, recordings
from detections.sigma import cache
from detections.sigma.hunt import Hunt
from detections.sigma.load import load_rules
from detections.sigma.rule import Rule, RuleSet
from detections.sigma.terms import ANY, leaves
from soc_core import clock
from soc_core.access import EVERYTHING
from soc_core.identity import event_ids, source_number
from soc_core.protocols import Query
from soc_core.store import segments
from soc_core.store.embedded import EmbeddedStore
from soc_core.store.manifest import Manifest

TOTAL = int(os.environ.get("SOC_BENCH_HUNT_EVENTS") or 10_000_000)
COUNT = int(os.environ.get("SOC_BENCH_HUNT_RULES") or 200)
SEED = int(os.environ.get("SOC_BENCH_SEED") or 7)
SEGMENT = 250_000  # events in one segment: what a day's compaction leaves of large records
START = 1_790_000_000_000_000 // clock.DAY * clock.DAY


def folder() -> Path:
    """Where the store is kept."""
    named = os.environ.get("SOC_BENCH_HUNT")
    return Path(named) if named else cache.default().parent / f"bench-hunt-{TOTAL}"


def recorded(most: int) -> pl.DataFrame:
    """The recordings as stored columns."""
    found = [segments.gather(batch)[0] for batch in normalised(lines(recordings(), most))]
    return pl.concat(found, how="diagonal")


def varied(base: pl.DataFrame, number: int, count: int) -> pl.DataFrame:
    """One segment: the same for the same number."""
    rng = np.random.default_rng(number)
    rows = np.sort(rng.integers(0, base.height, count))
    at = np.arange(count, dtype=np.int64)
    mark = pl.Series("mark", rng.integers(0, 40, count) + number * 40).cast(pl.String)
    once = pl.Series("once", number * count + at).cast(pl.String)
    some = pl.Series("some", rng.random(count) < 0.25)
    frame = base[pl.Series(rows)].with_columns(mark, once, some)
    frame = frame.with_columns(
        pl.Series("@timestamp", START + number * clock.DAY + at * (clock.DAY // count)).cast(pl.Datetime("us", "UTC")),
        event_ids(np.full(count, source_number("bench")), number * count + at, np.zeros(count, np.int64)),
        *(pl.format("{}-{}", name, "mark").alias(name) for name in ("host.name", "user.name")),
        pl.format("{}{}", "process.entity_id", "once").alias("process.entity_id"),
        pl.when("some").then(pl.format("{} /x:{}", "process.command_line", "once"))
        .otherwise("process.command_line").alias("process.command_line"),
        pl.format("{} {}", "event.original", "once").alias("event.original"),
    ).with_columns(pl.col("@timestamp").alias("event.ingested"))
    return frame.drop("mark", "once", "some")


def make(path: Path, total: int, most: int = 2 * EVENTS) -> None:
    """Segments up to so many events, of `most` recorded ones, going on where the store ends; nothing is judged."""
    EmbeddedStore(path).close()
    manifest = Manifest(path / "manifest.db")
    try:
        done = len(manifest.segments())
        size = min(SEGMENT, total)
        base = recorded(most) if done < total // size else None
        for number in range(done, total // size):
            assert base is not None, "read above, as there are segments to make"
            frame, _ = segments.conform(varied(base, number, size))
            made = segments.write(path / "segments", frame, 3, START + number * clock.DAY, filters=True)
            manifest.change([(made, segments.spans(frame["event.id"]))])
    finally:
        manifest.close()


def inside(rule: Rule) -> bool:
    """Whether the rule looks inside texts: contains or re."""
    tests = [leaf.test for leaf in leaves(rule.tree)]
    return any(
        test.kind == "regex" or (test.kind == "text" and test.value[:1] == test.value[-1:] == (ANY,)) for test in tests
    )


def drawn(rules: RuleSet, count: int, seed: int) -> list[Rule]:
    """So many rules for what is stored, half of them from those that look inside texts."""
    rnd = random.Random(seed)
    mine = sorted((rule for rule in rules.rules if rule.logsource.product == "windows"), key=lambda rule: rule.id)
    half = rnd.sample([rule for rule in mine if inside(rule)], count - count // 2)
    return half + rnd.sample([rule for rule in mine if rule not in half], count // 2)


def forget(path: Path) -> None:
    """Drop the page cache for the files of a folder."""
    for file in path.iterdir():
        handle = os.open(file, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


class Hunted(NamedTuple):
    """One rule's hunt: events, findings, seconds of the processor and of the clock."""

    rule: Rule
    events: int
    found: int
    spent: float
    passed: float


def hunted(path: Path, rules: RuleSet, chosen: Sequence[Rule]) -> Iterator[Hunted]:
    """Each rule by itself over the whole store."""
    with EmbeddedStore(path) as store:
        for rule in chosen:
            hunt = Hunt(replace(rules, rules=[rule], correlations=[], exemptions=[]), cache=cache.default())
            forget(path / "segments")
            spent, passed = time.process_time(), time.perf_counter()
            found = sum(len(each) for each in hunt.search(store, Query(), EVERYTHING))
            yield Hunted(rule, hunt.events, found, time.process_time() - spent, time.perf_counter() - passed)


def figures() -> list[dict[str, Any]]:
    """Median and worst rate over the rules."""
    if not recordings() or not (CORPORA / "sigma-rules").exists():
        return []
    path = folder()
    make(path, TOTAL)
    rules = load_rules([CORPORA / "sigma-rules" / name for name in RULES], cache=cache.default())
    done = list(hunted(path, rules, drawn(rules, COUNT, SEED)))
    slow = sorted(done, key=lambda each: each.events / each.spent)
    for each in slow[:5]:
        rate = f"{each.events / each.spent:,.0f} events/s"
        print(f"{rate}: {each.rule.head.title} ({each.rule.id}), {each.found} findings")
    rates = [each.events / each.spent for each in done]
    clocked = [each.events / each.passed for each in done]
    name = f"hunt, {len(done)} rules over {done[0].events:,} events"
    return [
        figure(f"{name}, median", statistics.median(rates), "events/s", 1_000_000),
        figure(f"{name}, worst", min(rates), "events/s", 200_000),
        figure(f"{name}, median by the clock", statistics.median(clocked), "events/s"),
        figure(f"{name}, worst by the clock", min(clocked), "events/s"),
        figure("findings of these hunts", sum(each.found for each in done), "findings"),
    ]
