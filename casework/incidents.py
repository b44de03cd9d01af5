"""Incidents as people work on them: the list, one whole with its chain, and every change of it. 事件处置

Every change is made in one transaction with its line in the ledger and its link in the audit chain.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from casework import alerts, masking
from casework.alerts import Row
from casework.classes import classes, proposed
from casework.machine import Undrawn, machine
from casework.rights import service
from casework.services import Conflict, Listing, NotFound, Services, now, taker
from soc_core import audit
from soc_core.access import EVERYTHING, Actor, Refused
from soc_core.clock import Micros
from soc_core.models import ENDED, Incident
from soc_core.personal import masked
from soc_core.state import alerts as alert_state
from soc_core.state import incidents as state
from soc_core.state.alerts import Change
from soc_core.state.incidents import Filter, Link, Story
from soc_core.state.tables import AlertRow

MOST = 1_000  # alerts told of one incident at once


@dataclass(frozen=True)
class Line:
    """A line of the list."""

    incident: Incident
    organisation_name: str
    alerts: int


@dataclass(frozen=True)
class Detail:
    """One incident whole. `chain` has the reason of each alert; `actions` is what the reader may do now, and `kind` the
    class that is proposed while it has none."""

    incident: Incident
    organisation_name: str
    alerts: list[Row]
    alerts_total: int
    chain: list[Link]
    history: list[Change]
    entities: dict[str, list[str]]
    actions: list[str]
    kind: str
    as_of: Micros


@service
def listing(actor: Actor, services: Services, wanted: Filter = Filter(), after: str = "",  # noqa: B008 - frozen
            limit: int = 50) -> Listing[Line]:
    """A page of the incidents in the actor's scope, the riskiest first. Raises ValueError on another list's key."""
    limit = max(1, min(limit, 500))
    with services.database.read() as session:
        found, total = state.find(session, actor.scope, wanted, limit + 1, after)
        hidden = 0
        if actor.scope.organisations is not None and not wanted.organisation and not wanted.assignee:
            hidden = state.find(session, EVERYTHING, wanted, 1)[1] - total
    page = found[:limit]
    key = state.cursor(page[-1]) if len(found) > limit else ""
    lines = [Line(masking.incident(item), services.organisation_name(item.organisation), len(item.alerts))
             for item in page]
    return Listing(lines, total, True, key, hidden, now())


@service
def get(actor: Actor, services: Services, incident: str) -> Incident:
    """One incident. Raises NotFound, also for one that is not the actor's to see."""
    with services.database.read() as session:
        return masking.incident(seen(session, actor, incident))


def seen(session: Session, actor: Actor, incident: str) -> Incident:
    """The same in a transaction at hand."""
    found = state.get(session, incident, actor.scope)
    if found is None:
        raise NotFound(f"no incident {incident!r}")
    return found


@service
def detail(actor: Actor, services: Services, incident: str) -> Detail:
    """One incident with its alerts, the reason of each, and its ledger. Raises NotFound."""
    with services.database.read() as session:
        found = seen(session, actor, incident)
        wanted = alert_state.Filter(incident=incident)
        rows, total = alert_state.find(session, actor.scope, wanted, limit=MOST)
        links = [link._replace(value=masked(link.value)) for link in state.chain(session, incident)]
        ledger = state.history(session, incident)
    rows.sort(key=lambda row: (row.first_seen, row.id))
    entities: dict[str, dict[str, None]] = {}
    lines = [alerts.line(services, row) for row in rows]
    for line in lines:
        for field, values in line.alert.entities.items():
            entities.setdefault(field, {}).update(dict.fromkeys(values))
    steps = [part for link in links for part in link.stage.replace("<", ">").split(">") if part]
    actions = [name for name in machine("incident").actions(found.status, actor) if name != "merge"]
    return Detail(
        masking.incident(found), services.organisation_name(found.organisation), lines, total,
        links, ledger, {field: list(values) for field, values in entities.items()}, actions,
        found.kind or proposed(steps), now())


# ---------------------------------------------------------------- changes


@service
def change(actor: Actor, services: Services, incident: str, version: int, action: str, note: str = "",
           kind: str = "") -> Incident:
    """Take an incident a step further. Raises Undrawn on a step that is not drawn or lacks what it asks for, Refused
    without the role, NotFound, Conflict."""
    if kind and kind not in classes():
        raise ValueError(f"no class {kind!r}; there are: {', '.join(classes())}")
    if action == "merge":
        raise Undrawn("an incident is merged into another one, which must be named")
    with services.database.begin() as session:
        found = seen(session, actor, incident)
        step = machine("incident").step(found.status, action, actor)
        if step.note and not note.strip():
            raise Undrawn(f"{action} needs a reason", "note")
        if step.kind and not (kind or found.kind):
            raise Undrawn(f"{action} needs the class of the event; there are: {', '.join(classes())}", "kind")
        if step.two_persons and found.level in machine("incident").two_persons:
            before = last_hand(session, incident)
            if before == actor.name:
                raise Undrawn(f"{action} of an incident of this level needs a second person: {before} made the change "
                              "before", "second")
        changes = {"status": step.to} | ({"kind": kind} if kind else {})
        return made(session, actor, services, incident, version, f"incident.{action}", changes, note)


def last_hand(session: Session, incident: str) -> str:
    """Who last changed the state of an incident, "" when only the platform did."""
    hands = [each.actor for each in state.history(session, incident) if each.field == "status"]
    return hands[-1] if hands and hands[-1] != state.PLATFORM else ""


def made(session: Session, actor: Actor, services: Services, incident: str, version: int, what: str,
         changes: dict[str, str], note: str) -> Incident:
    """One change with its audit entry. Raises Conflict."""
    answer = state.change(session, incident, version, actor.name, changes, now(), note)
    if isinstance(answer, state.Stale):
        raise Conflict("changed by somebody else first", masking.incident(answer.incident))
    audit.append(session, actor, what, f"incident:{incident}", {**changes, "note": note, "version": answer.version})
    return masking.incident(answer)


@service
def assign(actor: Actor, services: Services, incident: str, version: int, who: str, note: str = "") -> Incident:
    """Give it to an account; "" takes it away. Raises ValueError on one that may not, NotFound, Conflict."""
    with services.database.begin() as session:
        found = seen(session, actor, incident)
        if who:
            taker(session, services, who, found.organisation)
        return made(session, actor, services, incident, version, "incident.assign", {"assignee": who}, note)


@service
def comment(actor: Actor, services: Services, incident: str, note: str) -> None:
    """A remark in the ledger. Raises ValueError on an empty one, NotFound."""
    if not note.strip():
        raise ValueError("a comment says something")
    with services.database.begin() as session:
        seen(session, actor, incident)
        state.remark(session, incident, actor.name, now(), note)
        audit.append(session, actor, "incident.comment", f"incident:{incident}", {"note": note})


@service
def split(actor: Actor, services: Services, incident: str, version: int, alerts: Sequence[str], note: str) -> Incident:
    """These alerts out of it into an incident of their own, which stands where the old one does.

    Raises ValueError when they are not all of it, or all there are; Undrawn on one that ended; NotFound, Conflict.
    """
    chosen = list(dict.fromkeys(alerts))
    with services.database.begin() as session:
        found = seen(session, actor, incident)
        if found.status in ENDED:
            raise Undrawn(f"an incident that is {found.status} is not split")
        if not chosen or not set(chosen) < set(found.alerts):
            raise ValueError("some of the incident's own alerts are split off, and some stay")
        at, fresh = now(), secrets.token_hex(16)
        made(session, actor, services, incident, version, "incident.split", {}, note)
        state.remark(session, incident, actor.name, at, note, "split", after=fresh)
        story = Story(fresh, found.title, found.level, found.organisation, found.realm, found.opened, found.last_seen)
        state.begin(session, story, found.kind, found.assignee, found.status, actor.name, at, f"split off {incident}")
        state.move(session, chosen, fresh, actor.name)
        state.moved(session, chosen, actor.name)
        for each in (incident, fresh):
            state.sum_up(session, each)
        audit.append(session, actor, "incident.begin", f"incident:{fresh}", {"from": incident, "alerts": chosen})
        return masking.incident(seen(session, actor, fresh))


@service
def merge(actor: Actor, services: Services, incident: str, version: int, others: Sequence[tuple[str, int]],
          note: str) -> Incident:
    """Others, by (id, version), into this one. Raises ValueError on one of another organisation or realm; Undrawn,
    NotFound, Conflict: then none is merged."""
    with services.database.begin() as session:
        into = seen(session, actor, incident)
        if into.status in ENDED:
            raise Undrawn(f"nothing is merged into an incident that is {into.status}")
        if not others or incident in dict(others):
            raise ValueError("name other incidents to merge into this one")
        for other, known in dict(others).items():
            found = seen(session, actor, other)
            if (found.organisation, found.realm) != (into.organisation, into.realm):
                raise ValueError("incidents of one organisation and realm are merged; others are told by notices")
            step = machine("incident").step(found.status, "merge", actor)
            made(session, actor, services, other, known, "incident.merge", {"status": step.to, "merged": incident},
                 note)
            state.move(session, found.alerts, incident, actor.name)
            began = [link.alert for link in state.chain(session, incident)
                     if link.reason == "began" and link.alert in found.alerts]
            state.moved(session, began, actor.name)
            state.remark(session, incident, actor.name, now(), note, "merge", before=other)
        answer = made(session, actor, services, incident, version, "incident.took", {}, note)
        state.sum_up(session, incident)
        return masking.incident(seen(session, actor, answer.id))


Target = tuple[str, int]


@service
def bulk(actor: Actor, services: Services, action: str, value: str, items: Sequence[Target],
         note: str = "") -> list[Incident | Conflict | NotFound | Undrawn | Refused]:
    """One action (or "assign") on several incidents, an answer for each; those that cannot be leave the others."""
    answers: list[Incident | Conflict | NotFound | Undrawn | Refused] = []
    for incident, version in items:
        try:
            if action == "assign":
                answers.append(assign(actor, services, incident, version, value, note))
            else:
                answers.append(change(actor, services, incident, version, action, note, value))
        except (Conflict, NotFound, Undrawn, Refused) as error:
            answers.append(error)
    return answers


@service
def similar(actor: Actor, services: Services, incident: str, limit: int = 5) -> list[Incident]:
    """Others in the actor's scope whose alerts are of the same rules, most in common first."""
    with services.database.read() as session:
        found = seen(session, actor, incident)
        row, mine = AlertRow, alert_state.within(actor.scope)
        rules = set(session.scalars(select(row.rule_id).where(row.incident == incident, *mine)))
        query = select(row.incident, row.rule_id).where(
            row.rule_id.in_(rules), row.incident != "", row.incident != incident, row.realm == found.realm, *mine)
        shared: dict[str, set[str]] = {}
        for other, rule in session.execute(query.distinct().limit(10_000)):
            shared.setdefault(other, set()).add(rule)
        best = sorted(shared, key=lambda each: (-len(shared[each]), each))[:limit]
        known = [state.get(session, each, actor.scope) for each in best]
    return [masking.incident(each) for each in known if each is not None]
