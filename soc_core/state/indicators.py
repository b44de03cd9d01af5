"""Threat indicators: signs of known threats, with the span in which they hold. 威胁指标"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from soc_core.clock import Micros
from soc_core.models import Indicator
from soc_core.state.case_tables import IndicatorRow
from soc_core.state.database import chunks, insert

COLUMNS = tuple(Indicator.model_fields)
SAYS = ("name", "level", "confidence", "techniques", "valid_from", "valid_until", "revoked")


class Saved(NamedTuple):
    """How many were new, said something new, or were known as they are."""

    new: int
    changed: int
    known: int


class Version(NamedTuple):
    """What changes whenever any indicator does."""

    number: int
    changed: Micros


def indicator_id(kind: str, value: str, feed: str) -> str:
    """32 hexadecimal digits: what one feed says of one sign."""
    return hashlib.blake2b("\0".join((kind, value, feed)).encode(), digest_size=16).hexdigest()


def save(session: Session, items: Iterable[Indicator], at: Micros) -> Saved:
    """Write what is new or says something new; that is to be matched back over what is stored."""
    wanted = {item.id: item for item in items}
    known: dict[str, Indicator] = {}
    for some in chunks(list(wanted)):
        known |= {row.id: _made(row) for row in session.scalars(select(IndicatorRow).where(IndicatorRow.id.in_(some)))}
    rows: list[dict[str, Any]] = []
    changed = 0
    for name, item in wanted.items():
        before = known.get(name)
        if before is not None and all(getattr(before, field) == getattr(item, field) for field in SAYS):
            continue
        changed += before is not None
        rows.append({**item.model_dump(), "created": before.created if before else at, "changed": at, "matched": None})
    if rows:
        statement = insert(session, IndicatorRow)
        changes = {name: statement.excluded[name] for name in (*SAYS, "changed", "matched")}
        session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changes), rows)
    return Saved(len(rows) - changed, changed, len(wanted) - len(rows))


def version(session: Session) -> Version:
    """The same as long as nothing changed."""
    found = session.execute(select(func.count(), func.coalesce(func.max(IndicatorRow.changed), 0))).one()
    return Version(found[0], found[1])


def standing(session: Session) -> list[Indicator]:
    """All that are not revoked; their validity is the matcher's to judge, by event time."""
    return [_made(row) for row in session.scalars(select(IndicatorRow).where(IndicatorRow.revoked.is_(False)))]


def listing(session: Session, kind: str = "", feed: str = "", text: str = "", limit: int = 100,
            offset: int = 0) -> tuple[list[Indicator], int]:
    """Indicators, the latest changed first, and how many match."""
    row, where = IndicatorRow, []
    if kind:
        where.append(row.kind == kind)
    if feed:
        where.append(row.feed == feed)
    if text:
        where.append(or_(row.value.contains(text.lower(), autoescape=True), row.name.contains(text, autoescape=True)))
    total = session.scalar(select(func.count()).select_from(row).where(*where)) or 0
    query = select(row).where(*where).order_by(row.changed.desc(), row.id).limit(limit).offset(offset)
    return [_made(each) for each in session.scalars(query)], total


def revoke(session: Session, ids: Sequence[str], at: Micros) -> int:
    """They match nothing from now on; how many did."""
    done = 0
    for some in chunks(ids):
        found = session.execute(
            update(IndicatorRow).where(IndicatorRow.id.in_(some), IndicatorRow.revoked.is_(False))
            .values(revoked=True, changed=at).returning(IndicatorRow.id))
        done += len(found.all())
    return done


def unmatched(session: Session, before: Micros, limit: int = 5_000) -> list[Indicator]:
    """Those changed before a moment that stored events were not looked through for, the oldest first."""
    row = IndicatorRow
    query = select(row).where(row.matched.is_(None), row.revoked.is_(False), row.changed <= before)
    return [_made(each) for each in session.scalars(query.order_by(row.changed, row.id).limit(limit))]


def matched(session: Session, items: Sequence[Indicator], at: Micros) -> None:
    """Stored events were looked through for these, unless they changed meanwhile."""
    for item in items:
        session.execute(update(IndicatorRow).where(
            IndicatorRow.id == item.id, IndicatorRow.changed == item.changed).values(matched=at))


def _made(row: IndicatorRow) -> Indicator:
    return Indicator.model_construct(**{name: getattr(row, name) for name in COLUMNS})
