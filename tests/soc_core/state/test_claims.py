"""Lanes among workers: one worker a lane, even shares, nothing committed by one who lost it."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from soc_core.clock import HOUR, SECOND, now
from soc_core.state import claims
from soc_core.state.claims import LEASE, SHARED, TASKS, Share
from soc_core.state.database import Database
from soc_core.state.tables import ClaimRow

LANES = [0, 1, 2, 3, SHARED, SHARED + 1, TASKS]


def turn(database: Database, me: str, at: int, dead: list[str] | None = None) -> Share:
    with database.begin() as session:
        claims.appear(session, me, at, {}, dead or [])
        found = claims.share(session, me, LANES)
        claims.give(session, me, found.surplus)
        return found


def test_one_worker_has_everything_and_two_have_halves(database: Database) -> None:
    assert turn(database, "a", 1) == Share([TASKS, 0, 1, 2, 3, SHARED, SHARED + 1], [])
    assert turn(database, "b", 2) == Share([], [])
    assert turn(database, "a", 3) == Share([], [2, 3, SHARED + 1])
    assert turn(database, "b", 4) == Share([2, 3, SHARED + 1], [])
    assert turn(database, "a", 5) == turn(database, "b", 6) == Share([], [])
    with database.read() as session:
        assert {known.id: known.lanes for known in claims.listing(session)} == {
            "a": [TASKS, 0, 1, SHARED], "b": [2, 3, SHARED + 1]}


def test_a_silent_worker_is_forgotten_and_commits_nothing_more(database: Database) -> None:
    turn(database, "a", 1)
    turn(database, "b", LEASE)
    assert turn(database, "b", LEASE + 1).taken == []
    assert turn(database, "b", LEASE + SECOND).taken == LANES[-1:] + LANES[:-1]
    with database.begin() as session:
        claims.hold(session, "b", 3)
        with pytest.raises(claims.Lost, match="lane 3"):
            claims.hold(session, "a", 3)


def test_a_dead_worker_is_forgotten_at_once(database: Database) -> None:
    turn(database, "a", 1)
    assert len(turn(database, "b", 2, dead=["a", "b"]).taken) == len(LANES)


def test_who_leaves_leaves_everything(database: Database) -> None:
    turn(database, "a", 1)
    with database.begin() as session:
        claims.leave(session, "a")
        assert claims.listing(session) == []
    assert len(turn(database, "b", 2).taken) == len(LANES)


def test_who_has_not_appeared_claims_nothing(database: Database) -> None:
    turn(database, "a", 1)
    with database.begin() as session:
        assert claims.share(session, "b", LANES) == Share([], [])


def test_a_claim_is_looked_up_anew_whatever_the_session_knows(database: Database) -> None:
    turn(database, "a", 1)
    with database.begin() as session:
        claims.hold(session, "a", 3)
        known = session.get(ClaimRow, 3)
        session.execute(update(ClaimRow).values(owner="b"), execution_options={"synchronize_session": False})
        assert known is not None
        assert known.owner == "a"
        with pytest.raises(claims.Lost, match="lane 3"):
            claims.hold(session, "a", 3)


def test_a_worker_with_a_wrong_clock_forgets_nobody_where_the_database_has_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it has none, all are on one machine."""
    with database.begin() as session:
        claims.appear(session, "right", claims.moment(session), {})
        one = session.get_bind().dialect.name == "sqlite"
    wrong = now() + 8 * HOUR
    monkeypatch.setattr(claims, "now", lambda: wrong)
    with database.begin() as session:
        claims.appear(session, "wrong", claims.moment(session), {})
        assert [each.id for each in claims.listing(session)] == (["wrong"] if one else ["right", "wrong"])
