"""A recording through the ordinary path, in a data directory of its own: what a drill's runner is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from drills.match import Outcome
from soc_core.access import EVERYTHING
from soc_core.clock import Micros
from soc_core.config import Settings
from soc_core.models import Alert, Finding
from soc_core.protocols import Raws
from soc_core.state import alerts

SLICE = 256  # batches given to the journal at a time


class Runner:
    """The platform as it is set up (rules, city, models in use), its data aside: `runner(raws, folder)`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __call__(self, raws: Sequence[Raws], data: Path) -> Outcome:
        from soc_cli.wiring import Platform

        data.mkdir(parents=True, exist_ok=True)
        if self.settings.models.is_dir():
            (data / "models").symlink_to(self.settings.models.resolve(), target_is_directory=True)
        if self.settings.data.is_dir():  # compiled rules are the same; compiling them again is half a drill's time
            cache = self.settings.data.resolve() / "cache"
            cache.mkdir(exist_ok=True)
            (data / "cache").symlink_to(cache, target_is_directory=True)
        own = self.settings.model_copy(update={"data": data, "state": ""})
        findings: list[Finding] = []
        with Platform(own) as platform:
            worker = platform.worker()
            ordinary = worker.parts.triage

            def listen(session: Session, found: Sequence[Finding], at: Micros) -> Any:
                findings.extend(found)
                return ordinary(session, found, at)

            worker.parts.triage = listen
            for at in range(0, len(raws), SLICE):
                platform.journal.append(raws[at : at + SLICE])
                worker.drain()
            if worker.detector_errors:
                raise RuntimeError(f"detectors failed during the drill: {dict(worker.detector_errors)}")
            with platform.state.begin() as session:
                raised = list(_alerts(session))
                received, stored, faults = _fates(session)
        return Outcome(raised, findings, received, stored, faults)


def _alerts(session: Session) -> Iterator[Alert]:
    after = ""
    while page := alerts.find(session, EVERYTHING, after=after, limit=500)[0]:
        yield from page
        after = alerts.cursor(page[-1])


def _fates(session: Session) -> tuple[int, int, int]:
    """(received, stored, quarantined) over all sources."""
    from sqlalchemy import func, select

    from soc_core.state.tables import SourceRow

    columns = (SourceRow.received, SourceRow.stored, SourceRow.quarantined)
    row = session.execute(select(*(func.coalesce(func.sum(column), 0) for column in columns))).one()
    return int(row[0]), int(row[1]), int(row[2])
