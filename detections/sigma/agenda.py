"""Names by the time at which they are to be looked at: what is not due costs nothing, however much there is of it."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from math import inf
from typing import Generic, TypeVar

from soc_core.clock import Micros

Name = TypeVar("Name")


class Agenda(Generic[Name]):
    """Slots of `grain` microseconds. A name may be filed several times."""

    def __init__(self, grain: Micros) -> None:
        self.grain = grain
        self.size = 0  # names that are filed
        self._slots: dict[int, list[Name]] = {}
        self._order: list[int] = []  # a heap of the slots there are

    def file(self, name: Name, at: Micros) -> None:
        self.size += 1
        slot = at // self.grain
        names = self._slots.get(slot)
        if names is None:
            self._slots[slot] = [name]
            heappush(self._order, slot)
        else:
            names.append(name)

    @property
    def begins(self) -> float:
        """When the earliest slot begins; never, where there is none."""
        return self._order[0] * self.grain if self._order else inf

    def due(self, until: float) -> list[Name]:
        """The names of all slots that begin before `until`, in order; they are filed no more."""
        found: list[Name] = []
        while self.begins < until:
            found += self._slots.pop(heappop(self._order))
        self.size -= len(found)
        return found

    def earliest(self, most: int) -> tuple[Micros, list[Name]]:
        """So many names, or fewer, of the earliest slot, and when it ends; they are filed no more."""
        slot = self._order[0]
        names = self._slots[slot]
        taken = names[:most]
        del names[:most]
        self.size -= len(taken)
        if not names:
            del self._slots[heappop(self._order)]
        return (slot + 1) * self.grain, taken


class Horizons(dict[str, Micros]):
    """By source, the event time before which nothing in time can come; of a source that was forgotten the `other`."""

    def __init__(self, each: Iterable[tuple[str, Micros]], other: Micros) -> None:
        super().__init__(each)
        self.other = other
        self.newest = max(self.values(), default=other)
        self.newest = max(self.newest, other)

    def __missing__(self, source: str) -> Micros:
        return self.other
