"""Batches to the broker: every message acknowledged by all replicas in sync, none twice whatever is tried again.

A batch whose acknowledgement does not come in time is refused to the caller but stays under way; the same batch
given again is waited for and not sent again, so that an outage of the broker doubles nothing.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from soc_core.journal import kafka_frames
from soc_core.journal.frames import cut
from soc_core.journal.kafka_topic import Topic, reason
from soc_core.protocols import Raws

QUEUE_MESSAGES, QUEUE_KB = 500_000, 256 << 10
UNDER_WAY = 4096  # batches whose outcome is remembered for a second try
OVERHEAD = 512  # bytes of a message beside its key and value, and of the batch it is in


class Sent:
    """One batch under way: `next` is the number after its last record, known when all were acknowledged."""

    def __init__(self, batch: Raws, partition: int) -> None:
        self.batch, self.partition, self.count = batch, partition, len(batch.lines)
        self.keys = kafka_frames.keys(batch)
        self.given = self.reported = 0
        self.first, self.next = -1, 0
        self.error: KafkaError | None = None
        self.done = threading.Event()

    def report(self, error: KafkaError | None, message: Any) -> None:
        """The broker's answer for one message; called by the polling thread alone."""
        if error is not None:
            self.error = self.error or error
        else:
            offset = message.offset()
            if self.first < 0:
                self.first = offset
            self.next = max(self.next, offset + 1)
        self.reported += 1
        if self.reported == self.count:
            self.done.set()


class Writer:
    """One idempotent producer, made at first use. Safe from any thread."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._poller: threading.Thread | None = None
        self._ended = False
        self._open: OrderedDict[int, Sent] = OrderedDict()

    def append(self, batches: Sequence[tuple[int, Raws]]) -> list[Sent]:
        """Send (partition, batch) pairs; returns when all is acknowledged. Raises OSError, ValueError on too large."""
        deadline = time.monotonic() + self.topic.patience
        with self._lock:
            sents = [self._sent(partition, batch) for partition, batch in batches]
        try:
            with self._lock:  # one call's records stay together, and become large frames
                for sent in sents:
                    self._give(sent, deadline)
            for sent in sents:
                if not sent.done.wait(max(0.0, deadline - time.monotonic())):
                    raise OSError(f"the journal's broker {self.topic.servers} has not acknowledged "
                                  f"{sent.count - sent.reported} records in {self.topic.patience:g} s")
                if sent.error is not None:
                    raise self._refused(sent.error)
        except OSError:
            with self._lock:
                self._remember(sents)
            raise
        return sents

    def put(self, name: str, partition: int, key: bytes, value: bytes) -> None:
        """One message into another topic, acknowledged. Raises OSError."""
        done, errors = threading.Event(), []

        def told(error: KafkaError | None, _: Any) -> None:
            if error is not None:
                errors.append(error)
            done.set()

        try:
            with self._lock:
                self._made().produce(name, value, key, partition, told)
        except (BufferError, KafkaException) as error:
            raise OSError(f"{name} on {self.topic.servers} cannot be written: {error}") from error
        if not done.wait(self.topic.patience) or errors:
            why = reason(errors[0]) if errors else "no answer"
            raise OSError(f"{name} on {self.topic.servers} cannot be written: {why}")

    def _sent(self, partition: int, batch: Raws) -> Sent:
        known = self._open.pop(id(batch), None)  # the batch is held there: its id cannot be another's
        if known is not None and known.error is None:
            return known
        next(cut(batch))  # refuses a batch that is not whole
        made = Sent(batch, partition)
        largest = max(map(len, batch.lines)) + max(map(len, made.keys)) + OVERHEAD
        if largest > self.topic.message_bytes:
            raise ValueError(f"a record of {max(map(len, batch.lines))} bytes does not fit into the topic "
                             f"{self.topic.name} (max.message.bytes={self.topic.message_bytes})")
        return made

    def _remember(self, sents: Sequence[Sent]) -> None:
        """Keep what is under way or done of a refused call, for when the same batches are given again."""
        for sent in sents:
            if sent.given and sent.error is None:
                self._open[id(sent.batch)] = sent
        while len(self._open) > UNDER_WAY:
            self._open.popitem(last=False)

    def _give(self, sent: Sent, deadline: float) -> None:
        """Queue what of the batch is not yet queued."""
        producer, lines, keys, report = self._made(), sent.batch.lines, sent.keys, sent.report
        name, partition = self.topic.name, sent.partition
        while sent.given < sent.count:
            try:
                for index in range(sent.given, sent.count):
                    producer.produce(name, lines[index], keys[index], partition, report)
                    sent.given = index + 1
            except BufferError:
                if time.monotonic() > deadline:
                    raise OSError(f"the journal's broker {self.topic.servers} takes no more: "
                                  f"{len(producer)} records wait for it") from None
                time.sleep(0.005)
            except KafkaException as error:
                sent.error = error.args[0]
                raise self._refused(error.args[0], locked=True) from error

    def _refused(self, error: KafkaError, locked: bool = False) -> OSError:
        """The error to raise. After a fatal one the next append gets a new producer."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            if locked:
                self._retire()
            else:
                with self._lock:
                    self._retire()
        return OSError(f"the journal cannot be written: {reason(error)}")

    def _made(self) -> Producer:
        if self._ended:
            raise OSError("the journal is closed")
        if self._producer is None:
            self._producer = Producer({
                **self.topic.options, "acks": "all", "enable.idempotence": True, "message.timeout.ms": 0,
                "compression.type": "lz4", "linger.ms": 2, "batch.size": 1_000_000, "batch.num.messages": 100_000,
                "message.max.bytes": self.topic.message_bytes, "queue.buffering.max.messages": QUEUE_MESSAGES,
                "queue.buffering.max.kbytes": QUEUE_KB, "retry.backoff.max.ms": 500,
            })
            self._poller = threading.Thread(
                target=self._poll, args=(self._producer,), name="journal-kafka", daemon=True)
            self._poller.start()
        return self._producer

    def _poll(self, producer: Producer) -> None:
        while producer is self._producer:
            producer.poll(0.05)

    def _retire(self) -> None:
        """Take leave of the producer; what it still holds is reported as failed."""
        producer, self._producer = self._producer, None
        if producer is not None and self._poller is not None:
            self._poller.join()
            producer.purge()
            producer.flush(1.0)

    def close(self) -> None:
        """Wait a moment for what is under way; nobody was told that it is durable."""
        with self._lock:
            self._ended = True
            if self._producer is not None:
                end = time.monotonic() + min(5.0, self.topic.patience)
                while len(self._producer) and time.monotonic() < end:  # the poller takes the answers
                    time.sleep(0.01)
            self._retire()
