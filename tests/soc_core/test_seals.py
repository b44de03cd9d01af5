"""Heads that somebody else holds: truncation, edit and reorder show even when the chain was made anew around them."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from soc_core import audit, seals
from soc_core.state.database import Database
from soc_core.state.tables import AuditHeadRow, AuditRow
from tests.states import database, state_url  # noqa: F401 - fixtures

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [  # of RFC 6962's reference implementation
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_trees_are_those_of_the_specification() -> None:
    tree = seals.Tree()
    assert tree.root() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        tree.add(bytes.fromhex(leaf))
        assert tree.root() == root


@pytest.fixture
def held(database: Database) -> list[seals.Seal]:  # noqa: F811
    """A chain of forty links, sealed at 13, 14 and 40; what the auditor took away."""
    for count in (13, 1, 26):
        with database.begin() as session:
            for number in range(count):
                audit.append(session, "wang", "alert.verdict", f"alert:{number}", {"value": "false"})
            assert seals.seal(session, number) is not None
            assert seals.seal(session, number) is None
    with database.read() as session:
        made = seals.load(seals.dump(seals.listing(session)))
    assert [each.size for each in made] == [13, 14, 40]
    return made


def forged(session: Session, change: Callable[[list[AuditRow]], list[AuditRow]]) -> None:
    """The chain written anew around a change, head and all, by somebody who may write the database."""
    rows = [{key: getattr(row, key) for key in ("at", "actor", "action", "object", "detail")}
            for row in change(list(session.scalars(select(AuditRow).order_by(AuditRow.id))))]
    session.execute(delete(AuditRow))
    session.expunge_all()
    previous, number = audit.GENESIS, 0
    for number, row in enumerate(rows, 1):
        made = AuditRow(id=number, previous=previous, **row)
        made.hash = previous = audit._hash(made)
        session.add(made)
    head = session.get(AuditHeadRow, audit.ONE)
    assert head is not None
    head.id, head.hash = number, previous


def edited(rows: list[AuditRow]) -> list[AuditRow]:
    rows[random.Random(date.today().toordinal()).randrange(len(rows))].actor = "li"
    return rows


def cut(rows: list[AuditRow]) -> list[AuditRow]:
    return rows[:-1]


def reordered(rows: list[AuditRow]) -> list[AuditRow]:
    rows[20], rows[30] = rows[30], rows[20]
    return rows


def removed(rows: list[AuditRow]) -> list[AuditRow]:
    return rows[:5] + rows[6:]


@pytest.mark.parametrize("change", [edited, cut, reordered, removed])
def test_a_forgery_that_the_chain_itself_does_not_show(
        database: Database, held: list[seals.Seal],  # noqa: F811
        change: Callable[[list[AuditRow]], list[AuditRow]]) -> None:
    with database.read() as session:
        assert seals.broken(session, held) is None
    with database.begin() as session:
        forged(session, change)
    with database.begin() as session:
        assert audit.verify(session) is None  # every hash fits: only who holds a head can tell
        assert seals.broken(session, held) is not None


def test_what_is_no_head(database: Database) -> None:  # noqa: F811
    with pytest.raises(ValueError, match="line 2 is no head"):
        seals.load(b'{"size":1,"root":"a","at":0}\n{"size":1}\n')
    with database.read() as session:
        assert seals.broken(session, []) is None
        assert seals.broken(session, [seals.Seal(1, "a", 0)]) == (1, "a", 0)
