"""Records of many peers on their way from sockets to the journal: bounded, gathered by peer, handed over in turn.

One noisy peer cannot starve others: each hands over at most SHARE records at a time, so that in the journal nobody
stands behind another's flood. A door that cannot make its senders wait (UDP) sheds when there is no room: first what
a peer has above an even share of the room, then everything, both times the peers of the lowest value first. That is
before any acknowledgement, and it is counted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from soc_core import clock
from soc_core.models import REAL
from soc_core.protocols import Origin, Raws

CAPACITY = 32 << 20  # bytes; above it the reader of the sockets waits
RECORDS = 200_000  # and so it does above this many records
PEERS = 10_000  # source ids that one door makes; any further peer is filed under "other"
OVERHEAD = 64  # bytes that a record costs beside its own
SHARE = 16_384  # records of one peer in one handing over
ROOM = 0.9  # of the capacity is left to be filled when something had to be shed

Value = Callable[[str], int]  # of what a peer sends: the least goes first


def alike(peer: str) -> int:
    """Nobody's records are worth more than another's."""
    return 0


class Box:
    """What came of one peer since the last handing over."""

    __slots__ = ("damaged", "lines", "value")

    def __init__(self, value: int = 0) -> None:
        self.lines: list[bytes] = []
        self.damaged: dict[int, str] = {}
        self.value = value

    @property
    def size(self) -> int:
        return weight(self.lines)

    def split(self, count: int) -> Box:
        """The first records, as a box of their own."""
        first = Box(self.value)
        first.lines, self.lines = self.lines[:count], self.lines[count:]
        first.damaged = {at: why for at, why in self.damaged.items() if at < count}
        self.damaged = {at - count: why for at, why in self.damaged.items() if at >= count}
        return first


def weight(lines: Sequence[bytes]) -> int:
    """What records cost in memory."""
    return sum(map(len, lines)) + OVERHEAD * len(lines)


class Inbox:
    """One door's records. `put` from the reading thread, `take` from another. `value`: sheds, by this, when full."""

    def __init__(self, door: str, zone: str, timezone: str, realm: str = REAL, value: Value | None = None) -> None:
        self.received = self.shed = 0
        self._value = value
        self.open = threading.Event()  # set while there is room
        self.open.set()
        self._door, self._fixed = door, {"format": "syslog", "zone": zone, "timezone": timezone, "realm": realm}
        self._lock = threading.Lock()
        self._boxes: dict[tuple[str, str], Box] = {}
        self._size = self._count = 0
        self._origins: dict[tuple[str, str], Origin] = {}

    def put(self, peer: str, lines: Sequence[bytes], damaged: Mapping[int, str] | None = None, who: str = "") -> None:
        """Add records of a peer, its source named after `who` where that is known.

        When that was the last room it closes `open`, or makes room where the door sheds.
        """
        if not lines:
            return
        with self._lock:
            box = self._boxes.get((peer, who))
            if box is None:
                box = self._boxes[peer, who] = Box(self._value(peer) if self._value else 0)
            for index, reason in (damaged or {}).items():
                box.damaged[len(box.lines) + index] = reason
            box.lines += lines
            self.received += len(lines)
            self._count += len(lines)
            self._size += weight(lines)
            if self._full():
                if self._value is None:
                    self.open.clear()
                else:
                    self._make_room()

    def _full(self, room: float = 1.0) -> bool:
        return self._size > room * CAPACITY or self._count > room * RECORDS

    def _make_room(self) -> None:
        """Shed: what is above an even share first, then all; of the least value first, then of whoever has most."""
        sizes = {key: (box.size, len(box.lines)) for key, box in self._boxes.items()}
        order = sorted(self._boxes.items(), key=lambda item: (item[1].value, -sizes[item[0]][0]))
        for bytes_kept, records_kept in ((CAPACITY / len(order), RECORDS / len(order)), (0.0, 0.0)):
            for key, box in order:
                size, count = sizes[key]
                if not self._full(ROOM):
                    return
                if size > bytes_kept or count > records_kept:
                    keep = int(count * min(1.0, bytes_kept / size, records_kept / count)) if size else 0
                    sizes[key] = self._cut(key, box, keep), min(count, keep)

    def _cut(self, key: tuple[str, str], box: Box, keep: int) -> int:
        """Drop the newest records of a box; what it still costs."""
        gone = box.lines[keep:]
        left = box.split(keep)
        self.shed += len(gone)
        self._count -= len(gone)
        self._size -= weight(gone)
        if left.lines:
            box.lines, box.damaged = left.lines, left.damaged
        else:
            self._boxes.pop(key, None)
        return box.size

    def take(self) -> list[Raws]:
        """What came since the last time, one batch a peer, of each no more than its share: the rest comes next."""
        with self._lock:
            boxes, self._boxes = self._boxes, {}
            for key, box in boxes.items():
                if len(box.lines) > SHARE:
                    boxes[key], self._boxes[key] = box.split(SHARE), box
            self._count = sum(len(box.lines) for box in self._boxes.values())
            self._size = sum(box.size for box in self._boxes.values())
            if not self._full():
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
