"""Risk: points by level, summed per entity with a half-life, and what that makes of an alert. 风险

    entity(t) = Σ points · 2^-((t - tᵢ) / half-life)          one contribution an alert, each of a building block
    alert     = points(level) · criticality of the system + up to 20 from its riskiest entity, at most 100
"""

from __future__ import annotations

import ipaddress
import math
from functools import lru_cache

from soc_core.clock import DAY, Micros
from soc_core.models import Level
from soc_core.state.entities import Entity

POINTS: dict[Level, int] = {"informational": 1, "low": 10, "medium": 30, "high": 60, "critical": 90}
HALF_LIFE = DAY
FROM_ENTITY = 20  # points that the riskiest entity may add to an alert
CRITICALITY: dict[str, float] = {"C1": 1.3, "C2": 1.1, "C3": 1.0}  # of a system, by its class on record
HALF_FULL = 100.0  # the score at which an entity adds 63 % of them

# Names that every host has: they say nothing of who it was, and would tie everything to everything.
EVERYBODY = frozenset({
    "", "-", "root", "system", "local system", "localsystem", "administrator", "local service", "network service",
    "anonymous logon", "anonymous", "nobody", "unknown", "localhost", "n/a", "nt authority\\system",
})


@lru_cache(maxsize=65536)
def kind(field: str, value: str) -> str:
    """host, user or ip: what an entity's field means for risk; "" when it carries none."""
    if value.lower() in EVERYBODY:
        return ""
    if field == "ip" or field.endswith(".ip"):
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return ""
        return "" if address.is_loopback or address.is_unspecified or address.is_multicast else "ip"
    if field in ("host.name", "host.hostname"):
        return "host"
    return "user" if field.endswith("user.name") else ""


def add(entity: Entity, points: float, at: Micros) -> None:
    """Add points at an event time, which may lie before what was added last."""
    if at >= entity.at:
        entity.score = entity.score * _left(at - entity.at) + points
        entity.at = at
    else:
        entity.score += points * _left(entity.at - at)


def score(entity: Entity, at: Micros) -> float:
    """The entity's risk at a time not before its last contribution."""
    return entity.score * _left(max(0, at - entity.at))


def of_alert(level: Level, criticality: float, entity_score: float) -> int:
    """0 … 100."""
    context = FROM_ENTITY * (1 - math.exp(-entity_score / HALF_FULL))
    return min(100, round(POINTS[level] * criticality + context))


def _left(age: Micros) -> float:
    return float(2.0 ** (-age / HALF_LIFE))
