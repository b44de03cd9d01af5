"""How the rules do: which can see, what was set aside, who excepted what; what their alerts came to. 规则健康"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, select

from casework.rights import service
from casework.services import Services, now
from casework.verdicts import wilson
from soc_core.access import Actor
from soc_core.clock import Micros
from soc_core.models import REAL
from soc_core.personal import masked
from soc_core.state import rulings
from soc_core.state.tables import AlertRow


@dataclass(frozen=True)
class Fired:
    """The real alerts of one rule in scope. `precision`: true ones among those judged true, benign or false; None
    before any was. It lies between `low` and `high` at 95 % (verdicts.py)."""

    rule: str
    title: str
    alerts: int
    last: Micros
    judged: int
    precision: float | None
    low: float
    high: float


@dataclass(frozen=True)
class RuleHealth:
    """`blind`, `partly`: {id, title, path, missing}; `failed`: {path, line, error}; `exceptions`: {path, line, rule,
    owner, reason, expires, suppressed}. `as_of` is when the engine last loaded its rules, 0 before it ever did."""

    documents: int
    loaded: int
    blind: list[dict[str, Any]]
    partly: list[dict[str, Any]]
    failed: list[dict[str, Any]]
    exceptions: list[dict[str, Any]]
    fired: list[Fired]
    as_of: Micros


@service
def health(actor: Actor, services: Services) -> RuleHealth:
    """Of all rules; the alerts that they are measured by are those in the actor's scope."""
    with services.database.read() as session:
        known, counts = rulings.report(session), rulings.suppressed(session)
        judged = func.sum(case((AlertRow.verdict.in_(("true", "benign", "false")), 1), else_=0))
        true = func.sum(case((AlertRow.verdict == "true", 1), else_=0))
        asked = select(AlertRow.rule_id, func.max(AlertRow.title), func.count(), func.max(AlertRow.last_seen), judged,
                       true).where(AlertRow.realm == REAL).group_by(AlertRow.rule_id)
        if actor.scope.organisations is not None:
            asked = asked.where(AlertRow.organisation.in_(actor.scope.organisations))
        fired = [
            Fired(rule, masked(title), number, last, int(seen), int(right) / int(seen) if seen else None,
                  *wilson(int(right), int(seen)))
            for rule, title, number, last, seen, right in session.execute(asked.order_by(func.max(
                AlertRow.last_seen).desc()))
        ]
    excepted = [{**each, "suppressed": counts.get(f"{each['path']}:{each['line']}", 0)}
                for each in known.get("exceptions", [])]
    return RuleHealth(
        known.get("rules", 0), known.get("loaded", 0), known.get("blind", []), known.get("partly_blind", []),
        known.get("failed", []), excepted, fired, known.get("at", 0) or (now() if known else 0),
    )
