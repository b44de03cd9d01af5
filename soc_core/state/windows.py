"""Which spans of events were judged in the event store, which wait for it, and which failed. 补查窗口

Every span between the first and now has a row, so that nothing is passed over in silence: what has no row that is
`done` is a gap, and is worked off as soon as it can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from soc_core.clock import DAY, MINUTE, Micros, now
from soc_core.state.database import chunks, insert
from soc_core.state.push_tables import PushedRow, WindowRow

CLOCK, GAP = "clock", "gap"
KEPT = 7 * DAY  # of what was found, to know it again
FURTHEST = 7 * DAY  # so far back a scheduler that was away goes by steps; what lies before, by days
PATIENCE = (1 * MINUTE, 60 * MINUTE)  # before another try: first, at most


class Window(NamedTuple):
    """One span; times in microseconds, half-open; `first` and `last` (not in it) are records of the partition."""

    id: int
    kind: str
    realm: str
    rules: str
    since: Micros
    until: Micros
    partition: int
    first: int
    last: int
    status: str
    tried: int
    events: int
    findings: int
    why: str
    changed: Micros


def advance(session: Session, realm: str, until: Micros, step: Micros) -> int:
    """Rows for every step up to `until` that has none yet; how many are new. The first time: the last step alone.

    After a long absence what lies further back is told in days, so that they are no thousands of rows, and none is left
    out.
    """
    last = session.scalar(select(func.max(WindowRow.until)).where(WindowRow.kind == CLOCK, WindowRow.realm == realm))
    end = until // step * step
    begin = end - step if last is None else max(last, end - FURTHEST // step * step)
    early = range(begin if last is None else last, begin, DAY)
    rows = [_row(CLOCK, realm, at, min(at + DAY, begin)) for at in early]
    rows += [_row(CLOCK, realm, at, at + step) for at in range(begin, end, step)]
    if rows:
        session.execute(insert(session, WindowRow).on_conflict_do_nothing(), rows)
    return len(rows)


def missed(session: Session, realm: str, span: tuple[Micros, Micros], partition: int, records: tuple[int, int],
           why: str) -> None:
    """A detector failed on these records, which are stored all the same."""
    row = _row(GAP, realm, *span) | {"partition": partition, "first": records[0], "last": records[1], "why": why[:500]}
    session.execute(insert(session, WindowRow).on_conflict_do_nothing(), [row])


def _row(kind: str, realm: str, since: Micros, until: Micros) -> dict[str, object]:
    return {"kind": kind, "realm": realm, "rules": "", "since": since, "until": until, "partition": -1, "first": -1,
            "last": -1, "status": "waiting", "tried": 0, "events": 0, "findings": 0, "why": "", "changed": now()}


def due(session: Session, at: Micros, limit: int) -> list[Window]:
    """What is to be judged, the latest first: what happens now matters most. A failed one waits, longer each time."""
    query = select(WindowRow).where(or_(
        WindowRow.status == "waiting", (WindowRow.status == "failed") & (WindowRow.changed <= at))
    ).order_by(WindowRow.until.desc(), WindowRow.id).limit(limit)
    return [_window(row) for row in session.scalars(query)]


def done(session: Session, window: int, rules: str, events: int, findings: int, at: Micros) -> None:
    """Judged by the rule set of this digest."""
    row = session.get(WindowRow, window)
    if row is not None:
        row.status, row.rules, row.events, row.findings, row.why, row.changed = "done", rules, events, findings, "", at
        row.tried += 1


def failed(session: Session, window: int, why: str, at: Micros) -> None:
    """Could not be judged; `changed` says when it is tried again."""
    row = session.get(WindowRow, window)
    if row is not None:
        row.status, row.why, row.tried = "failed", why[:500], row.tried + 1
        row.changed = at + min(PATIENCE[0] << min(row.tried - 1, 10), PATIENCE[1])


def fresh(session: Session, found: Sequence[tuple[str, str]], at: Micros) -> set[tuple[str, str]]:
    """Those of these (rule, event) that no window has brought before; from now on they are known."""
    new: set[tuple[str, str]] = set()
    for some in chunks(sorted(set(found)), 1000):
        rows = [{"rule": rule, "event": event, "at": at} for rule, event in some]
        statement = insert(session, PushedRow).on_conflict_do_nothing().returning(PushedRow.rule, PushedRow.event)
        new.update((rule, event) for rule, event in session.execute(statement, rows))
    return new


class Summary(NamedTuple):
    """How it stands: gaps are windows that are not done, `lost` those that failed more than once."""

    done: int
    findings: int
    gaps: list[Window]
    until: Micros | None


def summary(session: Session, limit: int = 20) -> Summary:
    """For `./soc status`; the oldest gaps first, at most so many."""
    row = WindowRow
    count, total, until = session.execute(
        select(func.count(), func.coalesce(func.sum(row.findings), 0), func.max(row.until)).where(row.status == "done")
    ).one()
    query = select(row).where(row.status != "done").order_by(row.since, row.id).limit(limit)
    return Summary(count, int(total), [_window(each) for each in session.scalars(query)], until)


def waiting(session: Session) -> int:
    """How many are not done."""
    query = select(func.count()).select_from(WindowRow).where(WindowRow.status != "done")
    return session.scalar(query) or 0


def prune(session: Session, at: Micros) -> None:
    """Forget what is old: what was found after KEPT, windows that are done after ten times that."""
    session.execute(delete(PushedRow).where(PushedRow.at < at - KEPT))
    last = select(func.max(WindowRow.id)).where(WindowRow.kind == CLOCK).scalar_subquery()  # where `advance` goes on
    session.execute(delete(WindowRow).where(
        WindowRow.status == "done", WindowRow.until < at - 10 * KEPT,
        or_(WindowRow.kind != CLOCK, WindowRow.id < last)))


def _window(row: WindowRow) -> Window:
    return Window(*(getattr(row, name) for name in Window._fields))
