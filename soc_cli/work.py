"""The working process: the loop over the journal, and beside it the scheduled tasks."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

from soc_cli.accepting import accept
from soc_cli.rule_files import Watch
from soc_cli.settling import Backlog
from soc_cli.supervise import Child
from soc_cli.tasks import Tasks
from soc_cli.wiring import Platform
from soc_core import garbage, logs
from soc_core.config import Settings

log = logging.getLogger(__name__)

IDLE = 0.1  # seconds between looks at an empty journal
ACCEPT = "--accept-journal"  # said once, it is no word about journals to come
LOCK_PATIENCE = 20.0  # seconds to wait for an ./soc ingest that works on the same data


def take(settings: Settings) -> None:
    """Accept the journals as they are, once; then work may begin."""
    logs.setup("work")
    with Platform(settings) as platform, platform.working(LOCK_PATIENCE, alone=False):
        accept(platform)


def run(settings: Settings, drain: bool = False) -> int:
    """One worker, until SIGTERM or SIGINT, or (`drain`) until nothing that is ours is pending; where more comes all the
    time, until what stood there at the beginning is done.

    Where rules have changed it ends in order and begins anew, as the same process: the rules of a start are frozen.
    """
    logs.setup("work")
    stopping = stop_signals()
    watch = Watch(settings)
    with Platform(settings) as platform, platform.working(LOCK_PATIENCE, alone=False):
        member = platform.member(tasks=None if drain else lambda: Tasks(platform))
        with member.working():
            log.info("worker %s on %s", member.id, settings.data)
            watch.note()
            keeping = garbage.Keeping()
            backlog = Backlog(platform) if drain else None
            while not stopping.is_set() and (drain or not watch.changed()):
                done = member.turn()
                keeping.step(idle=not done)
                if backlog and done and backlog.gone():
                    break
                if done:
                    continue
                if drain and not member.stalled and not member.worker.drain():
                    break
                platform.compact()
                stopping.wait(IDLE)
        log.info("stopped")
    if drain or stopping.is_set():
        watch.end()
        return 0
    log.info("rules have changed: beginning anew")
    os.execv(sys.executable, [sys.executable, *(each for each in sys.orig_argv[1:] if each != ACCEPT)])


def run_many(settings: Settings, workers: int, drain: bool = False) -> int:
    """So many workers, each in a process of its own, kept alive until SIGTERM or SIGINT."""
    stopping = stop_signals()
    common = ["-m", "soc_cli", "work", "--data", str(settings.data), "--city", str(settings.city)]
    command = [*common, "--drain"] if drain else common
    log_of = settings.data / "logs"
    parts = [Child(f"work-{number + 1}", command, log_of / f"work-{number + 1}.log") for number in range(workers)]
    for child in parts:
        child.start()
    print(f"soc: {workers} workers; their logs are in {log_of}", file=sys.stderr, flush=True)
    while not stopping.wait(0.3):
        for child in parts:
            if drain and child.ended() == 0:
                continue
            if news := child.tend():
                print(f"soc: {news}", file=sys.stderr, flush=True)
        if drain and all(child.ended() == 0 for child in parts):
            return 0
    for child in parts:
        child.ask()
    for child in parts:
        child.stop()
    return 0


def stop_signals() -> threading.Event:
    """Set when we are asked to end."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    return stopping
