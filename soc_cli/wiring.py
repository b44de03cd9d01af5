"""The one place where concrete parts meet: which journal, which stores, which detectors make this platform."""

from __future__ import annotations

import copy
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from sqlalchemy.orm import Session

from soc_core import clock, engines, garbage, registry
from soc_core.config import Settings
from soc_core.inventory import Inventory
from soc_core.inventory import load as load_inventory
from soc_core.protocols import EventStore, Journal
from soc_core.state.database import Database

if TYPE_CHECKING:
    from soc_cli.member import Member
    from soc_core.lanes import Guard
    from soc_core.protocols import Detector
    from soc_core.shares import Triage
    from soc_core.worker import Worker

STREAM = "detections.stream"


@runtime_checkable
class Forgetful(Protocol):
    """A store that remembers what it holds of sources that only one writer has."""

    def forget(self) -> None: ...


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

    @cached_property
    def canary_key(self) -> bytes:
        """With which canaries are signed (soc_core/canaries.py)."""
        from soc_core.canaries import secret

        with self.state.begin() as session:
            return secret(session)

    def store(self, realm: str) -> EventStore:
        """The event store of one realm, opened at first use."""
        if realm not in self._stores:
            self._stores[realm] = engines.open_store(self.settings, realm)
        return self._stores[realm]

    def detectors(self, rules: Sequence[Path] = ()) -> list[Detector]:
        """Every active detector: Sigma rules and their correlations, learned ones, those of detections/stream."""
        from detections import learn
        from detections.sigma.detector import build

        data = self.settings.data
        sigma = build(list(rules) or self.settings.rules, cache=data / "cache", mapped=self.settings.mapping,
                      tuned=self.settings.tuning)
        plain = [registry.get(STREAM, name).detector(self.settings, self.state) for name in registry.names(STREAM)]
        return [*sigma, *learn.detectors(self.settings), *plain]

    def _tell(self, rules: list[Path]) -> None:
        """Leave the report of the rules where the console finds it."""
        from soc_cli import rule_report
        from soc_core.state import rulings

        report = rule_report.health(rules, self.settings)
        with self.state.begin() as session:
            rulings.note(session, report)

    @cached_property
    def triage(self) -> Triage:
        """Findings → alerts, with the weight of each system."""
        from detections import risk, triage

        weights = {each.id: risk.CRITICALITY[each.criticality] for each in self.inventory.systems.values()}
        return partial(triage.apply, criticality=weights)

    def worker(self, rules: Sequence[Path] = (), lanes: Iterable[int] | None = None, guard: Guard | None = None
               ) -> Worker:
        """The loop, over all lanes unless told otherwise. Hold `working` while it runs."""
        from collectors.assembly import assemble
        from collectors.enrich import Enricher
        from collectors.parse import parse
        from collectors.processes import Processes
        from collectors.skew import Skew
        from soc_core.canaries import Canaries
        from soc_core.lanes import unguarded
        from soc_core.pipeline import Parts
        from soc_core.sharing import Sharing
        from soc_core.worker import Worker

        detectors = self.detectors(rules)
        self._tell(list(rules) or self.settings.rules)
        alone = [each for each in detectors if not isinstance(each, Sharing)]
        parts = Parts(
            journal=self.journal,
            state=self.state,
            stores=self.store,
            parse=parse,
            enrichers=[Processes(), Enricher(self.inventory), Skew(), Canaries(self.canary_key)],
            detectors=lambda: copy.deepcopy(alone),
            triage=self.triage,
            sharing=[each for each in detectors if isinstance(each, Sharing)],
            shared=self.shared,
            assemble=assemble,
        )
        return Worker(parts, lanes, guard or unguarded)

    def member(self, rules: Sequence[Path] = (), tasks: Callable[[], Any] | None = None) -> Member:
        """One worker among any number, without any lane yet."""
        from soc_cli.member import Member
        from soc_core.state import claims

        name = Member.named()

        def guard(session: Session, lane: int) -> None:
            claims.hold(session, name, lane)

        worker = self.worker(rules, (), guard)
        garbage.settle()
        return Member(name, self.state, worker, self.settings.data / "run" / "workers", self.forget, tasks)

    def forget(self) -> None:
        """Other workers may have had our sources: a store that remembers what it holds of them asks anew."""
        for store in self._stores.values():
            if isinstance(store, Forgetful):
                store.forget()

    def working(self, patience: float = 0.0, alone: bool = True) -> AbstractContextManager[None]:
        """Work on this data here; `alone`: as the only process. Raises Busy when that is not to be had in time."""
        lock = self.settings.data / "run" / "worker.lock"
        return held(lock, "another process works on this data directory", patience, alone)

    def compact(self) -> None:
        """Merge small segments of the stores that are open, where it is time."""
        for store in list(self._stores.values()):  # another thread may open one
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
def held(path: Path, why: str, patience: float = 0.0, alone: bool = True) -> Iterator[None]:
    """Hold a lock file for as long as the block runs; the kernel frees it whatever happens to us.

    Raises Busy when another process, unless neither wants to be `alone`, still holds it after `patience` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    until = time.monotonic() + patience
    try:
        while True:
            try:
                fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > until:
                    raise Busy(f"{why} ({path.parent.parent})") from None
                time.sleep(0.05)
        if alone:
            os.ftruncate(handle, 0)
            os.write(handle, str(os.getpid()).encode())
        yield
    finally:
        os.close(handle)
