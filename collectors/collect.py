"""The collector: every source's batches into the journal, gathered into one fsync, acknowledged after it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol, runtime_checkable

from soc_core.canaries import is_ours
from soc_core.journal.remade import Remade
from soc_core.models import REAL
from soc_core.protocols import Journal, Raws, Source

log = logging.getLogger(__name__)
IDLE = 0.02  # seconds between looks at a source that had nothing
GATHER = 0.01  # seconds between two fsyncs at least: what comes meanwhile goes into the next one
RETRY = (0.1, 5.0)  # seconds between attempts while the journal cannot be written: first, at most
TELL = 5.0  # seconds between two words to those elsewhere
DRAIN = 10.0  # seconds that a source gets to finish after stop()


@runtime_checkable
class Door(Protocol):
    """A source that listens: it can be told to take no more, and counts what it saw."""

    def stop(self) -> None: ...
    def drained(self) -> bool: ...
    def counters(self) -> dict[str, int]: ...


class Commit:
    """Gathers the batches of all sources into one append; `put` returns when they are durable."""

    def __init__(self, journal: Journal) -> None:
        self.stalled = ""  # why the journal cannot be written, while it cannot
        self._journal = journal
        self._lock = threading.Condition()
        self._waiting: list[tuple[Sequence[Raws], threading.Event]] = []
        self._failed: BaseException | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self._thread.start()

    def put(self, raws: Sequence[Raws]) -> None:
        """Returns once the journal holds the batches. Raises what ended the committing for good."""
        done = threading.Event()
        with self._lock:
            if self._failed is None:
                self._waiting.append((raws, done))
                self._lock.notify()
        while self._failed is None and not done.wait(0.5):
            continue
        if not done.is_set() and self._failed is not None:
            raise self._failed

    def _run(self) -> None:
        try:
            while True:
                with self._lock:
                    while not self._waiting and not self._ended:
                        self._lock.wait()
                    taken, self._waiting = self._waiting, []
                if not taken:
                    return
                self._append([batch for raws, _ in taken for batch in raws])
                for _, done in taken:
                    done.set()
                time.sleep(GATHER)
        except BaseException as error:
            log.exception("the journal takes no more")
            self._failed = error

    def _append(self, raws: Sequence[Raws]) -> None:
        """Append, again and again while the disk does not let us. A stop in the meantime gives up, and so does a
        journal made anew: what was opened does not come back, and whoever starts us again opens the new one."""
        pause = RETRY[0]
        while True:
            try:
                self._journal.append(raws)
                self.stalled = ""
                return
            except OSError as error:
                if self._ended or isinstance(error, Remade):
                    raise
                if not self.stalled:
                    log.error("%s; trying again", error)
                self.stalled = str(error)
                time.sleep(pause)
                pause = min(2 * pause, RETRY[1])

    def close(self) -> None:
        with self._lock:
            self._ended = True
            self._lock.notify()
        self._thread.join()


class Collector:
    """Runs sources, each in a thread of its own with one batch under way, so that a slow journal slows them all.

    `demo` sources stop for good as soon as a real record was committed; `on_real` is called then. `on_shed`
    is told (door, records) of what was turned away or dropped before it was acknowledged, and told again after an
    OSError of its own; `on_counts` is told the counts, every TELL and at the end.
    """

    def __init__(self, journal: Journal, sources: Mapping[str, Source], demo: Mapping[str, Source] | None = None,
                 *, on_real: Callable[[], None] = lambda: None,
                 on_shed: Callable[[str, int], None] = lambda name, count: None,
                 on_counts: Callable[[dict[str, Any]], None] = lambda counts: None) -> None:
        self.failure: BaseException | None = None
        self.ended = threading.Event()  # set when the collector cannot go on
        self._sources = {**sources, **(demo or {})}
        self._demo, self._on_real = frozenset(demo or ()), on_real
        self._real = False
        self._counts = dict.fromkeys(self._sources, 0)
        self._on_shed, self._told = on_shed, dict.fromkeys(self._sources, 0)
        self._on_counts, self._next = on_counts, 0.0
        self._stopping = False
        self._until = 0.0
        self._commit = Commit(journal)
        self._threads = [
            threading.Thread(target=self._pump, args=(name, source), name=f"source {name}", daemon=True)
            for name, source in self._sources.items()
        ]
        self._reporter = threading.Thread(target=self._report, name="collector counts", daemon=True)

    def start(self) -> None:
        for thread in [*self._threads, self._reporter]:
            thread.start()

    def _pump(self, name: str, source: Source) -> None:
        """One source's way into the journal, until it is stopped and empty."""
        try:
            while not self._over(name):
                raws, position = source.next_batch()
                if raws:
                    self._commit.put(raws)
                    source.ack(position)
                    self._count(name, raws)
                elif self._stopping and self._finished(source):
                    return
                else:
                    time.sleep(IDLE)
        except BaseException as error:
            log.exception("source %s has failed", name)
            self.failure = error
            self.ended.set()
        finally:
            source.close()

    def _over(self, name: str) -> bool:
        return name in self._demo and (self._real or self._stopping)

    def _finished(self, source: Source) -> bool:
        return not isinstance(source, Door) or source.drained() or time.monotonic() > self._until

    def _count(self, name: str, raws: Sequence[Raws]) -> None:
        self._counts[name] += sum(len(batch.lines) for batch in raws)
        if not self._real and any(batch.origin.realm == REAL and not all(map(is_ours, batch.lines)) for batch in raws):
            self._real = True
            self._on_real()

    def stop(self) -> None:
        """Take no more from outside, commit what was taken, close the sources."""
        self._until = time.monotonic() + DRAIN
        for source in self._sources.values():
            if isinstance(source, Door):
                source.stop()
        self._stopping = True
        for thread in self._threads:
            thread.join(2 * DRAIN if not self._commit.stalled else 1.0)
        self._tell_shed()
        self._commit.close()
        self._tell_counts()

    # ------------------------------------------------------------ counts

    def counts(self) -> dict[str, Any]:
        """How it stands: doors, what came in by each and how far it got."""
        sources = {}
        for name, source in self._sources.items():
            extra = source.counters() if isinstance(source, Door) else {}
            sources[name] = {"received": 0, "shed": 0, "kernel_drops": 0, **extra, "committed": self._counts[name]}
            if not isinstance(source, Door):
                sources[name]["received"] = self._counts[name]
        return {
            "pid": os.getpid(), "running": not self._stopping, "stalled": self._commit.stalled, "sources": sources,
        }

    def _report(self) -> None:
        while not self._stopping:
            self._tell_shed()
            if time.monotonic() >= self._next:
                self._next = time.monotonic() + TELL
                self._tell_counts()
            time.sleep(1.0)

    def _tell_shed(self) -> None:
        """What was lost before it was acknowledged is counted where everything is."""
        for name, source in self._sources.items():
            seen = source.counters() if isinstance(source, Door) else {}
            shed = seen.get("shed", 0) + seen.get("kernel_drops", 0)
            if shed > self._told[name]:
                try:
                    self._on_shed(name, shed - self._told[name])
                except OSError as error:
                    log.warning("%d records shed by %s are not counted yet: %s", shed - self._told[name], name, error)
                else:
                    self._told[name] = shed

    def _tell_counts(self) -> None:
        with suppress(OSError):  # told again soon
            self._on_counts(self.counts())
