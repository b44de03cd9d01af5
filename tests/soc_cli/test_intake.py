"""One run of ./soc ingest, when something goes wrong around it: its account stays right."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from soc_cli.intake import FATES, Intake
from soc_cli.wiring import Platform
from soc_core.config import Settings
from soc_core.journal.files import FileJournal
from soc_core.worker import Worker

LINES = "".join(f"Nov 23 01:00:{n:02d} gate app[7]: line {n}\n" for n in range(40))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text(LINES)
    return path


def run(data: Path, log: Path) -> dict[str, Any]:
    return Intake(Settings(data=data), "", "", "city", "UTC", []).run([log])


def fates(summary: dict[str, Any]) -> dict[str, int]:
    return {name: summary[name] for name in ("read", *FATES)}


def test_what_an_earlier_run_left_behind_is_not_counted_again(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Worker, "drain", _fail)
        with pytest.raises(OSError, match="broken off"):
            run(tmp_path / "data", log)
    _append(tmp_path / "data", log)
    summary = run(tmp_path / "data", log)
    assert fates(summary) == {"read": 40, "stored": 0, "merged": 0, "quarantined": 0, "duplicate": 40}


def _append(data: Path, log: Path) -> None:
    """The file's records into the journal, and nothing more."""
    from collectors.parse import detect
    from collectors.sources.files import FileSource, Ledger

    with Platform(Settings(data=data)) as platform:
        source = FileSource(log, Ledger(platform.settings.journal / "files.jsonl"), detect)
        platform.journal.append(source.next_batch()[0])
        source.close()


def _fail(*_: object) -> int:
    raise OSError("broken off")


def test_a_full_disk_is_told_and_nothing_is_counted_that_was_not_taken(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr(FileJournal, "append", full)
        refused = run(tmp_path / "data", log)
    assert set(fates(refused).values()) == {0}
    assert "No space left" in refused["refused"][0]["reason"]
    assert fates(run(tmp_path / "data", log))["stored"] == 40


def test_goes_on_in_the_place_of_a_worker_that_ends(tmp_path: Path, log: Path) -> None:
    held, release = threading.Event(), threading.Event()

    def other() -> None:
        with Platform(Settings(data=tmp_path / "data")) as platform, platform.working():
            held.set()
            release.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    held.wait(30)
    timer = threading.Timer(1.0, release.set)
    timer.start()
    try:
        assert fates(run(tmp_path / "data", log))["stored"] == 40
    finally:
        release.set()
        thread.join()
