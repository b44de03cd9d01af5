"""Hosts, accounts and addresses of an organisation, with the risk that findings brought them. 实体

An address is one organisation's: private ranges overlap between agencies, and what one agency's address does must
not colour another's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc_core.access import Scope
from soc_core.clock import Micros
from soc_core.state.database import chunks, insert
from soc_core.state.tables import EntityRow

COLUMNS = ("id", "realm", "organisation", "kind", "value", "score", "at", "marks", "alert", "alert_at")


@dataclass(slots=True)
class Entity:
    """One entity. `score` is the decayed sum of risk as of `at` (event time); `alert` named it last, at `alert_at`.

    `marks`: journal partition → offset of the last contribution that no alert guards (building blocks).
    """

    id: str
    realm: str
    organisation: str
    kind: str
    value: str
    score: float
    at: Micros
    marks: dict[str, int]
    alert: str
    alert_at: Micros


def entity_id(realm: str, organisation: str, kind: str, value: str) -> str:
    """32 hexadecimal digits that stand for the four."""
    return hashlib.blake2b("\0".join((realm, organisation, kind, value)).encode(), digest_size=16).hexdigest()


def load(session: Session, ids: Sequence[str]) -> dict[str, Entity]:
    """Those of these entities that are known."""
    columns = [getattr(EntityRow, name) for name in COLUMNS]
    found = {}
    for some in chunks(ids):
        for row in session.execute(select(*columns).where(EntityRow.id.in_(some))):
            found[row[0]] = Entity(*row)
    return found


def save(session: Session, items: Iterable[Entity]) -> None:
    """Write entities, new and known."""
    rows: list[dict[str, Any]] = [{name: getattr(item, name) for name in COLUMNS} for item in items]
    if rows:
        statement = insert(session, EntityRow)
        changes = {name: statement.excluded[name] for name in ("score", "at", "marks", "alert", "alert_at")}
        session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changes), rows)


def riskiest(session: Session, scope: Scope, realm: str, limit: int = 50) -> list[Entity]:
    """Entities by their score when last touched, the highest first; decay is the reader's (detections/risk.py)."""
    columns = [getattr(EntityRow, name) for name in COLUMNS]
    query = select(*columns).where(EntityRow.realm == realm).order_by(EntityRow.score.desc(), EntityRow.id).limit(limit)
    if scope.organisations is not None:
        query = query.where(EntityRow.organisation.in_(scope.organisations))
    return [Entity(*row) for row in session.execute(query)]
