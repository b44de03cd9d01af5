"""A share over real engines: what its keepers are told of partitions that lag, and what they find at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from soc_core import clock
from soc_core.events import EventBatch
from soc_core.journal.files import FileJournal
from soc_core.lanes import Failures, unguarded
from soc_core.models import Finding
from soc_core.progress import Progress
from soc_core.protocols import Origin, Raws
from soc_core.shares import Known, Outlet, Share
from soc_core.sharing import Partial
from soc_core.state import commits
from soc_core.state.database import Database

T = 1_795_366_800 * clock.SECOND


class Patient:
    """Says what it was told once nothing of before T + 1 s is to come."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.told: list[clock.Micros] = []

    def sift(self, batch: EventBatch) -> tuple[list[Finding], list[Partial]]:
        return [], []

    def keeper(self) -> Patient:
        return self

    def take(self, bodies: Sequence[str]) -> list[Finding]:
        self.waiting += bodies
        return []

    def tick(self, now: clock.Micros, complete: clock.Micros) -> list[Finding]:
        self.told.append(complete)
        if complete <= T:
            return []
        ripe, self.waiting = self.waiting, []
        return [Finding("patient", each, T, "low", "", (), (), (), "", "", "real", 0, 0) for each in ripe]

    def snapshot(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        """Nothing is kept."""


class World:
    """One partition, one share."""

    def __init__(self, folder: Path) -> None:
        self.journal, self.shared = (FileJournal(folder / name, partitions=1) for name in ("raw", "shared"))
        self.state = Database(f"sqlite:///{folder / 'state.db'}")
        self.state.migrate()
        self.found = list[Finding]()
        self.outlet = Outlet(self.shared)
        self.begin()

    def begin(self) -> None:
        """As a worker that has just begun."""
        self.patient = Patient()
        progress = Progress(self.journal, self.shared, self.state)
        self.share = Share(self.shared, 0, self.state, [self.patient], self._triage, unguarded, Failures(),
                           lambda: None, progress)

    def _triage(self, session: Any, findings: Sequence[Finding], at: clock.Micros) -> None:
        self.found += findings

    def send(self, at: int) -> None:
        """One record, and what its step means to the share; its mark is not moved yet."""
        self.journal.append([Raws(Origin(source="host", format="syslog"), [b"x"], T)])
        self.outlet.send(0, self.journal.epoch, at, at + 1,
                         {f"{__name__}.Patient": [Partial("key", f"event-{at}", f"event-{at}")]})

    def commit(self, until: int) -> None:
        with self.state.begin() as session:
            commits.advance(session, 0, until, (), expect=until - 1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    for each in (made.journal, made.shared, made.state):
        each.close()


def test_what_waited_for_a_partition_is_found_at_the_end(world: World) -> None:
    world.send(0)
    assert world.share.run() == 1
    assert world.share.run(final=True) == 0
    assert (world.patient.waiting, world.found) == (["event-0"], [])
    assert max(world.patient.told) <= T, "the record is not committed: more of before may come"
    world.commit(1)
    assert world.share.run() == 0
    assert not world.found
    assert world.share.run(final=True) == 0
    assert [(each.event_id, each.partition) for each in world.found] == [("event-0", -1)]
    world.share.run(final=True)
    assert len(world.found) == 1
    assert not world.share.touched


def test_what_is_complete_is_known_only_by_what_was_read(world: World) -> None:
    """The raw partition is worked off, but what was sent of it is not yet read: nothing is complete."""
    world.share.limit = 1
    for at in range(3):
        world.send(at)
        world.commit(at + 1)
    assert world.share.run() == world.share.run() == 1
    assert max(world.patient.told) <= T
    assert world.share.run() == 1
    assert [each.event_id for each in world.found] == ["event-0", "event-1", "event-2"]
    assert {each.partition for each in world.found} == {-1}


def test_what_was_not_ripe_when_it_was_read_first_is_not_lost_in_a_replay(world: World) -> None:
    """The worker ends before the raw partition is worked off; whoever sees the messages again knows that it is."""
    world.send(0)
    assert world.share.run() == 1
    world.commit(1)
    world.begin()
    world.share.run()
    world.share.run(final=True)
    assert [each.event_id for each in world.found] == ["event-0"]


def test_what_was_found_by_time_is_found_once_though_a_replay_is_cut_otherwise(world: World) -> None:
    """In the replay the share has more before it than it had then: what was ripe is so again only behind its mark."""
    world.send(0)
    world.commit(1)
    assert world.share.run() == 1
    assert [each.event_id for each in world.found] == ["event-0"]
    world.send(1)
    world.commit(2)
    world.begin()
    while world.share.run():
        pass
    assert [each.event_id for each in world.found] == ["event-0", "event-1"]


def told(at: int, end: int, *ids: str) -> tuple[dict[str, Any], dict[str, list[list[str]]]]:
    """A message of partition 0."""
    return {"p": 0, "e": "epoch", "a": at, "z": end}, {"d": [[each, each] for each in ids]}


def test_who_lost_a_partition_and_sends_late_is_not_heard() -> None:
    """One reads 0 … 99 and stands still; another does so in other steps, and goes on; then the first one sends."""
    known = Known()
    assert known.fresh(*told(0, 60, "a", "b"))["d"] == ["a", "b"]
    assert known.fresh(*told(60, 120, "c"))["d"] == ["c"]
    assert not known.fresh(*told(0, 100, "a", "b", "c")).get("d")
    again = Known()
    again.restore(known.snapshot())
    assert not again.fresh(*told(0, 60, "a", "b")).get("d")
    assert again.fresh(*told(60, 90, "c", "d"))["d"] == ["d"]
    assert again.fresh(*told(90, 140, "d", "e"))["d"] == ["e"], "of 120 as it was sent first"


def test_what_waited_and_came_without_a_new_record_counts_once() -> None:
    """Its step is begun again with records that came meanwhile."""
    known = Known()
    known.fresh(*told(0, 60, "a"))
    assert known.fresh(*told(60, 60, "held"))["d"] == ["held"]
    assert known.fresh(*told(60, 80, "held", "b"))["d"] == ["b"]
    assert known.fresh(*told(80, 90, "c"))["d"] == ["c"]


def test_what_the_code_of_before_knew_is_taken_up() -> None:
    known = Known()
    known.restore(b'{"ends":{"0":["epoch",60]},"ids":{"0":["d/a","d/b"]}}')
    assert known.fresh(*told(0, 60, "a", "b", "c"))["d"] == ["c"]
    assert known.fresh(*told(60, 70, "a"))["d"] == ["a"]


def test_a_message_that_the_disk_damaged_stops_nobody(world: World) -> None:
    """What it said is lost, and said to be; what comes before and after is not."""
    for at in range(3):
        world.send(at)
        world.commit(at + 1)
    [path] = (world.shared.path / "p0000").glob("*.seg")
    path.write_bytes(path.read_bytes().replace(b'"event-1"', b'"event-x"'))
    assert world.share.run() == 3
    assert [each.event_id for each in world.found] == ["event-0", "event-2"]
    assert sum(world.share.failed.total.values()) == 1
    world.begin()
    assert world.share.cursor == 3
