"""The journal on Kafka, beside a bare producer and a bare consumer with the same messages; and workers, 1 and 2.

The broker is one node on this machine and takes its share of the same cores. SOC_TEST_KAFKA names another one.
"""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition

from bench import _workers
from soc_core.journal import kafka_frames
from soc_core.journal.kafka import KafkaJournal
from soc_core.journal.kafka_reader import AHEAD_KB
from soc_core.journal.kafka_topic import Topic
from soc_core.protocols import Origin, Raws
from tests.servers.kafka import new_broker

BATCHES, RECORDS, SOURCES, ROUNDS = 100, 2000, 16, 3
LINE = (
    "<38>1 2026-11-23T01:00:00.000000Z gw-{n:05d}.example sshd {n} - - Failed password for invalid user admin "
    "from 192.0.2.{m} port 51514 ssh2 " + "x" * 60
)
Messages = list[tuple[bytes, bytes, int]]


def figures() -> list[dict[str, Any]]:
    with broker() as (address, process):
        rounds = [once(address) for _ in range(ROUNDS)]
        shared = _workers.figures(address, process)
    found = []
    for name, ours, peer, theirs in (
        ("append, acknowledged", "append", "bare producer", "produce"),
        ("read, as frames", "read", "bare consumer", "consume"),
    ):
        for unit, which in (("records/s", 0), ("records/s of CPU", 1)):
            value, other = (max(each[side][which] for each in rounds) for side in (ours, theirs))
            found.append({"name": f"Kafka journal {name}", "value": round(value), "unit": unit,
                          "peer": f"{peer}, same messages", "peer_value": round(other),
                          "ratio": round(value / other, 2)})
    one = max(each["one"][0] for each in rounds)
    return [*found, {"name": "Kafka journal append of one record", "value": round(1e3 / one, 2), "unit": "ms"}, *shared]


@contextmanager
def broker() -> Iterator[tuple[str, int | None]]:
    """Its address, and its process where it is ours."""
    if given := os.environ.get("SOC_TEST_KAFKA"):
        yield given, None
        return
    with tempfile.TemporaryDirectory(prefix="soc-kafka-") as folder:
        started = new_broker(Path(folder), quick=False)
        try:
            yield started.address, started.process.pid
        finally:
            started.stop()


def rate(count: int, work: Callable[[], Any]) -> tuple[float, float]:
    """Records a second, and a second of this process's own processor time."""
    began, used = time.monotonic(), time.process_time()
    work()
    return count / (time.monotonic() - began), count / (time.process_time() - used)


def once(address: str) -> dict[str, tuple[float, float]]:
    """Rates of each of the four, and of appends of one record each."""
    name, total = f"bench-{uuid.uuid4().hex}", BATCHES * RECORDS
    lines = [LINE.format(n=n, m=n % 250).encode() for n in range(RECORDS)]
    batches = [
        Raws(Origin(source=f"source-{n % SOURCES}"), lines, n, np.arange(RECORDS, dtype=np.int64) + n * RECORDS)
        for n in range(BATCHES)
    ]
    journal = KafkaJournal(address, name)
    bare = Topic(address, f"{name}.bare", len(journal.partitions()), 1, 30.0, {})
    messages = [(line, key, journal.partition_of(raws.origin.source)) for raws in batches
                for line, key in zip(raws.lines, kafka_frames.keys(raws), strict=True)]
    journal.append([Raws(Origin(source="source-0"), [b"first"], 0)])  # connected, and known to the broker
    producer = Producer({"bootstrap.servers": address, "acks": "all", "enable.idempotence": True, "linger.ms": 2,
                         "compression.type": "lz4", "batch.size": 1_000_000, "batch.num.messages": 100_000,
                         "queue.buffering.max.messages": 1_000_000})
    producer.produce(bare.name, b"first", b"", 0)
    producer.flush()
    found = {
        "produce": rate(total, lambda: produced(producer, bare.name, messages)),
        "append": rate(total, lambda: [journal.append(batches[at : at + 10]) for at in range(0, BATCHES, 10)]),
        "consume": rate(total, lambda: consumed(address, bare)),
        "read": rate(total, lambda: read(journal)),
        "one": rate(50, lambda: [journal.append([Raws(Origin(source="s"), [b"x"], n)]) for n in range(50)]),
    }
    journal.close()
    return found


def produced(producer: Producer, name: str, messages: Messages) -> None:
    for value, key, partition in messages:
        producer.produce(name, value, key, partition)
    producer.flush()


def consumed(address: str, topic: Topic) -> None:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "bench", "enable.auto.commit": False,
                         "auto.offset.reset": "error", "fetch.message.max.bytes": 4 << 20, "fetch.wait.max.ms": 50,
                         "fetch.queue.backoff.ms": 5, "queued.max.messages.kbytes": AHEAD_KB})
    for partition in range(topic.partitions):
        consumer.assign([TopicPartition(topic.name, partition, 0)])
        at, end = 0, topic.end(partition)
        while at < end:
            at += sum(len(message.value() or b"") > 0 for message in consumer.consume(min(16_384, end - at), 5.0))
    consumer.close()


def read(journal: KafkaJournal) -> None:
    for partition in journal.partitions():
        at = 0
        while frames := journal.read(partition, at, 16_384):
            at = frames[-1].first + len(frames[-1].raws.lines)


if __name__ == "__main__":
    for each in figures():
        print(each)
