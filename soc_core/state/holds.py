"""Legal holds: spans of events, and incidents with theirs, that nothing removes until somebody lifts them. 证据保全"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, false, select
from sqlalchemy.orm import Session

from soc_core.access import Scope
from soc_core.clock import Micros
from soc_core.state.case_tables import HoldRow


class Hold(NamedTuple):
    """Events of a realm and organisation ("" is everyone) with event times in [since, until]; perhaps an incident's."""

    id: int
    incident: str
    realm: str
    organisation: str
    since: Micros
    until: Micros
    reason: str
    actor: str
    at: Micros
    lifted: Micros | None
    lifted_by: str


def put(session: Session, incident: str, realm: str, organisation: str, since: Micros, until: Micros, reason: str,
        actor: str, at: Micros) -> Hold:
    """Hold from now on."""
    row = HoldRow(incident=incident, realm=realm, organisation=organisation, since=since, until=until, reason=reason,
                  actor=actor, at=at, lifted=None, lifted_by="")
    session.add(row)
    session.flush()
    return _made(row)


def lift(session: Session, hold: int, actor: str, at: Micros) -> Hold:
    """End a hold, once. Raises LookupError when there is none that holds."""
    row = session.get(HoldRow, hold, populate_existing=True)
    if row is None or row.lifted is not None:
        raise LookupError(f"no hold {hold} that is not lifted")
    row.lifted, row.lifted_by = at, actor
    session.flush()
    return _made(row)


def get(session: Session, hold: int, scope: Scope) -> Hold | None:
    row = session.scalar(select(HoldRow).where(HoldRow.id == hold, *_within(scope)))
    return _made(row) if row else None


def listing(session: Session, scope: Scope, standing: bool = True) -> list[Hold]:
    """Holds in scope, oldest first; those that stand, or all."""
    query = select(HoldRow).where(*_within(scope)).order_by(HoldRow.id)
    if standing:
        query = query.where(HoldRow.lifted.is_(None))
    return [_made(row) for row in session.scalars(query)]


def spans(session: Session, realm: str) -> list[tuple[Micros, Micros]]:
    """Spans of event time [since, until] of a realm of which nothing may be removed."""
    query = select(HoldRow.since, HoldRow.until).where(HoldRow.realm == realm, HoldRow.lifted.is_(None))
    return [(since, until) for since, until in session.execute(query.order_by(HoldRow.since))]


def _within(scope: Scope) -> list[ColumnElement[bool]]:
    if scope.organisations is None:
        return []
    return [HoldRow.organisation.in_(scope.organisations)] if scope.organisations else [false()]


def _made(row: HoldRow) -> Hold:
    return Hold(*(getattr(row, name) for name in Hold._fields))
