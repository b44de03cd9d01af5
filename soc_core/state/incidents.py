"""Incidents: alerts of one organisation that share an entity, seen together. 事件"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, false, func, select
from sqlalchemy.orm import Session

from soc_core.access import Scope
from soc_core.clock import Micros
from soc_core.models import LEVELS, Incident, Level
from soc_core.state.database import chunks, insert
from soc_core.state.tables import AlertRow, IncidentRow


class Story(NamedTuple):
    """An incident as triage writes it."""

    id: str
    title: str
    level: Level
    organisation: str
    realm: str
    opened: Micros
    last_seen: Micros


def get(session: Session, incident: str, scope: Scope) -> Incident | None:
    """One incident with its alerts; None when there is none or it is out of scope."""
    row = session.scalar(select(IncidentRow).where(IncidentRow.id == incident, *_within(scope)))
    return _made(session, [row])[0] if row else None


def find(session: Session, scope: Scope, realm: str = "", status: str = "",
         limit: int = 100) -> tuple[list[Incident], int]:
    """The latest incidents, and how many there are."""
    where = _within(scope)
    if realm:
        where.append(IncidentRow.realm == realm)
    if status:
        where.append(IncidentRow.status == status)
    total = session.scalar(select(func.count()).select_from(IncidentRow).where(*where)) or 0
    query = select(IncidentRow).where(*where).order_by(IncidentRow.last_seen.desc(), IncidentRow.id.desc()).limit(limit)
    return _made(session, session.scalars(query).all()), total


def open_among(session: Session, ids: Sequence[str]) -> dict[str, Story]:
    """Those of these incidents that still take alerts."""
    found = {}
    for some in chunks(ids):
        for row in session.scalars(select(IncidentRow).where(IncidentRow.id.in_(some), IncidentRow.status == "open")):
            found[row.id] = Story(row.id, row.title, LEVELS[row.severity], row.organisation, row.realm, row.opened,
                                  row.last_seen)
    return found


def save(session: Session, stories: Sequence[Story]) -> None:
    """Write new incidents; of known ones, what their alerts changed: title, level and times."""
    if not stories:
        return
    statement = insert(session, IncidentRow)
    new = statement.excluded
    changes = {name: new[name] for name in ("title", "level", "severity", "opened", "last_seen")}
    rows = [{**story._asdict(), "severity": LEVELS.index(story.level), "status": "open", "version": 1}
            for story in stories]
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changes), rows)


def _within(scope: Scope) -> list[ColumnElement[bool]]:
    if scope.organisations is None:
        return []
    return [IncidentRow.organisation.in_(scope.organisations)] if scope.organisations else [false()]


def _made(session: Session, rows: Sequence[IncidentRow]) -> list[Incident]:
    members: dict[str, list[str]] = {row.id: [] for row in rows}
    for some in chunks(list(members)):
        query = select(AlertRow.incident, AlertRow.id).where(AlertRow.incident.in_(some))
        for incident, alert in session.execute(query.order_by(AlertRow.first_seen, AlertRow.id)):
            members[incident].append(alert)
    names = [name for name in Incident.model_fields if name != "alerts"]
    return [Incident.model_construct(alerts=members[row.id], **{name: getattr(row, name) for name in names})
            for row in rows]
