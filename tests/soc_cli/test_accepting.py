"""An operator takes a journal as it is: whatever it lacks, work goes on, and every record has a fate."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from soc_cli import work
from soc_cli.accepting import accept
from soc_cli.commands.work import app
from soc_cli.wiring import Platform
from soc_core import clock, lanes
from soc_core.config import Settings
from soc_core.journal.files import FileJournal
from soc_core.protocols import Origin, Raws
from soc_core.state import commits, quarantine

HEAD = "type={} msg=audit(1763600520.001:1): {}"
HALF = [HEAD.format("SYSCALL", 'arch=c000003e syscall=59 success=yes exit=0 pid=1 comm="hit"'),
        HEAD.format("CWD", 'cwd="/root"')]


class World:
    """A platform whose journal has a file for every record, so that any of them can be lost."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(data=folder / "data", partitions=1)
        self.platform = self.opened()

    def opened(self) -> Platform:
        self.platform = Platform(self.settings)
        self.platform.__dict__["journal"] = FileJournal(self.settings.journal, partitions=1, segment_bytes=1)
        return self.platform

    def put(self, first: int, lines: list[str], form: str = "syslog") -> None:
        for number, line in enumerate(lines, first):
            at = np.array([number], dtype=np.int64)
            raws = Raws(Origin(source="host", format=form), [line.encode()], clock.now() + clock.HOUR, at)
            self.platform.journal.append([raws])

    def remake(self) -> None:
        self.platform.close()
        shutil.rmtree(self.settings.journal / "p0000")
        (self.settings.journal / "journal.json").unlink()
        self.opened()

    def fates(self) -> commits.Fates:
        with self.platform.state.read() as session:
            return next(row for row in commits.fates(session) if row.source == "host")


def line(number: int) -> str:
    return f"<38>Nov 23 01:00:{number:02d} gate sshd[4]: Failed password for root from 203.0.113.7 port 4000 ssh2"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(Platform, "detectors", lambda *_: [])
    made = World(tmp_path)
    yield made
    made.platform.close()


@pytest.mark.parametrize(("saved", "kept"), [(False, 3), (True, 5), (True, 7), (False, 7)])
def test_records_that_only_the_memory_wanted_are_done_without(world: World, saved: bool, kept: int) -> None:
    """Seven are committed, at most two of them saved, and the journal begins later: all have a fate."""
    world.put(0, [line(0), line(1)])
    worker = world.platform.worker()
    worker.step()
    if saved:
        worker.checkpoint()
    world.put(2, [line(number) for number in range(2, 7)])
    worker.step()
    world.platform.journal.release(0, kept)
    with pytest.raises(lanes.JournalLost):
        world.platform.worker()
    accept(world.platform)
    accept(world.platform)
    world.put(7, [line(7)])
    world.platform.worker().drain()
    assert (world.fates().received, world.fates().stored) == (8, 8)


def test_records_that_waited_and_are_lost_with_their_journal_are_quarantined(world: World) -> None:
    world.put(0, HALF, "auditd")
    world.platform.worker().step()
    assert world.fates().pending == 2
    world.remake()
    accept(world.platform)
    assert (world.fates().pending, world.fates().quarantined) == (0, 2)
    world.put(2, [line(2)])
    world.platform.worker().drain()
    fates = world.fates()
    assert (fates.received, fates.stored, fates.quarantined, fates.pending) == (3, 1, 2, 0)
    with world.platform.state.read() as session:
        assert [(each.count, each.source) for each in quarantine.groups(session)] == [(2, "host")]


@pytest.mark.parametrize("saved", [False, True])
def test_records_that_waited_and_are_lost_in_their_journal_are_quarantined(world: World, saved: bool) -> None:
    """Of what waits some is lost and some is not, and so it is of what was not worked off."""
    world.put(0, HALF, "auditd")
    worker = world.platform.worker()
    worker.step()
    if saved:
        worker.checkpoint()
    world.put(2, [line(2), line(3)])
    world.platform.journal.release(0, 1)
    with pytest.raises((lanes.JournalLost, RuntimeError)):
        world.platform.worker()
    accept(world.platform)
    world.platform.worker().drain()
    fates = world.fates()
    assert (fates.received, fates.stored, fates.quarantined, fates.pending) == (4, 3, 1, 0)


def test_what_was_accepted_once_is_not_accepted_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that begins anew for new rules does so with the words it was begun with, but for this one."""
    begun: list[list[str]] = []
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "soc_cli", "work", "--accept-journal", "--workers", "1"])
    monkeypatch.setattr("os.execv", lambda _, words: begun.append(words))
    monkeypatch.setattr("soc_cli.work.Watch.changed", lambda _: True)
    work.run(world.settings)
    assert begun == [[sys.executable, "-m", "soc_cli", "work", "--workers", "1"]]


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_begins_with_what_was_accepted(world: World, monkeypatch: pytest.MonkeyPatch,
                                                             workers: int) -> None:
    world.platform.worker()
    world.remake()
    begun: list[str] = []

    def begin(settings: Settings, *_: object) -> int:
        with Platform(settings) as platform, platform.state.read() as session:
            begun.append(commits.epoch(session))
        return 0

    monkeypatch.setattr(work, "run", begin)
    monkeypatch.setattr(work, "run_many", begin)
    words = ["--data", str(world.settings.data), "--workers", str(workers)]
    for accepted in ([], [work.ACCEPT]):
        assert CliRunner().invoke(app, [*words, *accepted]).exit_code == 0
    assert begun[0] != begun[1] == world.platform.journal.epoch
