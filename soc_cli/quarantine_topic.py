"""Quarantined records on Kafka as well, where the journal is there: topic TOPIC.quarantine, for whoever mends them.

Each is one message: the record's bytes in the value; in the key its place, the reason and its origin, as in the
journal (soc_core/journal/kafka_frames.py), with the record's id in quarantine as `series`, so that no two records
have one key. Every record comes at least once, and again with the same key. Nothing of it is on the way of events: a
worker writes into its outbox what it quarantined, in the transaction that does.
"""

from __future__ import annotations

import numpy as np
from sqlalchemy import select

from soc_core import clock, engines
from soc_core.config import Settings
from soc_core.journal.remade import Remade
from soc_core.protocols import Journal, Origin, Raws
from soc_core.state import outbox, quarantine
from soc_core.state.database import Database
from soc_core.state.quarantine import ADDED, Item
from soc_core.state.tables import QuarantineRow

CONSUMER = "quarantine-topic"
BATCH = 500


class Feed:
    """Carries records over; the topic is made at first use."""

    def __init__(self, settings: Settings, state: Database) -> None:
        self.settings, self.state = settings, state
        self.journal: Journal | None = None

    def run_once(self, at: clock.Micros | None = None) -> int:
        """Carry over everything that is due; how many records. Raises OSError while the broker is away: nothing is
        lost, as what was claimed is due again soon."""
        with self.state.begin() as session:
            if outbox.watch(session, CONSUMER, ADDED):
                quarantine.tell(session, session.scalars(select(QuarantineRow.id)).all())
        total = 0
        while True:
            with self.state.begin() as session:
                items = outbox.claim(session, CONSUMER, [ADDED], BATCH, at=at)
                found = [known for item in items if (known := quarantine.get(session, item.key))]
            if not items:
                return total
            try:
                self._append(found)
            except OSError as error:
                with self.state.begin() as session:
                    for item in items:
                        outbox.postpone(session, CONSUMER, item.id, str(error), at)
                if isinstance(error, Remade):
                    self.close()
                raise
            with self.state.begin() as session:
                for item in items:
                    outbox.done(session, CONSUMER, item.id)
            total += len(found)

    def _append(self, found: list[Item]) -> None:
        if self.journal is None:
            self.journal = engines.open_quarantine(self.settings)
        self.journal.append([raws(item) for item in found])

    def close(self) -> None:
        """It may be used again: the topic is opened anew then."""
        if self.journal is not None:
            self.journal.close()
        self.journal = None


def raws(item: Item) -> Raws:
    """One record as the topic has it."""
    origin = Origin(source=item.source, format=item.format, realm=item.realm, series=item.id)
    place = item.offset if item.position is None else item.position
    return Raws(origin, [item.raw], item.received, np.array([place], dtype=np.int64), {0: item.reason})


def feed(settings: Settings, state: Database) -> Feed | None:
    """Where soc.yaml names Kafka."""
    return Feed(settings, state) if settings.journal_engine.kafka else None
