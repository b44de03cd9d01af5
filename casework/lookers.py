"""Who looked at whose data: reads of raw records are a link of the audit chain, and shown to those they are of. 谁看过

The same look of the same person is told once in ten minutes, however often a page asks again. What an organisation's
own people read of it is no look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from casework.rights import service
from casework.services import Listing, Services, now, within
from soc_core import audit
from soc_core.access import PLATFORM, Actor
from soc_core.clock import Micros
from soc_core.state.access_tables import LookRow


@dataclass(frozen=True)
class Look:
    """One look: what was done (events.search, alert.detail, reveal, …) to what, and why where a reason was asked."""

    at: Micros
    actor: str
    action: str
    object: str
    reason: str
    entry: int  # the link of the audit chain


def owners(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """The organisations of stored events."""
    return {str(row.get("organization.id") or "") for row in rows}


def note(services: Services, actor: Actor, action: str, object: str, organisations: Iterable[str],
         reason: str = "", query: str = "") -> None:
    """Say in the chain that the actor read records of these organisations. A look with a reason is told each time.

    `query` is for the auditor alone: what was asked of one agency may name what was found at another.
    """
    read = set(organisations)
    foreign = {each for each in read if each != actor.organisation or not each}
    if actor is PLATFORM or not read or (not foreign and not reason):
        return
    key = ("look", actor.name, action, object, query, frozenset(read))

    def write() -> int:
        with services.database.begin() as session:
            told = {"organisations": sorted(read)} | (
                {"reason": reason} if reason else {}) | ({"query": query} if query else {})
            entry = audit.append(session, actor, action, object, told)
            session.add_all(
                LookRow(at=now(), actor=actor.name, organisation=each, action=action, object=object, reason=reason,
                        entry=entry) for each in sorted(foreign))
        return entry

    if reason:
        write()
    else:
        services.looks.get(key, write)


@service
def listing(actor: Actor, services: Services, organisation: str, before: int | None = None,
            limit: int = 50) -> Listing[Look]:
    """Who looked at an organisation's data, the latest first. Raises NotFound when it is not the actor's to see."""
    within(actor, organisation)
    limit = max(1, min(limit, 500))
    mine = LookRow.organisation == organisation
    query = select(LookRow).where(mine).order_by(LookRow.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(LookRow.id < before)
    with services.database.read() as session:
        total = session.scalar(select(func.count()).select_from(LookRow).where(mine)) or 0
        rows = list(session.scalars(query))
    page = rows[:limit]
    found = [Look(row.at, row.actor, row.action, row.object, row.reason, row.entry) for row in page]
    return Listing(found, total, True, str(page[-1].id) if len(rows) > limit else "", 0, now())
