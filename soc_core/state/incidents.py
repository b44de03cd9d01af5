"""Incidents: alerts of one organisation that tell one story, why they do, and the ledger of what became of it. 事件

Two hands write an incident. Triage adds alerts (title, level, times, risk); people set status, kind and assignee.
`version` counts only what people do. Every change of people is one row of the ledger, never rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from sqlalchemy import ColumnElement, false, func, select, tuple_, update
from sqlalchemy.orm import Session

from soc_core.access import Scope
from soc_core.clock import Micros
from soc_core.models import ENDED, LEVELS, Incident, Level
from soc_core.state import outbox
from soc_core.state.alerts import CHANGED, Change
from soc_core.state.case_tables import IncidentChangeRow, LinkRow
from soc_core.state.database import chunks, insert
from soc_core.state.tables import AlertRow, IncidentRow

PLATFORM = "platform"


class Story(NamedTuple):
    """An incident as triage writes it."""

    id: str
    title: str
    level: Level
    organisation: str
    realm: str
    opened: Micros
    last_seen: Micros
    risk: int = 0


class Link(NamedTuple):
    """Why an alert belongs to its incident.

    `reason`: began (the first of it), shared (names `kind` `value` as `other` did), moved (a person said so: `value`).
    `gap` microseconds from the other; `stage` their ATT&CK tactics as "TA0001>TA0002", "" where one has none;
    `strength` 0 … 100 (detections/stories.py).
    """

    alert: str
    incident: str
    other: str
    reason: Literal["began", "shared", "moved"]
    kind: str = ""
    value: str = ""
    gap: Micros = 0
    stage: str = ""
    strength: int = 100


class Filter(NamedTuple):
    """What to look for; "" does not narrow. `status` open: not ended; `since`/`until` raised, half-open."""

    realm: str = ""
    status: str = ""
    level: Level | Literal[""] = ""
    organisation: str = ""
    assignee: str = ""
    kind: str = ""
    since: Micros | None = None
    until: Micros | None = None


# ---------------------------------------------------------------- reading


def get(session: Session, incident: str, scope: Scope) -> Incident | None:
    """One incident with its alerts; None when there is none or it is out of scope."""
    row = session.scalar(select(IncidentRow).where(IncidentRow.id == incident, *within(scope)))
    return _made(session, [row])[0] if row else None


def find(session: Session, scope: Scope, wanted: Filter = Filter(), limit: int = 100,  # noqa: B008 - frozen
         after: str = "") -> tuple[list[Incident], int]:
    """Incidents, the riskiest first, and how many there are; `after` from `cursor`. Raises ValueError on other keys."""
    where = [*within(scope), *matching(wanted)]
    total = session.scalar(select(func.count()).select_from(IncidentRow).where(*where)) or 0
    columns = (IncidentRow.risk, IncidentRow.last_seen, IncidentRow.id)
    query = select(IncidentRow).where(*where).order_by(*(column.desc() for column in columns)).limit(limit)
    if after:
        parts = after.split(":")
        if len(parts) != 3 or not all(part.lstrip("-").isdigit() for part in parts[:2]):
            raise ValueError(f"not the key of a page of this list: {after!r}")
        query = query.where(tuple_(*columns) < tuple_(int(parts[0]), int(parts[1]), parts[2]))
    return _made(session, session.scalars(query).all()), total


def cursor(last: Incident) -> str:
    """What `find` takes as `after` to go on behind this incident."""
    return f"{last.risk}:{last.last_seen}:{last.id}"


def chain(session: Session, incident: str) -> list[Link]:
    """The reason for every alert of an incident, in the order of the alerts. Ask `get` first who may see it."""
    row = LinkRow
    query = select(row.alert, row.incident, row.other, row.reason, row.kind, row.value, row.gap, row.stage,
                   row.strength)
    query = query.join(AlertRow, AlertRow.id == row.alert).where(row.incident == incident)
    return [Link._make(each) for each in session.execute(query.order_by(AlertRow.first_seen, AlertRow.id))]


def history(session: Session, incident: str) -> list[Change]:
    """The ledger of an incident, oldest first. Ask `get` first who may see it."""
    row = IncidentChangeRow
    rows = session.scalars(select(row).where(row.incident == incident).order_by(row.id))
    return [Change(each.at, each.actor, each.field, each.before, each.after, each.note) for each in rows]


def within(scope: Scope) -> list[ColumnElement[bool]]:
    """The scope as conditions."""
    if scope.organisations is None:
        return []
    return [IncidentRow.organisation.in_(scope.organisations)] if scope.organisations else [false()]


def matching(wanted: Filter) -> list[ColumnElement[bool]]:
    """A filter as conditions."""
    row = IncidentRow
    found = [column == value for column, value in (
        (row.realm, wanted.realm), (row.organisation, wanted.organisation), (row.assignee, wanted.assignee),
        (row.kind, wanted.kind)) if value]
    if wanted.status:
        found.append(row.status.not_in(ENDED) if wanted.status == "open" else row.status == wanted.status)
    if wanted.level:
        found.append(row.severity >= LEVELS.index(wanted.level))
    if wanted.since is not None:
        found.append(row.raised >= wanted.since)
    if wanted.until is not None:
        found.append(row.raised < wanted.until)
    return found


def _made(session: Session, rows: Sequence[IncidentRow]) -> list[Incident]:
    members: dict[str, list[str]] = {row.id: [] for row in rows}
    for some in chunks(list(members)):
        query = select(AlertRow.incident, AlertRow.id).where(AlertRow.incident.in_(some))
        for incident, alert in session.execute(query.order_by(AlertRow.first_seen, AlertRow.id)):
            members[incident].append(alert)
    names = [name for name in Incident.model_fields if name != "alerts"]
    return [Incident.model_construct(alerts=members[row.id], **{name: getattr(row, name) for name in names})
            for row in rows]


# ---------------------------------------------------------------- what triage writes


def open_among(session: Session, ids: Sequence[str]) -> dict[str, Story]:
    """Those of these incidents that still take alerts."""
    found = {}
    for some in chunks(ids):
        query = select(IncidentRow).where(IncidentRow.id.in_(some), IncidentRow.status.not_in(ENDED))
        for row in session.scalars(query):
            found[row.id] = Story(row.id, row.title, LEVELS[row.severity], row.organisation, row.realm, row.opened,
                                  row.last_seen, row.risk)
    return found


def save(session: Session, stories: Sequence[Story], fresh: Sequence[str], at: Micros) -> None:
    """Write new incidents (ids in `fresh`) with the first line of their ledger; of known ones, what alerts changed."""
    if not stories:
        return
    statement = insert(session, IncidentRow)
    new = statement.excluded
    changes = {name: new[name] for name in ("title", "level", "severity", "opened", "last_seen", "risk")}
    rows = [{**story._asdict(), "severity": LEVELS.index(story.level), "status": "new", "version": 1, "raised": at,
             "kind": "", "assignee": "", "merged": ""} for story in stories]
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changes), rows)
    session.add_all(_entry(each, at, PLATFORM, "status", "", "new") for each in fresh)


def link(session: Session, links: Sequence[Link]) -> None:
    """Keep the reasons of alerts, each in place of the one before."""
    if links:
        statement = insert(session, LinkRow)
        changes = {name: statement.excluded[name] for name in Link._fields if name != "alert"}
        session.execute(statement.on_conflict_do_update(index_elements=["alert"], set_=changes),
                        [each._asdict() for each in links])


# ---------------------------------------------------------------- what people change


class Stale(NamedTuple):
    """Somebody else changed the incident first; it as it stands, unchanged by this call."""

    incident: Incident


def change(session: Session, incident: str, version: int, actor: str, changes: Mapping[str, str], at: Micros,
           note: str = "") -> Incident | Stale:
    """Set fields by name. Raises LookupError when there is no such incident."""
    row = _row(session, incident)
    if row.version != version:
        return Stale(_made(session, [row])[0])
    for name, after in changes.items():
        before = getattr(row, name)
        if before != after:
            session.add(_entry(incident, at, actor, name, str(before), after, note))
            setattr(row, name, after)
    row.version += 1
    session.flush()
    return _made(session, [row])[0]


def remark(session: Session, incident: str, actor: str, at: Micros, note: str, field: str = "note", before: str = "",
           after: str = "") -> None:
    """A line of the ledger that changes nothing."""
    session.add(_entry(incident, at, actor, field, before, after, note))


def begin(session: Session, story: Story, kind: str, assignee: str, status: str, actor: str, at: Micros,
          note: str) -> None:
    """A new incident by a person's hand."""
    session.add(IncidentRow(**story._asdict(), severity=LEVELS.index(story.level), status=status, version=1, raised=at,
                            kind=kind, assignee=assignee, merged=""))
    session.flush()
    session.add(_entry(story.id, at, actor, "status", "", status, note))


def move(session: Session, alerts: Sequence[str], to: str, actor: str) -> None:
    """Alerts into another incident by a person's hand; both are summed up anew."""
    for some in chunks(alerts):
        session.execute(update(AlertRow).where(AlertRow.id.in_(some)).values(incident=to))
        session.execute(update(LinkRow).where(LinkRow.alert.in_(some)).values(incident=to))
        known = set(session.scalars(select(LinkRow.alert).where(LinkRow.alert.in_(some))))
        link(session, [Link(each, to, "", "moved", value=actor) for each in some if each not in known])
    outbox.renew(session, CHANGED, alerts)
    session.flush()


def moved(session: Session, alerts: Sequence[str], actor: str) -> None:
    """Say of these alerts that a person put them where they are."""
    for some in chunks(alerts):
        session.execute(update(LinkRow).where(LinkRow.alert.in_(some)).values(
            reason="moved", other="", kind="", value=actor, gap=0, stage="", strength=100))


def sum_up(session: Session, incident: str) -> None:
    """Title, level, times and risk from the alerts that it now has."""
    row = _row(session, incident)
    alert = AlertRow
    found = session.execute(
        select(alert.title, alert.level, alert.severity, alert.first_seen, alert.last_seen, alert.risk)
        .where(alert.incident == incident).order_by(alert.severity.desc(), alert.first_seen, alert.id)).all()
    if found:
        row.title, row.level, row.severity = found[0][:3]
        row.opened, row.last_seen = min(each[3] for each in found), max(each[4] for each in found)
        row.risk = max(each[5] for each in found)
    session.flush()


def _row(session: Session, incident: str) -> IncidentRow:
    row = session.get(IncidentRow, incident, populate_existing=True)
    if row is None:
        raise LookupError(f"no incident {incident}")
    return row


def _entry(incident: str, at: Micros, actor: str, field: str, before: str, after: str,
           note: str = "") -> IncidentChangeRow:
    return IncidentChangeRow(incident=incident, at=at, actor=actor, field=field, before=before, after=after, note=note)
