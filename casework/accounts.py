"""Accounts as the security administrator keeps them: who there is, what role, what place in the tree. 账户管理

三员分立: he makes administrators but no second one for a person, never changes an account of his own, and every change
is a link of the audit chain, which only the auditor reads.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.orm import Session

from casework.rights import service
from casework.services import NotFound, Services
from soc_core import audit
from soc_core.access import Actor, Refused, Role
from soc_core.state import tokens, users
from soc_core.state.tokens import Token
from soc_core.state.users import Account


@service
def listing(actor: Actor, services: Services) -> list[Account]:
    """Every account in the actor's scope, by name; those of the city itself for who sees the whole city."""
    with services.database.read() as session:
        return [each for each in users.listing(session) if actor.scope.allows(each.organisation)]


@service
def create(actor: Actor, services: Services, name: str, roles: Iterable[Role], organisation: str = "",
           display: str = "", person: str = "") -> tuple[Account, str]:
    """A new account and its one-time password. Raises ValueError, NotFound for a place that is not the actor's."""
    wanted = sorted(Role(role) for role in roles)
    placed(services, actor, organisation)
    password = users.drawn()
    with services.database.begin() as session:
        made = users.create(session, name, password, wanted, organisation, display, must_change=True, person=person)
        audit.append(session, actor, "account.create", f"account:{made.name}",
                     {"roles": wanted, "organisation": organisation, "person": person})
    return made, password


@service
def grant(actor: Actor, services: Services, name: str, roles: Iterable[Role], organisation: str) -> Account:
    """Other roles and place; the account's sessions end. Raises ValueError, Refused for one's own, NotFound."""
    wanted = sorted(Role(role) for role in roles)
    placed(services, actor, organisation)
    with services.database.begin() as session:
        before = other(session, actor, name)
        made = users.set_roles(session, name, wanted, organisation)
        audit.append(session, actor, "account.grant", f"account:{name}", {
            "roles": wanted, "organisation": organisation, "before": sorted(before.roles),
            "before_organisation": before.organisation})
    return made


@service
def disable(actor: Actor, services: Services, name: str, disabled: bool = True) -> Account:
    """Shut an account out, or let it in again. Raises Refused for one's own, NotFound."""
    with services.database.begin() as session:
        other(session, actor, name)
        made = users.disable(session, name, disabled)
        audit.append(session, actor, "account.disable", f"account:{name}", {"disabled": disabled})
    return made


@service
def reset(actor: Actor, services: Services, name: str, second_factor: bool = False) -> str:
    """A one-time password for an account that is locked out; its second factor goes, too, when said so.

    Raises Refused for one's own, NotFound.
    """
    with services.database.begin() as session:
        other(session, actor, name)
        password = users.reset_password(session, name)
        if second_factor:
            users.drop_factor(session, name)
        audit.append(session, actor, "account.reset", f"account:{name}", {"second_factor": second_factor})
    return password


@service
def machine_tokens(actor: Actor, services: Services) -> list[Token]:
    """Every token of a machine, ended ones included."""
    with services.database.read() as session:
        return [each for each in tokens.listing(session) if actor.scope.allows(each.organisation)]


@service
def revoke(actor: Actor, services: Services, token: str) -> None:
    """End anybody's token. Raises NotFound."""
    with services.database.begin() as session:
        if token not in {each.id for each in tokens.listing(session) if actor.scope.allows(each.organisation)}:
            raise NotFound(f"no token {token!r}")
        tokens.revoke(session, token)
        audit.append(session, actor, "token.revoke", f"token:{token}")


def placed(services: Services, actor: Actor, organisation: str) -> None:
    if not actor.scope.allows(organisation) or (organisation and organisation not in services.inventory.organisations):
        raise NotFound("no such organisation")


def other(session: Session, actor: Actor, name: str) -> Account:
    """The account, which is not the actor's own, nor that of the same person."""
    known = users.get(session, name)
    if known is None or not actor.scope.allows(known.organisation):
        raise NotFound(f"no account {name!r}")
    mine = users.get(session, actor.name)
    if name == actor.name or (mine is not None and mine.person and mine.person == known.person):
        raise Refused("nobody changes his own roles, place or locks: another security administrator does")
    return known
