"""Records that could not be read: by reason, with samples, whole; back into the pipeline after a fix. 隔离区"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from casework import lookers
from casework.rights import service
from casework.services import Listing, NotFound, Services, now, told_of_others
from soc_core import audit, registry
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.personal import masked
from soc_core.state import quarantine as state
from soc_core.state.tables import QuarantineRow, SourceRow

SAMPLE_BYTES = 4_096
AT_ONCE = 10_000  # records of one request for a replay


@dataclass(frozen=True)
class Group:
    """Records of one source that failed for one reason."""

    reason: str
    source: str
    realm: str
    count: int
    first: Micros
    last: Micros


@dataclass(frozen=True)
class Sample:
    """One record. `raw` as text, what is no UTF-8 as \\xNN; cut after 4 KiB of `size` bytes."""

    id: str
    source: str
    format: str
    received: Micros
    reason: str
    raw: str
    size: int


@dataclass(frozen=True)
class Replay:
    """What one request asks for. `left`: records of the group that still wait; `cut`: those among them that are not
    held whole here (over 1 MiB), whose source must send them again."""

    asked: int
    left: int
    cut: int


@service
def groups(actor: Actor, services: Services, limit: int = 200) -> Listing[Group]:
    """Reasons by source, the largest first."""
    by = (QuarantineRow.reason, QuarantineRow.source, QuarantineRow.realm)
    query = select(*by, func.count(), func.min(QuarantineRow.received), func.max(QuarantineRow.received)).where(
        QuarantineRow.replayed.is_(None)).group_by(*by)
    with services.database.read() as session:
        rows = session.execute(scoped(actor, query).order_by(func.count().desc(), *by).limit(limit))
        found = [Group(*row) for row in rows]
        hidden = amount(session, query) - amount(session, scoped(actor, query)) if told_of_others(actor) else 0
    return Listing(found, len(found), len(found) < limit, "", hidden, now())


def amount(session: Session, query: Any) -> int:
    """How many rows a query has."""
    return int(session.scalar(select(func.count()).select_from(query.subquery())) or 0)


@service
def total(actor: Actor, services: Services) -> int:
    """How many records wait."""
    query = select(func.count()).select_from(QuarantineRow).where(QuarantineRow.replayed.is_(None))
    with services.database.read() as session:
        return int(session.scalar(scoped(actor, query)) or 0)


@service
def samples(actor: Actor, services: Services, reason: str, source: str, limit: int = 20) -> list[Sample]:
    """The latest records of one group; none for a group out of scope."""
    query = select(QuarantineRow).where(
        QuarantineRow.replayed.is_(None), QuarantineRow.reason == reason, QuarantineRow.source == source,
    ).order_by(QuarantineRow.received.desc(), QuarantineRow.id).limit(limit)
    with services.database.read() as session:
        owner = session.scalar(select(SourceRow.organisation).where(SourceRow.source == source).limit(1))
        found = [
            Sample(row.id, row.source, row.format, row.received, row.reason,
                   masked(row.raw[:SAMPLE_BYTES].decode("utf-8", "backslashreplace")), row.size)
            for row in session.scalars(scoped(actor, query))
        ]
    if found:
        lookers.note(services, actor, "quarantine.samples", f"source:{source}", {owner or ""})
    return found


@service
def replay(actor: Actor, services: Services, reason: str, source: str, format: str = "",
           limit: int = AT_ONCE) -> Replay:
    """Ask that the records of one group, the oldest first, go through the pipeline again; as `format`, if one is named.

    They come with the ids that they would have had, so nothing is stored twice; what fails again waits again. Raises
    NotFound for a group that does not wait or is out of scope, ValueError for a format that is none.
    """
    if format and format not in registry.names("collectors.formats"):
        raise ValueError(f"no format is called {format!r}")
    row = QuarantineRow
    group = select(row).where(row.replayed.is_(None), row.reason == reason, row.source == source)
    with services.database.begin() as session:
        waiting = amount(session, scoped(actor, group))
        if not waiting:
            raise NotFound("no such records wait")
        whole = scoped(actor, group.where(row.pointer == ""))
        cut = waiting - amount(session, whole)
        ids = [found.id for found in session.scalars(
            whole.order_by(row.received, row.id).limit(max(1, min(limit, AT_ONCE))))]
        state.replay(session, ids, now(), format)
        audit.append(session, actor, "quarantine.replay", f"source:{source}",
                     {"reason": reason, "format": format, "asked": len(ids)})
    return Replay(len(ids), waiting - len(ids), cut)


def scoped(actor: Actor, query: Any) -> Any:
    """A quarantined record belongs to the owner of its source: nobody could read its own."""
    if actor.scope.organisations is None:
        return query
    mine = select(SourceRow.source).where(SourceRow.organisation.in_(actor.scope.organisations))
    return query.where(QuarantineRow.source.in_(mine))
