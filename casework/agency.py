"""One agency's own status: am I being watched, what happened, what must I do now. 本单位"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import case, func, select

from casework.register import ExpectedSource, expected
from casework.rights import service
from casework.services import NotFound, Services, now, within
from soc_core.access import Actor, Scope
from soc_core.clock import Micros
from soc_core.models import DEMO, LEVELS, REAL, Level
from soc_core.pack import Organisation
from soc_core.personal import masked
from soc_core.protocols import Page, Query
from soc_core.state.tables import AlertRow

HIGH = LEVELS.index("high")
TASKS = 8


@dataclass(frozen=True)
class Open:
    """An alert of the agency that is not closed."""

    id: str
    title: str
    level: Level
    system_name: str
    count: int
    last_seen: Micros
    realm: str


@dataclass(frozen=True)
class Task:
    """One thing to do: look at an alert, restore a source that fell silent, connect the `count` that never spoke."""

    kind: Literal["alert", "silent", "never"]
    alert: Open | None = None
    source: ExpectedSource | None = None
    count: int = 1


@dataclass(frozen=True)
class Agency:
    """`expected` and `connected` count kinds of data over the agency's systems; `last_event` is 0 for never."""

    id: str
    name: str
    kind: str
    systems: int
    expected: int
    connected: int
    last_event: Micros
    open_alerts: int
    open_high: int
    tasks: list[Task]
    more_tasks: int
    sources: list[ExpectedSource]
    alerts: list[Open]
    as_of: Micros


@service
def choices(actor: Actor, services: Services, search: str = "", limit: int = 50) -> list[Organisation]:
    """Organisations whose page the actor may open: his own first, then those with open alerts, then by name."""
    text = search.strip().lower()
    found = [
        item for item in services.inventory.organisations.values()
        if actor.scope.allows(item.id) and (not text or text in item.name.lower() or text in item.id.lower())
    ]
    if len(found) < 2:
        return found[:limit]
    query = select(AlertRow.organisation, func.count()).where(AlertRow.status != "closed")
    with services.database.read() as session:
        busy = {row[0]: int(row[1]) for row in session.execute(query.group_by(AlertRow.organisation))}
    found.sort(key=lambda item: (item.id != actor.organisation, -busy.get(item.id, 0), item.name))
    return found[:limit]


@service
def status(actor: Actor, services: Services, organisation: str) -> Agency:
    """The agency's own page. Raises NotFound for an id that does not exist or is not the actor's to see."""
    scope = within(actor, organisation)
    known = services.inventory.organisations.get(organisation)
    if known is None:
        raise NotFound("no such organisation")
    at = now()
    systems = services.inventory.systems_of(organisation)
    register = services.recent.get(("register", organisation), lambda: expected(services, organisation, at))
    open_alerts, count, high = waiting(services, organisation)
    tasks = todo(open_alerts, register)
    return Agency(
        known.id, known.name, known.kind, len(systems), len(register),
        sum(item.state in ("heard", "late") for item in register),
        services.recent.get(("heard", organisation), lambda: last_event(services, scope, register)), count, high,
        tasks[:TASKS], max(0, len(tasks) + count - len(open_alerts) - TASKS), register, open_alerts, at)


def waiting(services: Services, organisation: str, limit: int = 20) -> tuple[list[Open], int, int]:
    """(the most urgent open alerts, how many there are, how many of them are high or above)."""
    mine = (AlertRow.organisation == organisation) & (AlertRow.status != "closed")
    query = select(AlertRow).where(mine).order_by(AlertRow.risk.desc(), AlertRow.last_seen.desc(), AlertRow.id.desc())
    with services.database.read() as session:
        count, high = session.execute(
            select(func.count(), func.count(case((AlertRow.severity >= HIGH, 1)))).where(mine)).one()
        found = [
            Open(row.id, masked(row.title), LEVELS[row.severity], services.system_name(row.system), row.count,
                 row.last_seen, row.realm)
            for row in session.scalars(query.limit(limit))
        ]
    return found, count, high


def todo(alerts: Iterable[Open], register: Iterable[ExpectedSource]) -> list[Task]:
    """High alerts first, then what fell silent, then the other alerts, then what never spoke."""
    alerts, register = list(alerts), list(register)
    urgent = [Task("alert", alert=item) for item in alerts if LEVELS.index(item.level) >= HIGH]
    later = [Task("alert", alert=item) for item in alerts if LEVELS.index(item.level) < HIGH]
    silent = [Task("silent", source=item) for item in register if item.state == "late"]
    never = [item for item in register if item.state == "never"]
    return [*urgent, *silent, *later, *([Task("never", source=never[0], count=len(never))] if never else [])]


def last_event(services: Services, scope: Scope, register: Iterable[ExpectedSource]) -> Micros:
    """When the agency was heard last by any source, by event time; 0 for never."""
    newest = max((item.last or 0 for item in register), default=0)
    for realm in (REAL, DEMO):
        store = services.stores.get(realm)
        if store is not None:
            for row in store.search(Query(), scope, Page(limit=1)).rows:
                newest = max(newest, int(row["@timestamp"]))
    return newest
