"""Records that could not be parsed or stored: whole, by reason and source, replayable after a fix. 隔离区"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.orm import Session

from soc_core.clock import Micros
from soc_core.state import outbox
from soc_core.state.database import chunks, insert
from soc_core.state.tables import QuarantineRow

ADDED = "quarantine.added"  # topic of the outbox; keys are ids of records
REPLAY = "quarantine.replay"  # the same; keys are ids with the time that it was asked for
KEPT = 1 << 20  # bytes of one record kept here; of a longer one the journal and the source hold the rest


class Item(NamedTuple):
    """One record. `id` is its event id where it has one, so that a replay adds nothing twice.

    `position` is the source's own place. `size` and `pointer` are set by `add`: the full length in bytes, and where
    the rest of an oversize record is ("" when `raw` is whole). `replayed`: when it was, or None. `origin` is that of
    its frame as JSON, "" in rows from before it was kept.
    """

    id: str
    source: str
    realm: str
    format: str
    received: Micros
    reason: str
    raw: bytes
    partition: int
    offset: int
    position: int | None = None
    size: int = 0
    pointer: str = ""
    replayed: Micros | None = None
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Records of one source quarantined for one reason, and how many of them wait for a replay."""

    source: str
    realm: str
    format: str
    reason: str
    count: int
    waiting: int
    first: Micros
    last: Micros


def add(session: Session, items: Iterable[Item]) -> None:
    """Keep records; one whose id is known already is left as it is."""
    rows = []
    for item in items:
        row = item._asdict()
        row["size"] = len(item.raw)
        if len(item.raw) > KEPT:
            row["raw"] = item.raw[:KEPT]
            place = "" if item.position is None else f", source position {item.position}"
            row["pointer"] = f"journal partition {item.partition} offset {item.offset}{place}"
        rows.append(row)
    if rows:
        statement = insert(session, QuarantineRow).on_conflict_do_nothing(index_elements=["id"])
        session.execute(statement, rows)
        if outbox.watched(session, ADDED):
            tell(session, [row["id"] for row in rows])


def tell(session: Session, ids: Iterable[str]) -> None:
    """Say in the outbox that these are in quarantine; each is said once."""
    outbox.put_all(session, [(ADDED, known, {}) for known in ids])


def groups(session: Session) -> list[Group]:
    """Counts by source, format and reason, the most numerous first."""
    row = QuarantineRow
    by = (row.source, row.realm, row.format, row.reason)
    found = session.execute(
        select(*by, func.count(), func.count() - func.count(row.replayed), func.min(row.received),
               func.max(row.received)).group_by(*by).order_by(func.count().desc(), *by)
    )
    return [Group(*each) for each in found]


def listing(session: Session, source: str | None = None, reason: str | None = None, waiting: bool = False,
            after: str = "", limit: int = 100) -> tuple[list[Item], str]:
    """Records in the order of receipt, and the key of the next page ("" at the end)."""
    row = QuarantineRow
    query = select(row).order_by(row.received, row.id).limit(limit + 1)
    if source is not None:
        query = query.where(row.source == source)
    if reason is not None:
        query = query.where(row.reason == reason)
    if waiting:
        query = query.where(row.replayed.is_(None))
    if after:
        received, _, known = after.partition(":")
        query = query.where(tuple_(row.received, row.id) > tuple_(int(received), known))
    items = [_item(each) for each in session.scalars(query)]
    page = items[:limit]
    return page, f"{page[-1].received}:{page[-1].id}" if len(items) > limit else ""


def get(session: Session, item: str) -> Item | None:
    """One record by id."""
    row = session.get(QuarantineRow, item)
    return _item(row) if row else None


def present(session: Session, ids: Sequence[str]) -> set[str]:
    """Those of the ids that are held already."""
    found: set[str] = set()
    for some in chunks(ids):
        found.update(session.scalars(select(QuarantineRow.id).where(QuarantineRow.id.in_(some))))
    return found


def replay(session: Session, ids: Sequence[str], at: Micros, format: str = "") -> None:
    """Ask that these records go through the pipeline again, as `format` where one is named; they stay here as proof."""
    for some in chunks(ids):
        session.execute(update(QuarantineRow).where(QuarantineRow.id.in_(some)).values(replayed=at))
    outbox.put_all(session, [(REPLAY, f"{known}:{at}", {"id": known, "format": format}) for known in ids])


def again(session: Session, reasons: Mapping[str, str]) -> None:
    """These (id → why) came again and failed again: they wait as before."""
    for known, reason in reasons.items():
        session.execute(update(QuarantineRow).where(QuarantineRow.id == known).values(replayed=None, reason=reason))


def _item(row: QuarantineRow) -> Item:
    return Item(*(getattr(row, name) for name in Item._fields))
