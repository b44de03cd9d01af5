"""Collectors say how they stand; who says nothing for a day is forgotten."""

from __future__ import annotations

from soc_core.clock import HOUR
from soc_core.state import collectors
from soc_core.state.database import Database


def test_the_last_word_of_each_counts_and_old_ones_go(database: Database) -> None:
    counts = {"running": True, "stalled": "", "sources": {"城门": {"received": 1}}}
    with database.begin() as session:
        collectors.tell(session, "a", counts, 1 * HOUR)
        collectors.tell(session, "b", counts, 2 * HOUR)
        collectors.tell(session, "a", {**counts, "running": False}, 3 * HOUR)
    with database.read() as session:
        assert [(each.name, each.seen, each.counts["running"]) for each in collectors.listing(session)] == [
            ("a", 3 * HOUR, False), ("b", 2 * HOUR, True)]
    with database.begin() as session:
        collectors.tell(session, "c", counts, 26 * HOUR + 1)
    with database.read() as session:
        assert [each.name for each in collectors.listing(session)] == ["a", "c"]
        assert collectors.listing(session)[1].counts == counts
