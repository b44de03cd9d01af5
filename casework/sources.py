"""Sources: what each has sent, where every record of it went, and whether it is silent. 数据源"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func, select

from casework.rights import service
from casework.services import Listing, NotFound, Services, now
from soc_core.access import Actor, Scope
from soc_core.clock import Micros
from soc_core.models import REAL
from soc_core.state import rhythms
from soc_core.state.tables import SourceRow

Health = Literal["alive", "silent", "unknown"]
FATES = ("stored", "duplicate", "merged", "quarantined", "shed")


@dataclass(frozen=True)
class Source:
    """One source in one realm. received = stored + duplicate + merged + quarantined + shed + pending, all counts of
    records, and `off_by` says by how many that fails; `events` counts events. `health` is unknown where nobody set
    how long it may be quiet and too little was heard to learn it."""

    source: str
    realm: str
    received: int
    stored: int
    duplicate: int
    merged: int
    quarantined: int
    shed: int
    pending: int
    off_by: int
    events: int
    last_event: Micros
    last_ingest: Micros
    silent_after: Micros | None
    learned: bool  # the limit is the source's own habit's, not one that a person set
    organisation: str
    organisation_name: str
    system: str
    system_name: str
    health: Health


def made(services: Services, row: SourceRow, pending: int, at: Micros, learned: Micros | None = None) -> Source:
    """The row counts what is committed, shed or held by an assembler; the journal what no worker has met yet."""
    held = row.received - row.stored - row.duplicate - row.merged - row.quarantined - row.shed
    health: Health = "unknown"
    limit = learned if row.silent_after is None else row.silent_after
    if limit is not None:
        health = "silent" if at - row.last_ingest > limit else "alive"
    return Source(
        row.source, row.realm, row.received + pending, row.stored, row.duplicate, row.merged, row.quarantined, row.shed,
        pending + max(0, held), max(0, -held), row.events, row.last_event, row.last_ingest, limit,
        row.silent_after is None and limit is not None,
        row.organisation, services.organisation_name(row.organisation), row.system, services.system_name(row.system),
        health)


def new(source: str, realm: str) -> SourceRow:
    """The row of a source of which nothing is committed."""
    return SourceRow(
        source=source, realm=realm, received=0, stored=0, duplicate=0, merged=0, quarantined=0, shed=0, events=0,
        last_event=0, last_ingest=0, silent_after=None, organisation="", system="")


def rows(services: Services, scope: Scope) -> list[Source]:
    """All sources in a scope: the silent first, then by name."""
    query = select(SourceRow)
    if scope.organisations is not None:
        query = query.where(SourceRow.organisation.in_(scope.organisations))
    at = now()
    waiting = dict(services.backlog())
    with services.database.read() as session:
        limits = rhythms.limits(session)
        found = [made(services, row, waiting.pop((row.source, row.realm), 0), at, limits.get((row.source, row.realm)))
                 for row in session.scalars(query)]
    if scope.organisations is None:  # what no worker has met yet: nobody knows whose it is
        found += [made(services, new(source, realm), count, at) for (source, realm), count in waiting.items()]
    return sorted(found, key=lambda item: (item.health != "silent", item.realm != "real", item.source))


@dataclass(frozen=True)
class Card:
    """One source with how its limit of silence came about: a person `set` it, its `habit` gave it, or it is still
    `learning`. Of a habit: the share of minutes with data, the spread of its gaps, how many gaps taught it, and when
    it was last looked at."""

    source: Source
    by: Literal["set", "habit", "learning"]
    active: float | None
    spread: float | None
    gaps: int | None
    learned: Micros | None


@service
def card(actor: Actor, services: Services, source: str, realm: str = REAL) -> Card:
    """One source. Raises NotFound for one that does not exist or is not the actor's to see."""
    found = next((item for item in rows(services, actor.scope) if (item.source, item.realm) == (source, realm)), None)
    if found is None:
        raise NotFound("no such source")
    with services.database.read() as session:
        known = rhythms.one(session, source, realm)
    by: Literal["set", "habit", "learning"] = "habit" if found.learned else (
        "learning" if found.silent_after is None else "set")
    if known is None:
        return Card(found, by, None, None, None, None)
    return Card(found, by, known[0].active, known[0].spread, known[0].gaps, known[1])


@service
def listing(actor: Actor, services: Services, show: Literal["all", "silent"] = "all") -> Listing[Source]:
    """Sources that the actor may see. A source belongs to its owner; one without an owner is the centre's."""
    found = [item for item in rows(services, actor.scope) if show == "all" or item.health == "silent"]
    hidden = 0
    if actor.scope.organisations is not None and show == "all":
        with services.database.read() as session:
            hidden = (session.scalar(select(func.count()).select_from(SourceRow)) or 0) - len(found)
    return Listing(found, len(found), True, "", hidden, now())


@service
def tally(actor: Actor, services: Services) -> tuple[int, int, int]:
    """(sources, of them sending in time or without a limit, silent)."""
    found = rows(services, actor.scope)
    silent = sum(item.health == "silent" for item in found)
    return len(found), len(found) - silent, silent
