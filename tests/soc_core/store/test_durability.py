"""EmbeddedStore under kill -9, under many processes and threads, and on a damaged disk: no event lost, none twice."""

from __future__ import annotations

import datetime
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from soc_core import clock
from soc_core.access import EVERYTHING
from soc_core.protocols import Page, Query
from soc_core.store.embedded import EmbeddedStore
from soc_core.store.manifest import Manifest
from tests.soc_core.store.events import START, batch, found, ids, plain

ROOT = Path(__file__).resolve().parents[3]
LATER = clock.now() + 400 * clock.DAY

WRITER = """
import sys, threading
from contextlib import suppress
from pathlib import Path
from soc_core import clock
from soc_core.store.embedded import EmbeddedStore
from tests.soc_core.store.events import batch, plain
LATER = clock.now() + 400 * clock.DAY
store, at, size = EmbeddedStore(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
def upkeep():
    while True:
        store.compact(LATER)
threading.Thread(target=upkeep, daemon=True).start()
while True:
    result = store.write(batch(plain(size, first=at)))
    assert len(result.stored) == size, result
    at += size
    print(at, flush=True)
"""
HOLDER = """
import sys, time
from contextlib import suppress
from pathlib import Path
from soc_core.access import EVERYTHING
from soc_core.protocols import Query
from soc_core.store.embedded import EmbeddedStore
reading = EmbeddedStore(Path(sys.argv[1])).scan(Query(), EVERYTHING)
print(next(reading).height, flush=True)
time.sleep(600)
"""


def child(program: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def every_id(store: EmbeddedStore) -> list[str]:
    return sorted(n for part in store.scan(Query(), EVERYTHING) for n in part.column("event.id").to_list())


def files(path: Path) -> set[str]:
    return {file.name for file in (path / "segments").iterdir() if file.suffix == ".parquet"}


def test_kill_at_any_moment(tmp_path: Path) -> None:
    """The child resumes a little before what it had acknowledged, as a worker does from its checkpoint."""
    rng = random.Random(datetime.date.today().toordinal())
    path, acknowledged = tmp_path / "events", 0
    for _ in range(4):
        size = rng.choice([1, 20, 300])
        writer = child(WRITER, path, max(0, acknowledged - rng.randrange(50)), size)
        assert writer.stdout is not None
        first = int(writer.stdout.readline())
        time.sleep(rng.random() * 0.5)
        writer.send_signal(signal.SIGKILL)
        said, complaint = writer.communicate()
        assert writer.returncode == -signal.SIGKILL, complaint
        lines = [line for line in said.split("\n")[:-1] if line]
        acknowledged = max(acknowledged, first, *map(int, lines))
        with EmbeddedStore(path) as store:
            held = every_id(store)
            assert len(held) == len(set(held)), "an event twice"
            assert set(ids(plain(acknowledged))) <= set(held), "an acknowledged event lost"
            assert len(held) <= acknowledged + 300 + 50
            assert store.search(Query(), EVERYTHING).total == len(held)
            store.write(batch([]))
    with EmbeddedStore(path) as store:
        store.write(batch(plain(1)))  # a writer clears what the dead ones left
        named = {segment.file for segment in store._manifest.segments()}
        assert files(path) == named
        assert {f.name for f in (path / "segments").iterdir()} <= named | {f"{name}.bloom" for name in named}


class Killed(BaseException):
    """The process ends here."""


class Death:
    """Ends the process in the test's mind at the n-th step that changes the disk: nothing after it takes effect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
        self.left, self.dead = after, False
        for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink"), (Path, "write_bytes"),
                            (Manifest, "change"), (Manifest, "promote"), (Manifest, "forget")):
            monkeypatch.setattr(owner, name, self._mortal(getattr(owner, name)))

    def _mortal(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            if isinstance(arguments[0], Path) and arguments[0].parent.name == "readers":
                return real(*arguments, **named)  # the kernel gives up the leases of the dead
            self._step()
            done = real(*arguments, **named)
            self._step()
            return done

        return step

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0 or self.dead:
            self.dead = True
            raise Killed


def life(store: EmbeddedStore, acknowledged: list[str]) -> None:
    """Writes, merges, prunes; notes what was acknowledged."""
    for first in range(0, 6, 3):
        rows = plain(3, first=first, **{"source.ip": "10.0.0.1"})
        store.write(batch(rows))
        acknowledged += ids(rows)
    store.compact(LATER)
    store.prune(START + 2 * clock.SECOND)
    rows = plain(2, first=6)
    store.write(batch(rows))
    acknowledged += ids(rows)
    store.compact(LATER)


def test_death_at_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = ids(plain(8))
    steps = 0
    while True:
        path, acknowledged = tmp_path / str(steps), list[str]()
        store = EmbeddedStore(path)
        with monkeypatch.context() as patched:
            death = Death(patched, steps)
            with suppress(Killed):
                life(store, acknowledged)
        store.close()
        with EmbeddedStore(path) as again:
            held = every_id(again)
            assert len(held) == len(set(held)), steps
            assert set(acknowledged[2:]) <= set(held), steps
            before = set(held)
            again.write(batch(plain(8)))  # replay of everything
            held = every_id(again)
            assert len(held) == len(set(held))
            assert before <= set(held) == set(everything)
            again.compact(LATER)
            assert every_id(again) == held
            assert files(path) == {segment.file for segment in again._manifest.segments()}
        if not death.dead:
            break
        steps += 1
    assert steps > 30


def test_a_reader_in_another_process_keeps_its_files_until_it_dies(tmp_path: Path) -> None:
    path = tmp_path / "events"
    with EmbeddedStore(path) as store:
        store.write(batch(plain(5)))
        store.write(batch(plain(5, first=5)))
        old = files(path)
        reader = child(HOLDER, path)
        assert reader.stdout is not None
        assert int(reader.stdout.readline()) == 10
        store.compact(LATER)
        assert old < files(path)
        assert found(store) == ids(plain(10))
        reader.kill()
        reader.communicate()
        store.compact(LATER)
        assert not old & files(path)


def test_a_scan_outlives_compaction_and_pruning(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path) as store, EmbeddedStore(tmp_path) as reader:
        for first in range(0, 200_000, 50_000):
            store.write(batch(plain(50_000, first=first)) if first == 0 else batch(plain(5, first=first)))
        scan = reader.scan(Query(), EVERYTHING)
        held = next(scan).height
        store.compact(LATER)
        store.prune(START + 10**15)
        assert sum((part.height for part in scan), held) == 50_015
        assert reader.search(Query(), EVERYTHING).total == 0
        store.prune(START)
        assert files(tmp_path) == set()


def test_writers_take_turns(tmp_path: Path) -> None:
    """Two processes that had the same source, one after the other, store nothing twice and clear nothing away."""
    first, second = EmbeddedStore(tmp_path), EmbeddedStore(tmp_path)
    assert len(first.write(batch(plain(1))).stored) == 1
    assert len(second.write(batch(plain(2))).stored) == 2  # of which one is our own replay
    assert len(first.write(batch(plain(3))).stored) == 3
    assert found(second) == ids(plain(3))
    with second._upkeep_turn.taken():
        assert first.compact(LATER) == 0
    assert first.compact(LATER) == 3
    assert found(second) == ids(plain(3))
    first.close()
    second.close()


def test_many_processes_write_one_store(tmp_path: Path) -> None:
    code = ("import sys; from pathlib import Path; from soc_core.store.embedded import EmbeddedStore;"
            "from tests.soc_core.store.events import batch, plain\n"
            "with EmbeddedStore(Path(sys.argv[1])) as store:\n"
            "    for n in range(20): store.write(batch(plain(7, first=n * 5))); store.compact(n * 10**15)")
    writers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    with EmbeddedStore(tmp_path) as store:
        assert found(store) == ids(plain(102))


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[tuple[EmbeddedStore, list[int], threading.Event]]:
    """A store into which one thread writes and which another merges all the time."""
    store, written, stop = EmbeddedStore(tmp_path), [0], threading.Event()
    trouble: list[BaseException] = []

    def until_stopped(act: Callable[[], None]) -> None:
        try:
            while not stop.is_set():
                act()
        except BaseException as error:
            trouble.append(error)
            stop.set()

    def write() -> None:
        result = store.write(batch(plain(40, first=max(0, written[0] - 20))))
        assert len(result.stored) == 40
        written[0] = max(0, written[0] - 20) + 40

    def merge() -> None:
        store.compact(LATER)

    threads = [threading.Thread(target=until_stopped, args=(act,)) for act in (write, merge)]
    for thread in threads:
        thread.start()
    yield store, written, stop
    stop.set()
    for thread in threads:
        thread.join()
    store.close()
    assert not trouble, trouble


def test_readers_see_a_whole_moment_while_all_goes_on(
    busy: tuple[EmbeddedStore, list[int], threading.Event], tmp_path: Path
) -> None:
    store, written, stop = busy
    other = EmbeddedStore(tmp_path)
    until = time.monotonic() + 3
    rounds = 0
    while time.monotonic() < until and not stop.is_set():
        for reader in (store, other):
            sure = written[0]
            held = every_id(reader)
            assert len(held) == len(set(held))
            assert sure <= len(held) <= written[0] + 40
            hits = reader.search(Query(text="line"), EVERYTHING, Page(5))
            assert hits.total >= len(held)
            assert len(reader.get(held[:3], EVERYTHING)) == min(3, len(held))
        rounds += 1
    other.close()
    assert rounds > 2


def test_a_damaged_segment_is_named(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path) as store:
        store.write(batch(plain(100)))
        (name,) = files(tmp_path)
        (tmp_path / "segments" / name).write_bytes(b"PAR1 not at all PAR1")
        with pytest.raises(OSError, match="cannot be read"):
            store.search(Query(text="line"), EVERYTHING)
        (tmp_path / "segments" / name).unlink()
        with pytest.raises(OSError, match=name):
            store.search(Query(text="line"), EVERYTHING)


def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedStore(tmp_path) as store:
        store.write(batch(plain(2)))

        def full(handle: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space"):
                store.write(batch(plain(2, first=2)))
        assert len(list((tmp_path / "segments").iterdir())) == 1
        assert found(store) == ids(plain(2))
        assert len(store.write(batch(plain(4))).stored) == 4
        assert found(store) == ids(plain(4))


def test_a_store_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    EmbeddedStore(tmp_path).close()
    import sqlite3

    with sqlite3.connect(tmp_path / "manifest.db") as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(ValueError, match="newer version"):
        EmbeddedStore(tmp_path)
