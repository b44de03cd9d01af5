"""Simulated lines into a real Kafka: each line once, under the key of its source, in the order it was written."""

from __future__ import annotations

import uuid
from collections import defaultdict
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.running import answer
from tests.servers.kafka import kafka_address  # noqa: F401 - a fixture

LINES = 5_000


def test_lines_reach_a_topic(kafka_address: str, tmp_path: Path) -> None:  # noqa: F811
    topic = f"simulated-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": kafka_address})
    for made in admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)]).values():
        made.result(30)
    told = answer("city", "simulate", "--lines", str(LINES), "--seed", "3", "--to", f"kafka://{kafka_address}/{topic}")
    assert told["lines"] == LINES
    answer("city", "simulate", "--lines", str(LINES), "--seed", "3", "--out", tmp_path)
    written = sum(path.read_bytes().count(b"\n") for path in (tmp_path / "lines").rglob("*") if path.is_file())
    consumer = Consumer({"bootstrap.servers": kafka_address, "group.id": topic, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    by_key: dict[bytes, list[bytes]] = defaultdict(list)
    taken = 0
    while taken < LINES:
        got = consumer.consume(1000, 20)
        assert got, f"only {taken} of {LINES} lines came"
        for message in got:
            assert message.error() is None
            by_key[message.key() or b""].append(message.value() or b"")
        taken += len(got)
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0))[1] == LINES == written
    consumer.close()
    assert len(by_key) > 20
    assert b"" not in by_key
