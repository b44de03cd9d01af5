"""Gaps over ten minutes: told once, closed when data comes, never for time in which nobody looked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from detections.gaps import Gaps
from soc_core.access import EVERYTHING, Scope
from soc_core.clock import HOUR, MINUTE
from soc_core.inventory import load
from soc_core.models import REAL
from soc_core.state import gaps, rhythms, sources
from soc_core.state.database import Database
from soc_core.state.rhythms import Rhythm
from soc_core.state.tables import SourceRow

CITY = Path(__file__).resolve().parents[2] / "cities" / "changsha"
START = 1_760_000_000_000_000
SYSTEM, OWNER = "campus_safety", "cs-edu"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'state.db'}", "NORMAL")
    made.migrate()
    yield made
    made.close()


def speak(state: Database, source: str, at: int, system: str = SYSTEM, own: int | None = None) -> None:
    with state.begin() as session:
        row = session.get(SourceRow, (source, REAL)) or SourceRow(source=source, realm=REAL, silent_after=own)
        row.last_ingest, row.organisation, row.system = at, OWNER, system
        session.add(row)


def test_a_gap_is_told_when_it_is_too_long_and_closed_when_data_comes(state: Database) -> None:
    look = Gaps(load(CITY).systems)
    speak(state, "steady", START)
    speak(state, "slow", START)
    speak(state, "unknown", START, system="")
    told: dict[int, list[str]] = {}
    for minute in range(40):
        now = START + minute * MINUTE
        if minute == 30:
            speak(state, "steady", now)
        with state.begin() as session:
            if not minute:
                rhythms.save(session, [Rhythm("slow", REAL, b"", 2 * HOUR), Rhythm("steady", REAL, b"", MINUTE)], now)
            for finding in look.look(session, now):
                told.setdefault(minute, []).append(finding.event_id)
    assert min(told) == 11
    assert max(told) == 29
    assert {name for ids in told.values() for name in ids} == {f"gap:{REAL}:steady:{START}"}
    with state.read() as session:
        found = gaps.listing(session, EVERYTHING)
        assert [(gap.source, gap.since, gap.until) for gap in found] == [("steady", START, START + 30 * MINUTE)]
        assert not gaps.listing(session, EVERYTHING, since=START + 30 * MINUTE)
        assert not gaps.listing(session, Scope(frozenset({"cs-police"})))
        assert gaps.listing(session, Scope(frozenset({OWNER})))[0].organisation == OWNER


def test_time_without_a_look_is_nobodys_gap(state: Database) -> None:
    look = Gaps(load(CITY).systems)
    speak(state, "steady", START, own=5 * MINUTE)
    with state.begin() as session:
        assert not look.look(session, START + MINUTE)
        assert not look.look(session, START + 5 * HOUR), "the platform was away"
        assert not look.look(session, START + 5 * HOUR + 2 * MINUTE)
        for minute in range(3, 10):
            look.look(session, START + 5 * HOUR + minute * MINUTE)
        assert [one.level for one in look.look(session, START + 5 * HOUR + 11 * MINUTE)] in (["medium"], ["low"])


def test_the_register_decides_where_no_habit_is_known(state: Database) -> None:
    systems = load(CITY).systems
    look = Gaps(systems)
    every = min(item.every for item in systems[SYSTEM].sources if item.connected)
    speak(state, "new", START)
    with state.read() as session:
        source = sources.listing(session, EVERYTHING)[0]
    assert look.allowed(source, None) == max(10 * MINUTE, every * 1_000_000)
    assert look.allowed(source, HOUR) == HOUR
    assert look.allowed(source._replace(silent_after=30 * MINUTE), HOUR) == 30 * MINUTE
    assert look.allowed(source._replace(system=""), None) is None
