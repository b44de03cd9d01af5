"""Wrong clocks are told: above five minutes either way, and not below."""

from __future__ import annotations

from typing import Any

from collectors.skew import Skew
from soc_core import clock
from soc_core.events import EventBatch

RECEIVED = clock.from_text("2026-11-23T00:00:00Z")


def rows(*minutes: float, tags: list[str] | None = None) -> list[dict[str, Any]]:
    batch = EventBatch.from_dicts([
        {"@timestamp": clock.to_datetime(RECEIVED - int(late * clock.MINUTE)), "tags": tags,
         "event.ingested": clock.to_datetime(RECEIVED)} for late in minutes
    ])
    return Skew().enrich(batch).frame().select("soc.skew", "tags").to_dicts()


def test_both_ways() -> None:
    assert rows(0, 6, -6) == [
        {"soc.skew": None, "tags": None}, {"soc.skew": 360, "tags": ["clock_skew"]},
        {"soc.skew": -360, "tags": ["clock_skew"]},
    ]


def test_other_tags_stay() -> None:
    assert [row["tags"] for row in rows(0, 60, tags=["partial"])] == [["partial"], ["partial", "clock_skew"]]


def test_right_clocks_cost_no_column() -> None:
    batch = EventBatch.from_dicts([{"@timestamp": clock.to_datetime(RECEIVED),
        "event.ingested": clock.to_datetime(RECEIVED + 5 * clock.MINUTE)}])
    assert Skew().enrich(batch) is batch
