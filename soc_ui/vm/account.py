"""One's own account, and everybody's as the security administrator keeps them, as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from casework import account, accounts, factors
from casework.services import Services
from soc_core import clock
from soc_core.access import Actor, Role
from soc_core.clock import Micros
from soc_core.state.tokens import Token
from soc_core.state.users import Account
from soc_ui.text import time, translate


@dataclass(frozen=True)
class AccountPage:
    """What /account shows. `tokens` are those that can still be ended, as (id, name)."""

    headline: str
    note: str
    tone: str
    second_factor: bool
    rows: list[dict[str, Any]]
    tokens: list[tuple[str, str]]
    as_of: Micros

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class AccountsPage:
    """What /accounts shows. `known` are the accounts by name, `places` the organisations that one may be given."""

    headline: str
    rows: list[dict[str, Any]]
    known: dict[str, Account]
    demands: list[dict[str, Any]]
    demanded: list[Role]
    token_rows: list[dict[str, Any]]
    tokens: list[tuple[str, str]]
    places: dict[str, str]
    as_of: Micros

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def role_name(language: str, role: Role) -> str:
    return translate(language, f"role.{role}")


def role_names(language: str, roles: Iterable[Role]) -> str:
    return "、".join(role_name(language, role) for role in sorted(roles)) if language == "zh" else ", ".join(
        role_name(language, role) for role in sorted(roles))


def account_page(actor: Actor, services: Services, language: str, zone: str) -> AccountPage:
    found = account.standing(actor, services)
    mine = found.account
    state = "has" if mine.second_factor else "due" if found.factor_due else "none"
    tokens = account.own_tokens(actor, services)
    return AccountPage(
        translate(language, "account.headline", name=mine.display, roles=role_names(language, mine.roles),
                  place=found.place or translate(language, "account.whole_city")),
        translate(language, f"account.factor_{state}", at=time(found.factor_due, zone)),
        "warn" if state == "due" else "", mine.second_factor, [token(each, language, found.as_of) for each in tokens],
        standing(tokens, found.as_of), found.as_of)


def token(each: Token, language: str, at: Micros) -> dict[str, Any]:
    """One token: what it is for, what it may, until when."""
    state, tone = ("revoked", "quiet") if each.revoked else ("over", "quiet") if each.expires <= at else ("valid", "ok")
    return {"cells": [each.name, role_names(language, each.roles) or each.use, each.organisation or "*", each.creator,
                      each.expires, {"text": translate(language, f"account.{state}"), "tone": tone}], "go": None}


def standing(tokens: Iterable[Token], at: Micros) -> list[tuple[str, str]]:
    return [(each.id, f"{each.name} ({each.creator})") for each in tokens if not each.revoked and each.expires > at]


def accounts_page(actor: Actor, services: Services, language: str) -> AccountsPage:
    """Accounts and machines' tokens in the actor's scope, and what is asked of roles."""
    at = clock.now()
    found, tokens = accounts.listing(actor, services), accounts.machine_tokens(actor, services)
    asked = factors.listing(actor, services)
    places = {"": translate(language, "account.whole_city")} if actor.scope.organisations is None else {}
    places |= {each.id: f"{each.name} {each.id}" for each in services.inventory.organisations.values()
               if actor.scope.allows(each.id)}
    return AccountsPage(
        translate(language, "accounts.headline", n=len(found), without=sum(
            not each.second_factor and not each.disabled for each in found)),
        [line(each, services, language, at) for each in found], {each.name: each for each in found},
        [{"cells": [role_name(language, each.demand.role), each.demand.since,
                    str(each.demand.grace // clock.DAY), f"{each.without}/{each.accounts}", each.demand.actor,
                    each.demand.at], "go": None} for each in asked],
        [each.demand.role for each in asked], [token(each, language, at) for each in tokens], standing(tokens, at),
        places, at)


def line(each: Account, services: Services, language: str, at: Micros) -> dict[str, Any]:
    """One account."""
    state, tone = (("disabled", "quiet") if each.disabled else ("locked", "bad") if each.locked_until > at else (
        "one_time", "warn") if each.must_change else ("in_use", "ok"))
    factor = {"text": translate(language, "accounts.factor_yes" if each.second_factor else "accounts.factor_no"),
              "tone": "ok" if each.second_factor else "quiet"}
    return {"cells": [each.name, each.display, each.person or "—", role_names(language, each.roles),
                      services.organisation_name(each.organisation) or translate(language, "account.whole_city"),
                      factor, {"text": translate(language, f"accounts.{state}"), "tone": tone},
                      each.last_login or None], "go": None}
