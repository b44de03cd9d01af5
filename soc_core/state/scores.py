"""Agencies' scores, one a day, so that a trend and a comparison with others need no recount."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc_core.state.agency_tables import ScoreRow
from soc_core.state.database import chunks, insert


class Day(NamedTuple):
    """One organisation's score of a day (days since the epoch, UTC) with the parts that it is made of."""

    organisation: str
    day: int
    score: float
    parts: dict[str, Any]


def keep(session: Session, days: Sequence[Day]) -> None:
    """Write down; a later count of the same day replaces the earlier."""
    for one in days:
        values = one._asdict()
        statement = insert(session, ScoreRow).values(values)
        fresh = {"score": one.score, "parts": one.parts}
        session.execute(statement.on_conflict_do_update(index_elements=["organisation", "day"], set_=fresh))


def done(session: Session, day: int) -> set[str]:
    """Organisations that have their score of the day."""
    return set(session.scalars(select(ScoreRow.organisation).where(ScoreRow.day == day)))


def history(session: Session, organisation: str, since: int) -> list[Day]:
    """One organisation's days, the oldest first."""
    query = select(ScoreRow).where(ScoreRow.organisation == organisation, ScoreRow.day >= since).order_by(ScoreRow.day)
    return [Day(row.organisation, row.day, row.score, row.parts) for row in session.scalars(query)]


def of(session: Session, organisations: Collection[str], since: int) -> list[Day]:
    """Days of several organisations, without order and without parts."""
    found = []
    for some in chunks(sorted(organisations)):
        query = select(ScoreRow.organisation, ScoreRow.day, ScoreRow.score).where(
            ScoreRow.organisation.in_(some), ScoreRow.day >= since)
        found += [Day(*row, {}) for row in session.execute(query)]
    return found


def latest(session: Session, organisations: Collection[str] | None, since: int) -> dict[str, Day]:
    """Organisation → its last day with parts; None: of all."""
    query = select(ScoreRow).where(ScoreRow.day >= since).order_by(ScoreRow.day)
    return {row.organisation: Day(row.organisation, row.day, row.score, row.parts) for row in session.scalars(query)
            if organisations is None or row.organisation in organisations}
