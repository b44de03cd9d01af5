"""Records of many peers on their way from sockets to the journal: bounded, gathered by peer, handed over whole."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

from soc_core import clock
from soc_core.models import REAL
from soc_core.protocols import Origin, Raws

CAPACITY = 32 << 20  # bytes; above it the reader of the sockets waits
RECORDS = 200_000  # and so it does above this many records
PEERS = 10_000  # source ids that one door makes; any further peer is filed under "other"
OVERHEAD = 64  # bytes that a record costs beside its own


class Box:
    """What came of one peer since the last handing over."""

    __slots__ = ("damaged", "lines")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.damaged: dict[int, str] = {}


class Inbox:
    """One door's records. `put` from the reading thread, `take` from another."""

    def __init__(self, door: str, zone: str, timezone: str, realm: str = REAL) -> None:
        self.received = 0
        self.open = threading.Event()  # set while there is room
        self.open.set()
        self._door, self._fixed = door, {"format": "syslog", "zone": zone, "timezone": timezone, "realm": realm}
        self._lock = threading.Lock()
        self._boxes: dict[tuple[str, str], Box] = {}
        self._size = self._count = 0
        self._origins: dict[tuple[str, str], Origin] = {}

    def put(self, peer: str, lines: Sequence[bytes], damaged: Mapping[int, str] | None = None, who: str = "") -> None:
        """Add records of a peer, its source named after `who` where that is known.

        Never refuses, but closes `open` when that was the last room.
        """
        if not lines:
            return
        with self._lock:
            box = self._boxes.get((peer, who))
            if box is None:
                box = self._boxes[peer, who] = Box()
            for index, reason in (damaged or {}).items():
                box.damaged[len(box.lines) + index] = reason
            box.lines += lines
            self.received += len(lines)
            self._count += len(lines)
            self._size += sum(map(len, lines)) + OVERHEAD * len(lines)
            if self._size > CAPACITY or self._count > RECORDS:
                self.open.clear()

    def take(self) -> list[Raws]:
        """Everything since the last time, one batch a peer; there is room again."""
        with self._lock:
            boxes, self._boxes = self._boxes, {}
            self._size = self._count = 0
            self.open.set()
        now = clock.now()
        return [Raws(self._origin(key), box.lines, now, None, box.damaged) for key, box in boxes.items()]

    @property
    def empty(self) -> bool:
        return not self._count

    def _origin(self, key: tuple[str, str]) -> Origin:
        known = self._origins.get(key)
        if known is None:
            crowded = len(self._origins) >= PEERS
            peer, who = key
            name = "other" if crowded else who or peer
            known = Origin(source=f"{self._door}/{name}", peer=peer, **self._fixed)
            if not crowded:
                self._origins[key] = known
        return known


def plain(address: str) -> str:
    """An address as it is written elsewhere: IPv4 that came over an IPv6 socket unwrapped, no interface."""
    return address.removeprefix("::ffff:").partition("%")[0]
