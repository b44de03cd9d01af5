"""Lines of JSON as spans of bytes: where each value stands, which lines have the same names; no value is an object.

`scan` takes the lines apart by kernels (_scan_tree.py); lines that those are not sure of are left to who reads single
lines by orjson, with whose results these agree in every bit. Without kernels there is no sheet.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson

from collectors.formats._json import text
from soc_core import arrow
from soc_core.arrow import MEMORY
from soc_core.lexicon import READERS, Ints, Lexicon, Shelf
from soc_core.native import kernels

TREE = "collectors.formats._scan_tree"
PAGE, AHEAD = 4096, 32  # of memory; bytes that are read at once
NODES, LETTERS = 1 << 18, 1 << 22  # sequences of names; bytes of names
NAMES = 1 << 16
LINE, MARKS_OF_LINE = 1 << 20, 1 << 16  # bytes and quotation marks of a line that is not doubtful
PLAIN, ESCAPED, WHOLE, FALSE, ARRAY = 1, 2, 3, 5, 8  # kinds of values, as _scan.py has them
RENDERED = 2  # the lexicon's readers: plain, escaped, and
MARKS = np.array([0, 0, 1, 0, 0, 0, RENDERED, RENDERED, RENDERED], np.uint8)  # by kind: which reader


def _rendered(data: bytes) -> str | None:
    return text(orjson.loads(data))


SHELF = Shelf((*READERS, _rendered))


class Shape(NamedTuple):
    """The names of a record at the top in order, and the values of those that tell records apart."""

    names: tuple[str, ...]
    told: Mapping[str, str]


class Room:
    """Room for the values of a batch; it goes from batch to batch, as new memory costs more than what is done in it."""

    def __init__(self, size: int) -> None:
        self.cells = np.empty(size, np.int64)

    def widen(self) -> None:
        """Twice as many values."""
        self.cells = np.concatenate([self.cells, np.empty_like(self.cells)])


_rooms: list[Room] = []
_door = threading.RLock()  # a sheet may be let go by the collector of garbage while the door is held


def _room() -> Room:
    """A room that is free, or a new one."""
    with _door:
        return _rooms.pop() if _rooms else Room(1 << 16)


class Sheet:
    """Lines that were scanned. `node` has each line's sequence of names, below 0 where the line was doubtful.

    `data` from `starts` on are the lines' own bytes, which lie there while the sheet is held.
    """

    KEPT, ROOMS = 1 << 20, 2  # values of the largest room that is used again, how many

    def __init__(self, room: Room, scanner: Scanner, found: Any, starts: Ints, lines: Any) -> None:
        self._room, self.scanner, self.found = room, scanner, found
        self.starts, self._lines = starts, lines
        self.data, self.node = MEMORY, found.node
        self.lexicon: Lexicon = SHELF.lexicon

    def __del__(self, rooms: list[Room] = _rooms, door: Any = _door) -> None:
        if len(self._room.cells) <= self.KEPT:
            with door:
                rooms[self.ROOMS - 1 :] = [self._room]


class Scanner:
    """The names and sequences of names that were met, for records that are told apart by the values of `split`.

    Of the names in `split` those that are false must be texts; true ones may be whole numbers too.
    """

    def __init__(self, module: Any, split: Mapping[str, bool]) -> None:
        self.module = module
        self.memo: dict[Any, Any] = {}  # what the owner knows
        self.split: dict[str, int] = {}  # numbers of these names
        self._names: list[str] = [""]
        self._door = threading.Lock()
        self.tree = module.Tree(
            seed=np.array([secrets.randbits(64) | 1], np.uint64), arena=np.zeros(LETTERS + AHEAD, np.uint8),
            ends=np.zeros(NAMES, np.int32), owner=np.zeros(NAMES, np.int32), split=np.zeros(NAMES, np.uint8),
            names=np.zeros(2 * NAMES, np.int32), above=np.zeros(NODES, np.int32), last=np.zeros(NODES, np.int32),
            size=np.zeros(NODES, np.int16), guess=np.zeros(NODES, np.int32), told=np.zeros(NODES, np.int64),
            nodes=np.zeros(2 * NODES, np.int32),
            count=np.array([1, 1], np.int64), met=np.zeros(NAMES, np.int64), run=np.array([0, -1], np.int64),
        )
        self._held = np.zeros(3 * module.DEPTH, np.int64)
        self._places, self._marks = np.empty(MARKS_OF_LINE, np.int32), np.empty(LINE // AHEAD, np.int64)
        for path, number in split.items():
            code = 0
            for name in path.encode().split(b"\0"):
                data = np.frombuffer(name + bytes(AHEAD), np.uint8)
                code = module.numbered(self.tree, data, 0, len(name), code)
            self.tree.split[code] = 2 if number else 1
            self.split[path] = code

    @property
    def full(self) -> bool:
        """Whether there may be too little room for another batch."""
        names, nodes = self.tree.count.tolist()
        return bool(2 * names > NAMES or 2 * nodes > NODES or 2 * self.tree.ends[names - 1] > LETTERS)

    @property
    def names(self) -> list[str]:
        """All names, by number: those under others with these before them, NUL between."""
        return self._known()[:]  # other threads may add more

    def _known(self) -> list[str]:
        with self._door:
            for number in range(len(self._names), int(self.tree.count[0])):
                start, end = self.tree.ends[number - 1 : number + 1].tolist()
                name, owner = self.tree.arena[start:end].tobytes().decode(), int(self.tree.owner[number])
                self._names.append(f"{self._names[owner]}\0{name}" if owner > 0 else name)
        return self._names

    def shape(self, node: int) -> Shape:
        """What a sequence is made of."""
        out = np.empty(2 * self.module.NAMES, np.int32)
        numbers = out[: self.module.sequence(self.tree, node, out)][::-1].tolist()
        known, owner = self._known(), self.tree.owner
        told = {known[-owner[number]]: known[number] for number in numbers if owner[number] < 0}
        return Shape(tuple(known[number] for number in numbers if not owner[number]), told)

    def scan(self, lines: arrow.Spans, levels: int) -> Sheet:
        """All lines, laid as `_laid` does it; objects down to `levels` below the top are taken apart."""
        starts, ends, held = lines
        room = _room()
        node, first = np.empty(len(starts), np.int32), np.empty(len(starts), np.int32)
        has = np.empty(len(starts), np.uint16)
        line = count = 0
        while True:
            found = self.module.Found(room.cells, node, first, has)
            line, count = self.module.scan(
                MEMORY, starts, ends, line, count, levels, self.tree, found, self._held, self._places, self._marks)
            if line == len(starts):
                return Sheet(room, self, found, starts, held)
            room.widen()


def _laid(lines: Sequence[bytes]) -> arrow.Spans | None:
    """Where the lines lie; None where they are no bytes. Those that end near the end of a page get zeros behind them.

    The page behind may be nobody's, and bytes are read many at once: from no further on than the zero that is behind
    every bytes object.
    """
    starts, ends, held = arrow.lines(lines)
    if starts.min(initial=0) < 0:
        return None
    close = np.flatnonzero(ends % PAGE > PAGE - AHEAD)
    apart = arrow.lines([held[number] + bytes(AHEAD) for number in close.tolist()])
    ends[close] += apart.starts - starts[close]
    starts[close] = apart.starts
    return arrow.Spans(starts, ends, (held, apart.held))


class Scanners:
    """The scanner in use of one way of telling records apart."""

    def __init__(self, split: Mapping[str, bool], levels: int = 0) -> None:
        self._split, self._levels = split, levels
        self._held: Scanner | None = None
        self._lock = threading.Lock()

    def scan(self, lines: Sequence[bytes]) -> Sheet | None:
        """The lines, or None where there are no kernels or they are no lines of bytes."""
        module = kernels(TREE)
        laid = None if module is None else _laid(lines)
        if laid is None:
            return None
        with self._lock:
            if self._held is None or self._held.full:
                self._held = Scanner(module, self._split)
            return self._held.scan(laid, self._levels)
