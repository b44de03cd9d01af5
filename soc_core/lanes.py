"""A lane: one partition of a journal being worked off, with the memory that goes with it.

The mark says how far it is committed, the checkpoint how far its memory is saved. Opening a lane restores the memory
and lets it see again what lies between the two; so a lane may be given up anywhere, and taken up by another worker.

A memory that may grow large is saved piece by piece, so that no step waits for all of it: each piece as it was before
another record. A replay begins at the oldest, and where it comes to the record of a younger one, that one is put in
the place of what the replay made of it. So a piece must be a function of the records and of the small rest.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from math import inf
from typing import NamedTuple, Protocol, runtime_checkable

from sqlalchemy.orm import Session

from soc_core import clock
from soc_core.protocols import Enricher, Frame, Journal
from soc_core.state import commits
from soc_core.state.claims import SHARED
from soc_core.state.database import Database

log = logging.getLogger(__name__)
LIMIT = 16_384  # records a step: large enough for columns to pay, small enough for a one-second answer
Guard = Callable[[Session, int], None]  # raises claims.Lost when the lane is not ours any more


class Memory(Protocol):
    """What is saved in a checkpoint."""

    def snapshot(self) -> bytes: ...
    def restore(self, state: bytes) -> None: ...


@runtime_checkable
class Remembering(Enricher, Memory, Protocol):
    """An enricher whose memory is a function of the records before: every partition has its own, made `anew`."""

    def anew(self) -> Enricher: ...


class Piece(NamedTuple):
    """A part of the memory that is saved by itself."""

    name: str
    save: Callable[[], bytes]
    load: Callable[[bytes], None]


class Saved(NamedTuple):
    """Where a piece was saved last: in which row, before which record, when."""

    serial: int
    offset: int
    at: clock.Micros


class Failures:
    """What detectors failed in this process, and what of it the state database does not know yet."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()
        self.fresh: dict[str, tuple[int, str]] = {}

    def note(self, name: str, error: Exception) -> None:
        """Count one failure; call it while the error is being handled."""
        self.total[name.rpartition(".")[2]] += 1
        self.fresh[name] = (self.fresh.get(name, (0, ""))[0] + 1, f"{type(error).__name__}: {error}".split("\n")[0])
        log.exception("detector %s failed", name)


class JournalLost(ValueError):
    """The journal lacks records that the state says were committed: going on would skip records in silence."""


def unguarded(session: Session, lane: int) -> None:
    """The guard of one who works alone."""


class Lane:
    """Where one partition stands. `number` names it in the state database; use it from one thread.

    `touched` is set while a step has changed the memory and is not committed: a lane that fails then is not to be
    used any more, but to be opened anew. `stir` is told that something moves.
    """

    limit = LIMIT  # records a step at most

    def __init__(self, number: int, journal: Journal, partition: int, state: Database, guard: Guard,
                 stir: Callable[[], None]) -> None:
        self.number, self.journal, self.partition, self.stir = number, journal, partition, stir
        self.state, self.guard = state, guard
        self.dirty = self.touched = False
        with state.read() as session:
            self.mark = commits.mark(session, number)
            rows = commits.checkpoints(session, number)
            self.look(session)
        self.saved: dict[str, Saved] = {}  # by piece
        self._saving: dict[str, Saved] = {}  # what is not yet committed
        self.base = self.cursor = rows[0].offset if rows else 0  # where a replay would begin
        for row in rows:
            self._replay(row.offset)
            self._restore(row)
        if self.forgetful:
            self.cursor = self.mark
        self._replay(self.mark)
        self.opened()

    def _replay(self, until: int) -> None:
        self.until = until
        while self.cursor < until:
            self.stir()
            self.run()

    def _restore(self, row: commits.Checkpoint) -> None:
        known = {name: memory.restore for name, memory in self.memories()}
        pieces = {piece.name: piece.load for piece in self.pieces()}
        for name, state in unpack(row.state):
            if load := known.get(name) or pieces.get(name):
                load(state)
            if name in pieces:
                self.saved[name] = Saved(row.serial, row.offset, row.at)

    def look(self, session: Session) -> None:
        """Read what else the state database says of the lane."""

    def opened(self) -> None:
        """The memory is where the mark is."""

    def memories(self) -> Sequence[tuple[str, Memory]]:
        """What every row of the checkpoint holds, by name."""
        raise NotImplementedError

    def pieces(self) -> Sequence[Piece]:
        """What is saved piece by piece; always the same ones."""
        return ()

    @property
    def forgetful(self) -> bool:
        """There is no memory that a replay could warm."""
        return False

    def run(self, final: bool = False) -> int:
        """One step; `final` ends every wait. Returns the records that are new or no longer wait, 0 when idle."""
        raise NotImplementedError

    def read(self) -> list[Frame]:
        """The next records; while replaying no further than the mark."""
        replay = self.cursor < self.mark
        limit = min(LIMIT, self.limit, self.until - self.cursor if replay else LIMIT)
        frames = self.journal.read(self.partition, self.cursor, limit)
        if replay and not frames:
            raise JournalLost(f"journal partition {self.partition} ends at {self.cursor}, before the committed "
                              f"{self.mark}")
        if frames and frames[0].first != self.cursor:
            raise JournalLost(f"journal partition {self.partition} begins at {frames[0].first}, behind {self.cursor}, "
                              "which is not yet worked off (./soc work --accept-journal goes on without)")
        return frames

    def hold(self, session: Session) -> None:
        """Raise Lost when the lane is another worker's by now, Outdated when it is of a journal made anew."""
        self.guard(session, self.number)
        commits.current(session, self.journal.epoch, commits.EPOCH if self.number < SHARED else commits.SHARED_EPOCH)

    def save(self, session: Session, patience: float = inf) -> None:
        """A row of the checkpoint: the pieces that were saved longest ago, one and as many more as `patience` allows.

        Raises claims.Lost and commits.Outdated. `release` is to follow where it was committed.
        """
        self.hold(session)
        until = time.thread_time() + patience
        parts = [(name, memory.snapshot()) for name, memory in self.memories()]
        pieces = {piece.name: piece for piece in self.pieces()}
        old = {name: saved for name, saved in self.saved.items() if name in pieces}
        if {saved.serial for saved in self.saved.values()} - commits.serials(session, self.number):
            old = {}  # a commit that seemed to fail did not: what we know of rows is not so
        new = [name for name in pieces if name not in old]  # nothing else stands for these: all of them
        names = list(new)
        parts += [(name, pieces[name].save()) for name in new]
        for name in sorted(old, key=lambda name: old[name].serial):
            if old[name].offset == self.cursor:
                break
            self.stir()
            names.append(name)
            parts.append((name, pieces[name].save()))
            if time.thread_time() > until:
                break
        keep = {saved.serial for name, saved in old.items() if name not in names}
        serial = commits.save_checkpoint(session, self.number, self.cursor, pack(parts), keep)
        self._saving = old | dict.fromkeys(names, Saved(serial, self.cursor, clock.now()))

    def release(self) -> None:
        """What was saved is committed: let the journal drop what no replay can want."""
        self.saved = self._saving
        self.base = min((saved.offset for saved in self.saved.values()), default=self.cursor)
        self.dirty = self.base < self.cursor
        self.journal.release(self.partition, self.wanted)

    @property
    def wanted(self) -> int:
        """The first record that the journal must keep."""
        return self.base


def pack(parts: Sequence[tuple[str, bytes]]) -> bytes:
    """Named pieces as one."""
    out = bytearray()
    for name, body in parts:
        for piece in (name.encode(), body):
            out += len(piece).to_bytes(8, "big") + piece
    return bytes(out)


def unpack(blob: bytes) -> list[tuple[str, bytes]]:
    """The pieces of `pack`."""
    pieces, at = [], 0
    while at < len(blob):
        size = int.from_bytes(blob[at : at + 8], "big")
        pieces.append(blob[at + 8 : at + 8 + size])
        at += 8 + size
    return [(pieces[i].decode(), pieces[i + 1]) for i in range(0, len(pieces), 2)]


def named(thing: object) -> str:
    """By what name a detector's memory is saved."""
    return f"{type(thing).__module__}.{type(thing).__name__}"
