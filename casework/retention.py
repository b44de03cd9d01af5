"""How far back each system of an agency has logs, against the law's six months, and where they have holes. 留存"""

from __future__ import annotations

from dataclasses import dataclass

from casework.rights import service
from casework.services import NotFound, Services, now, within
from soc_core import clock
from soc_core.access import Actor, Scope
from soc_core.clock import Micros
from soc_core.models import REAL
from soc_core.protocols import Page, Query
from soc_core.state import gaps
from soc_core.state.gaps import Gap

REQUIRED = 183  # days: six months
SHIFT = 8 * clock.HOUR  # days are the city's, from midnight


@dataclass(frozen=True)
class Kept:
    """One system's logs: the oldest event (None: none at all), full days since, days among them without any event
    (numbers since the epoch, local), and the share of the last REQUIRED days that is covered."""

    system: str
    system_name: str
    oldest: Micros | None
    days: int
    empty: list[int]
    share: float


@dataclass(frozen=True)
class Retention:
    """All systems of an agency, and its gaps over ten minutes, latest first (at most 200)."""

    organisation: str
    required: int
    systems: list[Kept]
    gaps: list[Gap]
    as_of: Micros


@service
def kept(actor: Actor, services: Services, organisation: str) -> Retention:
    """Retention of an organisation's own systems. Raises NotFound for one that is not the actor's to see."""
    within(actor, organisation)
    if organisation not in services.inventory.organisations:
        raise NotFound("no such organisation")
    found: Retention = services.recent.get(("retention", organisation), lambda: measure(services, organisation, now()))
    return found


def measure(services: Services, organisation: str, at: Micros) -> Retention:
    """As `kept`, for the platform itself."""
    scope = Scope(frozenset({organisation}))
    systems = [one(services, scope, system.id, system.name, at)
               for system in services.inventory.systems_of(organisation)]
    with services.database.read() as session:
        holes = gaps.listing(session, scope, at - REQUIRED * clock.DAY, 200)
    return Retention(organisation, REQUIRED, systems, holes, at)


def one(services: Services, scope: Scope, system: str, name: str, at: Micros) -> Kept:
    """One system: its oldest event of all, and which of the last REQUIRED days have none. Real events alone count."""
    store = services.stores.get(REAL)
    asked = f'soc.system.id:"{system}"'
    rows = store.search(Query(text=asked), scope, Page(1, newest_first=False)).rows if store is not None else []
    if store is None or not rows:
        return Kept(system, name, None, 0, [], 0.0)
    oldest = int(rows[0]["@timestamp"])
    today = (at + SHIFT) // clock.DAY
    first = max((oldest + SHIFT) // clock.DAY, today - REQUIRED + 1)
    days = max(1, today - first + 1)
    start = first * clock.DAY - SHIFT
    counted = store.histogram(Query(text=asked, since=start, until=start + days * clock.DAY), scope, days)
    full = {(int(bucket.key) + SHIFT) // clock.DAY for bucket in counted if bucket.n}
    empty = [day for day in range(first, today) if day not in full]  # today is not over
    return Kept(system, name, oldest, max(0, (at - oldest) // clock.DAY), empty,
                min(1.0, (days - len(empty)) / REQUIRED))
