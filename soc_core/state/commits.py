"""How far each journal partition is committed, the checkpoints behind it, and the fates counted per source.

A worker calls `advance` in the same transaction as what the records led to, so that a crash loses or repeats
nothing. Records received by a worker are counted here once they are committed; what still waits in the journal is
the journal's own to count (its end less the mark).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from soc_core.clock import Micros, now
from soc_core.models import REAL
from soc_core.state.claims import SHARED
from soc_core.state.database import insert
from soc_core.state.tables import AlertRow, CheckpointRow, EntityRow, MarkRow, MetaRow, SourceRow

EPOCH, SHARED_EPOCH = "journal.epoch", "shared.epoch"


class OtherJournal(ValueError):
    """The marks belong to another journal: this one was made anew, or another data directory was given."""


class Outdated(RuntimeError):
    """The marks belong to another journal by now: what was worked off of this one may not be committed any more."""


class OtherWorker(RuntimeError):
    """The stored mark is not where this worker left it: another one committed the same partition."""


class FateDelta(NamedTuple):
    """What became of one source's records in one commit. `events` counts events, all others records.

    `last_event` is the latest event time among them, 0 when there is none.
    """

    source: str
    realm: str = REAL
    received: int = 0
    stored: int = 0
    duplicate: int = 0
    merged: int = 0
    quarantined: int = 0
    events: int = 0
    last_event: Micros = 0


class Fates(NamedTuple):
    """One source's records by fate: received = stored + duplicate + merged + quarantined + shed + pending.

    `pending` are records that an assembler still holds.
    """

    source: str
    realm: str
    received: int
    stored: int
    duplicate: int
    merged: int
    quarantined: int
    shed: int
    pending: int
    events: int
    last_event: Micros
    last_ingest: Micros


class Checkpoint(NamedTuple):
    """State of what was saved then, as it was before record `offset`; the `serial`-th of its partition."""

    offset: int
    state: bytes
    at: Micros
    serial: int


def adopt_epoch(session: Session, epoch: str, name: str = EPOCH) -> None:
    """Tie the marks to the journal of this epoch, once. Raises OtherJournal when they belong to another."""
    known = session.get(MetaRow, name)
    if known is None:
        session.add(MetaRow(name=name, value=epoch))
    elif known.value != epoch:
        raise OtherJournal(f"the journal here (epoch {epoch}) is not the one that the state was written with "
                           f"({known.value}): restore that journal, or accept the new one and its first offsets "
                           "(./soc work --accept-journal)")


def epoch(session: Session, name: str = EPOCH) -> str:
    """The epoch of the journal that the marks belong to; "" before the first."""
    known = session.get(MetaRow, name)
    return known.value if known else ""


def current(session: Session, epoch: str, name: str = EPOCH) -> None:
    """Raise Outdated unless the marks belong to the journal of this epoch."""
    known = session.get(MetaRow, name, populate_existing=True)
    if known is not None and known.value != epoch:
        raise Outdated(f"the journal of epoch {epoch} was replaced by one of {known.value}")


def replace_epoch(session: Session, epoch: str, name: str = EPOCH) -> None:
    """Accept a journal made anew: marks and the marks in alerts start again from its first record.

    The memory stays as it was saved, and goes on with that record: what was seen is not to be forgotten.
    """
    for table in (MarkRow, CheckpointRow):
        ours = table.partition < SHARED if name == EPOCH else table.partition >= SHARED
        session.execute(delete(table).where(ours) if table is MarkRow else update(table).where(ours).values(offset=0))
    session.execute(update(AlertRow).values(marks={}))
    session.execute(update(EntityRow).values(marks={}))
    if name == EPOCH:
        session.execute(delete(MetaRow).where(MetaRow.name.startswith("held:")))
    session.execute(delete(MetaRow).where(MetaRow.name == name))
    adopt_epoch(session, epoch, name)


def mark(session: Session, partition: int) -> int:
    """The next record of the partition that is not committed; 0 when nothing is."""
    return session.scalar(select(MarkRow.offset).where(MarkRow.partition == partition)) or 0


def skip(session: Session, partition: int, offset: int) -> None:
    """Go on at `offset` at the earliest: what lies before it is lost. The memory stays as it was saved."""
    to = max(offset, mark(session, partition))
    statement = insert(session, MarkRow).values(partition=partition, offset=to)
    session.execute(statement.on_conflict_do_update(index_elements=["partition"], set_={"offset": to}))
    saved = CheckpointRow.partition == partition
    session.execute(update(CheckpointRow).where(saved, CheckpointRow.offset < offset).values(offset=offset))
    if not serials(session, partition):
        save_checkpoint(session, partition, offset, b"")


def base(session: Session, partition: int) -> int:
    """The first record that is seen again when the partition is taken up."""
    return session.scalar(select(func.min(CheckpointRow.offset)).where(CheckpointRow.partition == partition)) or 0


def marks(session: Session) -> dict[int, int]:
    """Partition → mark."""
    return {row.partition: row.offset for row in session.scalars(select(MarkRow))}


def advance(session: Session, partition: int, offset: int, deltas: Iterable[FateDelta], expect: int) -> None:
    """Move the mark from `expect` to `offset` and add the fates. Raises OtherWorker when it is not at `expect`."""
    at = mark(session, partition)
    if at != expect or offset < expect:
        raise OtherWorker(f"partition {partition} is committed up to {at}, not {expect}: another worker has it")
    statement = insert(session, MarkRow).values(partition=partition, offset=offset)
    session.execute(statement.on_conflict_do_update(index_elements=["partition"], set_={"offset": offset}))
    add(session, deltas)


def add(session: Session, deltas: Iterable[FateDelta], shed: int = 0) -> None:
    """Add to the counters of sources, without any mark."""
    at = now()
    rows = [{**delta._asdict(), "shed": shed, "last_ingest": at} for delta in deltas]
    if not rows:
        return
    statement = insert(session, SourceRow)
    new, sums = statement.excluded, ("received", "stored", "duplicate", "merged", "quarantined", "shed", "events")
    latest = func.max if session.get_bind().dialect.name == "sqlite" else func.greatest
    changes = {name: getattr(SourceRow, name) + new[name] for name in sums}
    changes |= {name: latest(getattr(SourceRow, name), new[name]) for name in ("last_event", "last_ingest")}
    session.execute(statement.on_conflict_do_update(index_elements=["source", "realm"], set_=changes), rows)


def shed(session: Session, source: str, realm: str, n: int) -> None:
    """Count records that were refused before they were acknowledged: received, and shed."""
    add(session, [FateDelta(source, realm, received=n)], shed=n)


def fates(session: Session) -> list[Fates]:
    """Every source's records by fate, by name."""
    return [
        Fates(
            row.source, row.realm, row.received, row.stored, row.duplicate, row.merged, row.quarantined, row.shed,
            row.received - row.stored - row.duplicate - row.merged - row.quarantined - row.shed,
            row.events, row.last_event, row.last_ingest,
        )
        for row in session.scalars(select(SourceRow).order_by(SourceRow.source, SourceRow.realm))
    ]


def save_checkpoint(session: Session, partition: int, offset: int, state: bytes, keep: Collection[int] = ()) -> int:
    """Keep the state as of `offset`, beside those of the serials to `keep` and in place of others; its own serial."""
    known = serials(session, partition)
    serial = max(known, default=-1) + 1
    if gone := known.difference(keep):
        mine = CheckpointRow.partition == partition
        session.execute(delete(CheckpointRow).where(mine, CheckpointRow.serial.in_(gone)))
    values = {"partition": partition, "serial": serial, "offset": offset, "state": state, "at": now()}
    session.execute(insert(session, CheckpointRow).values(**values))
    return serial


def serials(session: Session, partition: int) -> set[int]:
    """Of which rows the checkpoint of a partition consists."""
    return set(session.scalars(select(CheckpointRow.serial).where(CheckpointRow.partition == partition)))


def checkpoints(session: Session, partition: int) -> list[Checkpoint]:
    """What is saved of a partition, in the order in which it is to be taken up."""
    wanted = select(CheckpointRow).where(CheckpointRow.partition == partition).order_by(CheckpointRow.serial)
    return [Checkpoint(row.offset, row.state, row.at, row.serial) for row in session.scalars(wanted)]


def checkpoint(session: Session, partition: int) -> Checkpoint | None:
    """The last checkpoint of a partition, or None."""
    return next(reversed(checkpoints(session, partition)), None)
