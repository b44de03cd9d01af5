"""The loop over real engines: file journal, embedded store, SQLite. Every record one fate, whatever happens."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from soc_core import clock
from soc_core.access import EVERYTHING
from soc_core.events import EventBatch
from soc_core.journal.files import FileJournal
from soc_core.models import Finding
from soc_core.pipeline import Parts
from soc_core.protocols import Frame, FrameFault, Origin, ParsedFrames, Query, Raws
from soc_core.sharing import Partial
from soc_core.state import commits, quarantine, sources, windows
from soc_core.state.database import Database
from soc_core.store.embedded import EmbeddedStore
from soc_core.worker import Worker


def parse(frames: Sequence[Frame]) -> ParsedFrames:
    """A small real format: `word=number` lines; `bad` is a fault, `two` gives two events, `join` is merged. What is
    made of `poison`, and of `left` beside `right`, fails when it is read."""
    rows: list[dict[str, Any]] = []
    places: list[tuple[int, int]] = []
    faults, merged = [], []
    for number, frame in enumerate(frames):
        for line, raw in enumerate(frame.raws.lines):
            text = raw.decode()
            if line in frame.raws.damaged:
                faults.append(FrameFault(number, line, frame.raws.damaged[line]))
            elif text.startswith("bad"):
                faults.append(FrameFault(number, line, "begins with bad"))
            elif text.startswith("join"):
                merged.append((number, line))
            elif not text.startswith("lost"):
                for _ in range(2 if text.startswith("two") else 1):
                    rows.append({"message": text, "@timestamp": None})
                    places.append((number, line))
    at = np.array(places, dtype=np.int64).reshape(-1, 2)
    words = {str(row["message"]).split("=")[0] for row in rows}

    def late() -> pl.Series:
        if "poison" in words or {"left", "right"} <= words:
            raise ValueError("no such value\nat all")
        return pl.Series("tags", [[]] * len(rows), dtype=pl.List(pl.String))

    batch = EventBatch.from_dicts(rows).with_columns({"tags": late})
    return ParsedFrames(batch, at[:, 0], at[:, 1], faults, merged)


class Counter:
    """A detector with a memory: a finding at every third event that says `hit`."""

    def __init__(self) -> None:
        self.seen = 0

    def detect(self, batch: EventBatch) -> list[Finding]:
        findings = []
        names = ("message", "event.id", "soc.realm", "soc.partition", "soc.offset")
        for message, event, *place in zip(*(batch.column(name).to_list() for name in names), strict=True):
            if "hit" in message:
                self.seen += 1
                if self.seen % 3 == 0:
                    findings.append(Finding("every-third", event, 0, "high", "third", (), (), (), "", "", *place))
        return findings

    def tick(self, now: clock.Micros) -> list[Finding]:
        return []

    def snapshot(self) -> bytes:
        return str(self.seen).encode()

    def restore(self, state: bytes) -> None:
        self.seen = int(state)


class Broken(Counter):
    def detect(self, batch: EventBatch) -> list[Finding]:
        raise RuntimeError("a defect in one detector")


class Sifting(Counter):
    """A detector whose memory would be elsewhere: it says `hit` of every such event, and fails on `fail`."""

    def sift(self, batch: EventBatch) -> tuple[list[Finding], list[Partial]]:
        messages = batch.column("message").to_list()
        if any("fail" in message for message in messages):
            raise RuntimeError("a defect in what sifts")
        return [Finding("sifted", message, 0, "low", "", (), (), (), "", "", "real", 0, 0)
                for message in messages if "hit" in message], []

    def keeper(self) -> Any:
        raise AssertionError("there is no share to keep anything")


class House:
    """One data directory, opened again as often as a test wants: each `worker` is a new process's view."""

    def __init__(self, folder: Path) -> None:
        self.journal = FileJournal(folder / "journal", partitions=2)
        self.state = Database(f"sqlite:///{folder / 'state.db'}", synchronous="NORMAL")
        self.state.migrate()
        self.folder = folder
        self.stores: dict[str, EmbeddedStore] = {}
        self.found: list[Finding] = []

    def store(self, realm: str) -> EmbeddedStore:
        return self.stores.setdefault(realm, EmbeddedStore(self.folder / "events" / realm))

    def worker(self, triage: Any = None, detectors: Sequence[Any] | None = None,
               enrichers: Sequence[Any] = (), sharing: Sequence[Any] = ()) -> Worker:
        def collect(session: Session, findings: Sequence[Finding], at: clock.Micros) -> None:
            self.found += findings

        chosen = [Counter()] if detectors is None else list(detectors)
        return Worker(Parts(self.journal, self.state, self.store, parse, enrichers, lambda: copy.deepcopy(chosen),
                            triage or collect, sharing))

    def put(self, lines: Sequence[str], source: str = "s", start: int | None = 0, realm: str = "real") -> None:
        positions = None if start is None else np.arange(start, start + len(lines), dtype=np.int64)
        raws = Raws(Origin(source=source, realm=realm), [line.encode() for line in lines], clock.now(), positions)
        self.journal.append([raws])

    def fates(self) -> dict[str, tuple[int, ...]]:
        with self.state.read() as session:
            return {
                row.source: (row.received, row.stored, row.duplicate, row.merged, row.quarantined, row.events)
                for row in commits.fates(session)
            }

    def stored(self, realm: str = "real") -> list[str]:
        return sorted(row["message"] for row in self.store(realm).search(Query(), EVERYTHING).rows)

    def close(self) -> None:
        for store in self.stores.values():
            store.close()
        self.journal.close()
        self.state.close()


@pytest.fixture
def house(tmp_path: Path) -> Any:
    made = House(tmp_path)
    yield made
    made.close()


def test_every_record_has_one_fate(house: House) -> None:
    house.put(["hit 1", "bad 2", "two 3", "join 4", "lost 5"])
    assert house.worker().drain() == 5
    assert house.fates() == {"s": (5, 2, 0, 1, 2, 3)}
    assert house.stored() == ["hit 1", "two 3", "two 3"]
    with house.state.read() as session:
        reasons = {group.reason: group.count for group in quarantine.groups(session)}
    assert reasons == {
        "begins with bad": 1,
        "the format returned neither an event nor a fault for this record": 1,
    }


def test_the_same_records_again_are_duplicates_and_judge_nothing(house: House) -> None:
    lines = ["hit 1", "hit 2", "hit 3", "bad 4"]
    house.put(lines)
    worker = house.worker()
    worker.drain()
    assert len(house.found) == 1
    house.put(lines)
    worker.drain()
    assert house.fates() == {"s": (8, 3, 4, 0, 1, 3)}
    assert len(house.found) == 1


def test_another_content_under_a_known_identity_is_quarantined(house: House) -> None:
    house.put(["hit 1"])
    house.put(["hit 2"])
    house.worker().drain()
    assert house.fates() == {"s": (2, 1, 0, 0, 1, 1)}
    assert house.stored() == ["hit 1"]


def test_records_without_a_position_are_never_duplicates(house: House) -> None:
    house.put(["hit 1"], start=None)
    house.put(["hit 1"], start=None)
    house.worker().drain()
    assert house.fates() == {"s": (2, 2, 0, 0, 0, 2)}


def test_realms_lie_apart(house: House) -> None:
    house.put(["hit real"])
    house.put(["hit demo"], source="d", realm="demo")
    house.worker().drain()
    assert house.stored() == ["hit real"]
    assert house.stored("demo") == ["hit demo"]


def test_a_crash_between_the_two_commits_counts_once(house: House) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("killed here")

    house.put(["hit 1", "hit 2", "hit 3"])
    with pytest.raises(RuntimeError, match="killed here"):
        house.worker(triage=fail).drain()
    assert house.fates() == {}
    house.worker().drain()
    assert house.fates() == {"s": (3, 3, 0, 0, 0, 3)}
    assert len(house.found) == 1
    assert house.stored() == ["hit 1", "hit 2", "hit 3"]


def test_a_broken_detector_stops_neither_the_others_nor_the_events(house: House) -> None:
    house.put(["hit 1", "hit 2", "hit 3"])
    worker = house.worker(detectors=[Broken(), Counter()])
    worker.drain()
    assert house.fates()["s"][1] == 3
    assert len(house.found) == 1
    assert worker.detector_errors == {"Broken": 1}


def test_a_lost_journal_is_an_error_and_not_a_silence(house: House, tmp_path: Path) -> None:
    house.put(["hit 1"])
    house.worker().drain()
    house.journal = FileJournal(tmp_path / "another", partitions=2)
    with pytest.raises(ValueError, match="epoch"):
        house.worker()


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_any_cut_and_any_crash_finds_the_same(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Workers die (are dropped without a word) at any step; checkpoints come or not; findings stay the same."""
    lines = data.draw(st.lists(st.sampled_from(["hit", "calm", "bad", "two hit", "join"]), min_size=1, max_size=40))
    cuts = data.draw(st.lists(st.integers(0, len(lines)), max_size=4).map(sorted))
    calm = House(tmp_path_factory.mktemp("calm"))
    wild = House(tmp_path_factory.mktemp("wild"))
    try:
        calm.put(lines)
        calm.worker().drain()
        worker = wild.worker()
        for start, end in zip([0, *cuts], [*cuts, len(lines)], strict=True):
            wild.put(lines[start:end], start=start)
            worker.step()
            if data.draw(st.booleans()):
                worker.checkpoint()
            if data.draw(st.booleans()):
                worker = wild.worker()
        worker.drain()
        assert [finding.event_id for finding in wild.found] == [finding.event_id for finding in calm.found]
        assert wild.fates() == calm.fates()
        assert wild.stored() == calm.stored()
    finally:
        calm.close()
        wild.close()


def test_a_memory_that_is_dear_to_save_is_saved_less_often(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = house.worker()
    saved: list[int] = []
    monkeypatch.setattr(worker, "_save", lambda numbers, patience: saved.extend(numbers))
    began = clock.now()
    for seconds, rest, wanted in ((0, 0, False), (29, 0, False), (31, 0, True), (31, 60, False), (61, 0, True)):
        house.put([f"hit {seconds} {rest}"], start=100 * seconds + rest)
        worker._saved = dict.fromkeys(worker.lanes, began)
        worker._rested = time.monotonic() + rest
        monkeypatch.setattr(clock, "now", lambda at=seconds: began + at * clock.SECOND)
        saved.clear()
        worker.step()
        assert any(lane.dirty for lane in worker.lanes.values())
        assert bool(saved) == wanted


def test_events_carry_where_they_came_from(house: House) -> None:
    house.put(["hit 1"], source="gate")
    house.worker().drain()
    row = house.store("real").search(Query(), EVERYTHING).rows[0]
    assert row["soc.source"] == "gate"
    assert row["soc.offset"] == 0
    assert row["event.original"] == "hit 1"
    assert row["@timestamp"] == row["event.ingested"]
    assert len(row["event.id"]) == 32


class ByWord:
    """An enricher: the owner is the first word of the message."""

    def enrich(self, batch: EventBatch) -> EventBatch:
        owner = batch.column("message").str.split(" ").list.first()
        return batch.with_columns({"organization.id": owner, "soc.system.id": "door"})


def test_a_source_has_an_owner_only_where_its_events_agree(house: House) -> None:
    for source, lines in {"a": ["edu 1", "edu 2"], "b": ["edu 1", "police 2"], "c": ["police 1"]}.items():
        house.put(lines, source=source)
    house.put(["police 3"], source="a2")
    house.put(["edu 4"], source="a2", start=1)
    house.worker(enrichers=[ByWord()]).drain()
    with house.state.read() as session:
        found = {row.source: (row.organisation, row.system, row.events) for row in sources.listing(session, EVERYTHING)}
    assert found == {"a": ("edu", "door", 2), "b": ("", "door", 2), "c": ("police", "door", 1), "a2": ("", "", 2)}


@pytest.mark.parametrize(("lines", "kept"), [
    (["a=1", "poison=1", "b=1", "bad=1", "poison=2", "two=1"], ["a=1", "b=1", "two=1", "two=1"]),
    (["left=1", "a=1", "right=1", "b=1"], ["a=1", "b=1", "left=1"]),
    (["poison=1"], []),
])
def test_a_record_that_fails_late_goes_to_quarantine_and_stops_nothing(
    tmp_path: Path, lines: list[str], kept: list[str]
) -> None:
    house = House(tmp_path)
    house.put(lines[:2])
    house.put(lines[2:], start=2)
    house.worker().drain()
    received, stored, _, _, quarantined, events = house.fates()["s"]
    assert (received, stored + quarantined, events) == (len(lines), len(lines), len(kept))
    assert house.stored() == kept
    with house.state.read() as session:
        reasons = {group.reason for group in quarantine.groups(session)} - {"begins with bad"}
    assert reasons == {"cannot be processed: ValueError: no such value"}
    house.worker().drain()
    assert house.stored() == kept
    house.close()


def test_a_defect_that_is_no_records_fault_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path)
    house.put(["a=1", "b=1"])

    def write(*_: object) -> None:
        raise ValueError("a defect of the store")

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddedStore, "write", write)
        with pytest.raises(ValueError, match="a defect of the store"):
            house.worker().drain()
    house.worker().drain()
    assert house.stored() == ["a=1", "b=1"]
    house.close()


def test_what_sifts_judges_once_and_a_replay_not_at_all(house: House) -> None:
    house.put(["hit=1", "x=2"])
    worker = house.worker(sharing=[Sifting()])
    worker.step()  # committed, and not saved: the next worker sees it again
    assert [each.event_id for each in house.found] == ["hit=1"]
    again = house.worker(sharing=[Sifting()])
    house.put(["hit=3"], start=100)
    while again.step():
        continue
    assert [each.event_id for each in house.found] == ["hit=1", "hit=3"]


def test_what_the_rules_failed_on_is_a_gap_to_be_judged_later(house: House) -> None:
    house.put(["fail=1", "x=2", "x=3"])
    house.worker(sharing=[Sifting()]).drain()
    with house.state.read() as session:
        (gap,) = windows.summary(session).gaps
    assert (gap.last - gap.first, gap.realm, gap.kind) == (3, "real", windows.GAP)
    assert "a defect in what sifts" in gap.why
    assert len(house.stored()) == 3
