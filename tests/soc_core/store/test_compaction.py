"""What lies on disk: merged segments, their filters, columns that come, go and change their type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soc_core import clock
from soc_core.access import EVERYTHING, Scope
from soc_core.events import EventBatch
from soc_core.protocols import Query
from soc_core.schema import SCHEMA, Column
from soc_core.store import bloom, compaction, reading, segments
from soc_core.store.embedded import EmbeddedStore
from soc_core.store.manifest import Segment
from soc_core.store.query import parse
from tests.soc_core.store.events import START, batch, found, identified, ids, plain

NOON = 1_790_000_000_000_000 // clock.DAY * clock.DAY + 12 * clock.HOUR
LATER = NOON + 400 * clock.DAY


def view(store: EmbeddedStore) -> tuple[Segment, ...]:
    return store._manifest.segments()


def levels(store: EmbeddedStore) -> list[int]:
    return sorted(segment.level for segment in view(store))


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the wall clock."""
    def set_clock(moment: int) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)

    set_clock(NOON)
    return set_clock


def test_minutes_become_hours_and_hours_days(tmp_path: Path, at: Any) -> None:
    with EmbeddedStore(tmp_path) as store:
        n = 0
        for second in (0, 20, 40, 60, 61, 3600, 3700, 86_400):
            at(NOON + second * clock.SECOND)
            store.write(batch(plain(10, first=n)))
            n += 10
        assert store.compact(NOON + 30 * clock.SECOND) == 0
        assert store.compact(NOON + 60 * clock.SECOND) == 3  # the first minute is over
        assert levels(store) == [0, 0, 0, 0, 0, 1]
        assert store.compact(NOON + 3601 * clock.SECOND) == 3  # its hour, with what was never merged by the minute
        assert levels(store) == [0, 0, 0, 2]
        store.compact(NOON + 7201 * clock.SECOND)
        assert levels(store) == [0, 2, 2]
        store.compact(NOON + 12 * clock.HOUR)
        assert levels(store) == [0, 3]
        store.compact(LATER)
        assert levels(store) == [3, 3]  # two days stay two
        assert store.compact(LATER) == 0
        assert found(store) == ids(plain(n))


def test_a_merged_segment_is_sorted_and_large_ones_are_left_alone(
    tmp_path: Path, at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MAX_ROWS", 25)
    with EmbeddedStore(tmp_path) as store:
        for first in range(0, 60, 10):
            rows = plain(10, first=first)
            for n, row in enumerate(rows):
                row["soc.system.id"] = f"s{n % 3}" if n else None
            store.write(batch(rows))
        store.compact(NOON + clock.HOUR)
        assert [(s.level, s.rows) for s in view(store)] == [(2, 20)] * 3
        before = {segment.file for segment in view(store)}
        assert store.compact(LATER) == 0
        assert ({segment.file for segment in view(store)}, levels(store)) == (before, [3] * 3)
        for segment in view(store):
            frame = pl.read_parquet(tmp_path / "segments" / segment.file)
            assert frame.select(compaction.ORDER).equals(frame.sort(compaction.ORDER).select(compaction.ORDER))


def test_columns_without_a_value_are_not_written(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path) as store:
        store.write(batch(plain(3, **{"user.name": None, "related.ip": None})))
        store.write(batch(plain(3, first=3, **{"user.name": "x"})))
        assert [("user.name" in s.columns, "related.ip" in s.columns) for s in view(store)] == [(0, 0), (1, 0)]
        assert found(store, "user.name:x") == ids(plain(3, first=3))
        assert found(store, "NOT user.name:x") == ids(plain(3))


def test_a_value_that_its_column_cannot_hold_is_refused_and_named(tmp_path: Path) -> None:
    frame = batch(plain(3)).frame().with_columns(
        pl.Series("source.port", ["22", "http", None]), pl.Series("related.ip", ["10.0.0.1", None, "10.0.0.2"]),
        pl.Series("process.pid", [1, 2, 3], dtype=pl.Int8),
    )
    with EmbeddedStore(tmp_path) as store:
        result = store.write(EventBatch.of(frame))
        assert list(result.stored) == [0, 2]
        assert [(r.row, r.reason) for r in result.rejected] == [(1, "source.port cannot be kept as Int64")]
        row = store.search(Query(text="source.port:22"), EVERYTHING).rows[0]
        assert (row["source.port"], row["related.ip"], row["process.pid"]) == (22, ["10.0.0.1"], 1)


@pytest.mark.parametrize(("old", "new", "text", "hits", "values"), [
    (Column(kind="keyword", about=""), Column(kind="keyword", about="", many=True), "x.y:b", [1], [["a"], ["b"]]),
    (Column(kind="keyword", about="", many=True), Column(kind="keyword", about=""), "x.y:b", [1], ["a", "b"]),
    (Column(kind="keyword", about=""), Column(kind="long", about=""), "x.y:*", [], [None, None]),
])
def test_a_column_may_change_its_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: Column, new: Column, text: str, hits: list[int],
    values: list[Any],
) -> None:
    def declare(column: Column) -> None:
        monkeypatch.setitem(SCHEMA.columns, "x.y", column)
        SCHEMA._dtype.cache_clear()  # type: ignore[attr-defined]
        segments.DTYPE_NAMES.clear()
        parse.__globals__["_parse"].cache_clear()

    try:
        with EmbeddedStore(tmp_path) as store:
            declare(old)
            rows = plain(2)
            for row, name in zip(rows, "ab", strict=True):
                row["x.y"] = [name] if old.many else name
            store.write(batch(rows))
            declare(new)
            later = plain(1, first=2)
            store.write(batch(later))
            assert found(store, text) == ids([rows[n] for n in hits])
            got = store.get([row["event.id"] for row in rows], EVERYTHING)
            assert [row.get("x.y") for row in got] == values
            assert store.compact(LATER) == 1  # what would lose something in the merge stays as it is
            assert levels(store) == [0, 3]
            assert found(store) == ids([*rows, *later])
    finally:
        monkeypatch.undo()
        SCHEMA._dtype.cache_clear()  # type: ignore[attr-defined]
        segments.DTYPE_NAMES.clear()


# ---------------------------------------------------------------- what is left unread


def read(store: EmbeddedStore, text: str, scope: Scope = EVERYTHING, **span: int) -> int:
    """How many segments a question opens; what they hold must be all there is."""
    question = reading.Question.of(store._segments, Query(text=text, **span), scope)
    chosen = question.candidates(view(store))
    rest = [segment for segment in view(store) if segment not in chosen]
    if rest:
        assert segments.collect(question.rows(rest, set())).height == 0
    return len(chosen)


def test_few_segments_are_read(tmp_path: Path, at: Any) -> None:
    with EmbeddedStore(tmp_path) as store:
        for n in range(20):
            at(NOON + n * clock.DAY)
            store.write(batch(identified([{
                "source.ip": f"10.0.0.{n}", "related.ip": [f"10.0.0.{n}", f"2001:DB8:0:0::{n:x}"],
                "user.name": f"User{n}",
                "winlog.event_data.hash.md5": f"{n:032X}", "organization.id": f"o{n % 4}", "event.dataset": f"d{n % 5}",
                "@timestamp": NOON + n * clock.DAY,
            }], first=n)))
        store.compact(LATER)
        assert levels(store) == [3] * 20
        assert read(store, "") == 20
        for text in ("source.ip:10.0.0.7", "related.ip:10.0.0.7", "related.ip:2001:db8::7", "user.name:uSER7",
                     "source.ip:10.0.0.7/32", f"winlog.event_data.hash.md5:{7:032x}", "source.ip:10.0.0.7 user.name:*"):
            assert read(store, text) == 1, text
            assert len(found(store, text)) == 1, text
        assert read(store, "source.ip:(10.0.0.7 OR 10.0.0.8)") == 2
        assert read(store, "source.ip:192.0.2.1") == read(store, "user.name:nobody") == 0
        assert read(store, "NOT source.ip:10.0.0.7") == 20
        assert read(store, "event.dataset:D1") == 4
        assert read(store, "", Scope(frozenset(["o1", "o9"]))) == 5
        assert read(store, "process.name:*") == 0
        assert read(store, "any.path:x") == 0
        assert read(store, "", since=NOON + clock.DAY, until=NOON + 3 * clock.DAY) == 2


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=6) | st.ip_addresses().map(str), max_size=40), st.text(max_size=6))
def test_a_filter_never_omits(tmp_path_factory: pytest.TempPathFactory, values: list[str], other: str) -> None:
    values = [value.encode("utf-8", "ignore").decode() for value in values]
    body, directory = bloom.build(pl.DataFrame({"source.ip": pl.Series(values, dtype=pl.String)}))
    path = tmp_path_factory.getbasetemp() / "filter"
    path.write_bytes(body)
    for value in values:
        assert bloom.may_hold(path, directory, "destination.ip", value)
        if value.upper().lower() == value.lower():
            assert bloom.may_hold(path, directory, "destination.ip", value.upper())
    assert not bloom.may_hold(path, directory, "user.name", other)


def test_a_filter_passes_few_of_the_absent(tmp_path: Path) -> None:
    names = [f"user{n}" for n in range(20_000)]
    body, directory = bloom.build(pl.DataFrame({"related.user": [[name, None] for name in names]}))
    (tmp_path / "filter").write_bytes(body)
    passed = sum(bloom.may_hold(tmp_path / "filter", directory, "user.name", f"absent{n}") for n in range(5000))
    assert passed < 50
    assert len(body) < 20_000 * 3


def test_pruning_cuts_a_segment_and_drops_whole_ones_unread(tmp_path: Path, at: Any) -> None:
    with EmbeddedStore(tmp_path) as store:
        for first in (0, 10, 20):
            store.write(batch(plain(10, first=first)))
        untouched = view(store)[2].file
        assert store.prune(START + 15 * clock.SECOND) == 15
        assert sorted(segment.rows for segment in view(store)) == [5, 10]
        assert untouched in {segment.file for segment in view(store)}
        assert found(store) == ids(plain(15, first=15))
        assert list(store.write(batch(plain(30))).stored) == list(range(30))  # a replay brings back what was pruned
        assert store.search(Query(), EVERYTHING).total == 30


def test_scan_keeps_shapes_apart(tmp_path: Path) -> None:
    rows = identified([
        {"event.dataset": "a", "user.name": "u"}, {"event.dataset": "b", "source.port": 1},
        {"event.dataset": "a", "sigma.logsource": ["x", "y"]}, {"event.dataset": "a", "user.name": "v"},
        {"message": "m"},
    ])
    with EmbeddedStore(tmp_path) as store:
        store.write(batch(rows))
        (scanned,) = store.scan(Query(), EVERYTHING)
        shapes = sorted(sorted(set(part.frame.columns) - set(rows[4])) for part in scanned.parts)
        assert shapes == [[], ["event.dataset", "sigma.logsource"], ["event.dataset", "source.port"],
                          ["event.dataset", "user.name"]]
        order = scanned.column("event.id").to_list()
        assert order == [row["event.id"] for row in rows]
