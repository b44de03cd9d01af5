"""The city at a glance: numbers, each countable again by the filter that lists it. 总览"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, distinct, func, select

from casework import quarantine, sources
from casework.rights import service
from casework.services import Services, now
from soc_core import clock
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.models import LEVELS, REAL
from soc_core.personal import masked
from soc_core.state.alerts import within
from soc_core.state.tables import AlertRow

HIGH, CRITICAL = LEVELS.index("high"), LEVELS.index("critical")
HOURS = 24


@dataclass(frozen=True)
class Count:
    """A value and how many alerts have it."""

    key: str
    name: str
    n: int


@dataclass(frozen=True)
class Overview:
    """Counts of alerts unless said otherwise. `real_…` leave the demo out; `hours` are the last 24 hours,
    oldest first, as (start, alerts of high and above, others)."""

    open: int
    open_high: int
    open_critical: int
    real_open_high: int
    real_open_critical: int
    mine: int
    today: int
    closed_today: int
    organisations: int
    sources: int
    sources_alive: int
    sources_silent: int
    received: int
    quarantined: int
    by_organisation: list[Count]
    by_rule: list[Count]
    hours: list[tuple[Micros, int, int]]
    hidden_by_scope: int
    as_of: Micros


@service
def overview(actor: Actor, services: Services) -> Overview:
    """Everything in the actor's scope, now."""
    at = now()
    day = at - HOURS * clock.HOUR
    waiting = AlertRow.status != "closed"
    high = AlertRow.severity >= HIGH
    mine = within(actor.scope)
    with services.database.read() as session:
        counts = session.execute(select(
            amount(waiting), amount(waiting & high), amount(waiting & (AlertRow.severity == CRITICAL)),
            amount(waiting & high & (AlertRow.realm == REAL)),
            amount(waiting & (AlertRow.severity == CRITICAL) & (AlertRow.realm == REAL)),
            amount(waiting & (AlertRow.assignee == actor.name)),
            amount(AlertRow.last_seen >= day), amount((AlertRow.last_seen >= day) & ~waiting),
            func.count(distinct(case((waiting, AlertRow.organisation)))),
        ).where(*mine)).one()
        whole = session.scalar(select(func.count()).select_from(AlertRow).where(waiting)) or 0
        by_organisation = session.execute(
            select(AlertRow.organisation, func.count()).where(waiting, *mine).group_by(AlertRow.organisation)
            .order_by(func.count().desc(), AlertRow.organisation).limit(6)).all()
        by_rule = session.execute(
            select(AlertRow.rule_id, func.max(AlertRow.title), func.count()).where(waiting, *mine)
            .group_by(AlertRow.rule_id).order_by(func.count().desc(), AlertRow.rule_id).limit(6)).all()
        hour = AlertRow.last_seen / clock.HOUR if services.database.dialect == "postgresql" else (
            AlertRow.last_seen // clock.HOUR)
        spread = session.execute(
            select(hour, amount(high), func.count()).where(AlertRow.last_seen >= day, *mine).group_by(hour)).all()
    known, alive, silent = sources.tally(actor, services)
    (opened, opened_high, opened_critical, real_high, real_critical, own, today, closed,
     organisations) = (int(value or 0) for value in counts)
    received = sum(item.received for item in sources.rows(services, actor.scope))
    return Overview(
        opened, opened_high, opened_critical, real_high, real_critical, own, today, closed, organisations, known, alive,
        silent, received, quarantine.total(actor, services),
        [Count(key, services.organisation_name(key), n) for key, n in by_organisation],
        [Count(key, masked(name), n) for key, name, n in by_rule],
        fill([(int(start), int(some or 0), int(n)) for start, some, n in spread], at), whole - opened, at)


def amount(condition: ColumnElement[bool]) -> Any:
    """How many rows meet a condition, as a column."""
    return func.sum(case((condition, 1), else_=0))


def fill(found: list[tuple[int, int, int]], at: Micros) -> list[tuple[Micros, int, int]]:
    """Each of the last 24 hours, also those without an alert."""
    last = at // clock.HOUR
    known = {start: (some, n - some) for start, some, n in found}
    return [(hour * clock.HOUR, *known.get(hour, (0, 0))) for hour in range(last - HOURS + 1, last + 1)]
