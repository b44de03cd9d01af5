"""TailSource: every line once and in order, whatever is done to the file and whenever the follower dies."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.sources.tail import TailSource
from soc_core.journal.files import FileJournal
from tests.soc_core.journal.suite import lines_of

GRACE = 0.05


class Follower:
    """A tail with its journal, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.path, self.folder = folder / "app.log", folder / "journal"
        self.journal = FileJournal(self.folder, partitions=1)
        self.start()

    def start(self) -> None:
        self.tail = TailSource(
            self.path, self.journal.tail, self.folder / "tails", lambda sample: "syslog", zone="dmz", grace=GRACE
        )

    def restart(self) -> None:
        self.tail.close()
        self.start()

    def step(self, ack: bool = True) -> int:
        raws, position = self.tail.next_batch()
        if raws:
            self.journal.append(raws)
            if ack:
                self.tail.ack(position)
        return sum(len(batch.lines) for batch in raws)

    def settle(self, seconds: float = 4 * GRACE) -> None:
        """Step until nothing has come for a while."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.step():
                until = time.monotonic() + seconds
            time.sleep(0.002)

    def lines(self) -> list[bytes]:
        return lines_of(self.journal, self.tail.source)

    def positions(self) -> list[int]:
        frames = self.journal.read(0, 0, 10_000_000)
        return [place for frame in frames for place in frame.raws.positions.tolist()]  # type: ignore[union-attr]


@pytest.fixture
def follower(tmp_path: Path) -> Iterator[Follower]:
    made = Follower(tmp_path)
    yield made
    made.tail.close()
    made.journal.close()


def add(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.write("".join(line + "\n" for line in lines))


def test_whole_lines_as_they_are_written(follower: Follower) -> None:
    follower.settle(0.02)  # the file is not there yet
    add(follower.path, "one", "", "two")
    with follower.path.open("a") as file:
        file.write("half")
        file.flush()
        follower.settle(0.05)
        assert follower.lines() == [b"one", b"two"]
        file.write(" and half\r\nlast")
    follower.settle(0.05)
    assert follower.lines() == [b"one", b"two", b"half and half"]
    assert follower.positions() == [0, 5, 9]
    (frame,) = follower.journal.read(0, 0, 1)
    assert (frame.raws.origin.source, frame.raws.origin.zone) == (f"tail:{follower.path}", "dmz")


def test_the_format_is_settled_once_enough_lines_were_seen(follower: Follower) -> None:
    add(follower.path, *[f"{n}" for n in range(10)])
    follower.settle(0.02)
    add(follower.path, *[f"{n}" for n in range(60)])
    follower.settle(0.02)
    assert [frame.raws.origin.format for frame in follower.journal.read(0, 0, 1000)] == ["", "syslog"]


def test_renamed_and_made_anew(follower: Follower) -> None:
    add(follower.path, "a1", "a2")
    follower.settle(0.02)
    add(follower.path, "a3")
    old = follower.path.open("a")
    follower.path.rename(follower.path.with_name("app.log.1"))
    add(follower.path, "b1")
    old.write("a4 after the rename\n")
    old.close()
    follower.settle()
    add(follower.path, "b2")
    follower.settle()
    assert follower.lines() == [b"a1", b"a2", b"a3", b"a4 after the rename", b"b1", b"b2"]
    assert follower.positions() == sorted(set(follower.positions()))


def test_copied_and_truncated(follower: Follower) -> None:
    add(follower.path, "a1", "a2")
    follower.settle(0.02)
    add(follower.path, "a3 written just before")
    shutil.copy2(follower.path, follower.path.with_name("app.log.1"))
    os.truncate(follower.path, 0)
    add(follower.path, "b1 and longer than all that was there before it was truncated away", "b2")
    follower.settle()
    assert follower.lines() == [
        b"a1", b"a2", b"a3 written just before",
        b"b1 and longer than all that was there before it was truncated away", b"b2",
    ]


def test_deleted_and_made_anew(follower: Follower) -> None:
    add(follower.path, "same first line", "a2")
    follower.settle(0.02)
    follower.path.unlink()
    follower.settle()
    add(follower.path, "same first line", "b2")
    follower.settle()
    assert follower.lines() == [b"same first line", b"a2", b"same first line", b"b2"]


@pytest.mark.parametrize("packed", [False, True])
def test_rotations_while_nobody_followed(follower: Follower, packed: bool) -> None:
    add(follower.path, "a1")
    follower.settle(0.02)
    follower.tail.close()
    add(follower.path, "a2")
    names = [follower.path.with_name(name) for name in ("app.log.3", "app.log.2", "app.log.1")]
    for generation, name in zip("bcd", names, strict=True):
        follower.path.rename(name)
        time.sleep(0.01)
        add(follower.path, f"{generation}1", f"{generation}2")
    add(follower.path.with_name("app.log.errors"), "another log")
    if packed:
        for name in names[:2]:
            status = name.stat()
            with gzip.open(f"{name}.gz", "wb") as out:
                out.write(name.read_bytes())
            os.utime(f"{name}.gz", ns=(status.st_atime_ns, status.st_mtime_ns))
            name.unlink()
    follower.start()
    follower.settle()
    assert follower.lines() == [b"a1", b"a2", b"b1", b"b2", b"c1", b"c2", b"d1", b"d2"]


def test_a_follower_that_dies_takes_nothing_twice(follower: Follower) -> None:
    """Killed after the journal's append and before its own note, at every step."""
    chance, written = random.Random(3), 0
    for round_ in range(30):
        new = [f"line {n}" for n in range(written, written + chance.randrange(1, 5))]
        add(follower.path, *new)
        written += len(new)
        if round_ % 4 == 3:
            follower.path.rename(follower.path.with_name(f"app.log.{round_}"))
        for _ in range(chance.randrange(3)):
            follower.step(ack=False)
            follower.restart()
        follower.step()
    follower.settle()
    assert follower.lines() == [b"line %d" % n for n in range(written)]
    assert follower.positions() == sorted(set(follower.positions()))


@pytest.mark.parametrize("how", ["rename", "truncate", "delete"])
def test_a_busy_writer_that_rotates(follower: Follower, how: str) -> None:
    """A writer that never waits for the follower; deletion alone loses nothing only because it was read before."""
    total, path = 6000, follower.path
    read_up_to = threading.Event()
    path.touch()
    follower.step()  # what was rotated before the path was ever looked at is not ours

    def write() -> None:
        file = path.open("a")
        for n in range(total):
            file.write(f"line number {n}\n")
            if n % 7 == 0:
                file.flush()
            if n % 1500 == 1499:
                file.flush()
                if how == "rename":
                    path.rename(path.with_name(f"app.log.{n // 1500}"))
                    file.close()
                    file = path.open("a")
                elif how == "truncate":
                    shutil.copyfile(path, path.with_name(f"app.log.{n // 1500}"))
                    file.truncate(0)
                else:
                    read_up_to.wait(5)
                    read_up_to.clear()
                    path.unlink()
                    file.close()
                    file = path.open("a")
                time.sleep(3 * GRACE)
        file.close()

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        if not follower.step() and how == "delete":
            read_up_to.set()
        time.sleep(0.001)
    writer.join()
    follower.settle()
    assert follower.lines() == [b"line number %d" % n for n in range(total)]
    assert follower.positions() == sorted(set(follower.positions()))


def test_a_long_line_is_marked(follower: Follower) -> None:
    add(follower.path, "x" * 3_000_000, "short")
    follower.settle(0.05)
    frames = follower.journal.read(0, 0, 10)
    assert [len(line) for frame in frames for line in frame.raws.lines] == [3_000_000, 5]
    assert [list(frame.raws.damaged.values()) for frame in frames] == [["line over 1 MiB"]]
