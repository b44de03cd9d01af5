"""What happens by the clock beside the loop: playbooks, silent sources, retention. One process runs them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from casework import score, telling
from casework.services import Services, Stores
from detections.canaries import arrived
from detections.canaries import findings as canary_findings
from detections.gaps import Gaps
from detections.rhythm import Calendar
from detections.silence import Listener
from playbooks import engine
from soc_cli import projecting, quarantine_topic, replaying, retro
from soc_cli.wiring import Platform
from soc_core import canaries, clock, engines, seals
from soc_core.config import Settings
from soc_core.models import DEMO, REAL
from soc_core.state import canaries as canary_state
from soc_core.state import holds, outbox, queue, windows
from soc_core.store.elastic_settings import STANDARD

if TYPE_CHECKING:
    from soc_cli.pushing import Pushing

log = logging.getLogger(__name__)

DAYS = 190  # six months, which the law wants, and some days
SHORT = 2  # days that nobody needs for longer: of the demonstration, and what only proves the way
SOON = timedelta(minutes=10)  # after a start: a platform that runs some hours a day must prune, too


class Tasks:
    """The schedule. The worker's lock makes its process the only one; jobs of one kind never overlap."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        with platform.state.read() as session:
            self.listener = Listener(session, Calendar(platform.inventory.city.holidays))
        self.gaps = Gaps(platform.inventory.systems)
        self.services = Services(platform.settings, platform.state, Stores(platform.settings, platform.store),
                                 platform.inventory, dict)
        self.scheduler = BackgroundScheduler(
            executors={name: ThreadPoolExecutor(1) for name in ("default", "cluster", "broker", "upkeep")},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 3600},
            timezone="UTC",
        )
        self.scheduler.add_job(self.respond, "interval", seconds=2)
        self.scheduler.add_job(self.listen_for_silence, "interval", seconds=60)
        self.scheduler.add_job(self.await_canaries, "interval", seconds=60)
        self.scheduler.add_job(self.keep_scores, "interval", seconds=60)
        self.scheduler.add_job(self.keep_order, "interval", seconds=30)
        self.scheduler.add_job(self.match_back, "interval", seconds=30)
        self.scheduler.add_job(self.prune, "interval", hours=6, executor="upkeep",
                               next_run_time=datetime.now(UTC) + SOON)
        self.scheduler.add_job(self.tell, "interval", seconds=2)
        self.scheduler.add_job(self.seal, "interval", hours=1)
        self.pushing: Pushing | None = None
        self.projector = projecting.projector(platform.settings, platform.state)
        if self.projector:
            self.scheduler.add_job(self.project, "interval", seconds=2, executor="cluster")
        self.quarantined = quarantine_topic.feed(platform.settings, platform.state)
        if self.quarantined:
            self.scheduler.add_job(self.feed, "interval", seconds=2, executor="broker")
        self.scheduler.add_job(self.replay, "interval", seconds=2, executor="broker")
        self.scheduler.add_job(self.merge, "interval", seconds=60, executor="upkeep")
        self.scheduler.add_job(self.push, "interval", seconds=30, executor="cluster")
        self.scheduler.start()

    def respond(self) -> None:
        """Run the playbooks that the outbox asks for."""
        engine.run_once(self.platform.state, self.platform.settings)

    def tell(self) -> None:
        """Tell subscribers what is due to them."""
        telling.run_once(self.services)

    def seal(self) -> None:
        """A Merkle head over the audit chain, which the security auditor takes away."""
        with self.platform.state.begin() as session:
            seals.seal(session, clock.now())

    def listen_for_silence(self) -> None:
        """Each source's habit is learned; one that stays silent beyond its own limit raises an alert."""
        now = clock.now()
        with self.platform.state.begin() as session:
            if findings := [*self.listener.look(session, now), *self.gaps.look(session, now)]:
                self.platform.triage(session, findings, now)

    def await_canaries(self) -> None:
        """What was sent through the doors must be in the store; where it is not, an alert says which way is broken."""
        now, key = clock.now(), self.platform.canary_key
        with self.platform.state.read() as session:
            open_ = canary_state.waiting(session)
        there = set[str]()
        if open_ and canaries.REALM in engines.realms(self.platform.settings):
            there = arrived(self.platform.store(canaries.REALM), key, open_[0].sent)
        with self.platform.state.begin() as session:
            canary_state.came(session, [one.id for one in open_ if one.id in there], now)
            if findings := canary_findings(session, now):
                self.platform.triage(session, findings, now)

    def keep_scores(self) -> None:
        """Agencies' scores of the day, some at a time."""
        score.record(self.services, clock.now())

    def keep_order(self) -> None:
        """Alerts that nobody took up in time rise in the queue."""
        with self.platform.state.begin() as session:
            queue.tick(session, clock.now())

    def match_back(self) -> None:
        """New indicators over the events that were stored before them."""
        retro.run_once(self.platform, clock.now())

    def project(self) -> None:
        """Alerts into the cluster, as far as it answers."""
        try:
            if self.projector:
                self.projector.run_once()
        except OSError as error:
            log.warning("alerts wait for their index: %s", error)

    def merge(self) -> None:
        """Small segments into larger ones: a worker does it when it has nothing else to do, which may never be."""
        self.platform.compact()

    def feed(self) -> None:
        """What is in quarantine into its topic, as far as the broker answers."""
        try:
            if self.quarantined:
                self.quarantined.run_once()
        except OSError as error:
            log.warning("quarantined records wait for their topic: %s", error)

    def replay(self) -> None:
        """What is asked for out of quarantine, back into the journal."""
        try:
            if taken := replaying.run_once(self.platform.state, self.platform.journal):
                log.info("out of quarantine: %d records go through the pipeline again", taken)
        except OSError as error:
            log.warning("records wait to come out of quarantine: %s", error)

    def push(self) -> None:
        """Rules in the store itself, over events that did not pass the pipeline, and over gaps."""
        with self.platform.state.read() as session:
            gaps = windows.waiting(session)
        if not gaps and not self.platform.settings.event_engine.elastic:
            return
        if self.pushing is None:
            from soc_cli.pushing import Pushing  # its rules take memory: only where they are wanted

            self.pushing = Pushing(self.platform)
        try:
            if found := self.pushing.run_once(clock.now()):
                log.info("rules pushed down: %d findings", found)
        except OSError as error:
            log.warning("rules wait to be pushed down: %s", error)

    def prune(self) -> None:
        """Remove events past the retention of their realm, but for what is under a legal hold."""
        with self.platform.state.begin() as session:
            outbox.prune(session)
            windows.prune(session, clock.now())
        try:
            for realm, days in kept(self.platform.settings).items():
                if realm in engines.realms(self.platform.settings):
                    with self.platform.state.read() as session:
                        held = holds.spans(session, realm)
                    removed = self.platform.store(realm).expire(clock.now() - days * clock.DAY, held)
                    log.info("retention: %d events of realm %s removed", removed, realm)
            if self.projector:
                self.projector.expire(clock.now())
        except OSError as error:
            log.warning("what is past its time waits to be removed: %s", error)

    def close(self) -> None:
        """Let the running job finish, and stop. Stores and database are the platform's, whose worker goes on."""
        self.scheduler.shutdown(wait=True)
        for each in (self.projector, self.quarantined):
            if each:
                each.close()
        with self.platform.state.begin() as session:
            self.listener.save(session, clock.now())


def kept(settings: Settings) -> dict[str, int]:
    """Realm → days that its events stay: of real ones as long as soc.yaml says of the cluster's standard class."""
    elastic = settings.event_engine.elastic
    return {REAL: elastic.retention[STANDARD] if elastic else DAYS, DEMO: SHORT, canaries.REALM: SHORT}
