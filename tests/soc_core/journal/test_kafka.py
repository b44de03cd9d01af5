"""KafkaJournal on a real broker: the shared suite, and what only a broker does: die, come back, be made anew."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.servers.kafka import kafka_address
from tests.soc_core.journal.suite import JournalSuite

kafka = pytest.importorskip("soc_core.journal.kafka", reason="confluent-kafka is not installed (extra: kafka)")
__all__ = ["kafka_address"]


class TestKafkaJournal(JournalSuite):
    address = ""

    @pytest.fixture(autouse=True)
    def broker(self, kafka_address: str) -> None:
        type(self).address = kafka_address

    def make(self, path: Path, partitions: int):  # type: ignore[no-untyped-def]
        """The path stands for the journal: equal paths, one topic."""
        name = f"t-{uuid.uuid5(uuid.NAMESPACE_URL, str(path)).hex}"
        return kafka.KafkaJournal(self.address, name, partitions, patience=20.0)
