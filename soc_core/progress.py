"""Up to when everything that was received is worked off: who keeps a memory for all partitions must not forget what a
record of one that lags behind still needs, be it by hours.

Nothing is read of the records: where the partitions ended at some time is remembered until their marks have come so
far; then all that was received before is committed, and what it means to others was sent before that.
"""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple

from soc_core import clock
from soc_core.protocols import Journal
from soc_core.state import commits
from soc_core.state.database import Database

GRAIN = 10.0  # seconds between two times that are remembered
SHARE = 50  # times as long as a look took nobody looks again


class Look(NamedTuple):
    """Whoever has read the shared journal up to these ends knows all that was received before `complete`."""

    complete: clock.Micros
    ends: dict[int, int]


class Progress:
    """How far a journal is worked off, by whomever."""

    def __init__(self, journal: Journal, shared: Journal, state: Database) -> None:
        self.journal, self.shared, self.state = journal, shared, state
        self._known = Look(0, {})
        self._waiting: deque[tuple[clock.Micros, dict[int, int]]] = deque()  # times, and the ends of partitions then
        self._noted = self._again = 0.0  # by the monotonic clock

    def look(self, afresh: bool = False) -> Look:
        """As it is now, or, unless `afresh`, was a moment ago. Raises OSError where an engine is away."""
        began = time.monotonic()
        if afresh or began >= self._again:
            complete = self._complete(began)
            self._known = Look(complete, {number: self.shared.end(number) for number in self.shared.partitions()})
            self._again = time.monotonic() + SHARE * (time.monotonic() - began)
        return self._known

    def _complete(self, moment: float) -> clock.Micros:
        now, complete = clock.now(), self._known.complete
        ends = {number: self.journal.end(number) for number in self.journal.partitions()}
        with self.state.read() as session:
            marks = commits.marks(session)
        if not self._waiting or moment >= self._noted + GRAIN:
            self._waiting.append((now, ends))
            self._noted = moment
        while self._waiting and all(marks.get(number, 0) >= end for number, end in self._waiting[0][1].items()):
            complete = self._waiting.popleft()[0]
        if not self._waiting and all(marks.get(number, 0) >= end for number, end in ends.items()):
            complete = now
        return min([complete, *(at for at, _ in self._waiting)])  # clocks may go back
