"""The places of the walk that read: one visit for each GET endpoint, with what the oracle expects of it.

A visit is a function of (world, who) that says what to ask and what must come back. The oracle is a plain filter over
whole tables, in Python, with `World.sees`; it shares no line with the services.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from bench._world import MARK, Who, World, mark
from casework.rights import RIGHTS
from soc_core.access import Role
from soc_core.models import DEMO, REAL
from soc_core.state.access_tables import LookRow, WebhookRow
from soc_core.state.case_tables import EvidenceRow, HoldRow
from soc_core.state.tables import AlertRow, IncidentRow, QuarantineRow, SourceRow, TokenRow, UserRow

Check = Callable[[Any], object]


class Ask(NamedTuple):
    """One call and what must come back: one of the status codes, and for 200 what `check` finds in the answer."""

    path: str
    status: tuple[int, ...]
    expect: object = None
    found: Check | None = None
    params: dict[str, Any] | None = None
    body: Any = None


Visit = Callable[[World, Who], Ask]


def may(who: Who, call: str) -> bool:
    return who.role in RIGHTS[call]


def listed(call: str, path: str, expect: Callable[[World, Who], object], found: Check,
           params: dict[str, Any] | None = None) -> Visit:
    """A list: those who may see exactly what is theirs, others are refused."""

    def ask(world: World, who: Who) -> Ask:
        if not may(who, call):
            return Ask(path, (403,), params=params or {})
        return Ask(path, (200,), expect(world, who), found, params or {})

    return ask


def single(call: str, path: str, of: Callable[[World], Iterable[tuple[Any, str]]], done: tuple[int, ...] = (200,),
           body: Callable[[World, Who], Any] | None = None, params: dict[str, Any] | None = None,
           absent: object = "none") -> Visit:
    """One thing by id, of all (id, owner): a stranger's answers as one that does not exist."""

    def ask(world: World, who: Who) -> Ask:
        name, owner = world.random.choice([*of(world), (absent, None)])
        asked = path.format(name)
        given = body(world, who) if body else None
        if not may(who, call):
            return Ask(asked, (403,), params=params or {}, body=given)
        there = owner is not None and world.sees(who, owner)
        return Ask(asked, done if there else (404,), params=params or {}, body=given)

    return ask


def everyone(path: str) -> Visit:
    return lambda world, who: Ask(path, (200,))


# ---------------------------------------------------------------- what there is


def alerts(world: World) -> list[tuple[str, str]]:
    return [(row.id, row.organisation) for row in world.rows(AlertRow)]


def incidents(world: World) -> list[tuple[str, str]]:
    return [(row.id, row.organisation) for row in world.rows(IncidentRow)]


def evidence(world: World) -> list[tuple[int, str]]:
    owners = dict(incidents(world))
    return [(row.id, owners[row.incident]) for row in world.rows(EvidenceRow)]


def holds(world: World) -> list[tuple[int, str]]:
    return [(row.id, row.organisation) for row in world.rows(HoldRow) if row.lifted is None]


def organisations(world: World) -> list[tuple[str, str]]:
    return [(name, name) for name in world.owners if name]


def real_events(world: World) -> list[tuple[str, str]]:
    return [(name, owner) for name, (owner, realm, _) in world.events.items() if realm == REAL]


def mine(world: World, who: Who, things: Iterable[tuple[Any, str]]) -> list[Any]:
    return sorted(name for name, owner in things if world.sees(who, owner))


def ids(rows: Iterable[dict[str, Any]], *path: str) -> list[Any]:
    found = []
    for row in rows:
        value: Any = row
        for step in path:
            value = value[step]
        found.append(value)
    return sorted(found)


CENTRE = (Role.ANALYST, Role.SHIFT_LEAD, Role.COMMANDER, Role.REGULATOR, Role.RULE_AUTHOR, Role.SYSTEM_ADMIN,
          Role.SECURITY_ADMIN, Role.SECURITY_AUDITOR)


def unseen(world: World, who: Who, things: Iterable[tuple[Any, str]]) -> int:
    """How much of it is others', as far as he may be told: the centre's people with a seat below the city."""
    if not who.place or who.role not in CENTRE:
        return 0
    return sum(not world.sees(who, owner) for _, owner in things)


def open_alerts(world: World, who: Who) -> list[AlertRow]:
    return [row for row in world.rows(AlertRow) if row.status != "closed" and world.sees(who, row.organisation)]


# ---------------------------------------------------------------- events


def search(world: World, who: Who) -> Ask:
    realm, wanted = world.random.choice([REAL, DEMO]), world.random.choice(["", *world.owners])
    params: dict[str, Any] = {"realm": realm, "limit": 1000}
    if wanted:
        params["q"] = f'host.name:"{mark(wanted)}"'
    if not may(who, "events.search"):
        return Ask("/events", (403,), params=params)
    expect = mine(world, who, [(name, owner) for name, (owner, where, _) in world.events.items()
                               if where == realm and wanted in ("", owner)])
    others = 0 if wanted else unseen(world, who, [(name, owner) for name, (owner, where, _) in world.events.items()
                                                  if where == realm])
    return Ask("/events", (200,), (expect, len(expect), others), lambda told: (
        ids(told["rows"], "event.id"), told["total"], told["hidden_by_scope"]), params)


def unowned(world: World, who: Who) -> Ask:
    if not may(who, "events.unowned") or who.place:
        return Ask("/events/unowned", (403,))
    expect = sorted(name for name, owner in real_events(world) if not owner)
    return Ask("/events/unowned", (200,), (expect, len(expect), len(expect)), lambda told: (
        ids(told["rows"], "event.id"), told["total"], sum(item["n"] for item in told["sources"])), {"limit": 1000})


def aggregate(world: World, who: Who) -> Ask:
    field = world.random.choice(["event.module", "host.name", "organization.id"])
    params: dict[str, Any] = {"field": field, "limit": 1000}
    if not may(who, "events.aggregate"):
        return Ask("/events/aggregate", (403,), params=params)
    expect = Counter(row[field] for owner, realm, row in world.events.values()
                     if realm == REAL and row[field] and world.sees(who, owner))
    return Ask("/events/aggregate", (200,), dict(expect),
               lambda told: {item["key"]: item["n"] for item in told["buckets"] if item["key"]}, params)


def histogram(world: World, who: Who) -> Ask:
    if not may(who, "events.histogram"):
        return Ask("/events/histogram", (403,))
    return Ask("/events/histogram", (200,), len(mine(world, who, real_events(world))),
               lambda told: sum(item["n"] for item in told["buckets"]))


# ---------------------------------------------------------------- others with more to say


def queue(world: World, who: Who) -> Ask:
    """All pages of the queue would be one more call each: the city here has fewer alerts than a page holds."""
    params: dict[str, Any] = {"limit": 500, "realm": world.random.choice(["", REAL, DEMO])}
    if world.random.random() < 0.3:
        params["text"] = mark(world.random.choice(world.owners))
    if not may(who, "alerts.queue"):
        return Ask("/alerts", (403,), params=params)
    expect = mine(world, who, [(row.id, row.organisation) for row in world.rows(AlertRow)
                               if params["realm"] in ("", row.realm) and params.get("text", "") in row.search])
    return Ask("/alerts", (200,), expect, lambda told: ids(told["rows"], "alert", "id"), params)


def neighbours(world: World, who: Who) -> Ask:
    ask = single("alerts.neighbours", "/alerts/{}/neighbours", alerts)(world, who)
    known = dict(alerts(world))
    return ask._replace(expect=True, found=lambda told: all(
        not name or world.sees(who, known[name]) for name in (told["before"], told["after"])))


def similar(world: World, who: Who) -> Ask:
    rows = world.rows(AlertRow)
    name, owner = world.random.choice(incidents(world))
    path = f"/incidents/{name}/similar"
    if not may(who, "incidents.similar"):
        return Ask(path, (403,))
    if not world.sees(who, owner):
        return Ask(path, (404,))
    rules = {row.rule_id for row in rows if row.incident == name}
    expect = {row.incident for row in rows if row.rule_id in rules and row.incident not in ("", name)
              and world.sees(who, row.organisation)}
    return Ask(path, (200,), sorted(expect), lambda told: ids(told["incidents"], "id"), {"limit": 1000})


def precision(world: World, who: Who) -> object:
    return dict(Counter(row.rule_id for row in world.rows(AlertRow)
                        if row.realm != DEMO and world.sees(who, row.organisation)))


def fired(world: World, who: Who) -> object:
    return dict(Counter(row.rule_id for row in world.rows(AlertRow)
                        if row.realm == REAL and world.sees(who, row.organisation)))


def times(world: World, who: Who) -> object:
    return sorted({row.organisation for row in world.rows(IncidentRow)
                   if row.realm == REAL and world.sees(who, row.organisation)})


def samples(world: World, who: Who) -> Ask:
    row = world.random.choice(world.rows(QuarantineRow))
    params = {"reason": row.reason, "source": row.source}
    if not may(who, "quarantine.samples"):
        return Ask("/quarantine/samples", (403,), params=params)
    expect = quarantined(world, who, row.source)
    return Ask("/quarantine/samples", (200,), expect, lambda told: ids(told["rows"], "id"), params)


def quarantined(world: World, who: Who, source: str = "") -> list[str]:
    owners = {row.source: row.organisation for row in world.rows(SourceRow)}
    return sorted(row.id for row in world.rows(QuarantineRow) if row.replayed is None
                  and source in ("", row.source) and world.sees(who, owners.get(row.source, "")))


def quarantine_groups(world: World) -> set[tuple[Any, str]]:
    owners = {row.source: row.organisation for row in world.rows(SourceRow)}
    return {((row.reason, row.source, row.realm), owners.get(row.source, "")) for row in world.rows(QuarantineRow)
            if row.replayed is None}


def looks(world: World, who: Who) -> Ask:
    wanted = world.random.choice([name for name in world.owners if name])
    path = f"/agencies/{wanted}/looks"
    if not may(who, "lookers.listing"):
        return Ask(path, (403,))
    if not world.sees(who, wanted):
        return Ask(path, (404,))
    expect = [row.entry for row in world.rows(LookRow) if row.organisation == wanted]
    return Ask(path, (200,), sorted(expect)[-500:], lambda told: ids(told["rows"], "entry"), {"limit": 500})


def choices(world: World, who: Who) -> Ask:
    wanted = world.random.choice([name for name in world.owners if name])
    if not may(who, "agency.choices"):
        return Ask("/agencies", (403,), params={"search": wanted})
    known = world.services.inventory.organisations.values()
    expect = mine(world, who, [(item.id, item.id) for item in known if wanted in item.id or wanted in item.name])
    return Ask("/agencies", (200,), expect[:1000], lambda told: ids(told["rows"], "id")[:1000],
               {"search": wanted, "limit": 1000})


def sightings(world: World, who: Who) -> Ask:
    name = world.random.choice(world.indicators)
    path = f"/indicators/{name}/sightings"
    if not may(who, "threats.sightings"):
        return Ask(path, (403,))
    expect = mine(world, who, [(row.id, row.organisation) for row in world.rows(AlertRow)
                               if row.rule_id == f"indicator:{name}"])
    return Ask(path, (200,), expect, lambda told: sorted(told["alerts"]))


def overview(world: World, who: Who) -> object:
    rows = open_alerts(world, who)
    return len(rows), len({row.organisation for row in rows}), len(
        [row for row in world.rows(SourceRow) if world.sees(who, row.organisation)]), len(quarantined(world, who))


def of_city(call: str, path: str, found: Check | None = None, expect: object = None,
            params: dict[str, Any] | None = None) -> Visit:
    """What belongs to the city: the others of the role are refused."""

    def ask(world: World, who: Who) -> Ask:
        if not may(who, call) or who.place or not world.sees(who, ""):
            return Ask(path, (403,), params=params or {})
        return Ask(path, (200,), expect, found, params or {})

    return ask


def drill_list(world: World, who: Who) -> object:
    return (world.drills if not who.place and world.sees(who, "") else [],
            unseen(world, who, [(name, "") for name in world.drills]))


def own_sources(world: World, who: Who) -> object:
    return mine(world, who, [(row.source, row.organisation) for row in world.rows(SourceRow)])


def tokens(world: World, who: Who) -> object:
    return mine(world, who, [(row.id, row.organisation) for row in world.rows(TokenRow)])


READS: dict[str, Visit] = {
    "/account": lambda world, who: Ask("/account", (200,), (who.name, who.place), lambda told: (
        told["account"]["name"], told["account"]["organisation"])),
    "/account/tokens": listed("account.own_tokens", "/account/tokens", lambda world, who: sorted(
        row.id for row in world.rows(TokenRow) if row.creator == who.name), lambda told: ids(told["tokens"], "id")),
    "/accounts": listed("accounts.listing", "/accounts", lambda world, who: mine(
        world, who, [(row.name, row.organisation) for row in world.rows(UserRow)]),
        lambda told: ids(told["accounts"], "name")),
    "/agencies": choices,
    "/agencies/{organisation}": single("agency.status", "/agencies/{}", organisations),
    "/agencies/{organisation}/looks": looks,
    "/alerts": queue,
    "/alerts/{alert}": single("alerts.detail", "/alerts/{}", alerts),
    "/alerts/{alert}/neighbours": neighbours,
    "/audit": of_city("ledger.listing", "/audit", lambda told: len(told["entries"]) > 0, True),
    "/audit/heads": of_city("ledger.heads", "/audit/heads"),
    "/drills": listed("drills.listing", "/drills", drill_list,
                      lambda told: (ids(told["rows"], "id"), told["hidden_by_scope"])),
    "/drills/{drill}": single("drills.get", "/drills/{}", lambda world: [(name, "") for name in world.drills]),
    "/events": search,
    "/events/aggregate": aggregate,
    "/events/histogram": histogram,
    "/events/unowned": unowned,
    "/events/{event}": single("events.get", "/events/{}", real_events),
    "/evidence/{number}/content": single("evidence.read", "/evidence/{}/content", evidence, absent=10**6),
    "/evidence/{number}/custody": single("evidence.custody", "/evidence/{}/custody", evidence, absent=10**6),
    "/holds": listed("holds.listing", "/holds", lambda world, who: mine(world, who, holds(world)),
                     lambda told: ids(told["holds"], "id")),
    "/incidents": listed("incidents.listing", "/incidents", lambda world, who: mine(world, who, incidents(world)),
                         lambda told: ids(told["rows"], "incident", "id"), {"limit": 500}),
    "/incidents/machine": everyone("/incidents/machine"),
    "/incidents/{incident}": single("incidents.detail", "/incidents/{}", incidents),
    "/incidents/{incident}/evidence": single("evidence.listing", "/incidents/{}/evidence", incidents),
    "/incidents/{incident}/similar": similar,
    "/incidents/{incident}/timeline": single("timeline.timeline", "/incidents/{}/timeline", incidents),
    "/indicators": listed("threats.listing", "/indicators", lambda world, who: sorted(world.indicators),
                          lambda told: ids((row for row in told["rows"] if row["feed"] == "walk"), "id"),
                          {"limit": 500, "feed": "walk"}),
    "/indicators/{indicator}/sightings": sightings,
    "/me": lambda world, who: Ask("/me", (200,), (who.name, not who.place and who.role != "agency_admin"),
                                  lambda told: (told["name"], told["whole_city"])),
    "/metrics/precision": listed("verdicts.precision", "/metrics/precision", precision,
                                 lambda told: {row["rule_id"]: row["alerts"] for row in told["rows"]}),
    "/metrics/times": listed("metrics.times", "/metrics/times", times, lambda told: ids(told["rows"], "key"),
                             {"by": "agency"}),
    "/overview": listed("overview.overview", "/overview", overview, lambda told: (
        told["open"], told["organisations"], told["sources"], told["quarantined"])),
    "/pipeline": listed("pipeline.pipeline", "/pipeline", own_sources, lambda told: ids(told["sources"], "source")),
    "/quarantine": listed("quarantine.groups", "/quarantine", lambda world, who: (
        len(quarantined(world, who)), unseen(world, who, quarantine_groups(world))), lambda told: (
        sum(row["count"] for row in told["rows"]), told["hidden_by_scope"])),
    "/quarantine/samples": samples,
    "/rules/health": listed("rule_health.health", "/rules/health", fired,
                            lambda told: {row["rule"]: row["alerts"] for row in told["fired"]}),
    "/policy/factor": listed("factors.listing", "/policy/factor", lambda *_: True,
                             lambda told: isinstance(told["demands"], list)),
    "/sources": listed("sources.listing", "/sources", own_sources, lambda told: ids(told["rows"], "source")),
    "/tokens": listed("accounts.machine_tokens", "/tokens", tokens, lambda told: ids(told["tokens"], "id")),
    "/webhooks": listed("webhooks.listing", "/webhooks", lambda world, who: mine(
        world, who, [(row.id, row.organisation) for row in world.rows(WebhookRow)]),
        lambda told: ids(told["webhooks"], "id")),
}
__all__ = ["MARK", "READS", "Ask", "Visit", "may", "single"]
