"""Who changed what, and who looked at what is sensitive: a chain in which each entry holds the hash of the one before.

    hash(n) = SHA-256 of the canonical JSON of [n, at, actor, action, object, detail, hash(n-1)]

An edited, removed, added or moved entry breaks the chain at that place; a cut-off tail shows against the head, which
is kept apart. Whoever can write the database can forge both: note `head` elsewhere (it is short) to notice that too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from soc_core.access import Actor
from soc_core.clock import Micros, now
from soc_core.state.tables import AuditHeadRow, AuditRow

GENESIS = "0" * 64
ONE = 1
PAGE = 1_000


class Entry(NamedTuple):
    """One entry of the chain. `object` as kind:id (alert:4f2…); `detail` plain data."""

    id: int
    at: Micros
    actor: str
    action: str
    object: str
    detail: dict[str, Any]


class Head(NamedTuple):
    """The number and the hash of the last entry; (0, 64 zeros) before the first."""

    id: int
    hash: str


def append(session: Session, actor: Actor | str, action: str, object: str,
           detail: Mapping[str, Any] | None = None) -> int:
    """Add an entry in the caller's write transaction; returns its number."""
    row = session.get(AuditHeadRow, ONE)
    head = Head(row.id, row.hash) if row else Head(0, GENESIS)
    name = actor.name if isinstance(actor, Actor) else actor
    entry = AuditRow(id=head.id + 1, at=now(), actor=name, action=action, object=object,
                     detail=_canonical(dict(detail or {})), previous=head.hash)
    entry.hash = _hash(entry)
    session.add(entry)
    if row is None:
        session.add(AuditHeadRow(one=ONE, id=entry.id, hash=entry.hash))
    else:
        row.id, row.hash = entry.id, entry.hash
    session.flush()
    return entry.id


def head(session: Session) -> Head:
    """The end of the chain, to be noted where the platform's own administrators cannot write."""
    row = session.get(AuditHeadRow, ONE)
    return Head(row.id, row.hash) if row else Head(0, GENESIS)


def verify(session: Session, known: Head | None = None) -> int | None:
    """The number of the first entry that is not as it was written; None when the chain is whole.

    `known` is a head noted earlier: the chain must still contain it.
    """
    previous, expected = GENESIS, 1
    while True:
        query = select(AuditRow).where(AuditRow.id >= expected).order_by(AuditRow.id).limit(PAGE)
        rows = session.scalars(query.execution_options(populate_existing=True)).all()
        for row in rows:
            if row.id != expected or row.previous != previous or row.hash != _hash(row):
                return expected
            if known and row.id == known.id and row.hash != known.hash:
                return row.id
            previous, expected = row.hash, expected + 1
        if len(rows) < PAGE:
            break
        session.expunge_all()
    end = head(session)
    if end != Head(expected - 1, previous) or (known and known.id >= expected):
        return expected
    # an entry put before the first would not be met by reading from 1
    lowest = session.scalar(select(func.min(AuditRow.id)))
    return lowest if lowest is not None and lowest < 1 else None


def listing(session: Session, actor: str = "", object: str = "", before: int | None = None,
            limit: int = 100) -> list[Entry]:
    """Entries, the latest first; `before` is the number that the page before ended with."""
    query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
    if actor:
        query = query.where(AuditRow.actor == actor)
    if object:
        query = query.where(AuditRow.object == object)
    if before is not None:
        query = query.where(AuditRow.id < before)
    return [Entry(row.id, row.at, row.actor, row.action, row.object, orjson.loads(row.detail))
            for row in session.scalars(query)]


def _canonical(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _hash(row: AuditRow) -> str:
    text = _canonical([row.id, row.at, row.actor, row.action, row.object, row.detail, row.previous])
    return hashlib.sha256(text.encode()).hexdigest()
