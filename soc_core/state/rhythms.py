"""Habits of sources, kept between runs: bytes that their learner understands, and the limit of silence they give."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc_core.clock import Micros
from soc_core.state.database import insert
from soc_core.state.tables import RhythmRow


class Rhythm(NamedTuple):
    """One source's habit. `silent_after` in microseconds; None while too little is known. What it was computed from:
    the share of minutes with data, the spread of the gaps (1 without memory, above it bursts, below it a steady
    beat), and how many gaps taught it."""

    source: str
    realm: str
    kept: bytes
    silent_after: Micros | None
    active: float | None = None
    spread: float | None = None
    gaps: int | None = None


def listing(session: Session) -> list[Rhythm]:
    """All that is known. Habits are about sources alone, so there is no scope here: views read limits by source."""
    return [_made(row) for row in session.scalars(select(RhythmRow))]


def limits(session: Session) -> dict[tuple[str, str], Micros]:
    """(source, realm) → learned limit, of those that have one."""
    query = select(RhythmRow.source, RhythmRow.realm, RhythmRow.silent_after)
    return {(source, realm): limit for source, realm, limit in session.execute(query) if limit is not None}


def one(session: Session, source: str, realm: str) -> tuple[Rhythm, Micros] | None:
    """A source's habit and when it was last looked at; None for one that is not known."""
    row = session.get(RhythmRow, (source, realm))
    return (_made(row), row.at) if row is not None else None


def _made(row: RhythmRow) -> Rhythm:
    return Rhythm(*(getattr(row, name) for name in Rhythm._fields))


def save(session: Session, rhythms: Iterable[Rhythm], at: Micros) -> None:
    """Keep these; others stay."""
    rows = [{**rhythm._asdict(), "at": at} for rhythm in rhythms]
    if not rows:
        return
    statement = insert(session, RhythmRow)
    fresh = {name: statement.excluded[name] for name in ("kept", "silent_after", "active", "spread", "gaps", "at")}
    session.execute(statement.on_conflict_do_update(index_elements=["source", "realm"], set_=fresh), rows)
