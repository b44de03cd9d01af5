"""The writing side of one partition: take the lock, repair what a dead writer left, write, fsync, publish."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from soc_core.journal import frames
from soc_core.journal.shelf import Mark, Shelf
from soc_core.journal.tails import Tails
from soc_core.protocols import Raws

log = logging.getLogger(__name__)
GROUP = 4096  # frames above the mark whose bodies are checked after a crash


class Appender:
    """Appends to one partition; any number of processes may hold one each. Use it only inside `locked`."""

    def __init__(self, shelf: Shelf, marker: bytes, segment_bytes: int, tails: Tails) -> None:
        self.shelf, self.marker, self.segment_bytes, self.tails = shelf, marker, segment_bytes, tails
        self._thread = threading.Lock()
        self._segment, self._fd = -1, -1
        self.mark = Mark(0, 0, 0)  # what was durable when the lock was taken
        self.staged = self.mark  # what was written since
        self._noted: list[tuple[str, int]] = []

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only writer, in this process and among all; what another one left half done is repaired first."""
        with self._thread:
            fcntl.flock(self.shelf.lock_fd, fcntl.LOCK_EX)
            try:
                self.mark = self.staged = self._current()
                yield
            finally:
                fcntl.flock(self.shelf.lock_fd, fcntl.LOCK_UN)

    def _current(self) -> Mark:
        mark = self.shelf.mark()
        if mark is None or not self._open(mark.segment):
            return self._recover(mark)
        moved = mark.end != mark.segment and self.shelf.path(mark.end).exists()  # rolled by one who died at it
        if moved or os.fstat(self._fd).st_size != mark.size:
            return self._recover(mark)
        return mark

    def _open(self, segment: int) -> bool:
        """Have the segment's file open for writing. False where there is none."""
        if segment == self._segment:
            return True
        self.close()
        try:
            self._fd = os.open(self.shelf.path(segment), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        self._segment = segment
        return True

    def _recover(self, mark: Mark | None) -> Mark:
        """Find the true end of the last segment, cut a torn frame off, and make the rest durable."""
        segments = self.shelf.segments()
        if not segments:
            first = mark.end if mark else 0
            self.shelf.create(first, frames.encode_tails({}, first, self.marker))
            segments = [first]
        last = segments[-1]
        self._segment = -1
        self._open(last)
        size = os.fstat(self._fd).st_size
        known = mark if mark and mark.segment == last else Mark(last, 0, max(last, mark.end if mark else 0))
        if size < known.size:
            log.error("%s lost %d bytes that were durable", self.shelf.path(last), known.size - size)
        found = deque(frames.scan(self._fd, self.marker, min(known.size, size), size), GROUP)
        while found and not self._sound(found[-1]):
            found.pop()
        end = max(known.end, found[-1].next if found else 0)
        keep = found[-1].end if found else min(known.size, size)
        if keep == 0:
            raise OSError(f"journal segment {self.shelf.path(last)} cannot be read; move it away to go on without it")
        if keep < size:
            log.warning("%s: cut %d bytes that a writer did not finish", self.shelf.path(last), size - keep)
            os.ftruncate(self._fd, keep)
        os.fsync(self._fd)
        mark = Mark(last, keep, end)
        self.shelf.publish(mark)
        return mark

    def _sound(self, head: frames.Head) -> bool:
        try:
            frames.body(self._fd, head)
        except frames.Damaged:
            return False
        return True

    def write(self, batches: Sequence[Raws]) -> list[int]:
        """Write batches behind the mark, not yet durable. Returns the next record number after each."""
        self.tails.catch_up(self.mark)
        if self.mark.size >= self.segment_bytes and self.mark.end > self.mark.segment:
            self._roll()
        self._noted, pieces, ends, end = [], [], [], self.mark.end
        for raws in batches:
            for piece in frames.cut(raws):
                if piece.lines:
                    pieces.append(frames.encode(piece, end, self.marker))
                    end += len(piece.lines)
            if raws.top >= 0:
                self._noted.append((raws.origin.source, raws.top))
            ends.append(end)
        data = memoryview(b"".join(pieces))
        at = self.mark.size
        while data:
            written = os.pwrite(self._fd, data, at)
            at, data = at + written, data[written:]
        self.staged = Mark(self._segment, at, end)
        return ends

    def _roll(self) -> None:
        first = self.mark.end
        head = frames.encode_tails(self.tails.all(), first, self.marker)
        self.shelf.create(first, head)
        self.mark = self.staged = Mark(first, len(head), first)
        self.shelf.publish(self.mark)
        self.tails.rolled(self.mark)
        self._open(first)

    def sync(self) -> None:
        """Make what was written durable."""
        if self.staged != self.mark:
            os.fdatasync(self._fd)

    def publish(self) -> None:
        """Let readers see what is durable."""
        if self.staged != self.mark:
            self.shelf.publish(self.staged)
            self.tails.note(self._noted, self.staged)

    def undo(self) -> None:
        """Take back what was written but not published. Where even that fails, the next writer repairs it."""
        try:
            if self._fd >= 0:
                os.ftruncate(self._fd, self.mark.size)
        except OSError as error:
            log.error("%s cannot be cut back: %s", self.shelf.path(self._segment), error)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._segment, self._fd = -1, -1
