"""Incidents out of alerts: those of medium level and above of one organisation that name the same entity. 事件归并

An alert joins the incident of the alert that named one of its entities last, within WINDOW of event time; two
alerts without one begin it. A closed incident takes nothing more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from sqlalchemy.orm import Session

from soc_core.clock import DAY, Micros
from soc_core.models import LEVELS
from soc_core.state import alerts, incidents
from soc_core.state.alerts import Episode
from soc_core.state.entities import Entity
from soc_core.state.incidents import Story

WINDOW = DAY
LOWEST = LEVELS.index("medium")


class Stories:
    """The incidents that one call of triage may touch."""

    def __init__(self, session: Session, rows: Sequence[Episode], known: Iterable[Entity]) -> None:
        self.session = session
        self.rows = {row.id: row for row in rows}
        self.incident = {row.id: row.incident for row in rows}
        others = sorted({entity.alert for entity in known if entity.alert} - set(self.incident))
        self.others = alerts.briefly(session, others)
        self.incident |= {other.id: other.incident for other in self.others.values()}
        self.open = incidents.open_among(session, sorted({each for each in self.incident.values() if each}))
        self.touched: dict[str, None] = {}
        self.joined: dict[str, list[str]] = {}  # incident → alerts that it took in

    def tell(self, row: Episode, named: Sequence[Entity], at: Micros) -> None:
        """An alert has got a finding at `at` that names these entities."""
        if row.severity < LOWEST:
            return
        self.rows[row.id] = row
        if not row.incident:
            for entity in named:
                if entity.alert and entity.alert != row.id and abs(at - entity.alert_at) <= WINDOW and self._join(
                    row, entity.alert
                ):
                    break
        self._keep_up(row)
        for entity in named:
            entity.alert_at = max(at, entity.alert_at) if entity.alert == row.id else at
            entity.alert = row.id

    def _join(self, row: Episode, other: str) -> bool:
        incident = self.incident.get(other, "")
        if incident and incident not in self.open:
            return False
        if not incident:
            first = self.rows.get(other) or self.others.get(other)
            if first is None:
                return False
            incident = hashlib.blake2b(f"incident\0{other}".encode(), digest_size=16).hexdigest()
            self.open[incident] = Story(incident, first.title, first.level, row.organisation, row.realm,
                                        first.first_seen, first.last_seen)
            self._enter(other, incident)
        self._enter(row.id, incident)
        return True

    def _enter(self, alert: str, incident: str) -> None:
        self.incident[alert] = incident
        if alert in self.rows:
            self.rows[alert].incident = incident
        self.joined.setdefault(incident, []).append(alert)
        self.touched[incident] = None

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
        )
        if later != story:
            self.open[story.id] = later
            self.touched[story.id] = None

    def write(self) -> None:
        """Write the incidents that changed, after the alerts."""
        incidents.save(self.session, [self.open[each] for each in self.touched])
        for incident, members in self.joined.items():
            alerts.relate(self.session, members, incident)
