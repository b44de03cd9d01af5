"""KafkaJournal and a broker that is killed in the midst of appends. It has a broker of its own."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed (extra: kafka)")

from soc_core.journal.kafka import KafkaJournal
from soc_core.protocols import Raws
from tests.servers.kafka import new_broker
from tests.soc_core.journal.suite import lines_of, raws
from tests.soc_core.journal.test_kafka import name, opened, quick_seeks

__all__ = ["name", "quick_seeks"]


def appended(journal: KafkaJournal, batch: Raws) -> int:
    """What a collector does: the same batch again until it is taken. Returns how often it was refused."""
    for refused in range(300):
        try:
            journal.append([batch])
            return refused
        except OSError:
            time.sleep(0.05)
    raise AssertionError("never taken")


def test_a_killed_broker_loses_and_doubles_nothing(name: str) -> None:
    """kill -9 in the midst of appends: one writer waits for the broker, one is refused again and again."""
    with tempfile.TemporaryDirectory(prefix="soc-kafka-") as folder:
        broker = new_broker(Path(folder))
        ended, sent, refused = threading.Event(), {"patient": 0, "hasty": 0}, {"patient": 0, "hasty": 0}

        def write(source: str, patience: float) -> None:
            with opened(broker.address, name) as journal:
                journal.topic.patience = patience
                while not ended.is_set():
                    at = sent[source]
                    batch = raws(source, [b"%d" % (at + n) for n in range(at % 40 + 1)], at)
                    refused[source] += appended(journal, batch)
                    sent[source] = at + len(batch.lines)

        try:
            watcher = KafkaJournal(broker.address, name, 2, patience=20.0)
            writers = [threading.Thread(target=write, args=each) for each in (("patient", 60.0), ("hasty", 0.2))]
            for writer in writers:
                writer.start()
            more(sent, 2000)
            broker.kill()
            every_call_says_so(watcher, broker.address)
            broker.start()
            more(sent, 1000)
            ended.set()
            for writer in writers:
                writer.join(60)
                assert not writer.is_alive()
            assert refused["hasty"] > 1
            assert refused["patient"] == 0
            watcher.topic.patience = 20.0
            for source, count in sent.items():
                assert [int(line) for line in lines_of(watcher, source)] == list(range(count))
                assert watcher.tail(source) == count - 1
            assert sum(watcher.end(partition) for partition in watcher.partitions()) == sum(sent.values())
            watcher.close()
        finally:
            ended.set()
            broker.stop()


def more(sent: dict[str, int], records: int) -> None:
    """Wait until every writer has so many more records acknowledged."""
    wanted = {source: count + records for source, count in sent.items()}
    end = time.monotonic() + 60
    while any(sent[source] < count for source, count in wanted.items()):
        assert time.monotonic() < end, sent
        time.sleep(0.01)


def every_call_says_so(journal: KafkaJournal, address: str) -> None:
    journal.topic.patience = 0.3
    calls = [
        lambda: journal.append([raws("s", [])]), lambda: journal.read(0, 0, 9), lambda: journal.end(0),
        lambda: journal.tail("s"), lambda: journal.pending(0, 0),
        lambda: KafkaJournal(address, journal.topic.name, patience=0.3),
    ]
    for call in calls:
        with pytest.raises(OSError, match=f"broker {address}"):
            call()
    journal.release(0, 1)  # only a permission: nothing to raise
