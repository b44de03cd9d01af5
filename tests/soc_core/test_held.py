"""Records that wait for others: any cut into batches, any crash, and the same events, ids and fates come out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.assembly import HOLD, assemble
from collectors.parse import parse
from soc_core import clock, held
from soc_core.access import EVERYTHING
from soc_core.identify import records
from soc_core.journal.files import FileJournal
from soc_core.models import Finding
from soc_core.pipeline import Parts
from soc_core.protocols import Origin, Query, Raws
from soc_core.state import commits, quarantine
from soc_core.worker import Worker
from tests.soc_core.test_pipeline import Counter, House

Record = tuple[str, int, str]  # source, position, line


class Every(Counter):
    """A finding at every event."""

    def detect(self, batch: Any) -> Any:
        names = ("event.id", "soc.realm", "soc.partition", "soc.offset")
        return [Finding("every", event, 0, "high", "t", (), (), (), "", "", *place)
                for event, *place in zip(*(batch.column(name).to_list() for name in names), strict=True)]


class AuditHouse(House):
    """The same house with the real parser and the real assemblers."""

    def worker(self, triage: Any = None, detectors: Any = None, enrichers: Any = ()) -> Worker:
        def collect(session: Any, findings: Any, at: clock.Micros) -> None:
            self.found += findings

        return Worker(Parts(self.journal, self.state, self.store, parse, enrichers, lambda: detectors or [Every()],
                            triage or collect, assemble=assemble))

    def give(self, records: Sequence[Record], received: clock.Micros = 0) -> None:
        """Append records of several sources in their order, all of one moment (0: now)."""
        received = received or clock.now()
        for source, position, line in records:
            at = np.array([position], dtype=np.int64)
            raws = Raws(Origin(source=source, format="auditd"), [line.encode()], received, at)
            self.journal.append([raws])

    def pending(self) -> int:
        with self.state.read() as session:
            return sum(row.pending for row in commits.fates(session))

    def events(self) -> list[dict[str, Any]]:
        rows = self.store("real").search(Query(), EVERYTHING).rows
        names = ("event.id", "auditd.log.sequence", "auditd.types", "process.args", "event.original",
            "auditd.names", "soc.source")
        found = [{name: row.get(name) for name in names} for row in rows]
        return sorted(found, key=lambda row: row["event.id"])


def audit(serial: int, ends: bool = True, argument: str = "x") -> list[str]:
    """The records of one audit event."""
    head = f"msg=audit(1763600520.{serial % 1000:03d}:{serial}):"
    lines = [
        f"type=SYSCALL {head} arch=c000003e syscall=59 success=yes exit=0 a0=55d ppid=1 pid={serial} uid=0 "
        'comm="hit" exe="/usr/bin/hit"',
        f'type=EXECVE {head} argc=2 a0="hit" a1="{argument}"',
        f'type=CWD {head} cwd="/root"',
        f'type=PATH {head} item=0 name="/usr/bin/" inode=1 nametype=PARENT',
        f'type=PATH {head} item=1 name="/usr/bin/hit" inode=2 nametype=NORMAL',
    ]
    return [*lines, f"type=PROCTITLE {head} proctitle=686974"] if ends else lines


@pytest.fixture
def house(tmp_path: Path) -> Any:
    made = AuditHouse(tmp_path)
    yield made
    made.close()


def numbered(source: str, lines: Sequence[str], start: int = 0) -> list[Record]:
    return [(source, start + 100 * number, line) for number, line in enumerate(lines)]


def test_a_half_event_waits_and_is_counted_as_pending(house: AuditHouse) -> None:
    lines, later = numbered("web", audit(1)), clock.now() + clock.HOUR  # however slow the machine, it waits yet
    house.give(lines[:3], later)
    worker = house.worker()
    assert worker.step() == 0
    assert worker.step() == 0
    assert (house.fates()["web"], house.pending()) == ((3, 0, 0, 0, 0, 0), 3)
    house.give(lines[3:], later)
    worker.step()
    assert (house.fates()["web"], house.pending()) == ((6, 1, 0, 5, 0, 1), 0)
    row = house.events()[0]
    assert row["event.original"] == "\n".join(line for _, _, line in lines)
    assert row["auditd.types"] == ["SYSCALL", "EXECVE", "CWD", "PATH", "PROCTITLE"]
    assert row["auditd.names"] == ["/usr/bin/", "/usr/bin/hit"]


def test_drain_leaves_nothing_waiting(house: AuditHouse) -> None:
    house.give(numbered("web", audit(1, ends=False)))
    house.worker().drain()
    assert (house.fates()["web"], house.pending()) == ((5, 1, 0, 4, 0, 1), 0)


def test_silence_ends_a_wait(house: AuditHouse) -> None:
    house.give(numbered("web", audit(1, ends=False)), received=clock.now() - 2 * HOLD)
    house.worker().step()
    assert house.pending() == 0


def test_a_later_record_of_another_source_tells_that_time_has_passed(house: AuditHouse) -> None:
    start = clock.now()
    house.give(numbered("web", audit(1, ends=False)), received=start)
    house.give(numbered("db", audit(2)), received=start + HOLD + 1)
    house.give(numbered("web", audit(1)[-1:], start=900), received=start + HOLD + 2)
    house.worker().drain()
    kinds = [row["auditd.types"] for row in house.events() if row["soc.source"] == "web"]
    assert kinds == [["SYSCALL", "EXECVE", "CWD", "PATH"], None]


def test_the_same_serial_of_two_sources_is_two_events(house: AuditHouse) -> None:
    one, two = numbered("web", audit(7, argument="one")), numbered("db", audit(7, argument="two"))
    house.give([record for pair in zip(one, two, strict=True) for record in pair])
    house.worker().drain()
    assert [row["process.args"][1] for row in sorted(house.events(), key=lambda row: row["soc.source"])] == [
        "two", "one"]


def test_a_refused_joined_event_takes_all_its_records_to_quarantine(house: AuditHouse) -> None:
    house.give(numbered("web", audit(1)))
    house.worker().drain()
    house.give(numbered("web", audit(1, argument="forged")))
    house.worker().drain()
    assert house.fates()["web"] == (12, 1, 0, 5, 6, 1)
    with house.state.read() as session:
        assert sum(group.count for group in quarantine.groups(session)) == 6


def test_a_crash_between_the_two_commits_joins_once(house: AuditHouse) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("killed here")

    lines = numbered("web", [line for serial in (1, 2, 3) for line in audit(serial)])
    later = clock.now() + clock.HOUR
    house.give(lines[:4], later)
    house.worker().step()
    house.give(lines[4:], later)
    with pytest.raises(RuntimeError, match="killed here"):
        house.worker(triage=fail).drain()
    house.worker().drain()
    assert (house.fates()["web"], house.pending()) == ((18, 3, 0, 15, 0, 3), 0)


def test_a_finding_on_a_record_that_waited_is_no_replay(house: AuditHouse) -> None:
    """Alerts take what lies below their mark for a replay; what waited lies there and is new."""
    first, second, later = numbered("web", audit(1)), numbered("db", audit(2)), clock.now() + clock.HOUR
    worker = house.worker()
    house.give([*first[:2], *second], later)
    worker.step()
    house.give(first[2:], later)
    worker.step()
    assert [finding.partition for finding in house.found][-1] == -1 or len({
        house.journal.partition_of(name) for name in ("web", "db")}) == 2
    assert len(house.found) == 2


def test_the_journal_keeps_what_waits(house: AuditHouse, tmp_path: Path) -> None:
    house.journal.close()
    house.journal = FileJournal(tmp_path / "small", partitions=1, segment_bytes=2_000)
    lines = numbered("web", [line for serial in range(40) for line in audit(serial)], start=1_000_000)
    waits = numbered("db", audit(999)[:2])
    house.give([*waits, *lines], received=clock.now() + 600 * clock.SECOND)  # however slow the disk, it waits yet
    worker = house.worker()
    worker.step()
    worker.checkpoint()
    again = house.worker()
    assert again.lanes[0].held.offsets == [0, 1]
    house.give(numbered("db", audit(999)[2:], start=900))
    again.drain()
    assert house.fates()["db"] == (6, 1, 0, 5, 0, 1)


def test_what_waits_no_longer_is_forgotten(house: AuditHouse) -> None:
    with house.state.begin() as session:
        held.save(session, 0, [3, 7])
        held.save(session, 1, [5])
        assert held.load(session, 0) == [3, 7]
        held.save(session, 0, [])
        assert (held.load(session, 0), held.load(session, 1)) == ([], [5])


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_any_cut_and_any_crash_joins_the_same(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    serials = data.draw(st.lists(st.tuples(st.sampled_from(["web", "db", "mail"]), st.booleans()), min_size=1,
                                 max_size=8))
    queues = {name: [line for serial, (source, ends) in enumerate(serials) if source == name
                     for line in audit(serial, ends)] for name in ("web", "db", "mail")}
    streams = {name: numbered(name, lines) for name, lines in queues.items()}
    order = data.draw(st.permutations([name for name, lines in queues.items() for _ in lines]))
    records = [streams[name].pop(0) for name in order]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=5)))
    calm, wild = AuditHouse(tmp_path_factory.mktemp("calm")), AuditHouse(tmp_path_factory.mktemp("wild"))
    at = clock.now() + clock.HOUR  # received later than now: only what follows ends a wait
    try:
        calm.give(records, at)
        calm.worker().drain()
        worker = wild.worker()
        for start, end in zip([0, *cuts], [*cuts, len(records)], strict=True):
            wild.give(records[start:end], at)
            worker.step()
            known = [sum(fates) for fates in ((row[1] + row[2] + row[3] + row[4],) for row in wild.fates().values())]
            assert sum(known) + wild.pending() == sum(row[0] for row in wild.fates().values())
            if data.draw(st.booleans()):
                worker.checkpoint()
            if data.draw(st.booleans()):
                worker = wild.worker()
        worker.drain()
        assert wild.events() == calm.events()
        assert wild.fates() == calm.fates()
        assert wild.pending() == 0
    finally:
        calm.close()
        wild.close()


@given(st.lists(st.integers(0, 1 << 50), unique=True, max_size=30).map(sorted))
def test_offsets_survive_their_text(offsets: list[int]) -> None:
    assert held.unpack(held.pack(offsets)) == offsets


def test_a_journal_that_has_lost_what_waits_is_said_and_not_gone_on_with(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j", partitions=1, segment_bytes=300)
    for n in range(8):
        journal.append([Raws(Origin(source="s"), [b"x" * 150], 1, np.array([n], dtype=np.int64))])
    assert [frame.first for frame in held.read(journal, 0, [6, 7, 5]).frames] == [5, 6, 7]
    journal.release(0, 4)
    for lost in ([0], [0, 6, 7], [7, 8]):
        with pytest.raises(RuntimeError, match=f"partition 0 has lost record {8 if 8 in lost else 0}"):
            held.read(journal, 0, lost)
    journal.close()


def test_neighbours_stay_one_frame(tmp_path: Path) -> None:
    """Held records of two sources in turn: a run of a source's neighbours is one frame, read or picked."""
    journal = FileJournal(tmp_path / "journal", partitions=1)
    for at, count in ((0, 4), (4, 3)):
        journal.append([Raws(Origin(source=f"s{at}"), [b"%d" % (at + n) for n in range(count)], clock.now())])
    frames = journal.read(0, 0, 100)
    known = records(frames, journal.epoch)
    picked = held.pick(known, np.array([0, 1, 3, 4, 5], dtype=np.int64))
    assert [(frame.first, list(frame.raws.lines)) for frame in picked] == [
        (0, [b"0", b"1"]), (3, [b"3"]), (4, [b"4", b"5"])]
    read = held.read(journal, 0, [0, 1, 3, 4, 5])
    assert read.offsets == [0, 1, 3, 4, 5]
    assert [frame.first for frame in read.frames] == [0, 3, 4]
    journal.close()
