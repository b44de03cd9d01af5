"""An agency's score, 0 … 100, with the formula that made it; its trend, and where it stands among its like. 评分

score = 100 · Σ weight · value ∕ Σ weight, over the parts that are known. A part that nobody measured is left out, not
guessed: an agency whose hosts were never scanned has no share for exposure, and the page says so. The parts:

- coverage 30: kinds of data heard within their register's limit ∕ kinds expected
- quiet 10: 1 - sources silent beyond their limit ∕ sources that have one
- retention 20: covered days of the last six months ∕ 183, the mean over its systems
- exposure 25: 1 ∕ (1 + burden ∕ (5 · systems)), burden = 10 critical + 5 high + 2 medium + 0.5 low of what is open
- response 15: 1 - open alerts of high and above past their limit ∕ open alerts of high and above (1 where none is open)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles

from sqlalchemy import case, func, select

from casework import retention, sources
from casework.exposure import SOON
from casework.register import expected
from casework.rights import service
from casework.services import NotFound, Services, now, within
from soc_core import clock
from soc_core.access import Actor, Scope
from soc_core.clock import Micros
from soc_core.models import LEVELS, REAL
from soc_core.state import exposures, scores
from soc_core.state.scores import Day
from soc_core.state.tables import AlertRow

WEIGHTS = {"coverage": 30, "quiet": 10, "retention": 20, "exposure": 25, "response": 15}
BURDEN = {"critical": 10.0, "high": 5.0, "medium": 2.0, "low": 0.5, "informational": 0.0}
PER_SYSTEM = 5.0
PEERS = 5  # fewer could be told apart
TREND = 90  # days
FRESH = 3  # days for which a peer's last score stands


@dataclass(frozen=True)
class Part:
    """One part: its weight, its value 0 … 1 (None: nobody measured it), and the two counts behind it."""

    name: str
    weight: int
    value: float | None
    have: float
    want: float


@dataclass(frozen=True)
class Peers:
    """The like: how many others have a score, their quartiles, and of each day their median. Never who they are."""

    count: int
    low: float
    middle: float
    high: float
    days: list[tuple[int, float]]


@dataclass(frozen=True)
class Score:
    """`score` None: nothing is known. `trend` is (day since the epoch, score), oldest first. `peers` None: fewer than
    PEERS others, so they are hidden."""

    organisation: str
    score: float | None
    parts: list[Part]
    formula: str
    trend: list[tuple[int, float]]
    peers: Peers | None
    as_of: Micros


def total(parts: Sequence[Part]) -> float | None:
    """The score of these parts, to one decimal."""
    known = [(part.weight, part.value) for part in parts if part.value is not None]
    weight = sum(weight for weight, _ in known)
    return round(100 * sum(weight * value for weight, value in known) / weight, 1) if weight else None


def formula(parts: Sequence[Part]) -> str:
    """The sum with its numbers in it, e.g. `100 × (30×0.80 + 20×0.50) ∕ (30 + 20)`."""
    known = [part for part in parts if part.value is not None]
    if not known:
        return ""
    above = " + ".join(f"{part.weight}×{part.value:.2f}" for part in known)
    return f"100 × ({above}) ∕ ({' + '.join(str(part.weight) for part in known)})"


def burden(levels: Mapping[str, int]) -> float:
    """What the open weaknesses weigh, by level."""
    return sum(BURDEN[level] * count for level, count in levels.items())


def share(have: float, want: float) -> float | None:
    """have ∕ want, at most 1; None where nothing is wanted."""
    return min(1.0, have / want) if want else None


def measure(services: Services, organisation: str, at: Micros) -> list[Part]:
    """The parts of an organisation now."""
    scope, systems = Scope(frozenset({organisation})), len(services.inventory.systems_of(organisation))
    register = services.recent.get(("register", organisation), lambda: expected(services, organisation, at))
    heard = sum(item.state == "heard" for item in register)
    limited = [item for item in sources.rows(services, scope) if item.realm == REAL and item.health != "unknown"]
    loud = sum(item.health == "alive" for item in limited)
    kept = services.recent.get(("retention", organisation), lambda: retention.measure(services, organisation, at))
    covered = sum(item.share for item in kept.systems)
    severe = AlertRow.severity >= LEVELS.index("high")
    late = case((AlertRow.due < at, 1), else_=0)
    with services.database.read() as session:
        scanned = bool(exposures.imported(session, scope))
        found = exposures.counts(session, scope, at + SOON).get(organisation, {})
        open_, overdue = session.execute(select(func.count(), func.sum(late)).where(
            AlertRow.organisation == organisation, AlertRow.status == "new", AlertRow.realm == REAL, severe)).one()
    weighs = burden({level: found.get(f"level {place}", 0) for place, level in enumerate(LEVELS)})
    late_ones = int(overdue or 0)
    values: dict[str, tuple[float | None, float, float]] = {
        "coverage": (share(heard, len(register)), heard, len(register)),
        "quiet": (share(loud, len(limited)), loud, len(limited)),
        "retention": (share(covered, len(kept.systems)), round(covered, 3), len(kept.systems)),
        "exposure": (1 / (1 + weighs / (PER_SYSTEM * max(1, systems))) if scanned else None, weighs, systems),
        "response": (1 - late_ones / open_ if open_ else 1.0, open_ - late_ones, open_),
    }
    return [Part(name, weight, *values[name]) for name, weight in WEIGHTS.items()]


@service
def score(actor: Actor, services: Services, organisation: str) -> Score:
    """The score of one organisation now. Raises NotFound for one that is not the actor's to see."""
    within(actor, organisation)
    if organisation not in services.inventory.organisations:
        raise NotFound("no such organisation")
    at = now()
    parts = measure(services, organisation, at)
    since = at // clock.DAY - TREND
    with services.database.read() as session:
        trend = [(day.day, day.score) for day in scores.history(session, organisation, since)]
        others = scores.of(session, like(services, organisation), since)
    return Score(organisation, total(parts), parts, formula(parts), trend, among(others, at // clock.DAY), at)


def like(services: Services, organisation: str) -> set[str]:
    """The others of its kind, and of its class of place: the city's own, or a district's."""
    known = services.inventory.organisations
    own = known[organisation]
    return {item.id for item in known.values()
            if item.kind == own.kind and bool(item.district) == bool(own.district) and item.id != organisation}


def among(days: Sequence[Day], today: int) -> Peers | None:
    """What may be said of the others: nothing where fewer than PEERS have a score of late."""
    last: dict[str, Day] = {}
    for one in days:
        if one.day > today - FRESH and (one.organisation not in last or last[one.organisation].day < one.day):
            last[one.organisation] = one
    if len(last) < PEERS:
        return None
    low, middle, high = quantiles((one.score for one in last.values()), n=4)
    by_day: dict[int, list[float]] = {}
    for one in days:
        by_day.setdefault(one.day, []).append(one.score)
    return Peers(len(last), round(low, 1), round(middle, 1), round(high, 1),
                 [(day, round(median(found), 1)) for day, found in sorted(by_day.items()) if len(found) >= PEERS])


def record(services: Services, at: Micros, most: int = 3) -> int:
    """Write down today's score of some organisations that have none yet; how many. The schedule asks every minute."""
    day = at // clock.DAY
    with services.database.read() as session:
        known = scores.done(session, day)
    missing = sorted({item.owner for item in services.inventory.systems.values()} - known)[:most]
    made = []
    for organisation in missing:
        parts = measure(services, organisation, at)
        made.append(Day(organisation, day, total(parts) or 0.0, {part.name: asdict(part) for part in parts}))
    with services.database.begin() as session:
        scores.keep(session, made)
    return len(made)
