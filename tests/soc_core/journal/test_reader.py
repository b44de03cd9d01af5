"""What the reading side remembers: where to go on, what it has told of, and when it lets go. And sources' tails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from soc_core.journal import frames, reader, tails
from soc_core.journal.files import FileJournal
from tests.soc_core.journal.suite import RECEIVED, raws

LINES = 20


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FileJournal]:
    """One frame a line, each of about a hundred bytes."""
    made = FileJournal(tmp_path / "j", partitions=1)
    for n in range(LINES):
        made.append([raws("s", [b"line %02d" % n + b"." * 60], n)])
    yield made
    made.close()


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """First records of the frames whose heads were read."""
    met: list[int] = []
    real = frames.scan

    def scan(*asked: object) -> Iterator[frames.Head]:
        for head in real(*asked):  # type: ignore[arg-type]  # passed on as it came
            met.append(head.first)
            yield head

    monkeypatch.setattr(frames, "scan", scan)
    return met


def firsts(journal: FileJournal, offset: int, limit: int) -> list[int]:
    return [frame.first for frame in journal.read(0, offset, limit)]


def test_a_read_goes_on_where_the_one_before_ended(journal: FileJournal, looked: list[int]) -> None:
    assert firsts(journal, 0, 8) == [*range(8)]
    looked.clear()
    assert firsts(journal, 8, 4) == [8, 9, 10, 11]
    assert min(looked) == 8
    looked.clear()
    assert firsts(journal, 8, 2) == [8, 9]  # a place is kept after it was used
    assert min(looked) == 8


def test_a_read_within_a_frame_begins_with_that_frame(tmp_path: Path, looked: list[int]) -> None:
    journal = FileJournal(tmp_path / "j", partitions=1)
    for n in range(4):
        journal.append([raws("s", [b"%d.%d" % (n, m) for m in range(5)], 5 * n)])
    assert [frame.raws.lines for frame in journal.read(0, 0, 7)] == [
        [b"0.0", b"0.1", b"0.2", b"0.3", b"0.4"], [b"1.0", b"1.1"]]
    looked.clear()
    assert [(frame.first, frame.raws.lines) for frame in journal.read(0, 7, 4)] == [
        (7, [b"1.2", b"1.3", b"1.4"]), (10, [b"2.0"])]
    assert min(looked) == 5
    journal.close()


def test_only_so_many_places_are_remembered_the_latest_ones(
        journal: FileJournal, looked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CURSORS", 2)
    for offset in (3, 6, 9, 3):
        journal.read(0, offset, 1)  # remembers 4, 7, 10, 4: of these 10 and 4 stay
    for offset, start in ((7, 0), (10, 10), (4, 4)):
        looked.clear()
        next(iter(journal._partitions[0].reader._spots(offset, journal._partitions[0].mark())))
        assert min(looked) == start, offset


def test_the_index_has_a_place_every_so_many_bytes(
        journal: FileJournal, looked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "STRIDE", 500)
    firsts(journal, 0, LINES)
    held = journal._partitions[0].reader
    records, places = held._index[0]
    gaps = [after - before for before, after in pairwise(places)]
    assert len(records) == len(places) > 3
    assert all(500 <= gap < 1000 for gap in gaps)
    held._cursors.clear()
    looked.clear()
    assert firsts(journal, 17, 1) == [17]
    assert min(looked) == max(record for record in records if record <= 17) > 0
    held.forget(0)
    looked.clear()
    assert firsts(journal, 17, 2) == [17, 18]
    assert min(looked) == 0


def test_what_is_damaged_is_counted_once_hole_by_hole(journal: FileJournal) -> None:
    path = next(journal.path.glob("p0000/*.seg"))
    data = bytearray(path.read_bytes())
    for n in (3, 4, 9):  # of the bodies
        data[data.index(b"line %02d" % n) + 8] ^= 0xFF
    path.write_bytes(data)
    for _ in range(2):
        assert [frame.first for frame in journal.read(0, 0, LINES) if frame.raws.damaged] == [3, 4, 9]
        assert [list(frame.raws.damaged) for frame in journal.read(0, 9, 1)] == [[0]]
        assert [frame.raws.received for frame in journal.read(0, 2, 2)] == [RECEIVED] * 2  # its head is whole
        assert journal.unreadable == 3


def test_what_has_lost_its_head_is_the_journals_own_and_has_no_receipt(journal: FileJournal) -> None:
    path = next(journal.path.glob("p0000/*.seg"))
    held = journal._partitions[0].reader
    with path.open("rb") as file:
        heads = {head.first: head.at for head in frames.scan(file.fileno(), held.marker, 0, path.stat().st_size)}
    data = bytearray(path.read_bytes())
    data[heads[5] + 20] ^= 0xFF
    path.write_bytes(data)
    (found,) = journal.read(0, 5, 1)
    assert (found.first, found.raws.lines, found.raws.received) == (5, [b""], 0)
    assert found.raws.origin == held._origin != journal.read(0, 6, 1)[0].raws.origin
    assert journal.pending(0, 4) == {held._origin.source: ("real", 1), "s": ("real", LINES - 5)}


def test_a_closed_reader_holds_nothing_and_opens_again(journal: FileJournal) -> None:
    held = journal._partitions[0].reader
    firsts(journal, 0, 1)
    descriptor = held._fd
    held.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    held.close()  # once more changes nothing
    assert firsts(journal, 5, 1) == [5]


def test_a_segment_that_was_released_a_moment_ago_is_passed_over(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j", partitions=1, segment_bytes=300)
    for n in range(9):
        journal.append([raws("s", [b"x" * 200], n)])
    held = journal._partitions[0]
    known = list(held.shelf.segments())
    held.shelf.path(known[0]).unlink()
    assert held.shelf._segments == known
    assert [frame.first for frame in journal.read(0, 0, 100)] == [*range(known[1], 9)]
    assert held.shelf._segments == known[1:]
    journal.close()


def test_the_source_longest_silent_is_forgotten_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails, "KEPT", 3)
    journal = FileJournal(tmp_path / "j", partitions=1)
    for at, source in enumerate("abcad"):
        journal.append([raws(source, [b"x", b"y"], 10 * at)])
    assert [journal.tail(source) for source in "abcd"] == [31, -1, 21, 41]
    assert list(journal._partitions[0].tails.all()) == ["c", "a", "d"]
    journal.close()


def test_tails_follow_what_another_process_appends_and_rolls(tmp_path: Path) -> None:
    ours, other = (FileJournal(tmp_path / "j", partitions=1, segment_bytes=300) for _ in range(2))
    seen = []
    for at in range(8):
        other.append([raws("s", [b"x" * 90], at), raws("t", [b"y"], 2 * at)])
        seen.append((ours.tail("s"), ours.tail("t"), ours.tail("nobody")))
    assert seen == [(at, 2 * at, -1) for at in range(8)]
    assert len(list((tmp_path / "j" / "p0000").glob("*.seg"))) > 2
    other.append([raws("s", [b"late"], 3)])
    assert ours.tail("s") == 7  # the highest, not the latest
    ours.close()
    other.close()


def test_tails_are_read_from_every_segment_when_the_summary_is_damaged(
        tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = FileJournal(tmp_path / "j", partitions=1, segment_bytes=3000)
    at = 0
    while len(journal._partitions[0].shelf.segments()) < 2:  # the second has one frame, the first many
        journal.append([raws("s" if at < 10 else "early", [b"x" * 90], at), raws(f"n{at}", [b"y"], at)])
        at += 1
    journal.append([raws("s", [b"x"], at)])
    journal.close()
    last = max((tmp_path / "j" / "p0000").glob("*.seg"))
    data = bytearray(last.read_bytes())
    data[data.index(b"early")] ^= 0xFF
    last.write_bytes(data)
    again = FileJournal(tmp_path / "j")
    assert (again.tail("early"), again.tail("s")) == (at - 1, at)
    assert [again.tail(f"n{number}") for number in range(at)] == [*range(at)]
    assert "tails are read from all segments" in caplog.text
    again.close()
