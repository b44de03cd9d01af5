"""Canaries that do not come out of the store: the way from a collector's door to the store is broken. 探针记录"""

from __future__ import annotations

from sqlalchemy.orm import Session

from soc_core.access import EVERYTHING
from soc_core.canaries import token_of
from soc_core.clock import HOUR, MINUTE, Micros
from soc_core.models import REAL, Finding
from soc_core.protocols import EventStore, Page, Query
from soc_core.state import canaries

RULE = "canary-missing"
PATIENCE = 5 * MINUTE  # from the door to the store
ROUNDS = 3  # without a new canary: the collector itself is gone
PAGE = 1_000
NOWHERE = -1


def arrived(store: EventStore, key: bytes, since: Micros) -> set[str]:
    """Tokens of the canaries in the store of the realm `canary` that were sent after a moment."""
    rows = store.search(Query(since=since - HOUR), EVERYTHING, Page(PAGE)).rows
    return {token_of(key, str(row.get("message", ""))) for row in rows}


def findings(session: Session, now: Micros) -> list[Finding]:
    """A finding for each door whose canaries do not come out, as of `now`; one for one break, however often asked."""
    found = []
    for last, well in canaries.latest(session):
        first = canaries.first_lost(session, last.collector, last.door, well)
        if now - last.sent > ROUNDS * last.every + PATIENCE:
            found.append(_finding(last, last.sent, "采集器不再发出探针记录", "the collector sends none", now))
        elif first and last.error:
            found.append(_finding(last, first, f"入口拒收：{last.error}", f"the door refuses: {last.error}", now))
        elif first and now - first > PATIENCE:
            found.append(_finding(last, first, "入口已收，存储中没有", "taken at the door, not in the store", now))
    return found


def _finding(last: canaries.Canary, since: Micros, why_zh: str, why: str, now: Micros) -> Finding:
    name = f"{last.collector} {last.door}"
    minutes = (now - since) // MINUTE
    return Finding(
        rule_id=RULE, event_id=f"canary:{name}:{since}", at=since, level="high",
        title=f"采集通路中断 Collection broken: {name}", group=(("collector", last.collector), ("door", last.door)),
        entities=(("source", name),), techniques=(), organisation="", system="", realm=REAL, partition=NOWHERE,
        offset=NOWHERE, explanation=f"{why_zh}，已 {minutes} 分钟 ({why}, for {minutes} min)",
    )
