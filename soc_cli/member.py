"""One worker among any number: it says that it is here, takes its part of the lanes, and works them off.

Nothing is configured: workers find each other in the state database. An engine that is away is waited for, longer
each time, and nothing is read or dropped meanwhile.
"""

from __future__ import annotations

import fcntl
import logging
import os
import platform as machine
import resource
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from soc_core import clock
from soc_core.journal.remade import Remade
from soc_core.state import claims
from soc_core.state.claims import LEASE, TASKS
from soc_core.state.database import Database, StateError
from soc_core.worker import Worker

log = logging.getLogger(__name__)
BEAT = 2.0  # seconds between two signs of life
BALANCE = 1.0  # seconds between two looks at who works
RETRY = (0.2, 10.0)  # seconds between attempts while an engine is away: first, at most
HANGING = 300.0  # seconds without any stage of a step begun after which we let others have our lanes
Tasks = Callable[[], Any]  # starts what happens by the clock; `close` of what it returns ends it


class Member:
    """Runs a worker over the lanes it has claimed. `moved` is told before others' lanes become ours; `tasks` is
    started while the lane of tasks is ours."""

    def __init__(self, name: str, state: Database, worker: Worker, folder: Path, moved: Callable[[], None],
                 tasks: Tasks | None = None) -> None:
        self.id, self.state, self.worker, self.moved, self.tasks = name, state, worker, moved, tasks
        self.stalled = ""  # why nothing moves, while it does not
        self._folder = folder
        self._running: Any = _Nothing()
        self._lanes = [*worker.all_lanes(), *([TASKS] if tasks else [])]
        self._turned = time.monotonic()
        self._balanced = 0.0
        self._pause = RETRY[0]
        self._ended = threading.Event()
        self._pulse = threading.Thread(target=self._beat, name="beat", daemon=True)

    @staticmethod
    def named() -> str:
        """A name that nobody else has."""
        return f"{machine.node()}-{os.getpid()}-{secrets.token_hex(4)}"

    @contextmanager
    def working(self) -> Iterator[Member]:
        """Be a member for the block; what we had is left in order at its end."""
        self._folder.mkdir(parents=True, exist_ok=True)
        mine = self._folder / self.id
        handle = os.open(mine, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            self._appear()
            self._pulse.start()
            yield self
        finally:
            self.silence()
            with suppress(OSError):
                self._leave()
            mine.unlink(missing_ok=True)
            os.close(handle)

    # ------------------------------------------------------------ the loop

    def turn(self, patient: bool = True) -> int:
        """One step over our lanes. Returns the records committed: 0 when there was nothing, or an engine is away.

        Raises OSError instead when we are not to be `patient`; always when the journal was made anew.
        """
        self._turned = time.monotonic()
        try:
            if self._turned - self._balanced > BALANCE:
                self.balance()
            done = self.worker.step()
        except OSError as error:
            if not patient or isinstance(error, Remade):
                raise
            if not self.stalled:
                log.error("%s; waiting", error)
            self.stalled = str(error)
            self._ended.wait(self._pause)
            self._pause = min(2 * self._pause, RETRY[1])
            return 0
        if self.stalled:
            log.info("going on")
        self.stalled, self._pause = "", RETRY[0]
        return done

    def balance(self) -> None:
        """Take what is ours to take, give up what is too much."""
        with self.state.begin() as session:
            claims.appear(session, self.id, claims.moment(session), self.report(), self._dead())
            share = claims.share(session, self.id, self._lanes)
            mine = {lane for known in claims.listing(session) if known.id == self.id for lane in known.lanes}
        self._balanced = time.monotonic()
        self.worker.drop([lane for lane in self.worker.lanes if lane not in mine or lane in share.taken])
        if share.surplus:
            self.worker.leave(share.surplus)
            mine -= set(share.surplus)
            with self.state.begin() as session:
                claims.give(session, self.id, share.surplus)
        self._mind(TASKS in mine)
        fresh = [lane for lane in sorted(mine) if lane != TASKS and lane not in self.worker.lanes]
        if fresh or share.surplus:
            log.info("lanes: %s", sorted(mine))
        if fresh:
            self.moved()
            self.worker.take(fresh)

    def report(self) -> dict[str, Any]:
        """What others may know of us."""
        usage, parts = resource.getrusage(resource.RUSAGE_SELF), self.worker.parts
        process = {"cpu": round(usage.ru_utime + usage.ru_stime, 1), "memory": usage.ru_maxrss * 1024}
        return {"failed": dict(self.worker.detector_errors), "stalled": self.stalled, "done": self.worker.done,
                "process": process, "trace": parts.tracer.report(parts.sharing)}

    def _mind(self, ours: bool) -> None:
        """Start or end what happens by the clock."""
        if self.tasks is None:
            return
        if ours and isinstance(self._running, _Nothing):
            self._running = self.tasks()
        elif not ours:
            self._running.close()
            self._running = _Nothing()

    # ------------------------------------------------------------ life

    def silence(self) -> None:
        """Give no more signs of life: in a while others take us for dead."""
        self._ended.set()
        if self._pulse.ident:
            self._pulse.join()

    def _appear(self) -> None:
        with self.state.begin() as session:
            claims.appear(session, self.id, claims.moment(session), self.report(), self._dead())

    @property
    def hanging(self) -> bool:
        """Nothing moves. A step that is only slow goes on from stage to stage, and keeps its lanes however long."""
        return time.monotonic() - max(self._turned, self.worker.parts.tracer.moved) > HANGING

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            if self.hanging:
                continue
            try:
                self._appear()
            except StateError as error:
                log.warning("%s", error)

    def _dead(self) -> list[str]:
        """Workers of this machine that no longer live: the kernel has let go of their lock."""
        gone = []
        for path in self._folder.iterdir():
            if path.name == self.id:
                continue
            try:
                handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            else:
                gone.append(path.name)
                if time.time() - path.stat().st_mtime > 4 * LEASE / clock.SECOND:
                    path.unlink(missing_ok=True)
            finally:
                os.close(handle)
        return gone

    def _leave(self) -> None:
        self._mind(False)
        try:
            self.worker.leave(list(self.worker.lanes))
        finally:
            with self.state.begin() as session:
                claims.leave(session, self.id)


class _Nothing:
    """No tasks run here."""

    def close(self) -> None:
        """There is nothing to end."""
