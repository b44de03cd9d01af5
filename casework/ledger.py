"""The audit chain as the security auditor reads it: its entries, its check, and the heads that he takes away. 审计"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from casework.rights import service
from casework.services import Services, now
from soc_core import audit, seals
from soc_core.access import Actor, Refused
from soc_core.audit import Entry, Head
from soc_core.clock import Micros
from soc_core.seals import Seal


@dataclass(frozen=True)
class Checked:
    """The chain checked. `broken` is the first entry that is not as it was written, `unlike` the smallest of the heads
    held elsewhere that it no longer agrees with; both None for a whole chain."""

    entries: int
    head: str
    broken: int | None
    unlike: Seal | None
    held: int
    as_of: Micros


@service
def listing(actor: Actor, services: Services, who: str = "", object: str = "", before: int | None = None,
            limit: int = 100) -> list[Entry]:
    """Entries, the latest first."""
    whole(actor)
    with services.database.read() as session:
        return audit.listing(session, who, object, before, max(1, min(limit, 1_000)))


@service
def check(actor: Actor, services: Services, held: Sequence[Seal] = ()) -> Checked:
    """Every link, and the heads that were held elsewhere. That it was checked is an entry of its own."""
    whole(actor)
    with services.database.begin() as session:
        end: Head = audit.head(session)
        broken = audit.verify(session)
        unlike = seals.broken(session, held)
        audit.append(session, actor, "audit.check", f"audit:{end.id}",
                     {"broken": broken, "unlike": unlike.size if unlike else None, "held": len(held)})
    return Checked(end.id, end.hash, broken, unlike, len(held), now())


@service
def heads(actor: Actor, services: Services) -> list[Seal]:
    """All Merkle heads, one over the chain as it is among them: to be kept where no administrator writes."""
    whole(actor)
    with services.database.begin() as session:
        seals.seal(session, now())
        found = seals.listing(session)
        audit.append(session, actor, "audit.heads", f"audit:{found[-1].size if found else 0}")
    return found


def whole(actor: Actor) -> None:
    """The chain tells of every agency, and no part of it can be checked alone."""
    if actor.scope.organisations is not None:
        raise Refused("the audit chain is read by the auditor of the whole city")
