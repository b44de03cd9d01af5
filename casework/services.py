"""What every service of casework is handed: the databases, the event stores by realm, the inventory. No globals."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from casework.recent import Recent
from soc_core import clock, engines, inventory
from soc_core.access import NOTHING, Actor, Role, Scope
from soc_core.clock import Micros
from soc_core.config import Settings
from soc_core.inventory import Inventory
from soc_core.protocols import EventStore, Journal
from soc_core.sealed import Box
from soc_core.state import users
from soc_core.state.database import Database
from soc_core.state.tables import MarkRow

Row = TypeVar("Row")


class NotFound(LookupError):
    """No such thing, or none that this actor may see: the answer is the same on purpose."""


class Conflict(ValueError):
    """Somebody else changed it first; `current` is how it stands now."""

    def __init__(self, message: str, current: object) -> None:
        super().__init__(message)
        self.current = current


@dataclass(frozen=True)
class Listing(Generic[Row]):
    """One page of a list. `next` asks for the following one ("" at the end); `hidden_by_scope` says how many rows
    match the filter but belong to others, where that may be said (docs/access.md; else 0)."""

    rows: list[Row]
    total: int
    total_is_exact: bool
    next: str
    hidden_by_scope: int
    as_of: Micros


@dataclass
class Stores:
    """Event stores by realm, opened when first read. A realm without a folder has no store."""

    settings: Settings
    open: Callable[[str], EventStore]
    _held: dict[str, EventStore] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def realms(self) -> list[str]:
        """Realms that hold events, real first."""
        return engines.realms(self.settings)

    def get(self, realm: str) -> EventStore | None:
        """The store of a realm; None where nothing was ever stored."""
        with self._lock:
            if realm not in self._held:
                if realm not in self.realms():
                    return None
                self._held[realm] = self.open(realm)
            return self._held[realm]

    def close(self) -> None:
        with self._lock:
            for store in self._held.values():
                store.close()
            self._held.clear()


@dataclass(frozen=True)
class Services:
    """Everything a service call may reach. Its first argument is the actor, and every read is in his scope.

    `backlog` counts what the journal holds and no worker has committed: (source, realm) → records.
    """

    settings: Settings
    database: Database
    stores: Stores
    inventory: Inventory
    backlog: Callable[[], Mapping[tuple[str, str], int]]
    recent: Recent[Any] = field(default_factory=lambda: Recent(20.0))
    looks: Recent[int] = field(default_factory=lambda: Recent(600.0, 10_000))  # those told (lookers.py)

    @cached_property
    def box(self) -> Box:
        """Seals and opens small secrets with the key of this data directory."""
        return Box(self.settings.data)

    def organisation_name(self, organisation: str) -> str:
        """The name of an organisation; "" for an event whose owner nobody knows."""
        known = self.inventory.organisations.get(organisation)
        return known.name if known else organisation

    def system_name(self, system: str) -> str:
        known = self.inventory.systems.get(system)
        return known.name if known else system

    def scope_of(self, organisation: str) -> Scope:
        """What a seat at this node of the tree may read; "" is the city itself."""
        return Scope(None) if not organisation else self.inventory.scope_of(organisation)

    def seat(self, roles: frozenset[Role], organisation: str) -> Scope:
        """What an account may read: the subtree of its place. Without one the city's own people see all, an agency's
        see nothing."""
        if not organisation and roles <= {Role.AGENCY_ADMIN}:
            return NOTHING
        return self.scope_of(organisation)

    def close(self) -> None:
        self.stores.close()
        self.database.close()


def open_services(settings: Settings) -> Services:
    """Open what lies in the data directory, making the state tables where there are none."""
    settings.data.mkdir(parents=True, exist_ok=True)
    database = Database(settings.state_url)
    database.migrate()
    stores = Stores(settings, lambda realm: engines.open_store(settings, realm))
    return Services(settings, database, stores, inventory.load(settings.city), Backlog(settings, database))


class Backlog:
    """Records in the journal behind the commit marks. The journal is opened once there is one."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._journal: Journal | None = None
        self._lock = threading.Lock()

    def __call__(self) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        with self._lock:
            if self._journal is None:
                if not engines.has_journal(self._settings):
                    return found
                self._journal = engines.open_journal(self._settings)
        with self._database.read() as session:
            marks = {row.partition: row.offset for row in session.scalars(select(MarkRow))}
        for partition in self._journal.partitions():
            for source, (realm, count) in self._journal.pending(partition, marks.get(partition, 0)).items():
                found[source, realm] = found.get((source, realm), 0) + count
        return found

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()


def within(actor: Actor, organisation: str) -> Scope:
    """The actor's scope narrowed to one organisation alone. Raises NotFound when it is not his to see."""
    if not actor.scope.allows(organisation):
        raise NotFound("no such organisation")
    return Scope(frozenset({organisation}))


OUTSIDERS = frozenset({Role.AGENCY_ADMIN, Role.RED, Role.BLUE, Role.JUDGE, Role.CONTROLLER})


def told_of_others(actor: Actor) -> bool:
    """Whether it may be said how many events, records and drills lie beyond the scope: to the centre's people with a
    seat below the city. How much others log, lose and exercise is no business of an agency or of a team in a drill."""
    return bool(actor.scope.organisations) and bool(actor.roles - OUTSIDERS)


def taker(session: Session, services: Services, who: str, organisation: str) -> None:
    """Raise ValueError unless an account may take up what is of an organisation. One that does not see it is as one
    that is not there: names of other places are not told."""
    found = users.get(session, who)
    if found is None or found.disabled or not services.seat(found.roles, found.organisation).allows(organisation):
        raise ValueError(f"no account {who!r} that may take it up")


def now() -> Micros:
    return clock.now()
