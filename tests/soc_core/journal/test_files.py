"""FileJournal: the shared suite, and what only files can suffer: torn writes, killed writers, bad disks, full disks."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from soc_core.journal import appender, frames
from soc_core.journal.files import FileJournal
from soc_core.protocols import Origin, Raws
from tests.soc_core.journal.suite import JournalSuite, everything, lines_of, raws

ROOT = Path(__file__).resolve().parents[3]
SMALL = 4096  # bytes of a segment: many rolls in a short test

WRITER = """
import sys, numpy as np
from pathlib import Path
from soc_core.journal.files import FileJournal
from soc_core.protocols import Origin, Raws
path, source, count, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
journal = FileJournal(path, partitions=2, segment_bytes=1 << 16)
at = journal.tail(source) + 1
for _ in range(count):
    lines = [b"%s:%d:" % (source.encode(), at + n) + b"x" * size for n in range(at % 7 + 1)]
    journal.append([Raws(Origin(source=source), lines, 1, np.arange(at, at + len(lines)))])
    at += len(lines)
    print(at, flush=True)
"""


def writer(path: Path, source: str, count: int, size: int = 40) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), source, str(count), str(size)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def numbers(journal: FileJournal, source: str) -> list[int]:
    return [int(line.split(b":")[1]) for line in lines_of(journal, source)]


def last_segment(path: Path) -> Path:
    return max(path.glob("p0000/*.seg"))


class TestFileJournal(JournalSuite):
    def make(self, path: Path, partitions: int) -> FileJournal:
        return FileJournal(path, partitions, segment_bytes=SMALL)


def test_acknowledged_records_survive_kill_9(tmp_path: Path) -> None:
    """A writer is killed again and again at random moments; what it had reported as appended is all there, once."""
    chance, acknowledged = random.Random(7), 0
    for _ in range(6):
        child = writer(tmp_path / "j", "s", 10_000, size=3000)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.15))
        child.send_signal(signal.SIGKILL)
        told = child.stdout.read().split()
        child.wait()
        acknowledged = max([acknowledged, *map(int, told)])
        journal = FileJournal(tmp_path / "j")
        found = numbers(journal, "s")
        assert found == list(range(len(found)))
        assert len(found) >= acknowledged
        assert journal.tail("s") == len(found) - 1
        assert journal.unreadable == 0
        journal.close()


def test_two_processes_append_while_a_third_reads(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j", partitions=2)
    children = {source: writer(tmp_path / "j", source, 150) for source in ("a", "b", "s")}
    seen: dict[str, list[int]] = {source: [] for source in children}
    at = dict.fromkeys(journal.partitions(), 0)
    done = False
    while not done:
        done = all(child.poll() is not None for child in children.values())
        for partition in at:
            for frame in everything(journal, partition, 50, at[partition]):
                at[partition] += len(frame.raws.lines)
                seen[frame.raws.origin.source] += [int(line.split(b":")[1]) for line in frame.raws.lines]
    for source, child in children.items():
        assert child.stdout is not None
        total = int(child.stdout.read().split()[-1])
        child.stdout.close()
        assert child.returncode == 0
        assert seen[source] == list(range(total))
        assert journal.tail(source) == total - 1
    assert len({journal.partition_of(source) for source in children}) == 2  # both ways: shared and not shared
    journal.close()


def test_threads_share_one_journal(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j", partitions=3, segment_bytes=SMALL)

    def run(name: str) -> None:
        for n in range(40):
            journal.append([raws(name, [b"%d" % n], n), raws("shared", [b"%s" % name.encode()], None)])

    threads = [threading.Thread(target=run, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in range(4):
        assert lines_of(journal, f"t{n}") == [b"%d" % k for k in range(40)]
    assert sorted(lines_of(journal, "shared")) == sorted(b"t%d" % n for n in range(4) for _ in range(40))
    journal.close()


def test_a_torn_last_frame_is_cut_wherever_it_tore(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "whole", partitions=1)
    journal.append([raws("s", [b"kept one", b"kept two"])])
    size = last_segment(tmp_path / "whole").stat().st_size
    journal.append([Raws(Origin(source="s"), [b"torn" * 9, b"off"], 1, np.array([2, 3]), {1: "why"})])
    journal.close()
    full = last_segment(tmp_path / "whole").stat().st_size
    for at in sorted({size, size + 1, *range(size, full, 7), full - 1}):
        for fill in (b"", b"\0" * 50):  # cut short; or grown by the file system, the bytes never written
            path = tmp_path / f"torn-{at}-{len(fill)}"
            shutil.copytree(tmp_path / "whole", path)
            (path / "p0000" / "mark").unlink()  # the mark is not fsynced: a power cut may lose it
            with last_segment(path).open("r+b") as file:
                file.truncate(at)
                file.seek(at)
                file.write(fill)
            again = FileJournal(path)
            assert lines_of(again, "s") == [b"kept one", b"kept two"]
            assert last_segment(path).stat().st_size == size
            assert again.append([raws("s", [b"next"], 2)])[0].offset == 3
            assert again.tail("s") == 2
            assert lines_of(again, "s")[2:] == [b"next"]
            assert again.unreadable == 0
            again.close()
            shutil.rmtree(path)


def test_a_writer_that_died_after_writing_is_repaired_by_the_next_one(tmp_path: Path) -> None:
    """Whole frames above the mark are kept (their sender may not know), half ones cut, by a journal that was open."""
    one = FileJournal(tmp_path / "j", partitions=1)
    one.append([raws("s", [b"0"])])
    two = FileJournal(tmp_path / "j")
    dying = two._partitions[0].appender
    with dying.locked():
        dying.write([raws("s", [b"1"], 1)])
        with last_segment(tmp_path / "j").open("ab") as file:
            file.write(b"half a frame")
    assert lines_of(one, "s") == [b"0"]  # nothing that is not durable is seen
    one.append([raws("s", [b"2"], 2)])
    assert lines_of(one, "s") == lines_of(two, "s") == [b"0", b"1", b"2"]
    assert one.tail("s") == two.tail("s") == 2
    one.close()
    two.close()


def test_a_roll_that_died_half_way_is_finished(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j", partitions=1, segment_bytes=SMALL)
    journal.append([raws("s", [b"x" * SMALL])])
    marks = tmp_path / "j" / "p0000" / "mark"
    before = marks.read_bytes()
    other = FileJournal(tmp_path / "j", segment_bytes=SMALL)
    with other._partitions[0].appender.locked():
        other._partitions[0].appender._roll()
    marks.write_bytes(before)  # the new segment is there, the mark did not follow
    other.close()
    journal.append([raws("s", [b"y"], 1)])
    assert lines_of(journal, "s") == [b"x" * SMALL, b"y"]
    assert len(list((tmp_path / "j" / "p0000").glob("*.seg"))) == 2
    journal.close()


@pytest.mark.parametrize("part", ["head", "body"])
def test_damage_in_the_middle_is_told_and_counted(tmp_path: Path, part: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "j"
    journal = FileJournal(path, partitions=1)
    journal.append([raws("s", [b"first"])])
    start = last_segment(path).stat().st_size
    journal.append([raws("s", [b"second", b"third"], 1)])
    stop = last_segment(path).stat().st_size
    journal.append([raws("s", [b"fourth"], 3)])
    journal.close()
    with last_segment(path).open("r+b") as file:
        file.seek(start + 20 if part == "head" else stop - 2)
        file.write(b"\xff\xfe")
    again = FileJournal(path)
    found = [(frame.first, list(frame.raws.lines), frame.raws.damaged) for frame in everything(again, 0)]
    assert [(first, lines) for first, lines, _ in found] == [(0, [b"first"]), (1, [b"", b""]), (3, [b"fourth"])]
    assert sorted(found[1][2]) == [0, 1]
    assert "journal" in found[1][2][0]
    assert [frame.first for frame in everything(again, 0, at=2)] == [2, 3]
    assert [frame.first for frame in everything(again, 0, limit=1)] == [0, 1, 2, 3]
    assert again.unreadable == 2
    assert sum("damaged" in record.message for record in caplog.records) == 1
    assert again.append([raws("s", [b"fifth"], 4)])[0].offset == 5
    assert sum(count for _, count in again.pending(0, 0).values()) == 5
    again.close()


def test_a_lost_end_keeps_its_numbers(tmp_path: Path) -> None:
    """Acknowledged bytes that vanished from the end are damage, not a torn tail: their numbers are not used again."""
    path = tmp_path / "j"
    journal = FileJournal(path, partitions=1)
    journal.append([raws("s", [b"first"])])
    size = last_segment(path).stat().st_size
    journal.append([raws("s", [b"second"], 1)])
    journal.close()
    os.truncate(last_segment(path), size + 3)
    again = FileJournal(path)
    assert again.append([raws("s", [b"third"], 2)])[0].offset == 3
    assert [(f.first, list(f.raws.lines), len(f.raws.damaged)) for f in everything(again, 0)] == [
        (0, [b"first"], 0), (1, [b""], 1), (2, [b"third"], 0),
    ]
    again.close()


def test_a_line_that_looks_like_a_frame_is_a_line(tmp_path: Path) -> None:
    """Another journal's frames sent as log lines do not confuse the search for the next sound frame."""
    forged = FileJournal(tmp_path / "forged", partitions=1)
    forged.append([raws("evil", [b"forged"])])
    frame = last_segment(tmp_path / "forged").read_bytes()
    forged.close()
    path = tmp_path / "j"
    journal = FileJournal(path, partitions=1)
    start = last_segment(path).stat().st_size
    journal.append([raws("s", [frame, frame])])
    journal.append([raws("s", [b"after"], 2)])
    journal.close()
    with last_segment(path).open("r+b") as file:
        file.seek(start)
        file.write(b"\0" * 20)
    again = FileJournal(path)
    assert [(f.first, len(f.raws.lines), f.raws.origin.source == "s") for f in everything(again, 0)] == [
        (0, 2, False), (2, 1, True),
    ]
    again.close()


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_a_full_disk_loses_and_doubles_nothing(tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = FileJournal(tmp_path / "j", partitions=2)
    journal.append([raws("s", [b"0"]), raws("t", [b"0"])])
    assert journal.partition_of("s") != journal.partition_of("a")
    real = getattr(os, call)

    def full(fd: int, *rest: object) -> int:
        if call == "pwrite" and isinstance(rest[0], memoryview):
            real(fd, rest[0][: len(rest[0]) // 2], rest[1])  # as much as there was room for
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(appender.os, call, full)
    with pytest.raises(OSError, match="the journal cannot be written: No space left") as caught:
        journal.append([raws("s", [b"1" * 9000], 1), raws("a", [b"x"])])
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    assert lines_of(journal, "a") == []
    journal.append([raws("s", [b"1"], 1), raws("a", [b"y"])])
    assert lines_of(journal, "s") == [b"0", b"1"]
    assert lines_of(journal, "a") == [b"y"]
    journal.close()
    again = FileJournal(tmp_path / "j")
    assert lines_of(again, "s") == [b"0", b"1"]
    again.close()


def test_old_segments_go_and_the_last_stays(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = FileJournal(path, partitions=1, segment_bytes=SMALL)
    for n in range(30):
        journal.append([raws("s", [b"%d" % n + b"x" * 1000], n), raws(f"once-{n}", [b"x"], 70 + n)])
    segments = sorted(path.glob("p0000/*.seg"))
    assert len(segments) > 4
    journal.release(0, int(segments[2].stem) + 1)
    assert sorted(path.glob("p0000/*.seg")) == segments[2:]
    assert journal.read(0, 0, 5)[0].first == int(segments[2].stem)
    journal.release(0, journal.end(0))
    assert sorted(path.glob("p0000/*.seg")) == segments[-1:]
    journal.close()
    again = FileJournal(path)
    assert (again.tail("s"), again.tail("once-0"), again.end(0)) == (29, 70, 60)
    again.close()


def test_partitions_are_fixed_when_the_journal_is_made(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j", partitions=3)
    journal.append([raws("s", [b"x"])])
    other = FileJournal(tmp_path / "j", partitions=8)
    assert other.partitions() == [0, 1, 2]
    assert other.epoch == journal.epoch
    assert lines_of(other, "s") == [b"x"]
    journal.close()
    other.close()


def test_pending_counts_by_source_without_the_records(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j", partitions=1)
    journal.append([raws("s", [b"x"] * 5), raws("demo", [b"x"] * 3, None, realm="demo"), raws("s", [b"x"] * 4, 5)])
    assert journal.pending(0, 0) == {"s": ("real", 9), "demo": ("demo", 3)}
    assert journal.pending(0, 6) == {"demo": ("demo", 2), "s": ("real", 4)}
    assert journal.pending(0, 12) == {}
    journal.close()


def test_a_big_batch_becomes_several_frames(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j", partitions=1)
    lines = [bytes([n]) * (9 << 20) for n in range(4)]
    whole = Raws(Origin(source="s"), lines, 1, np.arange(4), {2: "why"})
    journal.append([whole])
    found = everything(journal, 0)
    assert [len(frame.raws.lines) for frame in found] == [1, 1, 1, 1]
    assert [frame.raws.damaged for frame in found] == [{}, {}, {0: "why"}, {}]
    assert [line for frame in found for line in frame.raws.lines] == lines
    journal.close()


def test_a_frame_is_filled_to_the_brim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "FRAME_BYTES", 10)
    monkeypatch.setattr(frames, "FRAME_RECORDS", 3)
    batch = raws("s", [b"12345", b"67890", b"a", b"b", b"c", b"d"])
    assert [list(piece.lines) for piece in frames.cut(batch)] == [[b"12345", b"67890"], [b"a", b"b", b"c"], [b"d"]]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (Raws(Origin(source="s"), [b"x"], 1, np.array([1, 2])), "1 records with 2 positions"),
        (Raws(Origin(source="s"), [b"x", b"y"], 1, np.array([2, 1])), "ascend"),
        (Raws(Origin(source="s"), [b"x"], 1, np.array([-1])), "ascend"),
        (Raws(Origin(source="s"), [b"x"], 1, None, {1: "why"}), "not among"),
        (Raws(Origin(source="s"), [b"x"], 1, None, {-1: "why"}), "not among"),
        (Raws(Origin(source="s" * 40_000), [b"x"], 1), "too long"),
    ],
)
def test_what_is_not_whole_is_refused_and_nothing_is_written(tmp_path: Path, bad: Raws, why: str) -> None:
    journal = FileJournal(tmp_path / "j", partitions=1)
    with pytest.raises(ValueError, match=why):
        journal.append([raws("s", [b"before"]), bad])
    assert journal.end(0) == 0
    journal.append([raws("s", [b"x"])])
    assert lines_of(journal, "s") == [b"x"]
    journal.close()


def test_a_charter_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "journal.json").write_text("{}")
    with pytest.raises(ValueError, match=r"journal\.json"):
        FileJournal(tmp_path)


def test_a_draft_is_whole_before_it_is_made_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        state = os.fstat(fd)
        if stat.S_ISREG(state.st_mode):
            sizes.append(state.st_size)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    journal = FileJournal(tmp_path / "j", partitions=1, segment_bytes=100)
    for n in range(3):
        journal.append([raws("s", [b"x" * 100], n)])
    journal.close()
    assert len(sizes) >= 4  # the charter, and the heads of segments
    assert min(sizes) > 0


def test_what_nobody_left_half_done_is_not_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = FileJournal(tmp_path / "j", partitions=1, segment_bytes=SMALL)
    monkeypatch.setattr(appender.Appender, "_recover", lambda *_: pytest.fail("repaired"))
    for n in range(12):
        journal.append([raws("s", [b"x" * 1000], n)])
    assert len(list((tmp_path / "j").glob("p0000/*.seg"))) > 2
    journal.close()


def test_a_closed_journal_holds_no_file(tmp_path: Path) -> None:
    def opened() -> list[str]:
        return [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]

    journal = FileJournal(tmp_path / "j", partitions=2, segment_bytes=SMALL)
    for n in range(12):
        journal.append([raws("s", [b"x" * 1000], n)])
        assert len(everything(journal, journal.partition_of("s"))) == n + 1
    assert len([name for name in opened() if name.startswith(str(tmp_path))]) <= 2 * 3  # mark, writing, reading
    journal.close()
    assert [name for name in opened() if name.startswith(str(tmp_path))] == []
