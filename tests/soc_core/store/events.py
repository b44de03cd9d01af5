"""Events for the stores' tests: dotted-name rows with identities as the pipeline gives them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from soc_core.access import EVERYTHING, Scope
from soc_core.events import EventBatch
from soc_core.identity import event_ids, source_number
from soc_core.protocols import EventStore, Page, Query

Row = dict[str, Any]
START = 1_790_000_000_000_000  # 2026-09-21T14:13:20Z
SECOND = 1_000_000


def identified(rows: Iterable[Row], source: str = "s", first: int = 0) -> list[Row]:
    """Rows with id, place in the journal, time and original where they have none of their own."""
    made = []
    for n, row in enumerate(rows):
        ids = event_ids(np.array([source_number(source)]), np.array([first + n]), np.zeros(1, dtype=np.int64))
        made.append({
            "event.id": ids[0], "@timestamp": START + (first + n) * SECOND, "soc.partition": 0,
            "soc.offset": first + n, "event.original": f"line {source} {first + n}", **row,
        })
    return made


def batch(rows: Iterable[Row]) -> EventBatch:
    return EventBatch.from_dicts(rows)


def plain(count: int, source: str = "s", first: int = 0, **columns: Any) -> list[Row]:
    """Rows that differ in nothing but who and when."""
    return identified([dict(columns) for _ in range(count)], source, first)


def found(store: EventStore, text: str = "", scope: Scope = EVERYTHING, limit: int = 1000, **span: int) -> list[str]:
    """Ids that a search finds, sorted; the total must be their number."""
    hits = store.search(Query(text=text, **span), scope, Page(limit=limit))
    assert hits.total == len(hits.rows)
    return sorted(row["event.id"] for row in hits.rows)


def ids(rows: Iterable[Row]) -> list[str]:
    return sorted(row["event.id"] for row in rows)


def paged(store: EventStore, limit: int, newest: bool, text: str = "") -> list[Row]:
    """Every row, page by page."""
    rows: list[Row] = []
    after = ""
    while True:
        hits = store.search(Query(text=text), EVERYTHING, Page(limit, after, newest))
        rows += hits.rows
        after = hits.next
        if not after:
            return rows
        assert len(hits.rows) == limit
