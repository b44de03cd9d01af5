"""./soc work: works off the journal and stops; only one process works on a data directory."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from soc_cli.wiring import Busy, Platform
from soc_core.config import load
from soc_core.protocols import Origin, Raws
from soc_core.state import commits
from tests.running import answer, soc

LINE = b"Nov 23 01:00:00 gate sshd[4]: Failed password for root from 203.0.113.7 port 4000 ssh2"


def test_work_drains_and_ends(tmp_path: Path) -> None:
    with Platform(load(tmp_path)) as platform:
        platform.journal.append([Raws(Origin(source="t", format="syslog"), [LINE] * 5, 1_795_000_000_000_000)])
    soc("work", "--drain", "--data", tmp_path)
    totals = answer("status", "--data", tmp_path)["totals"]
    assert isinstance(totals, dict)
    assert (totals["stored"], totals["pending"]) == (5, 0)


def test_only_one_works(tmp_path: Path) -> None:
    with Platform(load(tmp_path)) as platform, platform.working():
        second = platform.working()
        with pytest.raises(Busy, match="another process works"), second:
            pass


def test_work_ends_though_more_comes_all_the_time(tmp_path: Path) -> None:
    ended = threading.Event()

    def send(platform: Platform) -> None:
        for number in range(20_000):
            platform.journal.append([Raws(Origin(source="t", format="syslog"), [LINE], 1_795_000_000_000_000 + number)])
            if ended.wait(0.002):
                return

    with Platform(load(tmp_path)) as platform:
        platform.journal.append([Raws(Origin(source="u", format="syslog"), [LINE] * 5, 1_795_000_000_000_000)])
        sender = threading.Thread(target=send, args=(platform,))
        sender.start()
        soc("work", "--drain", "--data", tmp_path)
        assert sender.is_alive()
        ended.set()
        sender.join()
        with platform.state.read() as session:
            stored = {fate.source: fate.stored for fate in commits.fates(session)}
    assert stored["u"] == 5
