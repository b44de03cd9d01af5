"""The one place where concrete parts meet: which journal, which stores, which detectors make this platform."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from soc_core import clock, engines
from soc_core.config import Settings
from soc_core.inventory import Inventory
from soc_core.inventory import load as load_inventory
from soc_core.protocols import EventStore, Journal
from soc_core.state.database import Database

if TYPE_CHECKING:
    from soc_core.pipeline import Triage, Worker
    from soc_core.protocols import Detector


class Busy(OSError):
    """Another process holds what only one may hold."""


@dataclass
class Platform:
    """The opened engines of one data directory. Close it, or use it in `with`."""

    settings: Settings
    _stores: dict[str, EventStore] = field(default_factory=dict)

    @cached_property
    def state(self) -> Database:
        self.settings.data.mkdir(parents=True, exist_ok=True)
        state = Database(self.settings.state_url)
        state.migrate()
        return state

    @cached_property
    def journal(self) -> Journal:
        return engines.open_journal(self.settings)

    @cached_property
    def shared(self) -> Journal:
        """What workers tell each other (soc_core/shares.py)."""
        return engines.open_shared(self.settings)

    @cached_property
    def inventory(self) -> Inventory:
        return load_inventory(self.settings.city)

    def store(self, realm: str) -> EventStore:
        """The event store of one realm, opened at first use."""
        if realm not in self._stores:
            self._stores[realm] = engines.open_store(self.settings, realm)
        return self._stores[realm]

    def detectors(self, rules: Sequence[Path] = ()) -> list[Detector]:
        """Every active detector: Sigma rules and their correlations, and the learned ones."""
        from detections import learn
        from detections.sigma.detector import build

        data = self.settings.data
        sigma = build(list(rules) or self.settings.rules, cache=data / "cache", tuned=data / "tuning")
        return [*sigma, *learn.detectors(self.settings)]

    @cached_property
    def triage(self) -> Triage:
        """Findings → alerts, with the weight of each system."""
        from detections import risk, triage

        weights = {each.id: risk.CRITICALITY[each.criticality] for each in self.inventory.systems.values()}
        return partial(triage.apply, criticality=weights)

    def worker(self, rules: Sequence[Path] = ()) -> Worker:
        """The loop over all partitions. Hold `working` while it runs."""
        from collectors.assembly import assemble
        from collectors.enrich import Enricher
        from collectors.parse import parse
        from soc_core.pipeline import Parts, Worker

        return Worker(
            Parts(
                journal=self.journal,
                state=self.state,
                stores=self.store,
                parse=parse,
                enrichers=[Enricher(self.inventory)],
                detectors=self.detectors(rules),
                triage=self.triage,
                assemble=assemble,
            )
        )

    def working(self, patience: float = 0.0) -> AbstractContextManager[None]:
        """Be the one process that works on this data. Raises Busy when another still is after `patience` seconds."""
        lock = self.settings.data / "run" / "worker.lock"
        return held(lock, "another process works on this data directory", patience)

    def compact(self) -> None:
        """Merge small segments of the stores that are open, where it is time."""
        for store in self._stores.values():
            store.compact(clock.now())

    def close(self) -> None:
        for store in self._stores.values():
            store.close()
        for name in ("journal", "shared", "state"):
            if name in self.__dict__:
                getattr(self, name).close()

    def __enter__(self) -> Platform:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def held(path: Path, why: str, patience: float = 0.0) -> Iterator[None]:
    """Hold an exclusive lock file for as long as the block runs; the kernel frees it whatever happens to us.

    Raises Busy when another process still holds it after `patience` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    until = time.monotonic() + patience
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > until:
                    raise Busy(f"{why} ({path.parent.parent})") from None
                time.sleep(0.05)
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        yield
    finally:
        os.close(handle)
