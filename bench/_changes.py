"""The places of the walk that change something: who may and where he may succeeds (or is told of a rule of the thing
itself: 409, 422); a role that may not is refused; what is a stranger's answers as what does not exist."""

from __future__ import annotations

from typing import Any

from bench._visits import Ask, Visit, alerts, evidence, holds, incidents, may, real_events, single
from bench._world import Who, World
from soc_core.access import Role
from soc_core.state import quarantine
from soc_core.state.access_tables import WebhookRow
from soc_core.state.tables import AlertRow, IncidentRow, QuarantineRow, SourceRow, TokenRow, UserRow

DONE = (200, 409, 422)
STEPPED = (*DONE, 403)  # a step that the role may not take, of an incident that it sees
HOOK = "https://hooks.example.net/soc"


def any_of(world: World, table: Any) -> Any:
    return world.random.choice(world.rows(table))


def bulk(call: str, path: str, table: Any, named: str, more: dict[str, Any]) -> Visit:
    """Several at once: an answer for each, and a stranger's is not found."""

    def ask(world: World, who: Who) -> Ask:
        chosen = world.random.sample(world.rows(table), 3)
        body = {named: [{"id": row.id, "version": row.version} for row in chosen], **more}
        if not may(who, call):
            return Ask(path, (403,), body=body)
        expect = [not world.sees(who, row.organisation) for row in chosen]
        return Ask(path, (200,), expect, lambda told: [each["result"] == "not found" for each in told["results"]],
                   body=body)

    return ask


def of_incident(call: str, path: str, done: tuple[int, ...] = DONE, **more: Any) -> Visit:
    return single(call, path, incidents, done, lambda world, who: {"version": 1, **more})


def restore(world: World, who: Who) -> Ask:
    """The alert is looked for first: a reader who may not change it learns no more than that he does not see it."""
    ask = single("alerts.restore", "/alerts/{}/restore", alerts, DONE,
                 lambda *_: {"version": 1, "status": "new"})(world, who)
    return ask._replace(status=(403, 404)) if ask.status == (403,) else ask


def merge(world: World, who: Who) -> Ask:
    other = any_of(world, IncidentRow)
    ask = single("incidents.merge", "/incidents/{}/merge", incidents, (409, 422, 404),
                 lambda *_: {"version": 0, "others": [{"id": other.id, "version": 0}]})(world, who)
    return ask


def hold(world: World, who: Who) -> Ask:
    row = any_of(world, IncidentRow)
    span = world.random.random() < 0.5
    body = {"reason": "walk", "organisation": row.organisation, "since": "2026-01-01T00:00:00Z",
            "until": "2026-01-02T00:00:00Z"} if span else {"reason": "walk", "incident": row.id}
    call = "holds.hold_events" if span else "holds.hold_incident"
    if not may(who, call):
        return Ask("/holds", (403,), body=body)
    return Ask("/holds", (200,) if world.sees(who, row.organisation) else (404,), body=body)


def hand(world: World, who: Who) -> Any:
    return {"to": any_of(world, UserRow).name}


def account_create(world: World, who: Who) -> Ask:
    place = world.random.choice(world.owners)
    body = {"name": f"walk-{world.random.getrandbits(64):x}", "organisation": place,
            "roles": [world.random.choice([*Role])]}
    if not may(who, "accounts.create"):
        return Ask("/accounts", (403,), body=body)
    return Ask("/accounts", (200,) if world.sees(who, place) else (404,), body=body)


def of_account(call: str, path: str, body: Any) -> Visit:
    """Accounts that the walk itself made: those that walk keep their roles."""

    def made(world: World) -> list[tuple[str, str]]:
        return [(row.name, row.organisation) for row in world.rows(UserRow) if row.name.startswith("walk-")]

    return single(call, path, made, (200,), lambda world, who: body)


def grant(world: World, who: Who) -> Ask:
    place = world.random.choice(world.owners)
    ask = of_account("accounts.grant", "/accounts/{}/grant", {"roles": ["analyst"], "organisation": place})(world, who)
    return ask if ask.status == (403,) or world.sees(who, place) else ask._replace(status=(404,))


def token_issue(world: World, who: Who) -> Ask:
    place, role = world.random.choice(world.owners), world.random.choice([who.role, Role.ANALYST])
    body = {"name": "walk", "roles": [role], "organisation": place}
    if role != who.role:
        return Ask("/account/tokens", (403,), body=body)
    return Ask("/account/tokens", (200,) if world.sees(who, place or who.place) else (404,), body=body)


def token_revoke(world: World, who: Who) -> Ask:
    rows = world.rows(TokenRow)
    chosen = world.random.choice(rows) if rows else None
    name = chosen.id if chosen else "none"
    return Ask(f"/account/tokens/{name}/revoke", (200,) if chosen and chosen.creator == who.name else (404,))


def subscribe(world: World, who: Who) -> Ask:
    place = world.random.choice(world.owners)
    body = {"url": f"{HOOK}/{world.random.getrandbits(32)}", "organisation": place}
    if not may(who, "webhooks.subscribe"):
        return Ask("/webhooks", (403,), body=body)
    return Ask("/webhooks", (200,) if world.sees(who, place or who.place) else (404,), body=body)


def audit_check(world: World, who: Who) -> Ask:
    if who.role is not Role.SECURITY_AUDITOR or who.place:
        return Ask("/audit/check", (403,), body={"heads": ""})
    return Ask("/audit/check", (200,), (None, None), lambda told: (told["broken"], told["unlike"]), body={"heads": ""})


def take(world: World, who: Who) -> Ask:
    body = {"feed": "other", "form": "csv", "body": "value\n203.0.113.99\n"}
    return Ask("/indicators", (200,) if may(who, "threats.take") else (403,), body=body)


def revoke(world: World, who: Who) -> Ask:
    return Ask("/indicators/revoke", (404,) if may(who, "threats.revoke") else (403,), body={"ids": ["none"]})


def factor(call: str, path: str, **more: Any) -> Visit:
    """Of a role for years to come, so that those who walk come in; only the whole city's administrator may."""

    def ask(world: World, who: Who) -> Ask:
        may_here = may(who, call) and not who.place
        return Ask(path, (200,) if may_here else (403,), body={"roles": ["red"], **more})

    return ask


def replay(world: World, who: Who) -> Ask:
    """What the walk took back before waits again."""
    chosen = any_of(world, QuarantineRow)
    with world.services.database.begin() as session:
        quarantine.again(session, {row.id: row.reason for row in world.rows(QuarantineRow)})
    owner = next(row.organisation for row in world.rows(SourceRow) if row.source == chosen.source)
    body = {"reason": chosen.reason, "source": chosen.source}
    if not may(who, "quarantine.replay"):
        return Ask("/quarantine/replay", (403,), body=body)
    return Ask("/quarantine/replay", (200,) if world.sees(who, owner) else (404,), body=body)


def token_list(world: World) -> list[tuple[str, str]]:
    return [(row.id, row.organisation) for row in world.rows(TokenRow)]


CHANGES: dict[str, Visit] = {
    "/account/factor": lambda world, who: Ask("/account/factor", (200,)),
    "/account/factor/confirm": lambda world, who: Ask("/account/factor/confirm", (422,), body={"code": "wrong"}),
    "/account/tokens": token_issue,
    "/account/tokens/{token}/revoke": token_revoke,
    "/accounts": account_create,
    "/accounts/{name}/disable": of_account("accounts.disable", "/accounts/{}/disable", {"disabled": True}),
    "/accounts/{name}/grant": grant,
    "/accounts/{name}/reset": of_account("accounts.reset", "/accounts/{}/reset", {}),
    "/alerts/assign": bulk("alerts.change", "/alerts/assign", AlertRow, "alerts", {"value": ""}),
    "/alerts/status": bulk("alerts.change", "/alerts/status", AlertRow, "alerts", {"value": "open"}),
    "/alerts/verdict": bulk("alerts.change", "/alerts/verdict", AlertRow, "alerts", {"value": "false"}),
    "/alerts/{alert}/comment": single("alerts.comment", "/alerts/{}/comment", alerts,
                                      body=lambda *_: {"note": "walk"}),
    "/alerts/{alert}/restore": restore,
    "/audit/check": audit_check,
    "/events/{event}/reveal": single("masking.reveal", "/events/{}/reveal", real_events,
                                     body=lambda *_: {"reason": "the walk asks"}),
    "/evidence/{number}/hand": single("evidence.hand_over", "/evidence/{}/hand", evidence, body=hand, absent=10**6),
    "/evidence/{number}/verify": single("evidence.verify", "/evidence/{}/verify", evidence, absent=10**6),
    "/holds": hold,
    "/holds/{number}/lift": single("holds.lift", "/holds/{}/lift", holds, body=lambda *_: {"reason": "walk"},
                                   absent=10**6),
    "/incidents/bulk": bulk("incidents.bulk", "/incidents/bulk", IncidentRow, "incidents",
                            {"action": "assign", "value": ""}),
    "/incidents/{incident}/assign": of_incident("incidents.assign", "/incidents/{}/assign", assignee=""),
    "/incidents/{incident}/comment": single("incidents.comment", "/incidents/{}/comment", incidents,
                                            body=lambda *_: {"note": "walk"}),
    "/incidents/{incident}/evidence": single("evidence.add", "/incidents/{}/evidence", incidents,
                                             body=lambda *_: {"any": "file"}, params={"name": "walk.bin"}),
    "/incidents/{incident}/evidence/events": single("evidence.snapshot", "/incidents/{}/evidence/events", incidents,
                                                    DONE),
    "/incidents/{incident}/merge": merge,
    "/incidents/{incident}/split": of_incident("incidents.split", "/incidents/{}/split", alerts=["none"]),
    "/incidents/{incident}/step": of_incident("incidents.change", "/incidents/{}/step", STEPPED, action="confirm",
                                              kind="", note="walk"),
    "/indicators": take,
    "/indicators/revoke": revoke,
    "/policy/factor": factor("factors.demand", "/policy/factor", since="2999-01-01T00:00:00Z"),
    "/policy/factor/waive": factor("factors.waive", "/policy/factor/waive"),
    "/quarantine/replay": replay,
    "/tokens/{token}/revoke": single("accounts.revoke", "/tokens/{}/revoke", token_list),
    "/webhooks": subscribe,
    "/webhooks/{webhook}/end": single("webhooks.end", "/webhooks/{}/end", lambda world: [
        (row.id, row.organisation) for row in world.rows(WebhookRow)]),
}
