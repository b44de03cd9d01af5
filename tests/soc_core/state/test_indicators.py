from __future__ import annotations

from typing import Any

from soc_core.models import Indicator
from soc_core.state import indicators
from soc_core.state.database import Database


def sign(value: str, **more: Any) -> Indicator:
    facts: dict[str, Any] = {
        "name": "C2", "level": "high", "confidence": 50, "techniques": ["T1071"], "valid_from": 0, "valid_until": None,
        "revoked": False} | more
    return Indicator(id=indicators.indicator_id("ip", value, "feed"), kind="ip", value=value, feed="feed", created=0,
                     changed=0, matched=None, **facts)


def test_what_says_something_new_is_matched_again(database: Database) -> None:
    with database.begin() as session:
        before = indicators.version(session)
        assert indicators.save(session, [sign("192.0.2.1"), sign("192.0.2.2")], 10) == (2, 0, 0)
        assert indicators.version(session) != before
        waiting = indicators.unmatched(session, 10)
        assert sorted(each.value for each in waiting) == ["192.0.2.1", "192.0.2.2"]
        assert indicators.unmatched(session, 9) == []
        indicators.matched(session, waiting, 20)
        assert indicators.unmatched(session, 99) == []
        assert indicators.save(session, [sign("192.0.2.1"), sign("192.0.2.2", confidence=90)], 30) == (0, 1, 1)
        again = indicators.unmatched(session, 99)
        (one,) = again
        assert (one.value, one.confidence, one.created, one.changed) == ("192.0.2.2", 90, 10, 30)
        indicators.save(session, [sign("192.0.2.2", confidence=91)], 40)
        indicators.matched(session, again, 50)  # of what it said before
        assert len(indicators.unmatched(session, 99)) == 1


def test_listing_and_standing(database: Database) -> None:
    with database.begin() as session:
        indicators.save(session, [sign(f"192.0.2.{n}", name=f"n{n}") for n in range(30)], 10)
        indicators.save(session, [sign("192.0.2.5", revoked=True)], 20)
        found, total = indicators.listing(session, limit=10)
        assert (len(found), total, found[0].value) == (10, 30, "192.0.2.5")
        rest, _ = indicators.listing(session, limit=30, offset=10)
        assert len({each.id for each in (*found, *rest)}) == 30
        assert indicators.listing(session, text="n7")[1] == 1
        assert indicators.listing(session, kind="url") == ([], 0)
        assert len(indicators.standing(session)) == 29
