"""The highest position of each source in one partition, from the newest segment's heads alone."""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable

import orjson

from soc_core.journal import frames
from soc_core.journal.shelf import Mark, Shelf

log = logging.getLogger(__name__)
KEPT = 65536  # sources; the one longest silent is forgotten first: it re-reads, and the store knows its events


class Tails:
    """Source → highest position. Follows the mark; safe to ask from any thread."""

    def __init__(self, shelf: Shelf, marker: bytes) -> None:
        self.shelf, self.marker = shelf, marker
        self._lock = threading.RLock()
        self._highest: OrderedDict[str, int] = OrderedDict()
        self._seen = Mark(-1, 0, 0)

    def get(self, source: str, mark: Mark) -> int:
        """The highest position of the source, -1 where none is known."""
        with self._lock:
            self.catch_up(mark)
            return self._highest.get(source, -1)

    def all(self) -> dict[str, int]:
        with self._lock:
            return dict(self._highest)

    def catch_up(self, mark: Mark) -> None:
        """Take in what others have appended up to the mark."""
        with self._lock:
            if self._seen.segment == mark.segment:
                self._scan(mark.segment, self._seen.size, mark.size)
            else:
                self._load(mark)
            self._seen = mark

    def note(self, tops: Iterable[tuple[str, int]], mark: Mark) -> None:
        """Take in what we appended ourselves up to the mark, behind what was caught up with, without reading it."""
        with self._lock:
            self._add(tops)
            self._seen = mark

    def rolled(self, mark: Mark) -> None:
        with self._lock:
            self._seen = mark

    def _load(self, mark: Mark) -> None:
        if self._start(mark.segment):
            self._scan(mark.segment, 0, mark.size)
            return
        for segment in self.shelf.segments():  # no summary to start from: read all heads there are
            size = mark.size if segment == mark.segment else self.shelf.path(segment).stat().st_size
            self._scan(segment, 0, size)

    def _start(self, segment: int) -> bool:
        """Begin from the summary at a segment's head. False when it cannot be read."""
        fd = os.open(self.shelf.path(segment), os.O_RDONLY | os.O_CLOEXEC)
        try:
            head = next(frames.scan(fd, self.marker, 0, os.fstat(fd).st_size), None)
            if head is None or head.records:
                raise frames.Damaged("no summary")
            self._highest = OrderedDict(orjson.loads(frames.body(fd, head)))
        except frames.Damaged as error:
            log.error("%s: tails are read from all segments: %s", self.shelf.path(segment), error)
            return False
        finally:
            os.close(fd)
        return True

    def _scan(self, segment: int, at: int, bound: int) -> None:
        if at >= bound:
            return
        fd = os.open(self.shelf.path(segment), os.O_RDONLY | os.O_CLOEXEC)
        try:
            heads = frames.scan(fd, self.marker, at, bound)
            tops = ((frames.origin_of(head.origin), head.top) for head in heads if head.top >= 0)
            self._add((origin.source, top) for origin, top in tops if not origin.identity)
        finally:
            os.close(fd)

    def _add(self, tops: Iterable[tuple[str, int]]) -> None:
        for source, top in tops:
            self._highest[source] = max(top, self._highest.pop(source, -1))
        while len(self._highest) > KEPT:
            self._highest.popitem(last=False)
