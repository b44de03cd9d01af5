"""Incidents out of alerts: those of one organisation that name the same entity, close in time, in order of ATT&CK. 归并

An alert joins the incident of an alert that named one of its entities last, where what ties the two is strong enough:

    strength = Σ WEIGHT of each entity that both name · 2^-(gap / HALF)
               + IN_ORDER where its tactic comes with or after the other's in an attack, - IN_ORDER / 2 where before

Two alerts of medium level without an incident begin one; alerts below join what there is, and begin nothing. An
incident that ended takes nothing more. Every link is kept with its reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

from sqlalchemy.orm import Session

from detections import attack
from soc_core.clock import DAY, HOUR, Micros
from soc_core.models import LEVELS
from soc_core.state import alerts, incidents
from soc_core.state.alerts import Brief, Episode
from soc_core.state.entities import Entity
from soc_core.state.incidents import Link, Story

WINDOW = DAY
HALF = 12 * HOUR
LOWEST = LEVELS.index("medium")
WEIGHT = {"host": 60, "user": 45, "ip": 40}
IN_ORDER = 20
ENOUGH = 30
ORDER = (  # the tactics as an attack goes through them; Enterprise and ICS
    "TA0043", "TA0042", "TA0001", "TA0108", "TA0002", "TA0104", "TA0003", "TA0110", "TA0004", "TA0111", "TA0005",
    "TA0112", "TA0103", "TA0006", "TA0007", "TA0102", "TA0008", "TA0109", "TA0009", "TA0100", "TA0011", "TA0101",
    "TA0010", "TA0107", "TA0106", "TA0105", "TA0040",
)
PLACE = {tactic: number for number, tactic in enumerate(ORDER)}


@lru_cache(maxsize=8192)
def stages(techniques: tuple[str, ...]) -> tuple[str, ...]:
    """The tactics of techniques in the order of an attack."""
    found = {tactic for each in techniques if (known := attack.resolve(each)) for tactic in known.tactics}
    return tuple(sorted(found & set(PLACE), key=PLACE.__getitem__))


def in_order(before: Sequence[str], after: Sequence[str]) -> str:
    """Both stages as "TA0001>TA0002", "<" between them where they are the other way round; "" where one is unknown."""
    first, then = stages(tuple(before)), stages(tuple(after))
    if not first or not then:
        return ""
    later = next((each for each in then if PLACE[each] >= PLACE[first[0]]), "")
    return f"{first[0]}>{later}" if later else f"{first[0]}<{then[-1]}"


class Stories:
    """The incidents that one call of triage may touch. `wall` is the clock's time of the call."""

    def __init__(self, session: Session, rows: Sequence[Episode], known: Iterable[Entity], wall: Micros) -> None:
        self.session, self.wall = session, wall
        self.rows = {row.id: row for row in rows}
        self.incident = {row.id: row.incident for row in rows}
        others = sorted({entity.alert for entity in known if entity.alert} - set(self.incident))
        self.others = alerts.briefly(session, others)
        self.incident |= {other.id: other.incident for other in self.others.values()}
        self.open = incidents.open_among(session, sorted({each for each in self.incident.values() if each}))
        self.touched: dict[str, None] = {}
        self.fresh: list[str] = []
        self.links: list[Link] = []
        self.joined: dict[str, list[str]] = {}  # incident → alerts that it took in

    def tell(self, row: Episode, named: Sequence[Entity], at: Micros) -> None:
        """An alert has got a finding at `at` that names these entities."""
        self.rows[row.id] = row
        if not row.incident:
            for link in self._ties(row, named, at):
                if link.strength >= ENOUGH and self._join(row, link):
                    break
        self._keep_up(row)
        if row.severity < LOWEST:
            return
        for entity in named:
            entity.alert_at = max(at, entity.alert_at) if entity.alert == row.id else at
            entity.alert = row.id

    def _ties(self, row: Episode, named: Sequence[Entity], at: Micros) -> list[Link]:
        """What ties the alert to others, the strongest first."""
        shared: dict[str, list[Entity]] = {}
        for entity in named:
            if entity.alert and entity.alert != row.id and abs(at - entity.alert_at) <= WINDOW:
                shared.setdefault(entity.alert, []).append(entity)
        links = []
        for other, common in shared.items():
            best = max(common, key=lambda each: (WEIGHT[each.kind], each.alert_at))
            known = self._known(other)
            stage = in_order(known.techniques, row.techniques) if known else ""
            strength = sum(WEIGHT[each.kind] * 2.0 ** (-abs(at - each.alert_at) / HALF) for each in common)
            strength += IN_ORDER if ">" in stage else -IN_ORDER / 2 if stage else 0
            links.append(Link(row.id, "", other, "shared", best.kind, best.value, at - best.alert_at, stage,
                              max(0, min(100, round(strength)))))
        return sorted(links, key=lambda each: (-each.strength, abs(each.gap), each.other))

    def _known(self, alert: str) -> Episode | Brief | None:
        return self.rows.get(alert) or self.others.get(alert)

    def _join(self, row: Episode, link: Link) -> bool:
        incident = self.incident.get(link.other, "")
        if incident and incident not in self.open:
            return False
        if not incident:
            first = self._known(link.other)
            if first is None or row.severity < LOWEST:
                return False
            incident = hashlib.blake2b(f"incident\0{link.other}".encode(), digest_size=16).hexdigest()
            self.open[incident] = Story(incident, first.title, first.level, row.organisation, row.realm,
                                        first.first_seen, first.last_seen, first.risk)
            self.fresh.append(incident)
            self._enter(Link(link.other, incident, "", "began"))
        self._enter(link._replace(incident=incident))
        return True

    def _enter(self, link: Link) -> None:
        self.incident[link.alert] = link.incident
        if link.alert in self.rows:
            self.rows[link.alert].incident = link.incident
        self.joined.setdefault(link.incident, []).append(link.alert)
        self.links.append(link)
        self.touched[link.incident] = None

    def _keep_up(self, row: Episode) -> None:
        story = self.open.get(row.incident)
        if story is None:
            return
        higher = row.severity > LEVELS.index(story.level)
        later = story._replace(
            level=row.level if higher else story.level,
            title=row.title if higher else story.title,
            opened=min(story.opened, row.first_seen),
            last_seen=max(story.last_seen, row.last_seen),
            risk=max(story.risk, row.risk),
        )
        if later != story:
            self.open[story.id] = later
            self.touched[story.id] = None

    def write(self) -> list[tuple[str, str, dict[str, object]]]:
        """Write the incidents that changed, after the alerts; what the outbox says of the new ones."""
        incidents.save(self.session, [self.open[each] for each in self.touched], self.fresh, self.wall)
        for incident, members in self.joined.items():
            alerts.relate(self.session, members, incident)
        incidents.link(self.session, self.links)
        return [("incident.raised", each, dict(self.open[each]._asdict())) for each in self.fresh]
