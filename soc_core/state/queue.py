"""Where an alert stands in the queue: risk × criticality × clock. 队列

Its risk holds the criticality of its system already (detections/risk.py). The clock runs until somebody takes the
alert up: from half its limit on it weighs 1.25, from four fifths 1.5, past it 2. Priority is kept as quarters
(risk · 4 … 8) in a column of its own, so that a page of the queue is one walk along an index; `tick` moves what the
clock has moved.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.orm import Session

from soc_core.clock import DAY, HOUR, MINUTE, Micros
from soc_core.models import LEVELS, Level
from soc_core.state.tables import AlertRow

LIMITS: dict[Level, Micros] = {  # until somebody should have taken it up; defaults of the product, not law
    "critical": 10 * MINUTE, "high": 30 * MINUTE, "medium": 4 * HOUR, "low": DAY, "informational": 7 * DAY,
}
STEPS = ((0.5, 5), (0.8, 6), (1.0, 8))  # share of the limit gone → quarters
FRESH = 4
PAGE = 10_000


class Place(NamedTuple):
    """`step`: when the clock next changes the priority; None when nothing more will."""

    priority: int
    due: Micros
    step: Micros | None


def place(risk: int, level: Level, raised: Micros, status: str, at: Micros) -> Place:
    """The place of an alert at a moment. A higher level has a shorter limit, so `due` never moves later."""
    limit = LIMITS[level]
    if status != "new":
        return Place(FRESH * risk, raised + limit, None)
    quarters, step = FRESH, None
    for share, weight in STEPS:
        moment = raised + int(share * limit)
        if at < moment:
            step = moment
            break
        quarters = weight
    return Place(quarters * risk, raised + limit, step)


def tick(session: Session, at: Micros) -> int:
    """Move what the clock has moved; how many alerts. Asked for every minute or so."""
    row, moved = AlertRow, 0
    table = row.__table__
    if not isinstance(table, Table):
        raise TypeError("alerts is not a table")
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in Place._fields}
    change = update(table).where(table.c.id == bindparam("known")).values(values)
    query = select(row.id, row.risk, row.severity, row.raised, row.status).where(row.step <= at).limit(PAGE)
    while found := session.execute(query).all():
        session.connection().execute(change, [
            {"known": alert}
            | {f"new_{name}": value
               for name, value in place(risk, LEVELS[severity], raised, status, at)._asdict().items()}
            for alert, risk, severity, raised, status in found
        ])
        moved += len(found)
    return moved
