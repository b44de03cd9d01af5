"""KafkaJournal on a real broker: the shared suite, and what only a broker does: die, come back, be made anew."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed (extra: kafka)")

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from hypothesis import given, settings
from hypothesis import strategies as st

from soc_core.journal import kafka_reader, kafka_tails
from soc_core.journal.kafka import BLOCK, KafkaJournal
from soc_core.journal.kafka_topic import CHECK_SECONDS, Remade
from soc_core.protocols import Origin, Raws
from soc_core.state import commits
from soc_core.state.database import Database
from tests.servers.kafka import kafka_address
from tests.soc_core.journal.suite import JournalSuite, batches, everything, lines_of, raws
from tests.soc_core.test_pipeline import House

__all__ = ["kafka_address"]
ROOT = Path(__file__).resolve().parents[3]
PROCESS = """
import json, sys
import numpy as np
from soc_core.journal.kafka import KafkaJournal
from soc_core.protocols import Origin, Raws
servers, topic, source, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
journal = KafkaJournal(servers, topic)
sys.stdin.readline()
for n in range(count):
    lines = [b"%s:%d" % (source.encode(), 3 * n + k) for k in range(3)]
    journal.append([Raws(Origin(source=source), lines, 1, np.arange(3 * n, 3 * n + 3))])
partition = journal.partition_of(source)
frames = journal.read(partition, 5, 10)
print(json.dumps({
    "epoch": journal.epoch, "end": journal.end(partition), "tail": journal.tail(source), "first": frames[0].first,
    "lines": [line.decode() for frame in frames for line in frame.raws.lines], "pending": journal.pending(partition, 5),
}))
journal.close()
"""


@pytest.fixture(autouse=True)
def quick_seeks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_reader, "WAIT_MS", 5)


@pytest.fixture
def name() -> str:
    return f"t-{uuid.uuid4().hex}"


@contextmanager
def opened(address: str, name: str, partitions: int = 2, **options: Any) -> Iterator[KafkaJournal]:
    journal = KafkaJournal(address, name, partitions, **{"patience": 20.0, **options})
    yield journal
    journal.close()


def deleted(address: str, *names: str) -> None:
    admin = AdminClient({"bootstrap.servers": address})
    for future in admin.delete_topics(list(names)).values():
        future.result(20)


class TestKafkaJournal(JournalSuite):
    address = ""

    @pytest.fixture(autouse=True)
    def broker(self, kafka_address: str) -> None:
        type(self).address = kafka_address

    def make(self, path: Path, partitions: int) -> KafkaJournal:
        """The path stands for the journal: equal paths, one topic."""
        name = f"t-{uuid.uuid5(uuid.NAMESPACE_URL, str(path)).hex}"
        return KafkaJournal(self.address, name, partitions, patience=20.0)

    # Fewer examples than for files: a new producer needs half a second for its number from the broker.
    test_any_batches_come_back_in_order = settings(max_examples=12, deadline=None)(
        given(calls=st.lists(batches, max_size=4), limit=st.integers(1, 30), partitions=st.integers(1, 3))(
            JournalSuite.test_any_batches_come_back_in_order.hypothesis.inner_test))


def test_what_is_acknowledged_stays_so_when_the_broker_goes_at_once(
    kafka_address: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that follows the acknowledgement may refuse the batch: it would come again."""
    def away(*_: Any) -> None:
        raise OSError("away")

    with opened(kafka_address, name) as journal:
        monkeypatch.setattr(journal.topic, "_describe", away)
        monkeypatch.setattr(journal.topic, "start", away)
        monkeypatch.setattr(journal.topic, "_checked", 0.0)
        monkeypatch.setattr(kafka_tails.Tails.save, "__defaults__", (1,))
        (offset,) = journal.append([raws("s", [b"x"] * 3)])
        assert offset.offset == 3


# ---------------------------------------------------------------- a topic made anew


def test_a_topic_made_anew_is_refused(kafka_address: str, name: str, tmp_path: Path) -> None:
    state = Database(f"sqlite:///{tmp_path / 'state.db'}")
    state.migrate()
    with opened(kafka_address, name) as old:
        for n in range(3):
            old.append([raws("s", [b"old"], n)])
        partition = old.partition_of("s")
        with state.begin() as session:
            commits.adopt_epoch(session, old.epoch)
        deleted(kafka_address, name, f"{name}.tails")
        with opened(kafka_address, name) as new:
            assert new.epoch != old.epoch
            assert new.tail("s") == -1
            with state.begin() as session, pytest.raises(commits.OtherJournal):
                commits.adopt_epoch(session, new.epoch)
            new.append([raws("s", [b"new"] * 9, 0)])  # longer than the old one: no offset looks wrong
            for call in (lambda: old.read(partition, 2, 5), lambda: old.read(partition, 3, 5)):
                with pytest.raises(Remade, match="was made anew"):
                    call()
            time.sleep(CHECK_SECONDS)
            with pytest.raises(OSError, match="journal"):  # whether the producer or the check finds it first
                old.append([raws("s", [b"late"], 3)])
            end = new.end(partition)
            with pytest.raises(Remade):
                old.append([raws("s", [b"late"], 3)])
            assert new.end(partition) == end  # tried again and again, it leaves nothing in the other topic
            assert [line for line in lines_of(new, "s") if line == b"new"] == [b"new"] * 9
    state.close()


def test_an_old_count_of_tails_is_not_taken_for_a_new_topic(kafka_address: str, name: str) -> None:
    with opened(kafka_address, name) as old:
        (last,) = old.append([raws("s", [b"x"] * 5, 100)])
        old.release(*last)
    deleted(kafka_address, name)  # the tails stay
    with opened(kafka_address, name) as new:
        assert new.tail("s") == -1
        new.append([raws("s", [b"x"], 7)])
        assert new.tail("s") == 7


# ---------------------------------------------------------------- the loop


def test_the_loop_over_kafka_counts_each_record_once(kafka_address: str, name: str, tmp_path: Path) -> None:
    """A crash between the commits, a checkpoint that lets the broker delete, a new worker, then another topic."""
    def fail(*_: Any) -> None:
        raise RuntimeError("killed here")

    house = House(tmp_path)
    house.journal.close()
    with opened(kafka_address, name) as journal:
        house.journal = journal  # type: ignore[assignment]
        house.put(["hit 1", "bad 2", "two 3", "hit 4", "hit 5", "join 6"])
        house.put(["hit"] * 2, source="udp", start=None)
        with pytest.raises(RuntimeError, match="killed here"):
            house.worker(triage=fail).drain()
        worker = house.worker()
        worker.drain()
        fates = {"s": (6, 4, 0, 1, 1, 5), "udp": (2, 2, 0, 0, 0, 2)}
        assert house.fates() == fates
        ends = {partition: journal.end(partition) for partition in journal.partitions()}
        assert [journal.topic.start(partition) for partition in ends] == list(ends.values())  # all released
        house.put(["hit 1", "bad 2"])  # a source that begins again: known, though the broker has forgotten it
        with opened(kafka_address, name) as other:
            house.journal = other  # type: ignore[assignment]
            house.worker().drain()
            assert house.fates() == fates | {"s": (8, 4, 2, 1, 1, 5)}
            assert other.tail("s") == 5
            assert other.pending(other.partition_of("s"), other.end(other.partition_of("s"))) == {}
    deleted(kafka_address, name)
    with opened(kafka_address, name) as anew:
        house.journal = anew  # type: ignore[assignment]
        with pytest.raises(commits.OtherJournal):
            house.worker()
    house.close()


# ---------------------------------------------------------------- several processes


def test_two_processes_append_at_once_and_read_each_other(kafka_address: str, name: str) -> None:
    with opened(kafka_address, name, partitions=1) as journal:
        command = [sys.executable, "-c", PROCESS, kafka_address, name]
        children = {
            source: subprocess.Popen([*command, source, "60"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     text=True) for source in ("a", "b")
        }
        for child in children.values():
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()
        told = {source: json.loads(child.communicate(timeout=60)[0]) for source, child in children.items()}
        for source, said in told.items():
            assert lines_of(journal, source) == [b"%s:%d" % (source.encode(), n) for n in range(180)]
            assert (said["epoch"], said["tail"]) == (journal.epoch, 179)
        assert journal.end(0) == 360 == max(said["end"] for said in told.values())
        whole = [line.decode() for frame in everything(journal, 0) for line in frame.raws.lines]
        for said in told.values():
            assert (said["first"], said["lines"]) == (5, whole[5:15])
            assert sum(count for _, count in said["pending"].values()) in range(said["end"] - 5, 356)


def test_threads_share_one_journal(kafka_address: str, name: str) -> None:
    shared = raws("same", [b"x"], 0)  # one and the same batch from all: it counts each time
    with opened(kafka_address, name) as journal:
        def write(source: str) -> None:
            for n in range(20):
                (own, _) = journal.append([raws(source, [b"%d" % n] * 2, 2 * n), shared])
                assert own.offset <= journal.end(own.partition)

        threads = [threading.Thread(target=write, args=(f"s{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for n in range(4):
            assert lines_of(journal, f"s{n}") == [b"%d" % k for k in range(20) for _ in range(2)]
        assert len(lines_of(journal, "same")) == 80


# ---------------------------------------------------------------- tails, release, pending


def test_tails_are_found_without_the_records(kafka_address: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a release the records may be gone: the tails are not, and a new process reads only what follows."""
    with opened(kafka_address, name, partitions=1) as journal:
        (last,) = journal.append([raws("s", [b"x"] * 50, 1000)])
        journal.append([raws("t", [b"y"] * 5, 3), raws("s", [b"x"], 10)])
        journal.release(0, last.offset)
        assert journal.read(0, 0, 100)[0].first == last.offset
    with opened(kafka_address, name) as again:
        assert (again.tail("s"), again.tail("t"), again.tail("u")) == (1049, 7, -1)
        held = again._partitions[0].tails
        assert held._saved >= last.offset
        monkeypatch.setattr(kafka_tails, "KEPT", 2)
        again.append([raws("u", [b"z"], 1)])
        assert [again.tail(source) for source in ("u", "s", "t")] == [1, 1049, -1]  # `t` was silent longest


def test_a_writer_saves_tails_from_time_to_time(
    kafka_address: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_tails.Tails.save, "__defaults__", (100,))
    with opened(kafka_address, name, partitions=1) as one, opened(kafka_address, name) as two:
        for n in range(30):
            (one if n % 2 else two).append([raws("s", [b"x"] * 10, 10 * n)])
        assert one.topic.end(0, one.topic.tails) in range(3, 9)
    with opened(kafka_address, name) as again:
        assert again.tail("s") == 299
        assert again._partitions[0].tails._saved >= 200


def test_release_keeps_all_where_the_topic_says_how_long(kafka_address: str, name: str) -> None:
    with opened(kafka_address, name, partitions=1, keep=True) as journal:
        (last,) = journal.append([raws("s", [b"x"] * 50)])
        journal.release(*last)
        assert journal.read(0, 0, 100)[0].first == 0


def test_pending_counts_by_source_and_reads_each_block_once(
    kafka_address: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(kafka_address, name, partitions=1) as journal:
        assert journal.pending(0, 0) == {}
        journal.append([raws("s", [b"x"] * (2 * BLOCK), 0), raws("demo", [b"y"] * 3, 0, realm="demo")])
        assert journal.pending(0, 0) == {"s": ("real", 2 * BLOCK), "demo": ("demo", 3)}
        read: list[int] = []
        count = type(journal._partitions[0])._count
        monkeypatch.setattr(type(journal._partitions[0]), "_count",
                            lambda self, at, edge: read.append(edge - at) or count(self, at, edge))
        assert journal.pending(0, 6) == {"s": ("real", 2 * BLOCK - 6), "demo": ("demo", 3)}
        assert read == [BLOCK - 6, 3]
        assert journal.pending(0, 2 * BLOCK + 1) == {"demo": ("demo", 2)}
        assert journal.pending(0, 2 * BLOCK + 3) == {}


# ---------------------------------------------------------------- other people's messages, limits


def test_messages_of_other_programs_are_records_too(kafka_address: str, name: str) -> None:
    with opened(kafka_address, name, partitions=1) as journal:
        journal.append([raws("s", [b"ours"], 4)])
        producer = Producer({"bootstrap.servers": kafka_address})
        for key in (None, b"", b"k", b"\x11" + b"x" * 40, b"\x12" + b"\xff" * 12):
            producer.produce(name, b"theirs", key, 0)
        producer.produce(name, None, b"k", 0)
        producer.flush(20)
        frames = everything(journal, 0)
        assert [line for frame in frames for line in frame.raws.lines] == [b"ours", *[b"theirs"] * 5, b""]
        assert {frame.raws.origin.source for frame in frames[1:]} == {f"kafka:{name}"}
        assert all(abs(frame.raws.received / 1e6 - time.time()) < 300 for frame in frames[1:])
        assert (journal.tail("s"), journal.tail(f"kafka:{name}")) == (4, -1)


def test_large_records_and_those_too_large(kafka_address: str, name: str) -> None:
    with opened(kafka_address, name, partitions=1) as journal:
        large = bytes(range(256)) * (20 << 12)  # 20 MB: above every default on the way
        journal.append([raws("s", [b"x", large, b"y"])])
        assert [line for frame in everything(journal, 0) for line in frame.raws.lines] == [b"x", large, b"y"]
        with pytest.raises(ValueError, match="does not fit"):
            journal.append([raws("s", [b"z"], 3), raws("s", [bytes(33 << 20)], 4)])
        with pytest.raises(ValueError, match="2 records with 1 positions"):
            journal.append([Raws(Origin(source="s"), [b"a", b"b"], 1, raws("s", [b"a"]).positions)])
        assert journal.end(0) == 3  # nothing of a refused call


def test_a_compacted_topic_is_refused(kafka_address: str, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_address})
    for future in admin.create_topics([NewTopic(name, 1, 1, config={"cleanup.policy": "compact"})]).values():
        future.result(20)
    with pytest.raises(ValueError, match="compacted"):
        KafkaJournal(kafka_address, name)


def test_records_that_expired_unread_are_told(
    kafka_address: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(kafka_address, name, partitions=1) as journal:
        journal.append([raws("s", [b"%d" % n for n in range(10)])])
        journal.topic.drop(0, 6)  # as a topic's own retention would
        with caplog.at_level(logging.ERROR):
            (frame,) = journal.read(0, 2, 3)
        assert (frame.first, list(frame.raws.lines)) == (6, [b"6", b"7", b"8"])
        assert "records 2 to 5 are no longer kept" in caplog.text
