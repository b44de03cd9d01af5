"""Alerts: the rows that triage keeps, what people look for among them, and what people change. 告警

Two hands write an alert. Triage adds findings (counts, times, entities, level); people set status, verdict and
assignee. `version` counts only what people do, so that a busy alert does not refuse every decision about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple, cast

from sqlalchemy import ColumnElement, Table, and_, bindparam, false, func, select, tuple_, update
from sqlalchemy.orm import Session

from soc_core.access import Scope
from soc_core.clock import Micros, now
from soc_core.models import LEVELS, Alert, Level
from soc_core.state import outbox
from soc_core.state.database import chunks, insert
from soc_core.state.queue import Place, place
from soc_core.state.tables import AlertChangeRow, AlertRow

Status = Literal["new", "open", "closed"]
Verdict = Literal["", "true", "benign", "false", "test"]
Order = Literal["latest", "queue"]
CHANGED = "alert.changed"  # topic of the outbox: anything of an alert is other than it was


@dataclass(slots=True)
class Episode:
    """An alert as triage works on it: every column but those of people, who own status, verdict and assignee."""

    id: str
    episode: str
    rule_id: str
    title: str
    level: Level
    severity: int
    count: int
    first_seen: Micros
    last_seen: Micros
    raised: Micros
    group: dict[str, str]
    entities: dict[str, list[str]]
    entities_cut: int
    events: list[str]
    organisation: str
    system: str
    techniques: list[str]
    risk: int
    realm: str
    explanation: str
    incident: str
    marks: dict[str, int]
    search: str
    status: Status = "new"
    verdict: Verdict = ""


OWNED = tuple(f.name for f in fields(Episode) if f.name not in ("status", "verdict"))
GROWS = tuple(name for name in OWNED if name not in ("id", "episode", "rule_id", "title", "raised", "group",
                                                     "organisation", "system", "realm"))
SHOWN = tuple(Alert.model_fields)


class Filter(NamedTuple):
    """What to look for; "" and None do not narrow. `level`: that and above; `since`/`until`: last seen, half-open;
    `text`: in title, rule and entities, in any case."""

    realm: str = ""
    level: Level | Literal[""] = ""
    rule: str = ""
    status: Status | Literal["", "waiting"] = ""  # waiting: not closed
    organisation: str = ""
    system: str = ""
    assignee: str = ""
    incident: str = ""
    since: Micros | None = None
    until: Micros | None = None
    text: str = ""


class Change(NamedTuple):
    """One entry of an alert's history."""

    at: Micros
    actor: str
    field: str
    before: str
    after: str
    note: str


class Done(NamedTuple):
    """The change was made; the alert as it now stands."""

    alert: Alert


class Conflict(NamedTuple):
    """Somebody else changed the alert first; the alert as it stands, unchanged by this call."""

    alert: Alert


# ---------------------------------------------------------------- reading


def get(session: Session, alert: str, scope: Scope) -> Alert | None:
    """One alert; None when there is none or it is out of scope, which look the same."""
    row = session.scalar(select(AlertRow).where(AlertRow.id == alert, *within(scope)))
    return shown(row) if row else None


def find(session: Session, scope: Scope, wanted: Filter = Filter(), after: str = "", limit: int = 100,  # noqa: B008 - frozen
         order: Order = "latest", count_to: int | None = None) -> tuple[list[Alert], int]:
    """A page of alerts, the latest (or what the queue puts) first, and how many match in all; `after` from `cursor`.

    Counting stops at `count_to`. Raises ValueError on a key of another order.
    """
    where = [*within(scope), *matching(wanted)]
    total = count(session, scope, wanted, count_to)
    columns = [AlertRow.last_seen, AlertRow.id] if order == "latest" else [
        AlertRow.priority, AlertRow.last_seen, AlertRow.id]
    query = select(AlertRow).where(*where)
    if after:
        *numbers, last = after.split(":")
        if len(numbers) != len(columns) - 1 or not all(number.lstrip("-").isdigit() for number in numbers):
            raise ValueError(f"not the key of a page of this list: {after!r}")
        query = query.where(tuple_(*columns) < tuple_(*map(int, numbers), last))
    query = query.order_by(*(column.desc() for column in columns)).limit(limit)
    return [shown(row) for row in session.scalars(query)], total


def count(session: Session, scope: Scope, wanted: Filter, most: int | None = None) -> int:
    """How many alerts match, counting no further than `most`."""
    where = [*within(scope), *matching(wanted)]
    if most is None:
        return session.scalar(select(func.count()).select_from(AlertRow).where(*where)) or 0
    some = select(AlertRow.id).where(*where).limit(most)
    if wanted.status == "waiting" and not wanted.text:  # along the queue's own index, which holds what is asked
        some = some.order_by(AlertRow.priority.desc(), AlertRow.last_seen.desc(), AlertRow.id.desc())
    return session.scalar(select(func.count()).select_from(some.subquery())) or 0


def cursor(last: Alert, order: Order = "latest") -> str:
    """What `find` takes as `after` to go on behind this alert."""
    return f"{last.last_seen}:{last.id}" if order == "latest" else f"{last.priority}:{last.last_seen}:{last.id}"


def counts(session: Session, scope: Scope, realm: str = "") -> dict[str, int]:
    """How many alerts by level, of those not closed, and in all: {"high": 3, …, "waiting": 5, "total": 9}."""
    by = select(AlertRow.level, AlertRow.status, func.count()).where(*within(scope), *matching(Filter(realm=realm)))
    found = dict.fromkeys((*LEVELS, "waiting", "total"), 0)
    for level, status, number in session.execute(by.group_by(AlertRow.level, AlertRow.status)):
        found["total"] += number
        if status != "closed":
            found[level] += number
            found["waiting"] += number
    return found


def history(session: Session, alert: str) -> list[Change]:
    """What people did to an alert, oldest first. Ask `get` first whether they may see it."""
    rows = session.scalars(select(AlertChangeRow).where(AlertChangeRow.alert == alert).order_by(AlertChangeRow.id))
    return [Change(row.at, row.actor, row.field, row.before, row.after, row.note) for row in rows]


def within(scope: Scope) -> list[ColumnElement[bool]]:
    """The scope as conditions: part of every query, never a filter afterwards."""
    if scope.organisations is None:
        return []
    return [AlertRow.organisation.in_(scope.organisations)] if scope.organisations else [false()]


def matching(wanted: Filter) -> list[ColumnElement[bool]]:
    """A filter as conditions."""
    row, found = AlertRow, []
    for column, value in ((row.realm, wanted.realm), (row.rule_id, wanted.rule), (row.system, wanted.system),
                          (row.organisation, wanted.organisation), (row.assignee, wanted.assignee),
                          (row.incident, wanted.incident)):
        if value:
            found.append(column == value)
    if wanted.status:
        found.append(row.status != "closed" if wanted.status == "waiting" else row.status == wanted.status)
    if wanted.level:
        found.append(row.severity >= LEVELS.index(wanted.level))
    if wanted.since is not None:
        found.append(row.last_seen >= wanted.since)
    if wanted.until is not None:
        found.append(row.last_seen < wanted.until)
    if wanted.text:
        found.append(row.search.contains(wanted.text.lower(), autoescape=True))
    return found


def shown(row: AlertRow) -> Alert:
    """A row as the model that everybody else knows."""
    return Alert.model_construct(**{name: getattr(row, name) for name in SHOWN})


# ---------------------------------------------------------------- people's changes


def set_status(session: Session, alert: str, version: int, actor: str, status: Status,
               note: str = "") -> Done | Conflict:
    """Open, close or reopen, which takes a judgement back. Raises LookupError when there is no such alert."""
    unjudged = {} if status == "closed" else {"verdict": ""}
    return _change(session, alert, version, actor, {"status": status, **unjudged}, note)


def set_verdict(session: Session, alert: str, version: int, actor: str, verdict: Verdict,
                note: str = "") -> Done | Conflict:
    """Judge and close; "" takes the judgement back and reopens. Raises LookupError."""
    changes = {"verdict": verdict, "status": "closed" if verdict else "open"}
    return _change(session, alert, version, actor, changes, note)


def assign(session: Session, alert: str, version: int, actor: str, assignee: str, note: str = "") -> Done | Conflict:
    """Give it to somebody ("" takes it away); a new alert is open from then on. Raises LookupError."""
    row = session.get(AlertRow, alert)
    opens = {"status": "open"} if row and row.status == "new" and assignee else {}
    return _change(session, alert, version, actor, {"assignee": assignee, **opens}, note)


def remark(session: Session, alert: str, actor: str, note: str) -> None:
    """Add a remark to the history without changing anything."""
    session.add(AlertChangeRow(alert=alert, at=now(), actor=actor, field="note", before="", after="", note=note))


def _change(session: Session, alert: str, version: int, actor: str, changes: dict[str, str],
            note: str) -> Done | Conflict:
    row = session.get(AlertRow, alert, populate_existing=True)
    if row is None:
        raise LookupError(f"no alert {alert}")
    if row.version != version:
        return Conflict(shown(row))
    at = now()
    for name, after in changes.items():
        before = getattr(row, name)
        if before != after:
            session.add(AlertChangeRow(alert=alert, at=at, actor=actor, field=name, before=before, after=after,
                                       note=note))
            setattr(row, name, after)
    row.version += 1
    row.priority, row.due, row.step = place(row.risk, LEVELS[row.severity], row.raised, row.status, at)
    session.flush()
    outbox.renew(session, CHANGED, [alert])
    return Done(shown(row))


# ---------------------------------------------------------------- triage's rows


def episodes(session: Session, keys: Sequence[str], since: Micros, until: Micros) -> list[Episode]:
    """Alerts of these episode keys that touch the span [since, until], in the order in which they began."""
    columns = [getattr(AlertRow, f.name) for f in fields(Episode)]
    found = []
    for some in chunks(keys):
        touching = and_(AlertRow.last_seen >= since, AlertRow.first_seen <= until)
        rows = session.execute(select(*columns).where(AlertRow.episode.in_(some), touching))
        found += [Episode(*row) for row in rows]
    return sorted(found, key=lambda episode: (episode.raised, episode.first_seen, episode.id))


def save(session: Session, new: Sequence[Episode], changed: Sequence[Episode], at: Micros | None = None) -> None:
    """Write new alerts, and what findings changed in known ones, as of a moment (now)."""
    moment = now() if at is None else at
    if new:
        statement = insert(session, AlertRow).on_conflict_do_nothing(index_elements=["id"])
        session.execute(statement, [
            columns_of(each) | placed(each, moment) | {"assignee": "", "version": 1} for each in new])
    if changed:
        values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in (*GROWS, *Place._fields)}
        rows = [
            {"known": each.id} | {f"new_{name}": getattr(each, name) for name in GROWS}
            | {f"new_{name}": value for name, value in placed(each, moment).items()} for each in changed
        ]
        table = cast(Table, AlertRow.__table__)  # not the mapped class: its UPDATE by many rows wants the key itself
        session.connection().execute(update(table).where(table.c.id == bindparam("known")).values(values), rows)
    outbox.renew(session, CHANGED, [each.id for each in (*new, *changed)])


def placed(episode: Episode, at: Micros) -> dict[str, Any]:
    """Its place in the queue, by column."""
    return place(episode.risk, episode.level, episode.raised, episode.status, at)._asdict()


def columns_of(episode: Episode) -> dict[str, Any]:
    """Columns by name, without copying what they hold."""
    return {f.name: getattr(episode, f.name) for f in fields(Episode)}


def relate(session: Session, ids: Sequence[str], incident: str) -> None:
    """Say that these alerts belong to an incident."""
    for some in chunks(ids):
        session.execute(update(AlertRow).where(AlertRow.id.in_(some)).values(incident=incident))
    outbox.renew(session, CHANGED, ids)


class Brief(NamedTuple):
    """What incidents need of an alert that is not itself being changed."""

    id: str
    title: str
    level: Level
    first_seen: Micros
    last_seen: Micros
    incident: str
    techniques: list[str]
    risk: int


def briefly(session: Session, ids: Sequence[str]) -> dict[str, Brief]:
    """These alerts in brief."""
    columns = [getattr(AlertRow, name) for name in Brief._fields]
    found = {}
    for some in chunks(ids):
        for row in session.execute(select(*columns).where(AlertRow.id.in_(some))):
            found[row[0]] = Brief(*row)
    return found
