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
    """One source's habit. `silent_after` in microseconds; None while too little is known."""

    source: str
    realm: str
    kept: bytes
    silent_after: Micros | None


def listing(session: Session) -> list[Rhythm]:
    """All that is known. Habits are about sources alone, so there is no scope here: views read limits by source."""
    return [Rhythm(row.source, row.realm, row.kept, row.silent_after) for row in session.scalars(select(RhythmRow))]


def limits(session: Session) -> dict[tuple[str, str], Micros]:
    """(source, realm) → learned limit, of those that have one."""
    query = select(RhythmRow.source, RhythmRow.realm, RhythmRow.silent_after)
    return {(source, realm): limit for source, realm, limit in session.execute(query) if limit is not None}


def save(session: Session, rhythms: Iterable[Rhythm], at: Micros) -> None:
    """Keep these; others stay."""
    rows = [{**rhythm._asdict(), "at": at} for rhythm in rhythms]
    if not rows:
        return
    statement = insert(session, RhythmRow)
    fresh = {name: statement.excluded[name] for name in ("kept", "silent_after", "at")}
    session.execute(statement.on_conflict_do_update(index_elements=["source", "realm"], set_=fresh), rows)
