"""Results of drills, kept for years. 演练结果"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc_core.clock import Micros
from soc_core.state.database import insert
from soc_core.state.tables import DrillRow


class DrillResult(NamedTuple):
    """One drill: `result` is the object that `./soc drill run --json` prints."""

    id: str
    scenario: str
    started: Micros
    seed: int
    realm: str
    result: dict[str, Any]


def save(session: Session, drill: DrillResult) -> None:
    """Keep a result; one of the same id is replaced."""
    values = drill._asdict()
    statement = insert(session, DrillRow).values(**values)
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))


def get(session: Session, drill: str) -> DrillResult | None:
    """One result by id."""
    row = session.get(DrillRow, drill)
    return _made(row) if row else None


def listing(session: Session, scenario: str = "", limit: int = 100) -> list[DrillResult]:
    """The latest results, of one scenario or of all."""
    query = select(DrillRow).order_by(DrillRow.started.desc(), DrillRow.id.desc()).limit(limit)
    if scenario:
        query = query.where(DrillRow.scenario == scenario)
    return [_made(row) for row in session.scalars(query)]


def _made(row: DrillRow) -> DrillResult:
    return DrillResult(row.id, row.scenario, row.started, row.seed, row.realm, row.result)
