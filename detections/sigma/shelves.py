"""The windows of all keys, on shelves: a shelf is what is saved, restored and swept at once.

A key's shelf follows from the key alone, so every process finds it there. What feeds each other stands on one shelf, so
a shelf is a function of its own base matches and of time.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, starmap
from operator import attrgetter
from typing import Any

import orjson
import polars as pl

from detections.sigma.rule import Correlation
from detections.sigma.windows import Mark, Series

CHAIN = "chain"
PIECES = 128  # of a million marks one shelf takes some 20 ms to save
FIELDS = ("at", "id", "slot", "value", "source", "info", "fired")  # of a Mark, in its order
Name = tuple[str, tuple[str, ...]]  # correlation and key


def home(family: str, key: tuple[str, ...]) -> str:
    """By what name the keeper of a key is found, and its shelf."""
    return "\x1f".join((family, *key)) if family else CHAIN


def families(correlations: Sequence[Correlation]) -> dict[str, str]:
    """Correlation → family: those that feed each other, where all group by the same fields; itself, where it stands
    alone; "" where fields differ, so that one key may feed any other."""
    found = {c.id: {c.id} for c in correlations}
    for c in correlations:
        for base in c.rules:
            if base in found:
                joined = found[c.id] | found[base]
                found.update(dict.fromkeys(joined, joined))
    known = {c.id: c for c in correlations}

    def family(members: set[str]) -> str:
        fields = {known[each].group_by for each in members}
        renamed = len(members) > 1 and any(known[each].aliases for each in members)
        return "" if renamed or len(fields) > 1 else min(members)

    return {name: family(members) for name, members in found.items()}


class Shelves:
    """Series by correlation and key. `families`: every correlation there is, and its family (family_of)."""

    def __init__(self, families: Mapping[str, str]) -> None:
        self.families = families
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
        """The shelf of a key; not by the bits that choose its share, or few shelves of a share would be used."""
        text = home(self.families[name[0]], name[1])
        return (zlib.crc32(text.encode("utf-8", "surrogatepass")) >> 16) % PIECES

    def put(self, name: Name, marks: list[Mark]) -> None:
        """A key's marks, sorted; of a correlation that is gone they are dropped."""
        if name[0] in self.families:
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
        except (orjson.JSONDecodeError, pl.exceptions.PolarsError, KeyError, TypeError, ValueError, OSError) as error:
            raise ValueError(f"not a shelf of correlations: {error}") from None
        self.held[place], self.counts[place] = {}, 0
        for name, mine in found:
            self.put(name, mine)
