"""Out of quarantine and through the pipeline again: nothing lost, nothing stored twice, and what fails waits again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from collectors.sources.files import FileSource, Ledger
from soc_cli import replaying
from soc_cli.wiring import Platform
from soc_core import clock
from soc_core.access import EVERYTHING
from soc_core.config import Settings
from soc_core.models import REAL
from soc_core.protocols import Origin, Page, Query, Raws
from soc_core.state import commits, outbox, quarantine

RECEIVED = clock.from_text("2026-11-23T01:00:00Z")
LINES = [f"time=2026-11-23T01:00:0{n}Z level=info n={n} msg=line".encode() for n in range(5)]


def ids(platform: Platform) -> list[str]:
    found = platform.store(REAL).search(Query(), EVERYTHING, Page(limit=100)).rows
    return sorted(str(row["event.id"]) for row in found)


def fates(platform: Platform) -> tuple[int, int, int, int]:
    with platform.state.read() as session:
        (row,) = commits.fates(session)
    return row.received, row.stored, row.duplicate, row.quarantined


def ask(platform: Platform, format: str = "") -> int:
    with platform.state.begin() as session:
        waiting = [item.id for item in quarantine.listing(session, waiting=True)[0]]
        quarantine.replay(session, waiting, clock.now(), format)
    return len(waiting)


def waiting(platform: Platform) -> int:
    with platform.state.read() as session:
        return sum(group.waiting for group in quarantine.groups(session))


def take(platform: Platform, origin: Origin, places: bool) -> None:
    positions = np.arange(0, 50, 10, dtype=np.int64) if places else None
    platform.journal.append([Raws(origin, LINES, RECEIVED, positions)])
    replaying.through(platform)


@pytest.mark.parametrize("places", [True, False])
def test_they_come_with_the_ids_that_they_would_have_had(tmp_path: Path, places: bool) -> None:
    wrong = Origin(source="gate", format="nginx", zone="north", series="a" if places else "")
    with Platform(Settings(data=tmp_path / "right")) as platform:
        take(platform, wrong.model_copy(update={"format": "key_value"}), places)
        right = ids(platform)
        marker = platform.journal.epoch
    with Platform(Settings(data=tmp_path / "wrong")) as platform:
        take(platform, wrong, places)
        assert (fates(platform), waiting(platform), ids(platform)) == ((5, 0, 0, 5), 5, [])
        assert ask(platform) == 5  # before any fix
        replaying.through(platform)
        assert (fates(platform), waiting(platform), ids(platform)) == ((10, 0, 5, 5), 5, [])
        assert ask(platform, "key_value") == 5
        replaying.through(platform)
        assert (fates(platform), waiting(platform)) == ((15, 5, 5, 5), 0)
        found = ids(platform)
        assert (found == right) is (places or platform.journal.epoch == marker)
        assert [name[16:] for name in found] == [name[16:] for name in right]
        rows = platform.store(REAL).search(Query(), EVERYTHING, Page(limit=100)).rows
        assert {row["soc.zone"] for row in rows} == {"north"}
        assert {row["event.ingested"] for row in rows} == {RECEIVED}
        assert platform.journal.tail("gate") == (40 if places else -1)


def test_a_death_before_it_is_noted_stores_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Platform(Settings(data=tmp_path)) as platform:
        take(platform, Origin(source="gate", format="nginx"), False)
        ask(platform, "key_value")
        with monkeypatch.context() as patch:
            patch.setattr(outbox, "done", lambda *_: None)
            assert replaying.run_once(platform.state, platform.journal) == 5
        assert replaying.run_once(platform.state, platform.journal, at=1 << 60) == 5
        replaying.through(platform)
        assert (fates(platform), len(ids(platform)), waiting(platform)) == ((15, 5, 5, 5), 5, 0)


def test_a_file_goes_on_where_it_ended_and_meets_its_own_events(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(b"\n".join(LINES[:3]) + b"\n")

    def read(format: str) -> None:
        source = FileSource(log, Ledger(tmp_path / "files.jsonl"), lambda lines: format, format=format, source="",
                            zone="city", timezone="UTC")
        while not source.done:
            raws, _ = source.next_batch()
            if raws:
                platform.journal.append(raws)
        source.close()
        replaying.through(platform)

    with Platform(Settings(data=tmp_path / "data")) as platform:
        read("nginx")
        ask(platform, "key_value")
        replaying.through(platform)
        assert (fates(platform), len(ids(platform))) == ((6, 3, 0, 3), 3)
        read("key_value")
        assert (fates(platform), len(ids(platform))) == ((9, 3, 3, 3), 3)
