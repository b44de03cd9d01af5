from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from soc_core import audit
from soc_core.access import PLATFORM
from soc_core.state.database import Database
from tests.states import database, state_url  # noqa: F401 - fixtures


@pytest.fixture
def chained(database: Database) -> Database:  # noqa: F811
    with database.begin() as session:
        for number in range(1, 8):
            detail = {"理由": "误报", "n": number}
            assert audit.append(session, "li", "alert.close", f"alert:{number}", detail) == number
    return database


def test_a_whole_chain(chained: Database) -> None:
    with chained.begin() as session:
        assert audit.verify(session) is None
        audit.append(session, PLATFORM, "read", "events", None)
        assert audit.verify(session) is None
        first = audit.listing(session, limit=2)
        assert [(e.id, e.actor, e.action, e.object, e.detail) for e in first] == [
            (8, "platform", "read", "events", {}), (7, "li", "alert.close", "alert:7", {"理由": "误报", "n": 7})]
        assert [e.id for e in audit.listing(session, actor="li", before=7, limit=2)] == [6, 5]
        assert [e.id for e in audit.listing(session, object="alert:3")] == [3]


def test_an_empty_chain_is_whole(database: Database) -> None:  # noqa: F811
    with database.begin() as session:
        assert audit.verify(session) is None
        assert audit.head(session) == audit.Head(0, audit.GENESIS)
        audit.append(session, "li", "a", "b")
        assert audit.verify(session, audit.Head(0, audit.GENESIS)) is None


@pytest.mark.parametrize(("tampering", "broken"), [
    (["UPDATE audit SET actor = 'wang' WHERE id = 3"], 3),
    (["UPDATE audit SET detail = '{}' WHERE id = 7"], 7),
    (["UPDATE audit SET at = at + 1 WHERE id = 1"], 1),
    (["DELETE FROM audit WHERE id = 4"], 4),
    (["DELETE FROM audit WHERE id = 1"], 1),
    (["DELETE FROM audit WHERE id > 5"], 6),
    (["DELETE FROM audit"], 1),
    (["UPDATE audit SET id = 99 WHERE id = 2", "UPDATE audit SET id = 2 WHERE id = 3",
      "UPDATE audit SET id = 3 WHERE id = 99"], 2),
    (["INSERT INTO audit SELECT 8, at, actor, action, object, detail, hash, hash FROM audit WHERE id = 7"], 8),
    (["INSERT INTO audit SELECT 0, at, actor, action, object, detail, hash, hash FROM audit WHERE id = 7"], 0),
    (["DELETE FROM audit_head"], 8),
    (["UPDATE audit_head SET id = 6"], 8),
])
def test_tampering_shows_where(chained: Database, tampering: list[str], broken: int) -> None:
    with chained.begin() as session:
        for statement in tampering:
            session.execute(text(statement))
    with chained.read() as session:
        assert audit.verify(session) == broken


def test_a_head_noted_elsewhere_finds_a_forged_chain(chained: Database) -> None:
    with chained.begin() as session:
        noted = audit.head(session)
        session.execute(text("DELETE FROM audit WHERE id >= 6"))
        session.execute(text("UPDATE audit_head SET id = 5, hash = (SELECT hash FROM audit WHERE id = 5)"))
    with chained.begin() as session:
        assert audit.verify(session) is None  # the forger was thorough
        assert audit.verify(session, noted) == 6
        audit.append(session, "wang", "x", "y")
        audit.append(session, "wang", "x", "y")
        assert audit.verify(session) is None
        assert audit.verify(session, noted) == 7


def test_longer_than_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chained: Database) -> None:
    for page in (1, 3, 7, 8):
        monkeypatch.setattr(audit, "PAGE", page)
        with chained.read() as session:
            assert audit.verify(session) is None
