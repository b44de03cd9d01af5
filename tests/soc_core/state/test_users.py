from __future__ import annotations

import pytest
from sqlalchemy import select

from soc_core.access import Role
from soc_core.clock import SECOND, now
from soc_core.state import users
from soc_core.state.database import Database
from soc_core.state.tables import UserRow

GOOD = "correct horse battery"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "HASHER", users.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    users._nobody.cache_clear()


def test_first_account_gets_a_password_once_it_is_needed(database: Database) -> None:
    with database.begin() as session:
        first = users.one_time_password(session)
        second = users.one_time_password(session)
    assert first
    assert second
    assert first != second
    with database.begin() as session:
        assert users.check_password(session, "soc", first) is None
        account = users.check_password(session, "soc", second)
        assert account is not None
        assert account.must_change
        assert account.roles.isdisjoint(users.ADMINISTRATORS)
        version = account.session_version
        changed = users.set_password(session, "soc", GOOD)
        assert (changed.must_change, changed.session_version) == (False, version + 1)
        assert users.one_time_password(session) is None
        stored = session.scalars(select(UserRow.password)).one()
    assert stored.startswith("$argon2id$")
    assert GOOD not in stored


def test_no_first_account_beside_others(database: Database) -> None:
    with database.begin() as session:
        users.create(session, "li", GOOD, [Role.ANALYST])
        assert users.one_time_password(session) is None


def test_lock_out_and_its_end(database: Database) -> None:
    at = now()
    with database.begin() as session:
        users.create(session, "li", GOOD, [Role.ANALYST])
        for _ in range(users.FAILURES - 1):
            assert users.check_password(session, "li", "wrong", at) is None
        assert users.check_password(session, "li", GOOD, at) is not None  # a right one starts the count again
        for _ in range(users.FAILURES):
            assert users.check_password(session, "li", "wrong", at) is None
        assert users.check_password(session, "li", GOOD, at + users.LOCKED - SECOND) is None
        assert users.check_password(session, "li", GOOD, at + users.LOCKED) is not None
        assert users.check_password(session, "nobody", GOOD) is None


def test_the_three_administrators_never_meet(database: Database) -> None:
    with database.begin() as session:
        with pytest.raises(ValueError, match="three people"):
            users.create(session, "li", GOOD, [Role.SYSTEM_ADMIN, Role.SECURITY_AUDITOR])
        users.create(session, "li", GOOD, [Role.SYSTEM_ADMIN])
        with pytest.raises(ValueError, match="three people"):
            users.set_roles(session, "li", [Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN])


def test_changes_end_sessions(database: Database) -> None:
    with database.begin() as session:
        version = users.create(session, "li", GOOD, [Role.ANALYST], organisation="c01").session_version
        assert users.set_roles(session, "li", [Role.COMMANDER], "c02").session_version == version + 1
        assert users.disable(session, "li").session_version == version + 2
        assert users.check_password(session, "li", GOOD) is None
        users.disable(session, "li", False)
        account = users.check_password(session, "li", GOOD)
        assert account is not None
        assert (account.roles, account.organisation) == (frozenset({Role.COMMANDER}), "c02")


@pytest.mark.parametrize(("name", "password", "says"), [
    ("", GOOD, "empty or in use"), ("li", GOOD, "empty or in use"), ("wang", "short", "at least 12"),
    ("wang", "aaaaaaaaaaaaaaaa", "easy"), ("wang-the-second", "WANG-the-second", "easy"),
])
def test_refused(database: Database, name: str, password: str, says: str) -> None:
    with database.begin() as session:
        users.create(session, "li", GOOD, [Role.ANALYST])
        with pytest.raises(ValueError, match=says):
            users.create(session, name, password, [Role.ANALYST])
        with pytest.raises(ValueError, match="the old one"):
            users.set_password(session, "li", GOOD)
        with pytest.raises(LookupError, match="no account 'zhao'"):
            users.set_password(session, "zhao", GOOD)
        assert [each.name for each in users.listing(session)] == ["li"]
        assert users.get(session, "zhao") is None
