"""Alerts as people work on them: the queue, one alert down to its raw events, and the judgement. 告警"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from casework import lookers, masking
from casework.machine import Undrawn, machine
from casework.rights import service
from casework.services import Conflict, Listing, NotFound, Services, now, taker
from soc_core import audit, clock
from soc_core.access import EVERYTHING, Actor
from soc_core.clock import Micros
from soc_core.models import Alert
from soc_core.schema import SCHEMA
from soc_core.state import alerts as state
from soc_core.state.alerts import Change, Filter
from soc_core.state.tables import AlertRow

EVENTS = 100
WORDS_COUNTED = 200  # of what is found by text
COUNTED = 1_000  # a longer queue is told as at least so long: counting it each time would cost more than showing it
MAIN_ENTITIES = ("source.ip", "user.name", "host.name", "destination.ip")


@dataclass(frozen=True)
class Row:
    """A line of the queue: the alert with the names behind its ids. `object` is its first entity."""

    alert: Alert
    organisation_name: str
    system_name: str
    object: str
    city: str  # its name, with which the names of its organisations begin


@dataclass(frozen=True)
class Event:
    """A stored event. `fields` are dotted names and values; `raw` is the record verbatim."""

    id: str
    at: Micros
    ingested: Micros
    source: str
    raw: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Match:
    """Why an alert fired: a field that its rule reads, how, with what, and the value that met it."""

    field: str
    op: str
    value: str


@dataclass(frozen=True)
class Detail:
    """One alert whole. `events_total` may be more than the events that are kept by id."""

    row: Row
    events: list[Event]
    events_total: int
    matches: list[Match]
    history: list[Change]
    as_of: Micros


@service
def queue(actor: Actor, services: Services, wanted: Filter, after: str = "", limit: int = 50) -> Listing[Row]:
    """A page of the queue, by risk and clock (soc_core/state/queue.py). Totals stop at COUNTED.

    Raises ValueError on a key that is not of this list.
    """
    limit = max(1, min(limit, 500))
    with services.database.read() as session:
        most = WORDS_COUNTED if wanted.text else COUNTED
        found, total = state.find(session, actor.scope, wanted, after, limit + 1, "queue", most)
        hidden = 0
        if actor.scope.organisations is not None and not asks(wanted):
            hidden = state.count(session, EVERYTHING, wanted, most) - total
    page = found[:limit]
    key = state.cursor(page[-1], "queue") if len(found) > limit else ""
    return Listing([line(services, item) for item in page], total, total < most, key, hidden, now())


def asks(wanted: Filter) -> bool:
    """Whether a count beyond the scope would answer a question about others: does anybody else see this address?"""
    return any((wanted.text, wanted.rule, wanted.organisation, wanted.system, wanted.assignee, wanted.incident))


def line(services: Services, alert: Alert) -> Row:
    """An alert with names, and without what is personal in it."""
    alert = masking.alert(alert)
    named = next((alert.entities[name] for name in MAIN_ENTITIES if alert.entities.get(name)), None)
    named = named or next((values for values in alert.entities.values() if values), [""])
    more = f" +{len(named) - 1}" if len(named) > 1 else ""
    return Row(alert, services.organisation_name(alert.organisation), services.system_name(alert.system),
               named[0] + more, services.inventory.city.name)


@service
def get(actor: Actor, services: Services, alert: str) -> Row:
    """One alert. Raises NotFound, also for one that is not the actor's to see."""
    with services.database.read() as session:
        found = state.get(session, alert, actor.scope)
    if found is None:
        raise NotFound(f"no alert {alert!r}")
    return line(services, found)


@service
def detail(actor: Actor, services: Services, alert: str, limit: int = EVENTS) -> Detail:
    """One alert with its events down to the raw record, and what people did to it. Raises NotFound."""
    row = get(actor, services, alert)
    with services.database.read() as session:
        changes = state.history(session, alert)
    found = events(actor, services, row.alert, limit)
    return Detail(row, found, max(row.alert.count, len(found)), matches(row.alert), changes, now())


@service
def events(actor: Actor, services: Services, alert: Alert, limit: int = EVENTS) -> list[Event]:
    """The alert's events that are kept by id, oldest first, read in the actor's own scope."""
    store = services.stores.get(alert.realm)
    if store is None or not alert.events:
        return []
    rows = store.get(alert.events[:limit], actor.scope)
    lookers.note(services, actor, "alert.events", f"alert:{alert.id}", lookers.owners(rows))
    return sorted((event(row) for row in masking.rows(rows)), key=lambda item: (item.at, item.id))


def event(row: Mapping[str, Any]) -> Event:
    """A stored row as an event; nested values as JSON text, so that each field is one line."""
    hidden = ("event.original", "event.id", "soc.partition", "soc.offset", "sigma.logsource")
    shown = sorted((name, value) for name, value in row.items() if name not in hidden and value is not None)
    fields = {name: moment(name, value) for name, value in shown}
    return Event(str(row.get("event.id", "")), int(row.get("@timestamp") or 0), int(row.get("event.ingested") or 0),
                 str(row.get("soc.source") or ""), str(row.get("event.original") or row.get("message") or ""), fields)


def moment(name: str, value: Any) -> Any:
    """A value of a stored row, which holds moments as microseconds; here as RFC 3339."""
    column = SCHEMA.get(name)
    if column is not None and column.kind == "date" and isinstance(value, int):
        return clock.to_text(value)
    return plain(value)


def plain(value: Any) -> Any:
    """A value as it can be shown: text, number, or a list of such."""
    if isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return orjson.loads(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS))


def matches(alert: Alert) -> list[Match]:
    """What is known of why it fired: the values of its group key and of its entities."""
    found = [Match(name, "group", value) for name, value in alert.group.items() if value]
    named = {item.field for item in found}
    found += [
        Match(name, "equals", value)
        for name, values in alert.entities.items() if name not in named for value in values[:5] if value
    ]
    return found


@service
def neighbours(actor: Actor, services: Services, alert: Alert, wanted: Filter) -> tuple[str, str]:
    """Ids before and after this alert in the queue's order, "" at its ends."""
    order = (AlertRow.priority, AlertRow.last_seen, AlertRow.id)
    here = tuple_(alert.priority, alert.last_seen, alert.id)
    query = select(AlertRow.id).where(*state.within(actor.scope), *state.matching(wanted)).limit(1)
    with services.database.read() as session:
        before = session.scalar(query.where(tuple_(*order) > here).order_by(*order))
        after = session.scalar(query.where(tuple_(*order) < here).order_by(*(column.desc() for column in order)))
    return before or "", after or ""


# ---------------------------------------------------------------- changes


Op = Literal["verdict", "status", "assign"]


@service
def change(actor: Actor, services: Services, op: Op, value: str, items: Sequence[tuple[str, int]],
           note: str = "") -> list[Row | Conflict | NotFound]:
    """One change to several alerts, each by (id, version that the actor saw); an answer for each, in order.

    Raises Refused without the role, ValueError on a value that does not exist, or an account that may not take it up.
    What is not the actor's to see answers NotFound, what somebody changed first answers Conflict with the alert as it
    stands.
    """
    allowed = {"verdict": ("", "true", "benign", "false", "test"), "status": ("new", "open", "closed")}.get(op)
    if allowed is not None and value not in allowed:
        raise ValueError(f"no {op} {value!r}; there are: {', '.join(name for name in allowed if name)}")
    answers: list[Row | Conflict | NotFound] = []
    with services.database.begin() as session:
        for alert, version in items:
            found = state.get(session, alert, actor.scope)
            if found is None:
                answers.append(NotFound(f"no alert {alert!r}"))
                continue
            if undrawn := refused(found, op, value) if found.version == version else "":
                answers.append(Conflict(undrawn, line(services, found)))
                continue
            if op == "assign" and value:
                taker(session, services, value, found.organisation)
            made = _apply(session, op, value, alert, version, actor, note)
            row = line(services, made.alert)
            answers.append(row if isinstance(made, state.Done) else Conflict("changed by somebody else first", row))
    return answers


def refused(alert: Alert, op: Op, value: str) -> str:
    """Why the state machine does not allow a change, "" when it does."""
    to = {"verdict": "closed" if value else "open", "status": value, "assign": alert.status}[op]
    if op == "assign" or (op == "verdict" and not value and alert.status == "open"):
        return ""
    try:
        machine("alert").between(alert.status, to)
    except Undrawn as error:
        return str(error)
    return ""


def _apply(session: Session, op: Op, value: Any, alert: str, version: int, actor: Actor,
           note: str) -> state.Done | state.Conflict:
    if op == "verdict":
        made = state.set_verdict(session, alert, version, actor.name, value, note)
    elif op == "assign":
        made = state.assign(session, alert, version, actor.name, value, note)
    else:
        made = state.set_status(session, alert, version, actor.name, value, note)
    if isinstance(made, state.Done):
        detail = {"value": value, "note": note, "version": made.alert.version}
        audit.append(session, actor, f"alert.{op}", f"alert:{alert}", detail)
    return made


@service
def comment(actor: Actor, services: Services, alert: str, note: str) -> None:
    """A remark in the alert's history. Raises ValueError on an empty one, NotFound."""
    if not note.strip():
        raise ValueError("a comment says something")
    with services.database.begin() as session:
        if state.get(session, alert, actor.scope) is None:
            raise NotFound(f"no alert {alert!r}")
        state.remark(session, alert, actor.name, note)
        audit.append(session, actor, "alert.comment", f"alert:{alert}", {"note": note})


@service
def restore(actor: Actor, services: Services, before: Alert, version: int) -> Row | Conflict:
    """Take a change back: status, verdict and assignee as they were, if nobody else changed it since."""
    with services.database.begin() as session:
        if state.get(session, before.id, actor.scope) is None:
            raise NotFound(f"no alert {before.id!r}")
        at = version
        steps: tuple[tuple[Op, str], ...] = (
            ("verdict", before.verdict), ("status", before.status), ("assign", before.assignee))
        for op, value in steps:
            made = _apply(session, op, value, before.id, at, actor, "undo")
            if isinstance(made, state.Conflict):
                return Conflict("changed by somebody else first", line(services, made.alert))
            at = made.alert.version
    return line(services, made.alert)


def last_actor(services: Services, alert: str) -> str:
    """Who changed an alert last, "" when nobody did."""
    with services.database.read() as session:
        changes = state.history(session, alert)
    return changes[-1].actor if changes else ""
