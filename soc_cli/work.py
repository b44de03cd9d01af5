"""The working process: the loop over the journal, and beside it the scheduled tasks."""

from __future__ import annotations

import logging
import signal
import threading
import time

from soc_cli.tasks import Tasks
from soc_cli.wiring import Platform
from soc_core.config import Settings

log = logging.getLogger(__name__)

IDLE = 0.1  # seconds between looks at an empty journal
LOCK_PATIENCE = 20.0  # seconds to wait for an ./soc ingest that works on the same data


def run(settings: Settings, drain: bool = False) -> int:
    """Work until SIGTERM or SIGINT, or until nothing is pending."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("apscheduler").setLevel(logging.WARNING)  # else two lines every two seconds, for years
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with Platform(settings) as platform, platform.working(LOCK_PATIENCE):
        worker = platform.worker()
        log.info("working on %s from %s", settings.data, worker.cursor)
        tasks = None if drain else Tasks(platform)
        try:
            while not stopping.is_set():
                if worker.step():
                    continue
                if drain:
                    worker.drain()
                    break
                platform.compact()
                time.sleep(IDLE)
        finally:
            if tasks:
                tasks.close()
        worker.checkpoint()
        log.info("stopped at %s", worker.cursor)
    return 0
