"""Messages of one partition from any offset, up to a known end; going on where the last read ended costs no seek."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from soc_core.journal.kafka_topic import Topic, reason, told

log = logging.getLogger(__name__)
AHEAD_KB = 16 << 10  # fetched before it is asked for
AT_ONCE = 16_384
WAIT_MS = 50  # the broker holds a fetch so long when there is nothing new; a seek may have to wait for it
NOWHERE = -1


class Reader:
    """One consumer, made at first use. Safe from any thread. Raises OSError when the broker does not deliver."""

    def __init__(self, topic: Topic, partition: int, name: str = "") -> None:
        self.topic, self.partition, self.name = topic, partition, name or topic.name
        self._lock = threading.Lock()
        self._consumer: Consumer | None = None
        self._next = NOWHERE

    def messages(self, offset: int, limit: int, end: int) -> list[Any]:
        """At most `limit` messages from `offset` on, as far as `end`, which must be an end that the broker told."""
        with self._lock, told(self.topic.servers):
            found: list[Any] = []
            deadline = time.monotonic() + self.topic.patience
            if self._next != offset:
                self._seek(offset)
            try:
                while len(found) < limit and self._next < end:
                    if self._fetch(found, min(limit - len(found), end - self._next)):
                        deadline = time.monotonic() + self.topic.patience
                    elif time.monotonic() > deadline:
                        if found:
                            break
                        raise OSError(f"the journal's broker {self.topic.servers} does not deliver record {offset} "
                                      f"of {self.name}, partition {self.partition}")
            except BaseException:
                self._next = NOWHERE
                raise
            return found

    def scan(self, offset: int, end: int) -> Iterator[list[Any]]:
        """All messages between two offsets, in pieces."""
        at = offset
        while at < end:
            piece = self.messages(at, min(AT_ONCE, end - at), end)
            if not piece:
                return
            at = piece[-1].offset() + 1
            yield piece

    def _seek(self, offset: int) -> None:
        if self._consumer is None:
            self._consumer = Consumer({
                **self.topic.options, "group.id": f"{self.topic.name}.journal", "enable.auto.commit": False,
                "auto.offset.reset": "error", "enable.partition.eof": True, "check.crcs": True,
                "isolation.level": "read_uncommitted", "fetch.wait.max.ms": WAIT_MS, "fetch.queue.backoff.ms": 5,
                "fetch.message.max.bytes": 4 << 20, "queued.min.messages": 100_000,
                "queued.max.messages.kbytes": AHEAD_KB,
            })
        self._consumer.assign([TopicPartition(self.name, self.partition, offset)])
        self._next = offset

    def _fetch(self, found: list[Any], count: int) -> bool:
        """Add the next messages. False when none has come."""
        assert self._consumer is not None
        began, before = self._next, len(found)
        for message in self._consumer.consume(count, 0.1):
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._next = max(self._next, message.offset() or 0)
            elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                self._pass_over()
                return True
            elif error.fatal() or not error.retriable():
                raise OSError(f"the journal cannot be read: {reason(error)}")
        if len(found) > before:
            self._next = max(self._next, found[-1].offset() + 1)
        return self._next > began

    def _pass_over(self) -> None:
        """The place is no longer kept: go on with the oldest record there is, and say what is missing."""
        start = self.topic.start(self.partition)
        if start <= self._next:
            raise OSError(f"{self.name}, partition {self.partition}, has no record {self._next}: is it another topic?")
        log.error("%s, partition %d: records %d to %d are no longer kept by the broker",
                  self.name, self.partition, self._next, start - 1)
        self._seek(start)

    def rest(self) -> None:
        """Fetch nothing more until asked again."""
        with self._lock:
            if self._consumer is not None and self._next != NOWHERE:
                self._consumer.unassign()
            self._next = NOWHERE

    def close(self) -> None:
        with self._lock:
            if self._consumer is not None:
                self._consumer.close()
            self._consumer, self._next = None, NOWHERE
