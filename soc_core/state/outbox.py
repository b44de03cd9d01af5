"""What follows from a state change, written with it and delivered at least once. 发件箱

Each consumer reads the topics it wants at its own pace: `claim`, act, then `done` or `failed`. A claim is a lease;
when the consumer dies the item is claimed again after it. Ids rise in the order of commits (database.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, delete, func, or_, select
from sqlalchemy.orm import Session

from soc_core.clock import DAY, HOUR, MINUTE, SECOND, Micros, now
from soc_core.models import OutboxItem
from soc_core.state.database import insert
from soc_core.state.tables import OutboxCursorRow, OutboxDeliveryRow, OutboxRow

LEASE = 5 * MINUTE
ATTEMPTS = 12  # then it is given up and shown; with the back-off below, after some three hours
LONGEST_WAIT = HOUR


class Failure(NamedTuple):
    """An item that was given up, and why."""

    consumer: str
    item: OutboxItem
    error: str


def put(session: Session, topic: str, key: str, body: dict[str, Any]) -> None:
    """Write one item; (topic, key) is written once however often it is put."""
    put_all(session, [(topic, key, body)])


def put_all(session: Session, items: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
    """Write items of (topic, key, body)."""
    at = now()
    rows = [{"topic": topic, "key": key, "body": body, "created": at} for topic, key, body in items]
    if rows:
        statement = insert(session, OutboxRow).on_conflict_do_nothing(index_elements=["topic", "key"])
        session.execute(statement, rows)


def renew(session: Session, topic: str, subjects: Sequence[str]) -> None:
    """Say that these changed, where anybody reads the topic; an older word of the same subject goes.

    Keys are SUBJECT:NUMBER. Ids still rise, so a reader that holds the older item sees the newer one all the same.
    """
    if not subjects or not watched(session, topic):
        return
    last = session.scalar(select(func.max(OutboxRow.id))) or 0
    each = list(dict.fromkeys(subjects))
    put_all(session, [(topic, f"{subject}:{last}", {"id": subject}) for subject in each])
    older = delete(OutboxRow).where(
        OutboxRow.topic == topic, OutboxRow.key > bindparam("low"), OutboxRow.key < bindparam("high"),
        OutboxRow.id <= last)
    session.connection().execute(older, [{"low": f"{subject}:", "high": f"{subject};"} for subject in each])


def watched(session: Session, topic: str) -> bool:
    """Whether anybody reads a topic."""
    return session.scalar(select(OutboxCursorRow.consumer).where(OutboxCursorRow.topic == topic).limit(1)) is not None


def watch(session: Session, consumer: str, topic: str) -> bool:
    """Begin to read a topic; True the first time: whoever wants what was before must put it now."""
    if session.get(OutboxCursorRow, (consumer, topic)):
        return False
    session.add(OutboxCursorRow(consumer=consumer, topic=topic, position=0))
    session.flush()
    return True


def claim(session: Session, consumer: str, topics: Sequence[str], limit: int = 100, lease: Micros = LEASE,
          at: Micros | None = None) -> list[OutboxItem]:
    """Items due to the consumer, oldest first, leased to it. Needs a write transaction."""
    at = now() if at is None else at
    delivery = OutboxDeliveryRow
    again = session.execute(
        select(delivery, OutboxRow).join(OutboxRow, OutboxRow.id == delivery.item)
        .where(delivery.consumer == consumer, delivery.due <= at, OutboxRow.topic.in_(topics))
        .order_by(delivery.item).limit(limit)
    ).all()
    claimed = []
    for held, row in again:
        held.due = at + lease
        claimed.append(_item(row, held.attempts))
    if len(claimed) < limit:
        fresh = _advance(session, consumer, topics, limit - len(claimed))
        session.add_all(delivery(consumer=consumer, item=row.id, attempts=0, due=at + lease, error="") for row in fresh)
        claimed += [_item(row, 0) for row in fresh]
    session.flush()
    return sorted(claimed, key=lambda item: item.id)


def _advance(session: Session, consumer: str, topics: Sequence[str], limit: int) -> Sequence[OutboxRow]:
    """Items that the consumer has not met, and its cursors behind them."""
    cursors = {topic: session.get(OutboxCursorRow, (consumer, topic)) for topic in topics}
    beyond = [and_(OutboxRow.topic == topic, OutboxRow.id > (cursor.position if cursor else 0))
              for topic, cursor in cursors.items()]
    rows = session.scalars(select(OutboxRow).where(or_(*beyond)).order_by(OutboxRow.id).limit(limit)).all()
    for topic, position in {row.topic: row.id for row in rows}.items():
        cursor = cursors[topic]
        if cursor:
            cursor.position = position
        else:
            session.add(OutboxCursorRow(consumer=consumer, topic=topic, position=position))
    return rows


def done(session: Session, consumer: str, item: int) -> None:
    """The item had its effect; the consumer will not see it again."""
    session.execute(_held(consumer, item))


def failed(session: Session, consumer: str, item: int, error: str, at: Micros | None = None) -> None:
    """The item had no effect: claimed again after a wait that doubles (2 s … 1 h), given up after ATTEMPTS."""
    held = session.get(OutboxDeliveryRow, (consumer, item))
    if held is None:
        return
    held.attempts += 1
    held.error = error
    wait = min(SECOND << min(held.attempts, 20), LONGEST_WAIT)
    held.due = None if held.attempts >= ATTEMPTS else (now() if at is None else at) + wait


def postpone(session: Session, consumer: str, item: int, why: str, at: Micros | None = None) -> None:
    """The item could not even be tried: claimed again in a while, however often."""
    held = session.get(OutboxDeliveryRow, (consumer, item))
    if held is not None:
        held.error, held.due = why, (now() if at is None else at) + 2 * SECOND


def given_up(session: Session) -> list[Failure]:
    """Items that no longer are tried."""
    found = session.execute(
        select(OutboxDeliveryRow, OutboxRow).join(OutboxRow, OutboxRow.id == OutboxDeliveryRow.item)
        .where(OutboxDeliveryRow.due.is_(None)).order_by(OutboxRow.id)
    )
    return [Failure(held.consumer, _item(row, held.attempts), held.error) for held, row in found]


def retry(session: Session, consumer: str, item: int) -> None:
    """Try an item again that was given up."""
    held = session.get(OutboxDeliveryRow, (consumer, item))
    if held is not None:
        held.attempts, held.due = 0, 0


def waiting(session: Session, consumer: str, topics: Sequence[str]) -> int:
    """How many items the consumer has still to deal with, given-up ones included."""
    cursors = session.scalars(select(OutboxCursorRow).where(OutboxCursorRow.consumer == consumer))
    known = {cursor.topic: cursor.position for cursor in cursors}
    beyond = [and_(OutboxRow.topic == topic, OutboxRow.id > known.get(topic, 0)) for topic in topics]
    fresh = session.scalar(select(func.count()).select_from(OutboxRow).where(or_(*beyond))) or 0
    held = select(func.count()).select_from(OutboxDeliveryRow).where(OutboxDeliveryRow.consumer == consumer)
    return fresh + (session.scalar(held) or 0)


def skip(session: Session, consumer: str, topics: Sequence[str]) -> None:
    """A new consumer begins with what comes from now on."""
    for topic in topics:
        last = session.scalar(select(func.max(OutboxRow.id)).where(OutboxRow.topic == topic)) or 0
        session.merge(OutboxCursorRow(consumer=consumer, topic=topic, position=last))


def forget(session: Session, consumer: str) -> None:
    """A consumer that is no more holds nothing back."""
    session.execute(delete(OutboxDeliveryRow).where(OutboxDeliveryRow.consumer == consumer))
    session.execute(delete(OutboxCursorRow).where(OutboxCursorRow.consumer == consumer))


def prune(session: Session, before: Micros | None = None) -> int:
    """Drop old items that every consumer of their topic has dealt with; returns how many.

    The newest stays: SQLite numbers on from the highest there is, and a number must never come twice.
    """
    before = now() - 30 * DAY if before is None else before
    behind = select(func.min(OutboxCursorRow.position)).where(OutboxCursorRow.topic == OutboxRow.topic)
    result = session.execute(delete(OutboxRow).where(
        OutboxRow.created < before,
        OutboxRow.id <= behind.scalar_subquery(),
        OutboxRow.id < select(func.max(OutboxRow.id)).scalar_subquery(),
        OutboxRow.id.not_in(select(OutboxDeliveryRow.item)),
    ).returning(OutboxRow.id))
    return len(result.all())


def _held(consumer: str, item: int) -> Any:
    return delete(OutboxDeliveryRow).where(OutboxDeliveryRow.consumer == consumer, OutboxDeliveryRow.item == item)


def _item(row: OutboxRow, attempts: int) -> OutboxItem:
    return OutboxItem(id=row.id, topic=row.topic, key=row.key, body=row.body, created=row.created, attempts=attempts)
