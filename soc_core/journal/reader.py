"""The reading side of one partition: from any record on, up to the mark, while others append."""

from __future__ import annotations

import logging
import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from soc_core.identity import journal_source
from soc_core.journal import frames
from soc_core.journal.shelf import Mark, Shelf
from soc_core.protocols import Frame, Origin, Raws

log = logging.getLogger(__name__)
STRIDE = 256 << 10  # bytes of a segment between two entries of the index
READ_BYTES = 64 << 20  # one read returns about this much at most
CURSORS = 64  # places remembered where earlier reads ended


class Spot(NamedTuple):
    """A frame, or a hole (no head) where records first … next - 1 cannot be read; `fd` holds its segment."""

    first: int
    next: int
    segment: int
    fd: int
    head: frames.Head | None


class Reader:
    """Reads one partition. Safe from several threads, one at a time."""

    def __init__(self, shelf: Shelf, number: int, epoch: str, marker: bytes) -> None:
        self.shelf, self.number, self.marker = shelf, number, marker
        self.unreadable = 0  # records met that cannot be read, each counted once
        self._origin = Origin(source=journal_source(epoch, number))
        self._lock = threading.Lock()
        self._segment, self._fd = -1, -1
        self._index: dict[int, tuple[list[int], list[int]]] = {}
        self._cursors: OrderedDict[int, tuple[int, int]] = OrderedDict()
        self._last: tuple[int, int, Raws] | None = None
        self._holes: set[int] = set()

    def read(self, offset: int, limit: int, mark: Mark) -> list[Frame]:
        """Frames from exactly `offset` on, at most `limit` records. What cannot be read comes as damaged records."""
        found: list[Frame] = []
        size = 0
        with self._lock:
            for spot in self._spots(offset, mark):
                if limit <= 0 or size > READ_BYTES:
                    break
                first = max(offset, spot.first)
                count = min(limit, spot.next - first)
                raws = self._raws(spot, first, count)
                found.append(Frame(self.number, first, raws))
                limit -= count
                if spot.head is not None:
                    size += spot.head.end - spot.head.at
                    whole = first + count == spot.next
                    self._remember(first + count, spot.segment, spot.head.end if whole else spot.head.at)
        return found

    def pending(self, offset: int, mark: Mark) -> dict[str, tuple[str, int]]:
        """Records from `offset` on, by source, with the realm; bodies are not read."""
        counts: dict[str, tuple[str, int]] = {}
        with self._lock:
            for spot in self._spots(offset, mark):
                origin = frames.origin_of(spot.head.origin) if spot.head else self._origin
                before = counts.get(origin.source, (origin.realm, 0))[1]
                counts[origin.source] = (origin.realm, before + spot.next - max(offset, spot.first))
        return counts

    def _spots(self, offset: int, mark: Mark) -> Iterator[Spot]:
        if offset >= mark.end:
            return
        segments = [segment for segment in self.shelf.segments(mark.segment) if segment <= mark.segment]
        at = max(0, bisect_right(segments, offset) - 1)
        for segment, following in zip(segments[at:], [*segments[at + 1 :], mark.end], strict=True):
            if not self._open(segment):
                continue  # released a moment ago
            bound = mark.size if segment == mark.segment else os.fstat(self._fd).st_size
            expected, place = self._place(segment, offset)
            for head in frames.scan(self._fd, self.marker, place, bound):
                if head.first > max(expected, offset):
                    yield Spot(expected, head.first, segment, self._fd, None)
                expected = head.next
                self._note(segment, head)
                if head.records and expected > offset:
                    yield Spot(head.first, head.next, segment, self._fd, head)
            if following > max(expected, offset):
                yield Spot(expected, following, segment, self._fd, None)

    def _raws(self, spot: Spot, first: int, count: int) -> Raws:
        head = spot.head
        if head is None:
            return self._lost(self._origin, 0, first, count, spot, "this part of the journal cannot be read")
        if self._last is None or self._last[:2] != (spot.segment, head.at):
            try:
                self._last = (spot.segment, head.at, frames.decode(head, frames.body(spot.fd, head)))
            except (frames.Damaged, ValueError) as error:
                return self._lost(frames.origin_of(head.origin), head.received, first, count, spot, str(error))
        raws = self._last[2]
        if count == head.records:
            return raws
        return frames.part(raws, first - spot.first, first - spot.first + count)

    def _lost(self, origin: Origin, received: int, first: int, count: int, spot: Spot, why: str) -> Raws:
        if spot.first not in self._holes:
            self._holes.add(spot.first)
            self.unreadable += spot.next - spot.first
            path = self.shelf.path(spot.segment)
            log.error("%s: records %d to %d are damaged: %s", path, spot.first, spot.next - 1, why)
        return frames.lost(origin, received, count, f"journal: {why}")

    def _open(self, segment: int) -> bool:
        if segment != self._segment:
            self.close()
            try:
                self._fd = os.open(self.shelf.path(segment), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                self.shelf.segments()
                return False
            self._segment = segment
        return True

    def _place(self, segment: int, offset: int) -> tuple[int, int]:
        """The nearest known frame of the segment at or before a record: its first record and its byte."""
        records, places = self._index.get(segment, ([], []))
        at = bisect_right(records, offset) - 1
        best = (records[at], places[at]) if at >= 0 else (segment, 0)
        near = self._cursors.get(offset)
        if near is not None and near[0] == segment and near[1] > best[1]:
            head = next(frames.scan(self._fd, self.marker, near[1], os.fstat(self._fd).st_size), None)
            if head is not None and head.at == near[1]:
                return head.first, head.at
        return best

    def _note(self, segment: int, head: frames.Head) -> None:
        records, places = self._index.setdefault(segment, ([], []))
        if not places or head.at >= places[-1] + STRIDE:
            records.append(head.first)
            places.append(head.at)

    def _remember(self, record: int, segment: int, at: int) -> None:
        self._cursors[record] = (segment, at)
        self._cursors.move_to_end(record)
        if len(self._cursors) > CURSORS:
            self._cursors.popitem(last=False)

    def forget(self, segment: int) -> None:
        with self._lock:
            self._index.pop(segment, None)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._segment, self._fd = -1, -1
