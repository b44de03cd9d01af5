"""The windows of all keys, on shelves: a shelf is what is saved, restored and swept at once.

A key's shelf follows from the key alone, so every process finds it there. Correlations that feed each other stand on
one shelf, so a shelf is a function of its own base matches and of time.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Collection, Iterator
from itertools import islice, starmap
from operator import attrgetter
from typing import Any

import orjson
import polars as pl

from detections.sigma.windows import Mark, Series

PIECES = 64  # of a million marks one shelf takes some 30 ms to save
FIELDS = ("at", "id", "slot", "value", "source", "info", "fired")  # of a Mark, in its order
Name = tuple[str, tuple[str, ...]]  # correlation and key


class Shelves:
    """Series by correlation and key. `known`: correlations there are; `linked`: those that stand together."""

    def __init__(self, known: Collection[str], linked: Collection[str] = ()) -> None:
        self.known, self.linked = known, linked
        self.held: list[dict[Name, Series]] = [{} for _ in range(PIECES)]
        self.counts = [0] * PIECES  # marks on each

    def __iter__(self) -> Iterator[Name]:
        return (name for shelf in self.held for name in shelf)

    def items(self) -> Iterator[tuple[Name, Series]]:
        """Every series there is; none may be added or taken meanwhile."""
        return (pair for shelf in self.held for pair in shelf.items())

    @property
    def count(self) -> int:
        """All marks."""
        return sum(self.counts)

    def place(self, name: Name) -> int:
        """The shelf of a key."""
        if name[0] in self.linked:
            return 0
        return zlib.crc32("\x1f".join((name[0], *name[1])).encode("utf-8", "surrogatepass")) % PIECES

    def put(self, name: Name, marks: list[Mark]) -> None:
        """A key's marks, sorted; of a correlation that is gone they are dropped."""
        if name[0] in self.known:
            place = self.place(name)
            self.held[place][name] = Series(marks)
            self.counts[place] += len(marks)

    def recount(self, place: int) -> None:
        """Marks were taken from a shelf."""
        self.counts[place] = sum(len(series.marks) for series in self.held[place].values())

    def shed(self) -> int:
        """Of the fullest shelf take the tenth of keys whose events lie furthest back. Returns the marks lost."""
        place = max(range(PIECES), key=self.counts.__getitem__)
        shelf, before = self.held[place], self.counts[place]
        for name in sorted(shelf, key=lambda name: shelf[name].marks[-1].at)[: len(shelf) // 10 + 1]:
            self.counts[place] -= len(shelf.pop(name).marks)
        return before - self.counts[place]

    def dump(self, place: int) -> bytes:
        """One shelf: by columns, compressed; some 2 µs and 40 bytes a mark."""
        shelf = self.held[place]
        marks = [mark for series in shelf.values() for mark in series.marks]
        told: dict[str, Any] = {field: list(map(attrgetter(field), marks)) for field in FIELDS}
        told["series"] = [[name, key, len(series.marks)] for (name, key), series in shelf.items()]
        packed = io.BytesIO()
        pl.DataFrame({"json": [orjson.dumps(told)]}).write_ipc(packed, compression="zstd")
        return packed.getvalue()

    def load(self, place: int, state: bytes) -> None:
        """What `dump` gave, in place of what stands there. Raises ValueError on anything else."""
        try:
            told = orjson.loads(pl.read_ipc(io.BytesIO(state))["json"][0])
            marks = starmap(Mark, zip(*(told[field] for field in FIELDS), strict=True))
            found = [((name, tuple(key)), list(islice(marks, size))) for name, key, size in told["series"]]
        except (orjson.JSONDecodeError, pl.exceptions.PolarsError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a shelf of correlations: {error}") from None
        self.held[place], self.counts[place] = {}, 0
        for name, mine in found:
            self.put(name, mine)
