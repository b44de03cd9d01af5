"""How long it took: MTTD, MTTA, MTTC, MTTR, from the ledger of state changes alone. 处置时效

Defined here once, for every page, report and API; all in microseconds of an incident, M for the mean:

    detect        from its first event (event time) to when the platform began the incident
    acknowledge   from then until a person first changed its state
    contain       from then until it first left `containing` forward (eradicating or later)
    recover       from then until it first reached monitoring, or was closed

Dismissed and merged incidents count for detect and acknowledge only. What has not happened yet counts for nothing,
and `open` says how many still wait for it. Demo incidents are left out unless asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

from sqlalchemy import select

from casework.classes import classes
from casework.rights import service
from casework.services import Services
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.models import REAL
from soc_core.state import incidents as state
from soc_core.state.case_tables import IncidentChangeRow
from soc_core.state.database import chunks
from soc_core.state.tables import AlertRow, IncidentRow

By = Literal["all", "agency", "district", "rule", "kind"]
STAGES = ("detect", "acknowledge", "contain", "recover")
CONTAINED = frozenset({"eradicating", "recovering", "monitoring", "closed"})
RECOVERED = frozenset({"monitoring", "closed"})


@dataclass(frozen=True)
class Span:
    """One of the four over some incidents: how many have it and how many wait; mean, middle and the slowest tenth's
    border in microseconds, None without any."""

    n: int
    open: int
    mean: float | None
    median: float | None
    p90: float | None


@dataclass(frozen=True)
class Times:
    """The four of one agency, district, rule or kind."""

    key: str
    name: str
    incidents: int
    detect: Span
    acknowledge: Span
    contain: Span
    recover: Span


@dataclass(frozen=True)
class Course:
    """One incident's own times; None is still to come, and `counts` names what counts for it at all."""

    took: Mapping[str, Micros | None]
    counts: frozenset[str]


@service
def times(actor: Actor, services: Services, by: By = "all", since: Micros | None = None, until: Micros | None = None,
          realm: str = REAL) -> list[Times]:
    """The four times of the incidents raised in [since, until), in the actor's scope, most incidents first."""
    wanted = state.Filter(realm=realm, since=since, until=until)
    ledger: dict[str, list[tuple[Micros, str, str]]] = {}
    rules: dict[str, set[str]] = {}
    with services.database.read() as session:
        rows = session.scalars(select(IncidentRow).where(*state.within(actor.scope), *state.matching(wanted))).all()
        change = IncidentChangeRow
        for some in chunks([row.id for row in rows]):
            query = select(change.incident, change.at, change.actor, change.after).where(
                change.incident.in_(some), change.field == "status").order_by(change.id)
            for incident, at, who, after in session.execute(query):
                ledger.setdefault(incident, []).append((at, who, after))
            if by == "rule":
                pairs = select(AlertRow.incident, AlertRow.rule_id).where(AlertRow.incident.in_(some)).distinct()
                for incident, rule in session.execute(pairs):
                    rules.setdefault(incident, set()).add(rule)
    groups: dict[str, list[Course]] = {}
    for row in rows:
        own = course(row.opened, row.raised, ledger.get(row.id, []))
        for key in keys(services, by, row, rules.get(row.id, ())):
            groups.setdefault(key, []).append(own)
    found = [summed(key, named(services, by, key), courses) for key, courses in groups.items()]
    return sorted(found, key=lambda each: (-each.incidents, each.key))


def course(opened: Micros, raised: Micros, changes: Sequence[tuple[Micros, str, str]]) -> Course:
    """One incident's times from its ledger: (at, actor, state), oldest first."""
    def first(states: frozenset[str] | None) -> Micros | None:
        moments = (at for at, who, after in changes
                   if who != state.PLATFORM and (states is None or after in states))
        return next((max(0, at - raised) for at in moments), None)

    ended = changes[-1][2] if changes else ""
    counts = frozenset(STAGES[:2]) if ended in ("false_positive", "merged") else frozenset(STAGES)
    return Course({"detect": max(0, raised - opened), "acknowledge": first(None), "contain": first(CONTAINED),
                   "recover": first(RECOVERED)}, counts)


def keys(services: Services, by: By, row: IncidentRow, rules: Iterable[str]) -> list[str]:
    """What an incident counts under; several rules may have told of it."""
    if by == "agency":
        return [row.organisation]
    if by == "district":
        known = services.inventory.organisations.get(row.organisation)
        return [known.district if known else ""]
    if by == "rule":
        return sorted(rules)
    return [row.kind] if by == "kind" else [""]


def named(services: Services, by: By, key: str) -> str:
    if by in ("agency", "district"):
        return services.organisation_name(key)
    known = classes().get(key) if by == "kind" else None
    return known.zh if known else key


def summed(key: str, name: str, courses: Sequence[Course]) -> Times:
    return Times(key, name, len(courses), *(span(courses, stage) for stage in STAGES))


def span(courses: Sequence[Course], stage: str) -> Span:
    """One of the four over these incidents."""
    counted = [each.took[stage] for each in courses if stage in each.counts]
    took = sorted(each for each in counted if each is not None)
    if not took:
        return Span(0, len(counted), None, None, None)
    border = took[min(len(took) - 1, len(took) * 9 // 10)]
    return Span(len(took), len(counted) - len(took), fmean(took), median(took), border)
