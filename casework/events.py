"""Questions to the event stores, one realm at a time, in the actor's scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from casework import lookers, masking
from casework.rights import service
from casework.services import Listing, Services, now, told_of_others
from soc_core.access import EVERYTHING, Actor, Refused
from soc_core.clock import Micros
from soc_core.models import REAL
from soc_core.protocols import Bucket, EventStore, Page, Query

LIMIT = 1_000
OWNER = "organization.id"
UNOWNED = f"NOT {OWNER}:*"


def store(services: Services, realm: str) -> EventStore | None:
    """The store of a realm; None where it holds nothing. Raises ValueError on a word that is no realm's name."""
    if not realm.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"not a realm: {realm!r} (real, demo, or a drill's name)")
    return services.stores.get(realm)


@service
def search(actor: Actor, services: Services, query: Query, realm: str = REAL,
           page: Page | None = None) -> Listing[dict[str, Any]]:
    """A page of events. What the scope hides is counted where no text is asked for: else the count would answer
    questions about others. Raises QueryError on a text that cannot be read, ValueError on a bad key."""
    held = store(services, realm)
    page = page or Page()
    page = page._replace(limit=max(1, min(page.limit, LIMIT)))
    if held is None:
        return Listing([], 0, True, "", 0, now())
    found = held.search(query, actor.scope, page)
    lookers.note(services, actor, "events.search", f"events:{realm}", lookers.owners(found.rows),
                 query=query.text[:500])
    hidden = 0
    if told_of_others(actor) and not query.text.strip():
        hidden = max(0, held.search(query, EVERYTHING, Page(limit=0)).total - found.total)
    return Listing(masking.rows(found.rows), found.total, True, found.next, hidden, now())


@service
def get(actor: Actor, services: Services, event: str, realm: str = REAL) -> dict[str, Any] | None:
    """One event by id; None when there is none or it is not the actor's to see."""
    held = store(services, realm)
    found = held.get([event], actor.scope) if held else []
    lookers.note(services, actor, "events.get", f"event:{event}", lookers.owners(found))
    return next(iter(masking.rows(found)), None)


@dataclass(frozen=True)
class Inbox:
    """Events that are nobody's: the latest of them, how many there are, and the sources that most of them come by."""

    rows: list[dict[str, Any]]
    total: int
    next: str
    sources: list[Bucket]
    as_of: Micros


@service
def unowned(actor: Actor, services: Services, realm: str = REAL, page: Page | None = None) -> Inbox:
    """The inbox of unknown owners: what came from addresses that no agency registered. Raises Refused for who does not
    see the whole city, ValueError on a bad key."""
    if actor.scope.organisations is not None:
        raise Refused("what nobody owns is the whole city's to see")
    found = search(actor, services, Query(text=UNOWNED), realm, page)
    held = store(services, realm)
    sources = held.aggregate(Query(text=UNOWNED), actor.scope, "soc.source", 50) if held else []
    return Inbox(found.rows, found.total, found.next, sources, found.as_of)


@service
def aggregate(actor: Actor, services: Services, query: Query, field: str, realm: str = REAL,
              limit: int = 10) -> list[Bucket]:
    """The most frequent values of a field: a look at those whose they are, as rows are. Raises QueryError."""
    held = store(services, realm)
    if held is None:
        return []
    found = held.aggregate(query, actor.scope, field, max(1, min(limit, LIMIT)))
    if found and field != OWNER:
        owners = [str(each.key or "") for each in held.aggregate(query, actor.scope, OWNER, LIMIT)]
        lookers.note(services, actor, "events.aggregate", f"events:{realm}", owners or [""],
                     query=f"{field}: {query.text[:500]}")
    return masking.buckets(found, field)


@service
def histogram(actor: Actor, services: Services, query: Query, realm: str = REAL, buckets: int = 60) -> list[Bucket]:
    """Events over time in equal intervals. Raises QueryError."""
    held = store(services, realm)
    return held.histogram(query, actor.scope, max(1, min(buckets, LIMIT))) if held else []
