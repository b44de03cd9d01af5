"""What is acknowledged is synced, and names in folders are; one writer at a time; what was read is not read again."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from soc_core.journal import reader, shelf, tails
from soc_core.journal.files import FileJournal
from tests.soc_core.journal.suite import raws


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths in the order in which they were made durable."""
    found: list[str] = []

    def noted(real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(fd: int) -> None:
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
            real(fd)
        return sync

    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, noted(getattr(os, name)))
    return found


def test_what_is_acknowledged_is_durable_with_its_name(tmp_path: Path, synced: list[str]) -> None:
    place = tmp_path / "j"
    journal = FileJournal(place, partitions=1)
    assert any(Path(path).name.startswith(".journal.") for path in synced), "the charter"
    assert synced.count(str(place)) >= 2, "the charter's name, and the partition's"
    synced.clear()
    journal.append([raws("s", [b"x"], 0)])
    assert [Path(path).suffix for path in synced][-1] == ".seg"
    journal.close()


def test_only_a_folder_is_synced_as_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError):
        shelf.sync_folder(tmp_path / "file")


def test_a_writer_waits_for_another_process(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j", partitions=1)
    other = os.open(tmp_path / "j" / "p0000" / "mark", os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    writer = threading.Thread(target=lambda: journal.append([raws("s", [b"x"], 0)]))
    writer.start()
    writer.join(0.3)
    assert (writer.is_alive(), journal.end(0)) == (True, 0)
    os.close(other)
    writer.join(60)
    assert (writer.is_alive(), journal.end(0)) == (False, 1)
    journal.close()


def test_one_read_takes_about_so_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "READ_BYTES", 1000)
    journal = FileJournal(tmp_path / "j", partitions=1)
    for at in range(20):
        journal.append([raws("s", [b"x" * 300], at)])
    found = journal.read(0, 0, 100)
    assert 2 <= len(found) <= 4
    assert len(journal.read(0, len(found), 100)) >= 2
    journal.close()


def test_tails_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, other = (FileJournal(tmp_path / "j", partitions=1, segment_bytes=600) for _ in range(2))
    scans: list[tuple[int, int, int]] = []
    real = tails.Tails._scan

    def scan(self: tails.Tails, segment: int, start: int, end: int) -> None:
        if end > start:
            scans.append((segment, start, end))
        real(self, segment, start, end)

    monkeypatch.setattr(tails.Tails, "_scan", scan)
    other.append([raws("s", [b"x"], 0)])
    scans.clear()
    assert [ours.tail("s"), ours.tail("s"), ours.tail("t")] == [0, 0, -1]
    assert len(scans) == 1
    at = 1
    while len(other._partitions[0].shelf.segments()) < 2:
        other.append([raws("s", [b"x" * 90], at)])
        at += 1
    scans.clear()
    assert other.tail("s") == at - 1
    assert scans == [], "who wrote it, and rolled, knows it without reading"
    ours.close()
    other.close()
