"""What people's verdicts say of each rule: its precision, with the interval in which it lies. 规则准确率

    precision = true / (true + benign + false)        verdicts of test and demo are left out

`benign` counts against it: the rule saw what it describes, but nobody had to be called. The interval is Wilson's at
95 % (https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval#Wilson_score_interval), which is honest
with three verdicts as with three thousand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sqlalchemy import func, select

from casework.rights import service
from casework.services import Services
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.models import DEMO
from soc_core.personal import masked
from soc_core.state.alerts import within
from soc_core.state.tables import AlertRow

Z = 1.959964  # of 95 %


@dataclass(frozen=True)
class Precision:
    """A rule's verdicts. `value` is None without any that counts; `low` … `high` holds it at 95 %."""

    rule_id: str
    title: str
    alerts: int
    true: int
    benign: int
    false: int
    test: int
    value: float | None
    low: float
    high: float


def wilson(hits: int, n: int, z: float = Z) -> tuple[float, float]:
    """The interval of a share; (0, 1) when nothing was counted."""
    if not n:
        return 0.0, 1.0
    share, square = hits / n, z * z
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = z / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


@service
def precision(actor: Actor, services: Services, since: Micros | None = None, rule: str = "") -> list[Precision]:
    """Every rule with alerts in the actor's scope, the surely worst first, those without a verdict last."""
    row = AlertRow
    query = select(row.rule_id, row.verdict, func.count(), func.max(row.title)).where(
        *within(actor.scope), row.realm != DEMO)
    if since is not None:
        query = query.where(row.last_seen >= since)
    if rule:
        query = query.where(row.rule_id == rule)
    counts: dict[str, dict[str, int]] = {}
    titles: dict[str, str] = {}
    with services.database.read() as session:
        for name, verdict, number, title in session.execute(query.group_by(row.rule_id, row.verdict)):
            counts.setdefault(name, {})[verdict] = number
            titles[name] = title
    found = [judged(name, masked(titles[name]), verdicts) for name, verdicts in counts.items()]
    return sorted(found, key=lambda each: (each.value is None, each.high, each.rule_id))


def judged(rule: str, title: str, verdicts: dict[str, int]) -> Precision:
    """The counts of one rule, by verdict, as its precision."""
    true, benign, false = (verdicts.get(name, 0) for name in ("true", "benign", "false"))
    n = true + benign + false
    low, high = wilson(true, n)
    return Precision(rule, title, sum(verdicts.values()), true, benign, false, verdicts.get("test", 0),
                     true / n if n else None, low, high)
