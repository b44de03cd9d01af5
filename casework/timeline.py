"""Everything that happened to an incident, in one line of time: what was seen, what people did, what evidence went
through whose hands. 时间线"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from casework import incidents
from casework.rights import service
from casework.services import Services
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.personal import masked
from soc_core.state import incidents as state
from soc_core.state.case_tables import CustodyRow, EvidenceRow
from soc_core.state.tables import AlertChangeRow, AlertRow


@dataclass(frozen=True)
class Entry:
    """One thing that happened. `what` is a field, an act, or "seen"/"raised"; `object` the id it is about."""

    at: Micros
    kind: Literal["alert", "incident", "judgement", "evidence"]
    actor: str
    what: str
    before: str
    after: str
    note: str
    object: str


@service
def timeline(actor: Actor, services: Services, incident: str) -> list[Entry]:
    """Oldest first; at one moment, what was seen before what was done. Raises NotFound."""
    with services.database.read() as session:
        incidents.seen(session, actor, incident)
        found = [*seen(session, incident), *done(session, incident), *judged(session, incident),
                 *kept(session, incident)]
    return sorted(found, key=lambda each: each.at)


def seen(session: Session, incident: str) -> Iterator[Entry]:
    """Its alerts: when their first event happened, and when the platform said so."""
    row = AlertRow
    query = select(row.id, row.title, row.level, row.first_seen, row.raised).where(row.incident == incident)
    for alert, title, level, first, raised in session.execute(query.order_by(row.first_seen, row.id)):
        yield Entry(first, "alert", "", "seen", "", level, masked(title), alert)
        yield Entry(raised, "alert", state.PLATFORM, "raised", "", level, masked(title), alert)


def done(session: Session, incident: str) -> Iterator[Entry]:
    for each in state.history(session, incident):
        yield Entry(each.at, "incident", each.actor, each.field, each.before, each.after, each.note, incident)


def judged(session: Session, incident: str) -> Iterator[Entry]:
    """What people changed of its alerts."""
    row = AlertChangeRow
    query = select(row).join(AlertRow, AlertRow.id == row.alert).where(AlertRow.incident == incident).order_by(row.id)
    for each in session.scalars(query):
        yield Entry(each.at, "judgement", each.actor, each.field, each.before, each.after, each.note, each.alert)


def kept(session: Session, incident: str) -> Iterator[Entry]:
    row = CustodyRow
    query = select(row, EvidenceRow.name).join(EvidenceRow, EvidenceRow.id == row.evidence)
    for each, name in session.execute(query.where(EvidenceRow.incident == incident).order_by(row.id)):
        yield Entry(each.at, "evidence", each.actor, each.act, "", each.sha256, each.note or name, str(each.evidence))
