"""The highest position of each source in one partition: counted from the records, started from a saved count.

A count is one message in TOPIC.tails: the topic's id, the number of the first record that is not in it, then pairs
of the source's key and its highest position, the source longest silent first. It depends on nothing but the records
before that number, so it does not matter who of many wrote the newest one; no more than what follows is read.
"""

from __future__ import annotations

import logging
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import numpy as np

from soc_core.identity import source_key
from soc_core.journal.kafka_frames import known, origin_in
from soc_core.journal.kafka_reader import Reader
from soc_core.journal.kafka_topic import Topic
from soc_core.journal.kafka_writer import Writer

log = logging.getLogger(__name__)
KEPT = 65536  # sources; the one longest silent is forgotten first: it re-reads, and the store knows its events
SAVE_EVERY = 250_000  # records: what a new process reads at most, where no worker releases more often
HEAD = struct.Struct("<16sq")
PAIR = np.dtype([("key", "<u8"), ("top", "<i8")])
BACK = 64  # messages looked through for the newest count


class Tails:
    """Source → highest position, up to the record `seen`. Safe from any thread."""

    def __init__(self, topic: Topic, partition: int, scanner: Reader, writer: Writer) -> None:
        self.topic, self.partition, self.scanner, self.writer = topic, partition, scanner, writer
        self._lock = threading.RLock()
        self._highest: OrderedDict[int, int] = OrderedDict()
        self._seen = -1  # nothing was loaded
        self._saved = 0

    def get(self, source: str, end: int) -> int:
        """The highest position of the source among the records before `end`, -1 where none is known."""
        with self._lock:
            self.catch_up(end)
            return self._highest.get(int(source_key(source), 16), -1)

    def note(self, first: int, after: int, tops: Iterable[tuple[str, int]]) -> None:
        """Take in records that passed by anyway. Ignored where those before them are not known yet."""
        with self._lock:
            if self._seen >= 0 and first <= self._seen < after:
                self._add((int(source_key(source), 16), top) for source, top in tops)
                self._seen = after

    def catch_up(self, end: int) -> None:
        """Read what is not yet counted."""
        with self._lock:
            if self._seen < 0:
                self._load()
            if self._seen >= end:
                return
            for piece in self.scanner.scan(self._seen, end):
                self._add(_tops(piece))
                self._seen = piece[-1].offset() + 1
            self._seen = max(self._seen, end)
            self.scanner.rest()

    def save(self, end: int, every: int = SAVE_EVERY) -> None:
        """Save the count of what is before `end`, or more, when the last one is `every` records old."""
        with self._lock:
            if self._seen < 0:
                self._load()
            if end - self._saved < every:
                return
            self.catch_up(end)
            pairs = np.fromiter(self._highest.items(), dtype=PAIR, count=len(self._highest))
            body = HEAD.pack(bytes.fromhex(self.topic.id), self._seen) + pairs.tobytes()
            self.writer.put(self.topic.tails, self.partition, b"count", body)
            self._saved = self._seen

    def _load(self) -> None:
        """Begin from the newest saved count, or from the oldest record."""
        start, seen, body = self.topic.start(self.partition), 0, b""
        end = self.topic.end(self.partition, self.topic.tails)
        reader = Reader(self.topic, self.partition, self.topic.tails)
        try:
            saved = reader.messages(max(0, end - BACK), BACK, end) if end else []
        finally:
            reader.close()
        for message in saved:
            value = message.value() or b""
            if len(value) >= HEAD.size and value[:16].hex() == self.topic.id:
                through = HEAD.unpack_from(value)[1]
                if through >= seen:
                    seen, body = through, value[HEAD.size :]
        if seen < start:
            log.warning("%s, partition %d: positions in records %d to %d are not known", self.topic.name,
                        self.partition, seen, start - 1)
        pairs = np.frombuffer(body, dtype=PAIR)
        self._highest = OrderedDict(zip(pairs["key"].tolist(), pairs["top"].tolist(), strict=True))
        self._saved, self._seen = seen, max(seen, start)

    def _add(self, tops: Iterable[tuple[int, int]]) -> None:
        for key, top in tops:
            self._highest[key] = max(top, self._highest.pop(key, -1))
        while len(self._highest) > KEPT:
            self._highest.popitem(last=False)


def _tops(messages: Iterable[Any]) -> Iterable[tuple[int, int]]:
    """(key of the source, highest position) of messages, in the order of their last record."""
    highest: dict[bytes, int] = {}
    for message in messages:
        head = known(message.key())
        if head.placed:
            highest[head.common] = max(head.position, highest.pop(head.common, -1))
    for common, top in highest.items():
        origin = origin_in(common)
        if origin is not None:
            yield int(source_key(origin.source), 16), top
