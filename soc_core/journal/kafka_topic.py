"""The topics of a journal on the broker: made once, known by their id, asked for their ends.

    TOPIC         the records; never compacted; nothing expires before it was released
    TOPIC.tails   one message a partition counts, the newest: the highest position of each source (kafka_tails.py)
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the package does not mark them as its own
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from soc_core.journal.remade import Remade

MESSAGE_BYTES = 32 << 20  # the largest message that topics made here take
CHECK_SECONDS = 1.0
MOVING = frozenset({  # the leader is another one than we knew, or there is none for the moment
    KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError._NOENT,
})


@contextmanager
def told(servers: str) -> Iterator[None]:
    """Kafka's errors as OSError in one sentence."""
    try:
        yield
    except KafkaException as error:
        raise OSError(f"the journal's broker {servers} does not do it: {reason(error.args[0])}") from error
    except TimeoutError as error:
        raise OSError(f"the journal's broker {servers} does not answer") from error


def reason(error: KafkaError) -> str:
    return f"{error.str()} ({error.name()})"


class Topic:
    """One journal's topics. Makes them where there are none. Raises OSError, or ValueError on one that cannot serve."""

    def __init__(
        self, servers: str, name: str, partitions: int, replication: int, patience: float, options: Mapping[str, Any]
    ) -> None:
        self.servers, self.name, self.tails, self.patience = servers, name, f"{name}.tails", patience
        self.options = {"bootstrap.servers": servers, "reconnect.backoff.max.ms": 1000, "log_level": 2, **options}
        self.admin = AdminClient(self.options)
        found = self._describe(name) or self._make(partitions, replication)
        self.id, self.partitions = found
        self.message_bytes = self._fit()
        self._checked, self.remade = time.monotonic(), ""

    def _call(self, futures: Mapping[Any, Future[Any]]) -> list[Any]:
        with told(self.servers):
            return [future.result(self.patience + 1) for future in futures.values()]

    def _describe(self, name: str) -> tuple[str, int] | None:
        """(id, partitions) of a topic; None where there is none."""
        try:
            (found,) = self._call(
                self.admin.describe_topics(TopicCollection([name]), request_timeout=self.patience)
            )
        except OSError as error:
            if _code(error) == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise
        half = 1 << 64
        high, low = found.topic_id.get_most_significant_bits(), found.topic_id.get_least_significant_bits()
        return f"{high % half:016x}{low % half:016x}", len(found.partitions)

    def _make(self, partitions: int, replication: int) -> tuple[str, int]:
        """Make both topics; by exactly one of those who try."""
        in_sync = str(min(2, replication))
        # The broker's own time: it refuses a message from a clock that is an hour ahead, which is no reason to lose it.
        shared = {"min.insync.replicas": in_sync, "max.message.bytes": str(MESSAGE_BYTES),
                  "message.timestamp.type": "LogAppendTime"}
        wanted = {
            self.tails: shared | {"cleanup.policy": "compact", "segment.bytes": str(16 << 20)},
            self.name: shared | {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1",
                                 "compression.type": "producer"},
        }
        for name, config in wanted.items():  # the records' topic last: where it is, both are
            try:
                self._call(self.admin.create_topics(
                    [NewTopic(name, partitions, replication, config=config)], request_timeout=self.patience))
            except OSError as error:
                if _code(error) != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
        end = time.monotonic() + self.patience
        while (found := self._describe(self.name)) is None or self._describe(self.tails) is None:
            if time.monotonic() > end:
                raise OSError(f"the topic {self.name} was made but does not show on {self.servers}")
            time.sleep(0.02)
        return found

    def _fit(self) -> int:
        """The largest message that the topic takes; refuses a topic which forgets records."""
        (config,) = self._call(self.admin.describe_configs([ConfigResource(ResourceType.TOPIC, self.name)]))
        if "compact" in config["cleanup.policy"].value:
            raise ValueError(f"the topic {self.name} on {self.servers} is compacted: a journal needs "
                             "cleanup.policy=delete, or another topic")
        return min(MESSAGE_BYTES, int(config["max.message.bytes"].value))

    def check(self) -> None:
        """Raise Remade when the topic is another one by now; for good, as what was opened does not come back."""
        if not self.remade:
            found = self._describe(self.name)
            if found is None or found[0] != self.id:
                state = "is gone" if found is None else f"was made anew (id {found[0]})"
                self.remade = f"the journal's topic {self.name} on {self.servers} {state}; opened was {self.id}"
            self._checked = time.monotonic()
        if self.remade:
            raise Remade(self.remade)

    @property
    def due(self) -> bool:
        """Whether the last check is a second old."""
        return time.monotonic() > self._checked + CHECK_SECONDS

    def end(self, partition: int, name: str = "") -> int:
        """The offset after the last message."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # untyped there
        return self._offset(partition, latest, name or self.name)

    def start(self, partition: int) -> int:
        """The offset of the oldest message kept."""
        earliest = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # untyped there
        return self._offset(partition, earliest, self.name)

    def _offset(self, partition: int, spec: OffsetSpec, name: str) -> int:
        asked, end = {TopicPartition(name, partition): spec}, time.monotonic() + self.patience
        while True:
            try:
                (found,) = self._call(self.admin.list_offsets(asked, request_timeout=self.patience))
                return int(found.offset)
            except OSError as error:
                if _code(error) not in MOVING or time.monotonic() > end:
                    raise
            time.sleep(0.05)
            with told(self.servers):  # who leads now
                self.admin.list_topics(name, timeout=self.patience)

    def drop(self, partition: int, offset: int) -> None:
        """Let the broker delete what is before an offset."""
        before = [TopicPartition(self.name, partition, offset)]
        self._call(self.admin.delete_records(before, request_timeout=self.patience))


def _code(error: OSError) -> int | None:
    cause = error.__cause__
    return int(cause.args[0].code()) if isinstance(cause, KafkaException) else None
