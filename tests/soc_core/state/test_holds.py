from __future__ import annotations

import pytest

from soc_core.access import EVERYTHING, NOTHING, Scope
from soc_core.state import holds
from soc_core.state.database import Database


def test_a_hold_stands_until_it_is_lifted_once(database: Database) -> None:
    with database.begin() as session:
        one = holds.put(session, "i1", "real", "c01", 10, 20, "order", "li", 100)
        two = holds.put(session, "", "real", "", 5, 8, "all", "li", 101)
        holds.put(session, "", "demo", "c02", 1, 2, "x", "li", 102)
        assert holds.spans(session, "real") == [(5, 8), (10, 20)]
        assert holds.spans(session, "none") == []
    with database.begin() as session:
        lifted = holds.lift(session, one.id, "wang", 200)
        assert (lifted.lifted, lifted.lifted_by) == (200, "wang")
        for gone in (one.id, 999):
            with pytest.raises(LookupError, match="no hold"):
                holds.lift(session, gone, "wang", 201)
        assert holds.spans(session, "real") == [(5, 8)]
        assert [each.id for each in holds.listing(session, EVERYTHING, standing=False)] == [1, 2, 3]
        assert [each.id for each in holds.listing(session, EVERYTHING)] == [two.id, 3]


def test_holds_are_read_in_scope(database: Database) -> None:
    with database.begin() as session:
        mine = holds.put(session, "", "real", "c01", 1, 2, "x", "li", 1)
        whole = holds.put(session, "", "real", "", 1, 2, "x", "li", 1)
        scope = Scope(frozenset({"c01"}))
        assert holds.listing(session, scope) == [mine]
        assert holds.get(session, mine.id, scope) == mine
        assert holds.get(session, whole.id, scope) is None
        assert holds.listing(session, NOTHING) == []
