"""One's own account: second factor, tokens for one's machines. 我的账户

A token does at most what its maker may, where he may; it ends with his account.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from casework.rights import service
from casework.services import NotFound, Services, now
from soc_core import audit, clock
from soc_core.access import Actor, Refused, Role
from soc_core.clock import Micros
from soc_core.state import factors, tokens, totp, users
from soc_core.state.tokens import Token
from soc_core.state.users import Account

LONGEST = 366  # days that a token may live


@dataclass(frozen=True)
class Standing:
    """One's own account, the name of its place, and until when it may do without a second factor (0: none is asked)."""

    account: Account
    place: str
    factor_due: Micros
    as_of: Micros


@service
def standing(actor: Actor, services: Services) -> Standing:
    """Who I am here. Raises Refused for a machine's token."""
    with services.database.read() as session:
        mine = person(session, actor)
        due = factors.due(session, mine)
    return Standing(mine, services.organisation_name(mine.organisation), due or 0, now())


@service
def begin_factor(actor: Actor, services: Services) -> str:
    """A secret for an authenticator, as the address that it scans. It counts once a code of it was given."""
    secret = totp.fresh()
    with services.database.begin() as session:
        if person(session, actor).second_factor:
            raise ValueError("the account has a second factor; the security administrator takes a lost one away")
        users.begin_factor(session, actor.name, services.box.seal(secret))
    return totp.address(secret, actor.name)


@service
def confirm_factor(actor: Actor, services: Services, code: str) -> Account:
    """From now on signing in needs its codes; sessions end. Raises ValueError on a wrong code."""
    with services.database.begin() as session:
        person(session, actor)
        made = users.confirm_factor(session, actor.name, code, services.box.open, now())
        audit.append(session, actor, "account.factor", f"account:{actor.name}")
    return made


@service
def own_tokens(actor: Actor, services: Services) -> list[Token]:
    """One's own, ended ones included."""
    with services.database.read() as session:
        return [each for each in tokens.listing(session) if each.creator == actor.name]


@service
def issue(actor: Actor, services: Services, name: str, roles: Iterable[Role], organisation: str = "",
          days: int = 90) -> tuple[Token, str]:
    """A token and its secret, which is shown this once. Raises Refused beyond one's own roles and place, ValueError."""
    wanted = frozenset(Role(role) for role in roles)
    organisation = organisation or actor.organisation
    if not 0 < days <= LONGEST:
        raise ValueError(f"a token lives for 1 to {LONGEST} days")
    if not name.strip() or not wanted:
        raise ValueError("a token has a name and at least one role")
    if not wanted <= actor.roles:
        raise Refused(f"a token has at most your own roles: {', '.join(sorted(actor.roles))}")
    if not actor.scope.allows(organisation):
        raise NotFound("no such organisation")
    with services.database.begin() as session:
        person(session, actor)
        made, secret = tokens.issue(session, name.strip(), "api", actor.name, wanted, organisation, days * clock.DAY)
        audit.append(session, actor, "token.create", f"token:{made.id}", {
            "name": made.name, "roles": sorted(wanted), "organisation": organisation, "days": days})
    return made, secret


@service
def revoke_own(actor: Actor, services: Services, token: str) -> None:
    """End one of one's own tokens. Raises NotFound."""
    with services.database.begin() as session:
        if token not in {each.id for each in tokens.listing(session) if each.creator == actor.name}:
            raise NotFound(f"no token {token!r}")
        tokens.revoke(session, token)
        audit.append(session, actor, "token.revoke", f"token:{token}")


def person(session: Session, actor: Actor) -> Account:
    known = users.get(session, actor.name)
    if known is None:
        raise Refused("a machine has no account of its own")
    return known
