"""Up to when everything that was received is worked off: whatever the partitions, the marks and the clock do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from soc_core import clock, progress
from soc_core.journal.files import FileJournal
from soc_core.progress import Progress
from soc_core.protocols import Origin, Raws
from soc_core.state import commits
from soc_core.state.database import Database


class World:
    """Two partitions, a journal of shares, and a clock of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.journal = FileJournal(folder / "journal", partitions=2)
        self.shared = FileJournal(folder / "shared", partitions=2)
        self.state = Database(f"sqlite:///{folder / 'state.db'}")
        self.state.migrate()
        self.now = self.moment = 1_000
        monkeypatch.setattr(clock, "now", lambda: self.now * clock.SECOND)
        monkeypatch.setattr(progress.time, "monotonic", lambda: float(self.moment))
        self.progress = Progress(self.journal, self.shared, self.state)

    def send(self, source: str, count: int = 1) -> None:
        self.journal.append([Raws(Origin(source=source, format="syslog"), [b"x"] * count, clock.now())])

    def commit(self, source: str, until: int) -> None:
        number = self.journal.partition_of(source)
        with self.state.begin() as session:
            commits.advance(session, number, until, (), expect=commits.mark(session, number))

    def passes(self, seconds: int) -> None:
        self.now += seconds
        self.moment += seconds

    def complete(self) -> float:
        return self.progress.look().complete / clock.SECOND


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path, monkeypatch)
    yield made
    for each in (made.journal, made.shared, made.state):
        each.close()


ONE, OTHER = "host0", "host1"


def test_what_is_worked_off_is_complete_until_now(world: World) -> None:
    assert world.journal.partition_of(ONE) != world.journal.partition_of(OTHER)
    assert world.complete() == 1000
    world.send(ONE)
    world.send(OTHER)
    world.passes(5)
    assert world.complete() == 1000
    world.commit(ONE, 1)
    world.passes(5)
    assert world.complete() == 1000, "the other partition lags"
    world.commit(OTHER, 1)
    world.passes(5)
    assert world.complete() == 1015


def test_a_partition_that_never_rests_is_complete_until_a_while_ago(world: World) -> None:
    for number in range(60):
        world.send(ONE)
        if number >= 3:
            world.commit(ONE, number - 2)
        behind = world.now - world.complete()
        assert number < 20 or 3 <= behind <= progress.GRAIN + 3
        world.passes(1)


def test_one_that_stands_holds_all_back_however_long(world: World) -> None:
    world.send(OTHER)
    world.complete()
    for number in range(50):
        world.send(ONE)
        world.commit(ONE, number + 1)
        world.passes(600)
        assert world.complete() <= 1000
    world.commit(OTHER, 1)
    world.passes(1)
    assert world.complete() == world.now


def test_a_clock_that_leaps_promises_nothing_of_what_waits(world: World) -> None:
    world.send(ONE)
    world.complete()
    world.now += 36_000
    world.passes(20)
    world.send(OTHER)
    assert world.complete() <= 1000
    world.commit(ONE, 1)
    world.commit(OTHER, 1)
    world.passes(1)
    assert world.complete() == world.now
    world.now -= 30_000
    world.send(ONE)
    world.passes(20)
    assert world.complete() <= world.now, "what waits was received by the clock as it is now"


def test_looks_are_rare_where_they_take_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    end = world.journal.end

    def slow(number: int) -> int:
        nonlocal asked
        asked += 1
        world.passes(1)
        return end(number)

    monkeypatch.setattr(world.journal, "end", slow)
    first = world.progress.look()
    assert first.ends == {0: 0, 1: 0}
    for _ in range(10):
        world.passes(1)
        assert world.progress.look() is first
    assert asked == 2
    world.passes(100)
    assert world.progress.look() is not first
