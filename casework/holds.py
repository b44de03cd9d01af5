"""Legal holds: what a case or an order needs is kept past its retention. 证据保全

Shift leads and commanders hold and lift; each is a link of the audit chain. Retention asks `soc_core/state/holds.py`.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from casework import incidents
from casework.rights import service
from casework.services import NotFound, Services, now
from soc_core import audit, clock
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.models import REAL
from soc_core.state import holds as state
from soc_core.state import incidents as incident_state
from soc_core.state.holds import Hold

AROUND = clock.DAY  # before the first and after the last event of an incident


@service
def listing(actor: Actor, services: Services, standing: bool = True) -> list[Hold]:
    """Holds in the actor's scope."""
    with services.database.read() as session:
        return state.listing(session, actor.scope, standing)


@service
def hold_incident(actor: Actor, services: Services, incident: str, reason: str) -> Hold:
    """Keep an incident's events, and a day around them. Raises ValueError without a reason, NotFound."""
    reasoned(reason)
    with services.database.begin() as session:
        found = incidents.seen(session, actor, incident)
        made = state.put(session, incident, found.realm, found.organisation, found.opened - AROUND,
                         found.last_seen + AROUND, reason, actor.name, now())
        incident_state.remark(session, incident, actor.name, made.at, reason, "hold", after=str(made.id))
        told(session, actor, "hold.put", made)
        return made


@service
def hold_events(actor: Actor, services: Services, organisation: str, since: Micros, until: Micros, reason: str,
                realm: str = REAL) -> Hold:
    """Keep the events of an organisation ("" is everyone: for those who see the whole city) with times in a span.

    Raises ValueError without a reason or span, NotFound for an organisation that is not the actor's to see.
    """
    reasoned(reason)
    if until <= since:
        raise ValueError("a hold ends after it begins")
    if not actor.scope.allows(organisation):
        raise NotFound("no such organisation")
    with services.database.begin() as session:
        made = state.put(session, "", realm, organisation, since, until, reason, actor.name, now())
        told(session, actor, "hold.put", made)
        return made


@service
def lift(actor: Actor, services: Services, hold: int, reason: str) -> Hold:
    """End a hold. Raises ValueError without a reason, NotFound for one that is not there or is lifted."""
    reasoned(reason)
    with services.database.begin() as session:
        found = state.get(session, hold, actor.scope)
        if found is None or found.lifted is not None:
            raise NotFound(f"no hold {hold}")
        made = state.lift(session, hold, actor.name, now())
        if made.incident:
            incident_state.remark(session, made.incident, actor.name, now(), reason, "hold", before=str(hold))
        told(session, actor, "hold.lift", made, reason)
        return made


def reasoned(reason: str) -> None:
    if not reason.strip():
        raise ValueError("a hold is put and lifted with a reason")


def told(session: Session, actor: Actor, action: str, hold: Hold, reason: str = "") -> None:
    audit.append(session, actor, action, f"hold:{hold.id}", {**hold._asdict(), "note": reason})
