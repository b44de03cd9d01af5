"""Canaries on their way: what was sent through which door, and what came out of the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from soc_core.clock import DAY, Micros
from soc_core.state.agency_tables import CanaryRow
from soc_core.state.database import insert

KEPT = 7 * DAY


class Canary(NamedTuple):
    """One marked record. `every`: after how many microseconds the next one follows; `error`: why it was not taken."""

    id: str
    collector: str
    door: str
    sent: Micros
    every: Micros
    error: str = ""
    seen: Micros | None = None


def note(session: Session, sent: Sequence[Canary]) -> None:
    """Write down what was sent, and forget what is old; doors that the collector no longer has are no longer his."""
    for one in sent:
        session.execute(insert(session, CanaryRow).values(one._asdict()).on_conflict_do_nothing())
    for collector in {one.collector for one in sent}:
        doors = {one.door for one in sent if one.collector == collector}
        session.execute(delete(CanaryRow).where(CanaryRow.collector == collector, CanaryRow.door.not_in(doors)))
    if sent:
        session.execute(delete(CanaryRow).where(CanaryRow.sent < max(one.sent for one in sent) - KEPT))


def leave(session: Session, collector: str) -> None:
    """The collector ended as it should: nobody waits for it."""
    session.execute(delete(CanaryRow).where(CanaryRow.collector == collector))


def waiting(session: Session) -> list[Canary]:
    """Those that were taken and have not come out, oldest first."""
    query = select(CanaryRow).where(CanaryRow.seen.is_(None), CanaryRow.error == "").order_by(CanaryRow.sent)
    return [_made(row) for row in session.scalars(query)]


def came(session: Session, ids: Iterable[str], at: Micros) -> None:
    """They were found in the store."""
    session.execute(update(CanaryRow).where(CanaryRow.id.in_(list(ids)), CanaryRow.seen.is_(None)).values(seen=at))


def latest(session: Session) -> list[tuple[Canary, Micros | None]]:
    """(the last one of each door, when the last one that came out was sent), by collector and door."""
    newest = select(CanaryRow.collector, CanaryRow.door, func.max(CanaryRow.sent).label("sent")).group_by(
        CanaryRow.collector, CanaryRow.door).subquery()
    query = select(CanaryRow).join(newest, (CanaryRow.collector == newest.c.collector) & (
        CanaryRow.door == newest.c.door) & (CanaryRow.sent == newest.c.sent))
    well = {(collector, door): sent for collector, door, sent in session.execute(
        select(CanaryRow.collector, CanaryRow.door, func.max(CanaryRow.sent)).where(CanaryRow.seen.is_not(None))
        .group_by(CanaryRow.collector, CanaryRow.door))}
    found = [(_made(row), well.get((row.collector, row.door))) for row in session.scalars(query)]
    return sorted(found, key=lambda pair: (pair[0].collector, pair[0].door))


def first_lost(session: Session, collector: str, door: str, since: Micros | None) -> Micros:
    """When the first one was sent after the last that came out."""
    query = select(func.min(CanaryRow.sent)).where(
        CanaryRow.collector == collector, CanaryRow.door == door, CanaryRow.sent > (since or 0))
    return session.scalar(query) or 0


def _made(row: CanaryRow) -> Canary:
    return Canary(row.id, row.collector, row.door, row.sent, row.every, row.error, row.seen)
