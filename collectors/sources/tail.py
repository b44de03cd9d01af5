"""A log file followed as it is written, through rotation by renaming, copying and truncating, and re-creation."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from collectors.sources._framing import Lines, Records
from collectors.sources._generation import FIRST, NOTHING, Notes, open_plain, siblings
from collectors.sources._header import Header
from soc_core import clock
from soc_core.models import REAL
from soc_core.protocols import Origin, Raws

PIECE = 1 << 20
GRACE = 1.0  # seconds without growth after which a file that was moved away is taken as finished
SAMPLE_LINES = 50


class TailSource:
    """Whole lines of one path, each once. The source id is `tail:` and the path; positions run on through generations.

    Starts at the beginning of a path not met before, else after what the journal holds (`tail`). What was written to
    a file before it was rotated is taken from the open file or from its rotated name (`name.1`, also gzip), also
    when that happened while nobody followed. `notes` is the folder where generations are written down: keep it with
    the journal. A path that is absent is waited for.
    """

    def __init__(
        self, path: Path, tail: Callable[[str], int], notes: Path, detect: Callable[[Sequence[bytes]], str], *,
        format: str = "", zone: str = "city", timezone: str = "Asia/Shanghai", realm: str = REAL, grace: float = GRACE,
    ) -> None:
        self.path = Path(os.path.abspath(path))
        self.source = f"tail:{self.path}"
        self.received = 0
        self._tail, self._detect, self._grace = tail, detect, grace
        self._origin = {"source": self.source, "zone": zone, "timezone": timezone, "realm": realm}
        self._format, self._fixed, self._sampled = format, bool(format), 0
        self._notes = Notes(notes, self.path)
        self._now, self._before = self._notes.load()
        self._fd = -1
        self._lines, self._header = Lines(), Header()
        self._written = False  # whether the notes know the current generation's head
        self._quiet = 0.0  # since when a file that was moved away has not grown
        self._opened: Path | None = None
        self._since = 0  # when the file had last changed as it was opened, ns

    # ------------------------------------------------------------ the protocol

    def next_batch(self) -> tuple[Sequence[Raws], Any]:
        if self._fd < 0 and not self._open():
            return [], None
        place = self._lines.at + self._lines.waiting
        if os.fstat(self._fd).st_size < place or not self._now.matches(self._fd):
            return self._truncated()
        data = os.pread(self._fd, PIECE, place)
        if not data:
            return self._at_end()
        self._quiet = 0.0
        return self._batch(self._lines.feed(data))

    def ack(self, position: Any) -> None:
        """The journal holds all lines up to this generation's `at`."""
        self._now = position
        self._notes.save(position, self._before, durable=False)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    # ------------------------------------------------------------ records

    def _batch(self, found: Records) -> tuple[Sequence[Raws], Any]:
        after = self._now.taken(self._fd, self._lines.at)
        if not found.lines:  # at most empty lines
            self._now = after
            return [], None
        if not self._written:
            first = after._replace(at=0, anchor_size=0, anchor=NOTHING)
            self._notes.save(first, self._before, durable=True)
            self._written = True
        self.received += len(found.lines)
        positions = found.positions + self._now.base
        return [Raws(self._describe(found), found.lines, clock.now(), positions, found.damaged)], after

    def _describe(self, found: Records) -> Origin:
        """The origin; its format is settled once enough lines were seen, by content line by line until then."""
        if not self._fixed:
            self._format = self._detect(found.lines[:SAMPLE_LINES])
            self._sampled += len(found.lines)
            self._fixed = self._sampled >= SAMPLE_LINES
        named = self._header.text
        self._header.feed(found.lines)
        return Origin(**self._origin, format=self._format if self._fixed else "", header=named)

    # ------------------------------------------------------------ from one generation to the next

    def _at_end(self) -> tuple[Sequence[Raws], Any]:
        """Nothing more for now. When the path stands for another file, and this one stays still, go on to that."""
        if self._opened == self.path:
            if _same(self._fd, self.path):
                if not self._now.at and not self._lines.waiting and os.fstat(self._fd).st_mtime_ns != self._since:
                    self._finish(self._since)  # still empty, but not untouched: written and truncated behind our back
                return [], None
            self._quiet = self._quiet or time.monotonic()
            if time.monotonic() - self._quiet < self._grace:
                return [], None
        if self._lines.waiting:  # a last line that nobody will end
            return self._batch(self._lines.finish())
        self._finish(os.fstat(self._fd).st_mtime_ns)
        return [], None

    def _truncated(self) -> tuple[Sequence[Raws], Any]:
        """The file begins anew; what it held beyond our place may stand in a copy."""
        self.close()
        if self._now.at and any(self._adopt(copy) for copy in reversed(siblings(self.path))):
            return [], None
        self._finish(self._now.changed)
        return [], None

    def _finish(self, changed: int) -> None:
        """Leave the generation, whose file last changed then, for the next one."""
        self.close()
        self._before = self._now._replace(changed=max(changed, self._now.changed))
        base = max(self._now.base + max(self._lines.at, self._now.at), self._tail(self.source) + 1)
        self._now = FIRST._replace(base=base)
        self._notes.save(self._now, self._before, durable=True)
        self._begin(0)

    def _begin(self, at: int) -> None:
        self._lines, self._written, self._quiet = Lines(at), at > 0, 0.0
        self._header = Header()
        if at and self._fd >= 0:  # what names the fields stands at the beginning
            self._header.feed(os.pread(self._fd, min(at, PIECE), 0).split(b"\n"))

    # ------------------------------------------------------------ opening

    def _open(self) -> bool:
        """Open what is to be read next: the known generation under whatever name, a rotated file, or the path."""
        if self._now.at or self._tail(self.source) >= self._now.base:
            if any(self._adopt(place) for place in [self.path, *reversed(siblings(self.path))]):
                return True
            if not self.path.exists():
                return False
            self._finish(self._now.changed)
        self._take(self.path)  # opened before looking around: it may be rotated at any moment
        if missed := self._missed():
            self._take(missed)
        self._begin(0)
        return self._fd >= 0

    def _take(self, place: Path) -> None:
        self.close()
        fd = open_plain(place)
        self._fd, self._opened = -1 if fd is None else fd, place
        self._since = 0 if fd is None else os.fstat(fd).st_mtime_ns

    def _missed(self) -> Path | None:
        """The oldest rotated file that came to be after the generation before, and is not it."""
        if self._before is None:
            return None
        for other in siblings(self.path, self._before.changed):
            fd = open_plain(other)
            if fd is None:
                continue
            known = self._before.at > 0 and self._before.matches(fd)
            ours = self._fd >= 0 and os.path.samestat(os.fstat(fd), os.fstat(self._fd))
            os.close(fd)
            if not known and not ours:
                return other
        return None

    def _adopt(self, place: Path) -> bool:
        """Go on with the current generation in a file, if that is where it now stands."""
        fd = open_plain(place)
        if fd is None:
            return False
        if not self._now.matches(fd):
            os.close(fd)
            return False
        self._fd, self._opened = fd, place
        at, last = self._now.at, self._tail(self.source) - self._now.base
        if last >= at:  # the journal is ahead of the notes: the line at `last` is in it
            at = last + _line(fd, last)
        self._begin(at)
        self._now = self._now.taken(fd, at)
        return True


def _same(fd: int, path: Path) -> bool:
    """Whether the path stands for the open file."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _line(fd: int, at: int) -> int:
    """Bytes of the line at a place, its newline included."""
    size = 0
    while piece := os.pread(fd, PIECE, at + size):
        newline = piece.find(b"\n")
        if newline >= 0:
            return size + newline + 1
        size += len(piece)
    return size
