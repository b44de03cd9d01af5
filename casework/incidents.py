"""Incidents: alerts that tell one story. 事件"""

from __future__ import annotations

from casework.services import Listing, NotFound, Services, now
from soc_core.access import Actor
from soc_core.models import Incident
from soc_core.state import incidents as state


def listing(actor: Actor, services: Services, realm: str = "", status: str = "", limit: int = 50) -> Listing[Incident]:
    """The latest incidents in the actor's scope."""
    with services.database.read() as session:
        found, total = state.find(session, actor.scope, state.Filter(realm, status), limit)
    return Listing(found, total, True, "", 0, now())


def get(actor: Actor, services: Services, incident: str) -> Incident:
    """One incident. Raises NotFound, also for one that is not the actor's to see."""
    with services.database.read() as session:
        found = state.get(session, incident, actor.scope)
    if found is None:
        raise NotFound(f"no incident {incident!r}")
    return found
