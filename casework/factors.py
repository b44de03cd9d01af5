"""Which roles must have a second factor, as the security administrator decides. 双因素认证策略

Before it is due, whoever has none is told the day; from then on signing in leads him to setting one up and no further.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from casework.rights import service
from casework.services import Services, now
from soc_core import audit, clock
from soc_core.access import Actor, Refused, Role
from soc_core.clock import Micros
from soc_core.state import factors as state
from soc_core.state import users
from soc_core.state.factors import Demand

LONGEST = 90  # days of grace


@dataclass(frozen=True)
class Asked:
    """What is asked of a role, and how many of its accounts that are not shut out have no second factor."""

    demand: Demand
    accounts: int
    without: int


@service
def listing(actor: Actor, services: Services) -> list[Asked]:
    """By role; accounts are counted in the actor's scope."""
    with services.database.read() as session:
        demands = state.listing(session)
        known = [each for each in users.listing(session) if actor.scope.allows(each.organisation) and not each.disabled]
    found = []
    for each in demands:
        mine = [account for account in known if each.role in account.roles]
        found.append(Asked(each, len(mine), sum(not account.second_factor for account in mine)))
    return found


@service
def demand(actor: Actor, services: Services, roles: Iterable[Role], since: Micros | None = None,
           grace_days: int = 14) -> None:
    """Ask it of roles from a moment on (None: now), with so many days of grace for each account. Raises ValueError,
    and Refused for an administrator of a part of the city: roles are the whole city's."""
    wanted = named(actor, roles)
    if not 0 <= grace_days <= LONGEST:
        raise ValueError(f"the grace is 0 to {LONGEST} days")
    at = now()
    since = at if since is None else since
    with services.database.begin() as session:
        for role in wanted:
            state.put(session, Demand(role, since, grace_days * clock.DAY, actor.name, at))
        audit.append(session, actor, "policy.factor", "policy:factor", {
            "roles": wanted, "since": clock.to_text(since), "grace_days": grace_days})


@service
def waive(actor: Actor, services: Services, roles: Iterable[Role]) -> None:
    """Ask it of these roles no more. Raises ValueError, Refused."""
    wanted = named(actor, roles)
    with services.database.begin() as session:
        gone = [role for role in wanted if state.drop(session, role)]
        audit.append(session, actor, "policy.factor_waived", "policy:factor", {"roles": gone})


def named(actor: Actor, roles: Iterable[Role]) -> list[Role]:
    if actor.scope.organisations is not None:
        raise Refused("what a role must have is decided by the security administrator of the whole city")
    wanted = sorted({Role(role) for role in roles})
    if not wanted:
        raise ValueError("say which roles")
    return wanted
