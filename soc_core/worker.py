"""A worker: takes the records of its lanes through the loop, and saves where they stand.

Which lanes it has may change at any time (soc_cli/member.py shares them out); by default it has all. Every lane's
memory goes with it, so any number of workers find what one would.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from math import inf

from sqlalchemy.orm import Session

from soc_core import clock
from soc_core.garbage import uncollected
from soc_core.lanes import Failures, Guard, Lane, unguarded
from soc_core.models import Finding
from soc_core.pipeline import Partition, Parts
from soc_core.progress import Progress
from soc_core.shares import Outlet, Share
from soc_core.state import commits
from soc_core.state.claims import SHARED, Lost

log = logging.getLogger(__name__)
CHECKPOINT_EVERY = 30 * clock.SECOND
IDLE_EVERY = 5 * clock.SECOND  # without records for IDLE seconds is a good moment to save
IDLE = 1.0
REST = 30  # times as long as saving took nothing more is saved: memories that grew must not eat the day
PATIENCE = 0.03  # seconds that a step may wait for a lane to be saved; what is left is saved after others
SOON = 0.1  # seconds after which a share is looked at again


class Worker:
    """Use one instance from one thread. `lanes` None: all there are, at once.

    A step that fails with OSError (an engine is away) may be tried again. Raises ValueError when a journal is not the
    one that the state was written with, JournalLost when it lacks committed records.
    """

    def __init__(self, parts: Parts, lanes: Iterable[int] | None = None, guard: Guard = unguarded) -> None:
        self.parts, self.guard = parts, guard
        self.failed = Failures()
        self.lanes: dict[int, Lane] = {}
        self.done = 0  # records committed so far
        self._saved: dict[int, clock.Micros] = {}  # when each lane was saved last
        self._busy = 0.0  # when there was something to do, by the monotonic clock
        self._rested = 0.0  # when saving may begin again, by the same
        with parts.state.begin() as session:
            commits.adopt_epoch(session, parts.journal.epoch)
            if parts.shared:
                commits.adopt_epoch(session, parts.shared.epoch, commits.SHARED_EPOCH)
        self.outlet = Outlet(parts.shared) if parts.shared else None
        self.progress = Progress(parts.journal, parts.shared, parts.state) if parts.shared else None
        self.take(self.all_lanes() if lanes is None else lanes)

    def all_lanes(self) -> list[int]:
        """The numbers of every lane there is."""
        shares = self.parts.shared.partitions() if self.parts.shared else []
        return [*self.parts.journal.partitions(), *(SHARED + number for number in shares)]

    @property
    def detector_errors(self) -> Counter[str]:
        """Detectors that failed in this process, and how often."""
        return self.failed.total

    @property
    def cursor(self) -> dict[int, int]:
        """Where each lane stands."""
        return {number: lane.cursor for number, lane in self.lanes.items()}

    # ------------------------------------------------------------ lanes

    def take(self, numbers: Iterable[int]) -> None:
        """Open lanes that are ours now."""
        for number in numbers:
            if number not in self.lanes:
                self.lanes[number] = self._opened(number)
                self.lanes = dict(sorted(self.lanes.items()))  # partitions first, then what they send to

    def _opened(self, number: int) -> Lane:
        parts = self.parts
        if number < SHARED:
            return Partition(parts, number, self.outlet, self.guard, self.failed)
        if parts.shared is None or self.progress is None:
            raise ValueError(f"there is no share {number - SHARED}")
        share = number - SHARED
        return Share(parts.shared, share, parts.state, parts.sharing, self._triage, self.guard, self.failed,
                     parts.tracer.stir, self.progress)

    def _triage(self, session: Session, findings: Sequence[Finding], at: clock.Micros) -> None:
        self.parts.triage(session, findings, at)

    def drop(self, numbers: Iterable[int]) -> None:
        """Forget lanes that others have; nothing is saved."""
        for number in numbers:
            self.lanes.pop(number, None)
            self._saved.pop(number, None)

    def leave(self, numbers: Iterable[int]) -> None:
        """Save lanes, and forget them: another may take them up where they stand."""
        wanted = [number for number in numbers if number in self.lanes]
        self._save(wanted)
        self.drop(wanted)

    # ------------------------------------------------------------ the loop

    def step(self) -> int:
        """One step over every lane that has something new. Returns the records committed; 0 when idle."""
        done = self._run()
        if done:
            self._busy = time.monotonic()
        due = self._due(CHECKPOINT_EVERY if time.monotonic() < self._busy + IDLE else IDLE_EVERY)
        if due:
            with uncollected():
                self._save(due[:1], PATIENCE)  # one a step, so that no step waits for all of them
        return done

    def _due(self, every: clock.Micros) -> list[int]:
        """Lanes of which something was saved so long ago, longest ago first."""
        now = clock.now()
        for number, lane in self.lanes.items():
            if number not in self._saved:  # what was never saved is saved whole: at once, while it is small
                self._saved[number] = now if lane.saved or not lane.pieces() else 0
        if time.monotonic() < self._rested:
            return []
        due = [number for number, lane in self.lanes.items() if lane.dirty
               and abs(now - min([self._saved[number], *(saved.at for saved in lane.saved.values())])) > every]
        return sorted(due, key=self._saved.__getitem__)

    def drain(self) -> int:
        """Step until nothing is pending, what waits for others included. Returns the records committed."""
        total = 0
        while done := self.step() or self._run(final=True):
            total += done
        self.checkpoint()
        return total

    def _run(self, final: bool = False) -> int:
        """Every lane once, partitions first; our shares also between them, so that what is sent to them waits less."""
        done, looked = 0, time.monotonic()
        partitions = [number for number in self.lanes if number < SHARED]
        shares = [number for number in self.lanes if number >= SHARED]
        for number in partitions:
            done += self._run_one(number, final)
            if number == partitions[-1] or time.monotonic() > looked + SOON:
                done += sum(self._run_one(share, final) for share in shares if share in self.lanes)
                looked = time.monotonic()
        if not partitions:
            done = sum(self._run_one(share, final) for share in shares)
        self.done += done
        return done

    def _run_one(self, number: int, final: bool) -> int:
        self.parts.tracer.stir()
        lane = self.lanes[number]
        if lane.touched:  # its last step failed half-way
            lane = self.lanes[number] = self._opened(number)
        try:
            with uncollected():
                return lane.run(final)
        except (Lost, commits.OtherWorker, commits.Outdated) as error:
            log.warning("%s", error)
            self.drop([number])
            return 0

    def checkpoint(self) -> None:
        """Save the memory of all lanes with the offsets it stands for, and let the journals drop what is before."""
        with uncollected():
            self._save(list(self.lanes))

    def _save(self, numbers: Iterable[int], patience: float = inf) -> None:
        lanes = [self.lanes[number] for number in numbers if self.lanes[number].dirty]
        lanes = [lane for lane in lanes if not lane.touched]
        kept: list[Lane] = []
        if lanes:
            began = time.monotonic()
            with self.parts.state.begin() as session:
                for lane in lanes:
                    try:
                        lane.save(session, patience)
                    except (Lost, commits.Outdated) as error:
                        log.warning("%s", error)
                        self.drop([lane.number])
                    else:
                        kept.append(lane)
            now = time.monotonic()
            self._rested = now + REST * (now - began)
        for lane in kept:
            self._saved[lane.number] = clock.now()
            lane.release()
