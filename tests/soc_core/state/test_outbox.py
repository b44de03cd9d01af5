from __future__ import annotations

from sqlalchemy import select

from soc_core.clock import DAY, HOUR, MINUTE, SECOND, now
from soc_core.models import OutboxItem
from soc_core.state import outbox
from soc_core.state.database import Database
from soc_core.state.tables import OutboxDeliveryRow

AT = 1_700_000_000_000_000


def claim(database: Database, consumer: str, *topics: str, limit: int = 100, at: int = AT) -> list[OutboxItem]:
    with database.begin() as session:
        return outbox.claim(session, consumer, topics, limit, at=at)


def test_an_item_is_written_once(database: Database) -> None:
    with database.begin() as session:
        outbox.put(session, "alert.raised", "1", {"标题": "一"})
        outbox.put(session, "alert.raised", "1", {"标题": "二"})
        outbox.put(session, "alert.updated", "1", {"n": 1})
    items = claim(database, "playbooks", "alert.raised", "alert.updated")
    told = [(item.topic, item.body) for item in items]
    assert told == [("alert.raised", {"标题": "一"}), ("alert.updated", {"n": 1})]


def test_consumers_and_topics_are_independent(database: Database) -> None:
    with database.begin() as session:
        outbox.put_all(session, [(topic, str(n), {}) for n in range(3) for topic in ("a", "b")])
    assert [item.key for item in claim(database, "one", "a", limit=2)] == ["0", "1"]
    assert [item.key for item in claim(database, "one", "a")] == ["2"]
    assert claim(database, "one", "a") == []
    assert [item.topic for item in claim(database, "one", "b", "a")] == ["b", "b", "b"]
    assert [item.topic for item in claim(database, "two", "a", "b")] == ["a", "b"] * 3
    with database.begin() as session:
        outbox.put(session, "a", "new", {})
    assert [item.key for item in claim(database, "one", "a", "b")] == ["new"]


def test_a_consumer_that_dies_gets_the_item_again(database: Database) -> None:
    with database.begin() as session:
        outbox.put(session, "a", "1", {})
    assert len(claim(database, "one", "a")) == 1
    assert claim(database, "one", "a", at=AT + outbox.LEASE - 1) == []
    again = claim(database, "one", "a", at=AT + outbox.LEASE)
    assert len(again) == 1
    with database.begin() as session:
        outbox.done(session, "one", again[0].id)
        assert outbox.waiting(session, "one", ["a"]) == 0
    assert claim(database, "one", "a", at=AT + DAY) == []


def test_failures_wait_longer_each_time_and_are_given_up(database: Database) -> None:
    with database.begin() as session:
        outbox.put(session, "a", "1", {})
    at, waits = AT, []
    for attempt in range(outbox.ATTEMPTS):
        items = claim(database, "one", "a", at=at)
        assert [item.attempts for item in items] == [attempt]
        with database.begin() as session:
            outbox.failed(session, "one", items[0].id, "refused", at=at)
        with database.read() as session:
            due = session.scalars(select(OutboxDeliveryRow.due)).one()
        if due is not None:
            assert claim(database, "one", "a", at=due - 1) == []
            waits.append(due - at)
            at = due
    assert waits[:4] == [2 * SECOND, 4 * SECOND, 8 * SECOND, 16 * SECOND]
    assert waits[-1] == min(SECOND << outbox.ATTEMPTS - 1, HOUR)
    assert claim(database, "one", "a", at=at + DAY) == []
    with database.begin() as session:
        assert [(f.consumer, f.error) for f in outbox.given_up(session)] == [("one", "refused")]
        assert outbox.waiting(session, "one", ["a"]) == 1
        outbox.retry(session, "one", 1)
    assert len(claim(database, "one", "a")) == 1


def test_prune_keeps_what_somebody_still_needs(database: Database) -> None:
    with database.begin() as session:
        outbox.put_all(session, [("a", str(n), {}) for n in range(3)] + [("unread", "1", {})])
    first, *_ = claim(database, "fast", "a")
    claim(database, "slow", "a", limit=2)
    with database.begin() as session:
        for number in (1, 2, 3):
            outbox.done(session, "fast", number)
        outbox.done(session, "slow", 1)
        assert outbox.prune(session, before=now() - HOUR) == 0
        assert outbox.prune(session, before=now() + MINUTE) == 1
    assert [item.id for item in claim(database, "slow", "a", at=AT + DAY)] == [2, 3]
    assert first.id == 1
