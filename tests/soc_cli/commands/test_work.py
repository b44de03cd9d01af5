"""./soc work: works off the journal and stops; only one process works on a data directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from soc_cli.wiring import Busy, Platform
from soc_core.config import load
from soc_core.protocols import Origin, Raws
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
