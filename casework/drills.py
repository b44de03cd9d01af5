"""Results of drills, newest first. 演练"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from casework.rights import service
from casework.services import Listing, NotFound, Services, now, told_of_others
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.state.tables import DrillRow


@dataclass(frozen=True)
class Drill:
    """One drill; `result` is the object that `./soc drill run --json` prints."""

    id: str
    scenario: str
    started: Micros
    seed: int
    realm: str
    result: dict[str, Any]


def made(row: DrillRow) -> Drill:
    return Drill(row.id, row.scenario, row.started, row.seed, row.realm, row.result)


@service
def listing(actor: Actor, services: Services, limit: int = 20) -> Listing[Drill]:
    """The latest drills. They are the city's own: who sees a part of it sees none, and the centre's people are told
    how many there are."""
    if actor.scope.organisations is not None:
        with services.database.read() as session:
            hidden = session.scalar(select(func.count()).select_from(DrillRow)) if told_of_others(actor) else 0
        return Listing([], 0, True, "", hidden or 0, now())
    query = select(DrillRow).order_by(DrillRow.started.desc(), DrillRow.id.desc()).limit(limit)
    with services.database.read() as session:
        found = [made(row) for row in session.scalars(query)]
    return Listing(found, len(found), len(found) < limit, "", 0, now())


@service
def get(actor: Actor, services: Services, drill: str) -> Drill:
    """One drill. Raises NotFound."""
    with services.database.read() as session:
        row = session.get(DrillRow, drill)
    if row is None or actor.scope.organisations is not None:
        raise NotFound(f"no drill {drill!r}")
    return made(row)
