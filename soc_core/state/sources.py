"""Sources as people look at them: when each was last heard, and how long it may be quiet."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from soc_core.access import Scope
from soc_core.clock import Micros, now
from soc_core.models import REAL
from soc_core.state.database import insert
from soc_core.state.tables import SourceRow


class Source(NamedTuple):
    """One source; times in microseconds, 0 when never. `silent_after` None: nobody said how long."""

    source: str
    realm: str
    organisation: str
    system: str
    received: int
    events: int
    last_event: Micros
    last_ingest: Micros
    silent_after: Micros | None
    expected: Micros | None

    @property
    def heard(self) -> Micros:
        """When something last arrived; before that, since when it is expected.

        Arrival and not event time, which a wrong clock may set in the future.
        """
        return max(self.last_ingest, self.expected or 0)


def listing(session: Session, scope: Scope, realm: str | None = None) -> list[Source]:
    """Sources of the organisations in scope, by name."""
    query = select(SourceRow).order_by(SourceRow.source, SourceRow.realm)
    if scope.organisations is not None:
        query = query.where(SourceRow.organisation.in_(scope.organisations))
    if realm:
        query = query.where(SourceRow.realm == realm)
    return [Source(*(getattr(row, name) for name in Source._fields)) for row in session.scalars(query)]


def own(session: Session, source: str, realm: str, organisation: str, system: str) -> None:
    """Note whose a source turned out to be by what it sent; what somebody said of it before stays."""
    session.execute(
        update(SourceRow)
        .where(SourceRow.source == source, SourceRow.realm == realm, SourceRow.organisation == "")
        .values(organisation=organisation, system=system)
    )


def expect(session: Session, source: str, silent_after: Micros | None, realm: str = REAL,
           organisation: str = "", system: str = "") -> None:
    """Say whose a source is and how long it may be quiet; it need not have been heard yet.

    Raises ValueError on a limit that is not positive.
    """
    if silent_after is not None and silent_after <= 0:
        raise ValueError(f"source {source}: the limit of silence must be positive")
    values = {"silent_after": silent_after, "organisation": organisation, "system": system,
              "expected": None if silent_after is None else now()}
    counters = dict.fromkeys(
        ("received", "stored", "duplicate", "merged", "quarantined", "shed", "events", "last_event", "last_ingest"), 0)
    statement = insert(session, SourceRow).values(source=source, realm=realm, **counters, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["source", "realm"], set_=values))
