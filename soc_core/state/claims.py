"""Who works on what: workers, and the lanes that each has claimed. A lane has one worker at a time.

Lanes are numbered: 0 … are partitions of the journal, SHARED … are shares of the memory of detectors
(soc_core/shares.py), TASKS is what happens by the clock. A worker that has not been heard for LEASE, or that its own
machine knows to be dead, is forgotten with its claims. Lanes are shared out evenly, kind by kind, and stay where they
are as long as that holds. A claim is checked in the transaction that commits (`hold`), so that a worker which was
thought dead, and is not, commits nothing more: clocks decide who may work, never what is true.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from soc_core.clock import SECOND, Micros, now
from soc_core.state.database import insert
from soc_core.state.tables import ClaimRow, WorkerRow

LEASE = 15 * SECOND
TASKS = -1
SHARED = 1_000_000


class Lost(RuntimeError):
    """A lane that we worked on has another worker now."""


class Known(NamedTuple):
    """A worker as others see it; times in microseconds."""

    id: str
    started: Micros
    seen: Micros
    report: dict[str, Any]
    lanes: list[int]


class Share(NamedTuple):
    """Lanes that are newly ours, and those that we have too many of: leave them, then `give` them."""

    taken: list[int]
    surplus: list[int]


def moment(session: Session) -> Micros:
    """The time by which workers hear each other: the database's, where it is a server. One whose own machine's clock is
    wrong would take others for dead, or stay alive for hours when it is not."""
    if session.get_bind().dialect.name == "sqlite":
        return now()
    return int(session.scalar(text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")) or 0)


def appear(session: Session, me: str, at: Micros, report: dict[str, Any], dead: Collection[str] = ()) -> None:
    """Say that we are here, at a `moment`; forget whoever is not."""
    values = {"seen": at, "report": report}
    statement = insert(session, WorkerRow).values(id=me, started=at, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
    gone = WorkerRow.id.in_(list(dead)) | (WorkerRow.seen < at - LEASE)
    session.execute(delete(WorkerRow).where(gone, WorkerRow.id != me))
    session.execute(delete(ClaimRow).where(ClaimRow.owner.not_in(select(WorkerRow.id))))


def share(session: Session, me: str, lanes: Iterable[int]) -> Share:
    """Claim what is free, up to our part of these lanes among all workers."""
    workers = [row.id for row in session.scalars(select(WorkerRow).order_by(WorkerRow.started, WorkerRow.id))]
    owners = {row.lane: row.owner for row in session.scalars(select(ClaimRow))}
    found = Share([], [])
    if me not in workers:
        return found
    for kind in _kinds(lanes):
        mine = [lane for lane in kind if owners.get(lane) == me]
        part = len(kind) // len(workers) + (workers.index(me) < len(kind) % len(workers))
        free = [lane for lane in kind if lane not in owners]
        found.surplus.extend(mine[part:])
        found.taken.extend(free[: max(0, part - len(mine))])
    if found.taken:
        session.execute(insert(session, ClaimRow), [{"lane": lane, "owner": me} for lane in found.taken])
    return found


def _kinds(lanes: Iterable[int]) -> list[Sequence[int]]:
    """Lanes by kind, each in order."""
    kinds: dict[int, list[int]] = {}
    for lane in sorted(lanes):
        kinds.setdefault(-1 if lane < 0 else lane // SHARED, []).append(lane)
    return list(kinds.values())


def hold(session: Session, me: str, lane: int) -> None:
    """Raise Lost unless the lane is ours; in a write transaction, so that it stays so to its end."""
    row = session.get(ClaimRow, lane, populate_existing=True)
    if row is None or row.owner != me:
        raise Lost(f"lane {lane} has another worker")


def give(session: Session, me: str, lanes: Collection[int]) -> None:
    """Let others have these lanes."""
    session.execute(delete(ClaimRow).where(ClaimRow.owner == me, ClaimRow.lane.in_(list(lanes))))


def leave(session: Session, me: str) -> None:
    """Work no more."""
    session.execute(delete(ClaimRow).where(ClaimRow.owner == me))
    session.execute(delete(WorkerRow).where(WorkerRow.id == me))


def listing(session: Session) -> list[Known]:
    """All workers with their lanes, oldest first."""
    lanes: dict[str, list[int]] = {}
    for row in session.scalars(select(ClaimRow).order_by(ClaimRow.lane)):
        lanes.setdefault(row.owner, []).append(row.lane)
    return [
        Known(row.id, row.started, row.seen, row.report, lanes.get(row.id, []))
        for row in session.scalars(select(WorkerRow).order_by(WorkerRow.started, WorkerRow.id))
    ]
