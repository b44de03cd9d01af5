"""The journal of a city: a Kafka topic, shared by any number of collectors and workers on many machines.

    TOPIC, TOPIC.tails        see kafka_topic.py; a record is a message (kafka_frames.py)

A record's number is its message's offset. Nothing here uses transactions, whose marks would take offsets.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from soc_core.identity import source_key
from soc_core.journal import kafka_frames
from soc_core.journal.kafka_reader import Reader
from soc_core.journal.kafka_tails import Tails
from soc_core.journal.kafka_topic import Topic
from soc_core.journal.kafka_writer import Sent, Writer
from soc_core.journal.remade import Remade
from soc_core.protocols import Frame, Offset, Raws

log = logging.getLogger(__name__)
BLOCK = 8192  # records: pending ones are counted a block at a time, each block once


class Partition:
    """What one process holds of one partition; connections are made when they are first wanted."""

    def __init__(self, topic: Topic, number: int, writer: Writer) -> None:
        self.topic, self.number = topic, number
        self.reader, self.scanner = Reader(topic, number), Reader(topic, number)
        self.tails = Tails(topic, number, self.scanner, writer)
        self.known_end = 0
        self._lock = threading.Lock()
        self._blocks: dict[int, Counter[tuple[str, str]]] = {}

    def end(self) -> int:
        """The broker's end. Raises Remade when it went back: this is another topic."""
        end = self.topic.end(self.number)
        if end < self.known_end or self.topic.due:
            self.topic.check()
        self.known_end = max(self.known_end, end)
        return end

    def read(self, offset: int, limit: int) -> list[Frame]:
        if offset + limit > self.known_end and self.end() <= offset:
            return []
        messages = self.reader.messages(offset, limit, self.known_end)
        self.topic.check()  # after the fetch: what is read is so of the topic that was opened, and of no later one
        found = kafka_frames.frames(messages, self.topic.name, self.number)
        if found:
            self.tails.note(offset, messages[-1].offset() + 1, [
                (frame.raws.origin.source, frame.raws.top) for frame in found if frame.raws.top >= 0])
        return found

    def appended(self, sents: Sequence[Sent]) -> None:
        """Take in what we ourselves appended. It is durable: no broker that goes away now makes it undone."""
        first, after = min(sent.first for sent in sents), max(sent.next for sent in sents)
        if after <= self.known_end or self.topic.due:
            try:
                self.topic.check()
            except Remade:
                raise
            except OSError as error:
                log.warning("%s", error)
        self.known_end = max(self.known_end, after)
        if after - first == sum(sent.count for sent in sents):  # and nobody else in between
            self.tails.note(first, after, [
                (sent.batch.origin.source, sent.batch.top) for sent in sents if sent.batch.top >= 0])

    def pending(self, offset: int) -> Counter[tuple[str, str]]:
        """(source, realm) → records from `offset` on."""
        found: Counter[tuple[str, str]] = Counter()
        with self._lock:
            end = self.end()
            self._blocks = {at: block for at, block in self._blocks.items() if at >= offset}
            at = max(offset, self.topic.start(self.number)) if offset < end else end
            while at < end:
                edge = min((at // BLOCK + 1) * BLOCK, end)
                block = self._blocks.get(at)
                if block is None or edge - at < BLOCK:
                    block = self._count(at, edge)
                if edge - at == BLOCK:
                    self._blocks[at] = block
                found.update(block)
                at = edge
            self.scanner.rest()
        return found

    def _count(self, at: int, edge: int) -> Counter[tuple[str, str]]:
        found: Counter[tuple[str, str]] = Counter()
        for piece in self.scanner.scan(at, edge):
            for frame in kafka_frames.frames(piece, self.topic.name, self.number):
                origin = frame.raws.origin
                found[origin.source, origin.realm] += len(frame.raws.lines)
        return found

    def close(self) -> None:
        self.reader.close()
        self.scanner.close()


class KafkaJournal:
    """protocols.Journal on Kafka. Open it in as many processes as you like; each call is safe from any thread.

    `servers` as host:port,…; `partitions` and `replication` count when the topic is made (never add partitions to one
    in use: sources would move). `append` returns after every replica in sync has all records; else it raises OSError
    within `patience` seconds, and the same batches given again are not sent twice: what is under way is waited for.
    `read` gives at most `limit` records. Every call raises OSError in one sentence when the broker does not serve,
    and journal.remade.Remade when the topic was deleted and made anew; `epoch` is the topic's id.

    `release` lets the broker delete what is before the offset, unless `keep`: then the topic's own retention does.
    `options` are librdkafka's for every connection (security.protocol, sasl.*, ssl.*), see
    https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md.
    """

    def __init__(
        self, servers: str, topic: str = "soc.raw", partitions: int = 4, *, replication: int = 1,
        patience: float = 30.0, keep: bool = False, options: Mapping[str, Any] | None = None,
    ) -> None:
        self.topic = Topic(servers, topic, partitions, replication, patience, options or {})
        self.epoch, self.keep = self.topic.id, keep
        self._writer = Writer(self.topic)
        self._partitions = [Partition(self.topic, number, self._writer) for number in range(self.topic.partitions)]

    def partition_of(self, source: str) -> int:
        """The partition that holds all records of a source; as in the file journal."""
        return int(source_key(source), 16) % len(self._partitions)

    def append(self, raws: Sequence[Raws]) -> list[Offset]:
        if self.topic.remade:
            raise Remade(self.topic.remade)
        numbers = [self.partition_of(batch.origin.source) for batch in raws]
        full = [index for index, batch in enumerate(raws) if len(batch.lines)]
        ends = {numbers[index]: self.end(numbers[index]) for index, batch in enumerate(raws) if not len(batch.lines)}
        sents = dict(zip(full, self._writer.append([(numbers[index], raws[index]) for index in full]), strict=True))
        for number in {numbers[index] for index in full}:
            held = self._partitions[number]
            held.appended([sents[index] for index in full if numbers[index] == number])
            self._save(held, held.known_end)
        offsets = []
        for index, number in enumerate(numbers):
            if index in sents:
                ends[number] = sents[index].next
            offsets.append(Offset(number, ends[number]))
        return offsets

    def read(self, partition: int, offset: int, limit: int) -> list[Frame]:
        return self._partitions[partition].read(offset, limit)

    def partitions(self) -> list[int]:
        return list(range(len(self._partitions)))

    def end(self, partition: int) -> int:
        return self._partitions[partition].end()

    def tail(self, source: str) -> int:
        held = self._partitions[self.partition_of(source)]
        return held.tails.get(source, held.end())

    def pending(self, partition: int, offset: int) -> dict[str, tuple[str, int]]:
        """source → (realm, records) from `offset` on. Reads those that were not counted before."""
        found = self._partitions[partition].pending(offset)
        return {source: (realm, count) for (source, realm), count in found.items()}

    def release(self, partition: int, offset: int) -> None:
        """Save the tails of what is before the offset; then it may go. A broker that is away loses nothing by it."""
        try:
            if self._save(self._partitions[partition], offset, every=1) and not self.keep:
                # Our offsets say nothing of a topic made anew. The broker knows no topic but by its name: asked last,
                # so that a new one would have to be made and filled up to the offset while one request is under way.
                self.topic.check()
                self.topic.drop(partition, offset)
        except OSError as error:
            log.warning("records before %d of %s, partition %d, stay: %s", offset, self.topic.name, partition, error)

    def _save(self, held: Partition, end: int, **every: int) -> bool:
        """Save the tails when it is time. They are a convenience: the records themselves are durable already."""
        try:
            held.tails.save(end, **every)
        except OSError as error:
            log.warning("the tails of %s, partition %d, are not saved: %s", self.topic.name, held.number, error)
            return False
        return True

    def close(self) -> None:
        for held in self._partitions:
            held.close()
        self._writer.close()
