"""Alerts into Elasticsearch, where the city has it: what the outbox says has changed is written as it stands."""

from __future__ import annotations

import logging

from sqlalchemy import select
from sqlalchemy.orm import Session

from soc_core import clock
from soc_core.access import EVERYTHING
from soc_core.config import Settings
from soc_core.state import alerts, outbox
from soc_core.state.alerts import CHANGED
from soc_core.state.database import Database
from soc_core.state.tables import AlertRow
from soc_core.store.elastic_alerts import AlertIndex, Change

log = logging.getLogger(__name__)
CONSUMER = "alert-index"
BATCH = 500


class Projector:
    """Carries alerts over; any number may run at once, and each change arrives at least once."""

    def __init__(self, state: Database, index: AlertIndex) -> None:
        self.state, self.index = state, index

    def begin(self) -> None:
        """Ask to be told of changes; the first time of every alert there is."""
        with self.state.begin() as session:
            if outbox.watch(session, CONSUMER, CHANGED):
                outbox.renew(session, CHANGED, list(session.scalars(select(AlertRow.id))))

    def run_once(self, at: clock.Micros | None = None) -> int:
        """Carry over everything that is due; how many alerts. Raises OSError while an engine is away: nothing is lost,
        as what was claimed is due again soon."""
        self.begin()
        total = 0
        while True:
            with self.state.begin() as session:
                items = outbox.claim(session, CONSUMER, [CHANGED], BATCH, at=at)
            if not items:
                return total
            try:
                total += self._carry({item.body["id"]: item.id for item in items})
            except OSError as error:
                with self.state.begin() as session:
                    self._again(session, [item.id for item in items], str(error), at)
                raise
            with self.state.begin() as session:
                for item in items:
                    outbox.done(session, CONSUMER, item.id)

    def _carry(self, wanted: dict[str, int]) -> int:
        """Write alerts as they stand now, which is no earlier than the change that is numbered."""
        changes = []
        with self.state.read() as session:
            for alert, number in wanted.items():
                if found := alerts.get(session, alert, EVERYTHING):
                    changes.append(Change(found, number))
        for alert, why in self.index.put(changes).items():
            log.error("alert %s is not in the index of alerts: %s", alert, why)
        return len(changes)

    def _again(self, session: Session, items: list[int], why: str, at: clock.Micros | None) -> None:
        """An engine that is away is no fault of the item: it is never given up."""
        for item in items:
            outbox.postpone(session, CONSUMER, item, why, at)

    def expire(self, now: clock.Micros) -> int:
        """Drop the months that are past their time."""
        return self.index.expire(now - self.index.days * clock.DAY)

    def close(self) -> None:
        self.index.close()


def projector(settings: Settings, state: Database) -> Projector | None:
    """Where soc.yaml names Elasticsearch."""
    elastic = settings.event_engine.elastic
    return Projector(state, AlertIndex(elastic)) if elastic else None
