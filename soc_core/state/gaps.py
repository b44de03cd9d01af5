"""Gaps in the data: spans in which a source that should have sent did not, begun and ended as they are seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from soc_core.access import Scope
from soc_core.clock import Micros
from soc_core.state.agency_tables import GapRow
from soc_core.state.database import insert


class Gap(NamedTuple):
    """[since, until) without data, by arrival; `until` None: it lasts."""

    source: str
    realm: str
    since: Micros
    until: Micros | None
    organisation: str
    system: str


def begin(session: Session, gaps: Iterable[Gap]) -> None:
    """Write down gaps; those that are known stay as they are."""
    rows = [gap._asdict() for gap in gaps]
    if rows:
        session.execute(insert(session, GapRow).on_conflict_do_nothing(), rows)


def end(session: Session, source: str, realm: str, since: Micros, until: Micros) -> None:
    """It spoke again."""
    session.execute(update(GapRow).where(GapRow.source == source, GapRow.realm == realm, GapRow.since == since)
                    .values(until=until))


def open_ones(session: Session) -> list[Gap]:
    """Those that last."""
    return [_made(row) for row in session.scalars(select(GapRow).where(GapRow.until.is_(None)))]


def listing(session: Session, scope: Scope, since: Micros = 0, limit: int = 500) -> list[Gap]:
    """Gaps of the organisations in scope that had not ended at `since`, the latest first."""
    query = select(GapRow).where(GapRow.until.is_(None) | (GapRow.until > since))
    if scope.organisations is not None:
        query = query.where(GapRow.organisation.in_(scope.organisations))
    query = query.order_by(GapRow.since.desc(), GapRow.source).limit(limit)
    return [_made(row) for row in session.scalars(query)]


def _made(row: GapRow) -> Gap:
    return Gap(row.source, row.realm, row.since, row.until, row.organisation, row.system)
