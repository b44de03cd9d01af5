"""Weaknesses of hosts, certificates and accounts as imports named them, each with whose it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from soc_core.access import Scope
from soc_core.clock import Micros
from soc_core.state.agency_tables import ExposureRow
from soc_core.state.database import chunks, insert

BATCH = 500  # rows a statement; each has many parameters


class Exposure(NamedTuple):
    """One weakness. `severity` is a place in LEVELS; `resolved`: when a later import of its host lacked it."""

    id: str
    kind: str
    scanner: str
    zone: str
    address: str
    host: str
    port: str
    name: str
    severity: int
    references: list[str]
    detail: str
    organisation: str
    system: str
    expires: Micros | None
    first_seen: Micros
    last_seen: Micros
    resolved: Micros | None = None


class Saved(NamedTuple):
    """How many were new, known already, and are gone."""

    new: int
    again: int
    resolved: int


def save(session: Session, items: Sequence[Exposure], looked_at: Collection[tuple[str, str]], scanner: str,
         scope: Scope, at: Micros) -> Saved:
    """Keep what an import found; what it no longer found on the (zone, address) it looked at is resolved."""
    rows = {item.id: item._asdict() for item in items}
    known = set[str]()
    for some in chunks(list(rows)):
        known |= set(session.scalars(select(ExposureRow.id).where(ExposureRow.id.in_(some))))
    for rows_of in chunks(list(rows.values()), BATCH):
        statement = insert(session, ExposureRow)
        fresh = {name: statement.excluded[name] for name in Exposure._fields if name not in ("id", "first_seen")}
        session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=fresh), list(rows_of))
    gone = 0
    for zone in {zone for zone, _ in looked_at}:
        for some in chunks(sorted(address for one, address in looked_at if one == zone)):
            query = update(ExposureRow).where(
                ExposureRow.scanner == scanner, ExposureRow.zone == zone, ExposureRow.address.in_(some),
                ExposureRow.resolved.is_(None), ExposureRow.last_seen < at)
            if scope.organisations is not None:
                query = query.where(ExposureRow.organisation.in_(scope.organisations))
            gone += len(session.scalars(query.values(resolved=at).returning(ExposureRow.id)).all())
    return Saved(len(rows) - len(known), len(known), gone)


def listing(session: Session, scope: Scope, kind: str = "", open_only: bool = True, limit: int = 200,
            start: int = 0) -> tuple[list[Exposure], int]:
    """(those in scope, the worst first, how many there are)."""
    conditions = [ExposureRow.kind == kind] if kind else []
    if open_only:
        conditions.append(ExposureRow.resolved.is_(None))
    if scope.organisations is not None:
        conditions.append(ExposureRow.organisation.in_(scope.organisations))
    total = session.scalar(select(func.count()).select_from(ExposureRow).where(*conditions)) or 0
    query = select(ExposureRow).where(*conditions).order_by(
        ExposureRow.severity.desc(), ExposureRow.expires.is_(None), ExposureRow.expires, ExposureRow.first_seen,
        ExposureRow.id).limit(limit).offset(start)
    return [Exposure(*(getattr(row, name) for name in Exposure._fields)) for row in session.scalars(query)], total


def counts(session: Session, scope: Scope, soon: Micros) -> dict[str, dict[str, int]]:
    """Organisation → kind or level → open ones; a certificate counts only where it ends before `soon`."""
    query = select(ExposureRow.organisation, ExposureRow.kind, ExposureRow.severity, func.count()).where(
        ExposureRow.resolved.is_(None), ExposureRow.expires.is_(None) | (ExposureRow.expires < soon)).group_by(
        ExposureRow.organisation, ExposureRow.kind, ExposureRow.severity)
    if scope.organisations is not None:
        query = query.where(ExposureRow.organisation.in_(scope.organisations))
    found: dict[str, dict[str, int]] = {}
    for organisation, kind, severity, count in session.execute(query):
        mine = found.setdefault(organisation, {})
        for key in (kind, f"level {severity}"):
            mine[key] = mine.get(key, 0) + count
    return found


def imported(session: Session, scope: Scope) -> dict[str, Micros]:
    """Scanner → when it last saw anything in scope."""
    query = select(ExposureRow.scanner, func.max(ExposureRow.last_seen)).group_by(ExposureRow.scanner)
    if scope.organisations is not None:
        query = query.where(ExposureRow.organisation.in_(scope.organisations))
    return {row[0]: row[1] for row in session.execute(query)}
