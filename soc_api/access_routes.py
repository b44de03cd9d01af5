"""Endpoints of access: one's own account, accounts, the audit chain, who looked, reveals, webhooks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from casework import account, accounts, factors, ledger, lookers, masking, rule_health, webhooks
from soc_api.answers import reply
from soc_api.routes import Body, Entering, Here, Limit, Text, Who, time_of
from soc_core import seals
from soc_core.access import Role
from soc_core.models import REAL, Level

router = APIRouter()
Place = Annotated[str, Field(max_length=200)]
Roles = Annotated[list[Role], Field(min_length=1, max_length=13)]


class Code(Body):
    code: str = Field(max_length=20)


class Wanted(Body):
    """A token for a machine: at most one's own roles, at one's own place or below."""

    name: str = Field(min_length=1, max_length=100)
    roles: Roles
    organisation: Place = ""
    days: int = Field(default=90, ge=1, le=account.LONGEST)


class Fresh(Body):
    """A new account; `person` is the staff number of whose it is."""

    name: str = Field(min_length=1, max_length=200)
    roles: Roles
    organisation: Place = ""
    display: str = Field(default="", max_length=200)
    person: str = Field(default="", max_length=100)


class Grant(Body):
    roles: Roles
    organisation: Place = ""


class Shut(Body):
    disabled: bool = True


class Reset(Body):
    second_factor: bool = False


class Demand(Body):
    """`since` as 2026-12-01T00:00:00+08:00, or nothing for now."""

    roles: Roles
    since: str = Field(default="", max_length=40)
    grace_days: int = Field(default=14, ge=0, le=factors.LONGEST)


class Waived(Body):
    roles: Roles


class Why(Body):
    reason: str = Field(min_length=1, max_length=2_000)


class Heads(Body):
    """Lines of heads as GET /audit/heads gave them."""

    heads: str = ""


class Subscription(Body):
    url: str = Field(max_length=2_000)
    topics: list[webhooks.Topic] = Field(default=list(webhooks.TOPICS))
    level: Level = "high"
    organisation: Place = ""


# ---------------------------------------------------------------- one's own


@router.get("/account")
def account_standing(actor: Entering, services: Here) -> Response:
    """One's own account: roles, place, second factor and until when one may do without."""
    return reply(account.standing(actor, services))


@router.post("/account/factor")
def factor_begin(actor: Entering, services: Here) -> Response:
    """A secret for an authenticator, as the address that it scans."""
    return reply({"address": account.begin_factor(actor, services)})


@router.post("/account/factor/confirm")
def factor_confirm(actor: Entering, services: Here, given: Code) -> Response:
    """Signing in needs codes from now on; every session ends."""
    return reply(account.confirm_factor(actor, services, given.code))


@router.get("/account/tokens")
def token_list(actor: Who, services: Here) -> Response:
    """One's own tokens."""
    return reply({"tokens": account.own_tokens(actor, services)})


@router.post("/account/tokens")
def token_issue(actor: Who, services: Here, given: Wanted) -> Response:
    """A token and its secret, which is told this once."""
    made, secret = account.issue(actor, services, given.name, given.roles, given.organisation, given.days)
    return reply({"token": made, "secret": secret})


@router.post("/account/tokens/{token}/revoke")
def token_revoke(actor: Who, services: Here, token: str) -> Response:
    """End one of one's own."""
    account.revoke_own(actor, services, token)
    return reply({"revoked": True})


# ---------------------------------------------------------------- accounts


@router.get("/accounts")
def account_list(actor: Who, services: Here) -> Response:
    """Every account."""
    return reply({"accounts": accounts.listing(actor, services)})


@router.post("/accounts")
def account_create(actor: Who, services: Here, given: Fresh) -> Response:
    """A new account and its one-time password, which is told this once."""
    made, password = accounts.create(actor, services, given.name, given.roles, given.organisation, given.display,
                                     given.person)
    return reply({"account": made, "password": password})


@router.post("/accounts/{name}/grant")
def account_grant(actor: Who, services: Here, name: str, given: Grant) -> Response:
    """Other roles and place; nobody changes his own."""
    return reply(accounts.grant(actor, services, name, given.roles, given.organisation))


@router.post("/accounts/{name}/disable")
def account_disable(actor: Who, services: Here, name: str, given: Shut) -> Response:
    """Shut it out, or let it in again."""
    return reply(accounts.disable(actor, services, name, given.disabled))


@router.post("/accounts/{name}/reset")
def account_reset(actor: Who, services: Here, name: str, given: Reset) -> Response:
    """A one-time password, and without its second factor when said so."""
    return reply({"password": accounts.reset(actor, services, name, given.second_factor)})


@router.get("/tokens")
def machine_tokens(actor: Who, services: Here) -> Response:
    """Everybody's tokens."""
    return reply({"tokens": accounts.machine_tokens(actor, services)})


@router.post("/tokens/{token}/revoke")
def machine_token_revoke(actor: Who, services: Here, token: str) -> Response:
    """End anybody's token."""
    accounts.revoke(actor, services, token)
    return reply({"revoked": True})


@router.get("/policy/factor")
def factor_policy(actor: Who, services: Here) -> Response:
    """Which roles must have a second factor, from when, and how many of their accounts have none."""
    return reply({"demands": factors.listing(actor, services)})


@router.post("/policy/factor")
def factor_demand(actor: Who, services: Here, given: Demand) -> Response:
    """Ask it of roles: after the grace their accounts come no further than setting one up."""
    factors.demand(actor, services, given.roles, time_of(given.since), given.grace_days)
    return reply({"demanded": True})


@router.post("/policy/factor/waive")
def factor_waive(actor: Who, services: Here, given: Waived) -> Response:
    """Ask it of these roles no more."""
    factors.waive(actor, services, given.roles)
    return reply({"waived": True})


# ---------------------------------------------------------------- audit


@router.get("/audit")
def audit_list(actor: Who, services: Here, who: Text = "", object: Text = "", before: int | None = None,
               limit: Limit = 100) -> Response:
    """Entries of the audit chain, the latest first."""
    return reply({"entries": ledger.listing(actor, services, who, object, before, limit)})


@router.post("/audit/check")
def audit_check(actor: Who, services: Here, given: Heads) -> Response:
    """The whole chain, against itself and against heads that were held elsewhere."""
    return reply(ledger.check(actor, services, seals.load(given.heads.encode())))


@router.get("/audit/heads")
def audit_heads(actor: Who, services: Here) -> Response:
    """Merkle heads, a line of JSON each, to be kept where no administrator writes."""
    return Response(seals.dump(ledger.heads(actor, services)), media_type="application/x-ndjson",
                    headers={"content-disposition": "attachment; filename=audit-heads.ndjson"})


@router.get("/agencies/{organisation}/looks")
def look_list(actor: Who, services: Here, organisation: str, before: int | None = None,
              limit: Annotated[int, Query(ge=1, le=500)] = 50) -> Response:
    """Who looked at its data."""
    return reply(lookers.listing(actor, services, organisation, before, limit))


@router.post("/events/{event}/reveal")
def event_reveal(actor: Who, services: Here, event: str, given: Why, realm: Text = REAL) -> Response:
    """One event with what is personal in it; the reason is kept, and those it is of see it."""
    return reply(masking.reveal(actor, services, event, given.reason, realm))


# ---------------------------------------------------------------- webhooks and rules


@router.get("/webhooks")
def webhook_list(actor: Who, services: Here) -> Response:
    """Subscriptions."""
    return reply({"webhooks": webhooks.listing(actor, services)})


@router.post("/webhooks")
def webhook_subscribe(actor: Who, services: Here, given: Subscription) -> Response:
    """A subscription, and the secret that signs what it is told, told this once."""
    made, secret = webhooks.subscribe(actor, services, given.url, given.topics, given.level, given.organisation)
    return reply({"webhook": made, "secret": secret})


@router.post("/webhooks/{webhook}/end")
def webhook_end(actor: Who, services: Here, webhook: str) -> Response:
    """It is told nothing more."""
    webhooks.end(actor, services, webhook)
    return reply({"ended": True})


@router.get("/rules/health")
def rules_health(actor: Who, services: Here) -> Response:
    """Rules that fire, fall silent, or are mostly wrong."""
    return reply(rule_health.health(actor, services))
