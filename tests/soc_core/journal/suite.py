"""What every journal must do. A test module of an implementation subclasses JournalSuite and gives `make`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soc_core.protocols import Frame, Journal, Origin, Raws

Make = Callable[[Path, int], Journal]
RECEIVED = 1_790_000_000_000_000


def raws(source: str, lines: list[bytes], at: int | None = 0, **origin: str) -> Raws:
    positions = None if at is None else np.arange(at, at + len(lines), dtype=np.int64)
    return Raws(Origin(source=source, **origin), lines, RECEIVED, positions)


def everything(journal: Journal, partition: int, limit: int = 1000, at: int = 0) -> list[Frame]:
    found = []
    while frames := journal.read(partition, at, limit):
        for frame in frames:
            assert frame.partition == partition
            assert frame.first == at
            at += len(frame.raws.lines)
            found.append(frame)
        assert sum(len(frame.raws.lines) for frame in frames) <= limit
    return found


def lines_of(journal: Journal, source: str, limit: int = 1000) -> list[bytes]:
    return [
        line
        for partition in journal.partitions()
        for frame in everything(journal, partition, limit)
        if frame.raws.origin.source == source
        for line in frame.raws.lines
    ]


batches = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "源"]),
        st.lists(st.binary(max_size=60), max_size=12),
        st.booleans(),
    ),
    max_size=12,
)


class JournalSuite:
    def make(self, path: Path, partitions: int) -> Journal:
        raise NotImplementedError

    @pytest.fixture
    def journal(self, tmp_path: Path):  # type: ignore[no-untyped-def]
        journal = self.make(tmp_path / "j", 3)
        yield journal
        journal.close()

    def test_gives_back_what_was_appended(self, journal: Journal) -> None:
        given_ = Raws(
            Origin(source="s", format="syslog", zone="z", peer="192.0.2.7", encoding="gb18030", realm="demo"),
            [b"one", b"", b"two\nlines\x00\xff"], RECEIVED, np.array([3, 900, 1 << 40]), {1: "no bytes", 2: "cut"},
        )
        (offset,) = journal.append([given_])
        assert offset.offset == 3
        assert journal.end(offset.partition) == 3
        (frame,) = journal.read(offset.partition, 0, 10)
        assert (frame.first, frame.raws.origin, list(frame.raws.lines)) == (0, given_.origin, given_.lines)
        assert (frame.raws.received, frame.raws.damaged) == (RECEIVED, given_.damaged)
        assert frame.raws.positions is not None
        assert frame.raws.positions.tolist() == [3, 900, 1 << 40]

    def test_no_positions_stay_none(self, journal: Journal) -> None:
        (offset,) = journal.append([raws("udp", [b"x"], None)])
        assert journal.read(offset.partition, 0, 10)[0].raws.positions is None
        assert journal.tail("udp") == -1

    def test_a_source_stays_in_its_partition(self, journal: Journal) -> None:
        offsets = journal.append([raws(f"s{n % 20}", [b"x"], n) for n in range(60)])
        assert [o.partition for o in offsets[:20]] == [o.partition for o in offsets[20:40]]
        assert {o.partition for o in offsets} == set(journal.partitions())
        for partition in journal.partitions():
            assert journal.end(partition) == max(o.offset for o in offsets if o.partition == partition)

    @pytest.mark.parametrize("limit", [1, 2, 5, 7, 100])
    def test_reads_from_any_record_and_at_most_the_limit(self, journal: Journal, limit: int) -> None:
        lines = [b"%d" % n for n in range(23)]
        for start, stop in ((0, 5), (5, 6), (6, 23)):
            (last,) = journal.append([raws("s", lines[start:stop], start)])
        for offset in range(24):
            got = [(line, place) for frame in everything(journal, last.partition, limit, offset)
                   for line, place in zip(frame.raws.lines, frame.raws.positions.tolist(), strict=True)]
            assert got == [(lines[n], n) for n in range(offset, 23)]
        assert journal.read(last.partition, 99, 5) == []

    def test_slicing_keeps_damage_with_its_record(self, journal: Journal) -> None:
        whole = Raws(Origin(source="s"), [b"a", b"b", b"c", b"d"], RECEIVED, None, {1: "first", 3: "second"})
        (last,) = journal.append([whole])
        (frame,) = journal.read(last.partition, 1, 2)
        assert (list(frame.raws.lines), frame.raws.damaged) == ([b"b", b"c"], {0: "first"})
        (frame,) = journal.read(last.partition, 3, 2)
        assert frame.raws.damaged == {0: "second"}

    def test_tail_is_the_highest_position_also_after_reopening(self, tmp_path: Path) -> None:
        journal = self.make(tmp_path / "j", 3)
        assert journal.tail("s") == -1
        journal.append([raws("s", [b"x"] * 10, 100), raws("t", [b"y"], 5)])
        journal.append([raws("s", [b"x"], 4)])  # an old place again: the tail does not go back
        assert (journal.tail("s"), journal.tail("t"), journal.tail("u")) == (109, 5, -1)
        epoch = journal.epoch
        journal.close()
        again = self.make(tmp_path / "j", 3)
        assert (again.tail("s"), again.tail("t"), again.tail("u"), again.epoch) == (109, 5, -1, epoch)
        assert lines_of(again, "s") == [b"x"] * 11
        again.close()

    def test_an_empty_batch_is_no_record(self, journal: Journal) -> None:
        first, second = journal.append([raws("s", []), raws("s", [b"x"])])
        assert (first.offset, second.offset) == (0, 1)
        assert journal.append([]) == []

    def test_two_handles_see_each_other(self, tmp_path: Path) -> None:
        one, two = self.make(tmp_path / "j", 2), self.make(tmp_path / "j", 2)
        for n in range(20):
            (one if n % 3 else two).append([raws("s", [b"%d" % n], n)])
            assert one.tail("s") == two.tail("s") == n
        assert lines_of(one, "s") == lines_of(two, "s") == [b"%d" % n for n in range(20)]
        one.close()
        two.close()

    def test_release_keeps_what_is_needed(self, journal: Journal) -> None:
        (last,) = journal.append([raws("s", [b"%d" % n for n in range(50)])])
        journal.release(last.partition, 30)
        assert [line for frame in everything(journal, last.partition, at=30) for line in frame.raws.lines] == [
            b"%d" % n for n in range(30, 50)
        ]
        assert journal.end(last.partition) == 50
        assert journal.tail("s") == 49

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(calls=st.lists(batches, max_size=4), limit=st.integers(1, 30), partitions=st.integers(1, 3))
    def test_any_batches_come_back_in_order(
        self, calls: list[list[tuple[str, list[bytes], bool]]], limit: int, partitions: int
    ) -> None:
        with tempfile.TemporaryDirectory() as folder:
            journal = self.make(Path(folder) / "j", partitions)
            expected: dict[str, list[bytes]] = {}
            at: dict[str, int] = {}
            for call in calls:
                made = []
                for source, lines, placed in call:
                    made.append(raws(source, lines, at.get(source, 0) if placed else None))
                    at[source] = at.get(source, 0) + len(lines)
                    expected.setdefault(source, []).extend(lines)
                journal.append(made)
            for source, lines in expected.items():
                assert lines_of(journal, source, limit) == lines
            journal.close()
