"""The score by its formula, its like, retention over a real store, limits on their card, doors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from casework import doors, exposure, retention, score, sources
from casework.score import Part
from casework.services import NotFound, Services, open_services
from soc_core import clock, engines
from soc_core.access import PLATFORM, Actor, Refused, Role
from soc_core.config import load
from soc_core.events import EventBatch
from soc_core.models import REAL
from soc_core.state import canaries, gaps, rhythms, scores
from soc_core.state.canaries import Canary
from soc_core.state.gaps import Gap
from soc_core.state.rhythms import Rhythm
from soc_core.state.scores import Day
from soc_core.state.tables import SourceRow

CITY = Path(__file__).resolve().parents[2] / "cities" / "changsha"
EDU, SYSTEM = "cs-edu", "campus_safety"
NOW = clock.now()
TODAY = (NOW + retention.SHIFT) // clock.DAY


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    settings = load(data=tmp_path_factory.mktemp("score"), city=CITY)
    rows = []
    for number, back in enumerate([0, 1, 2, 4, 5]):  # the day before the day before yesterday has none
        when = clock.to_datetime((TODAY - back) * clock.DAY - retention.SHIFT + clock.SECOND)
        rows.append({"event.id": f"{number:032x}", "@timestamp": when, "event.ingested": when, "event.original": "x",
                     "organization.id": EDU, "soc.system.id": SYSTEM, "soc.source": "s", "soc.partition": 0,
                     "soc.offset": number, "log.syslog.appname": "app"})
    store = engines.open_store(settings, REAL)
    store.write(EventBatch.from_dicts(rows))
    store.close()
    services = open_services(settings)
    yield services
    services.close()


def seat(services: Services, organisation: str) -> Actor:
    return Actor("a", frozenset({Role.AGENCY_ADMIN}), services.scope_of(organisation), organisation)


def test_the_formula_counts_what_is_known_alone() -> None:
    parts = [Part("coverage", 30, 0.8, 8, 10), Part("exposure", 25, None, 0, 2), Part("retention", 20, 0.5, 1, 2)]
    assert score.total(parts) == 68.0
    assert score.formula(parts) == "100 × (30×0.80 + 20×0.50) ∕ (30 + 20)"
    assert score.total([parts[1]]) is None
    assert sum(score.WEIGHTS.values()) == 100
    assert score.burden({"critical": 1, "high": 2, "low": 4}) == 22.0
    assert (score.share(3, 2), score.share(1, 0)) == (1.0, None)


def test_fewer_than_five_others_are_hidden() -> None:
    days = [Day(f"o{n}", 100, 10.0 * n, {}) for n in range(1, 6)]
    found = score.among(days, 100)
    assert found is not None
    assert (found.count, found.middle, found.days) == (5, 30.0, [(100, 30.0)])
    assert score.among(days[:4], 100) is None
    assert score.among(days, 100 + score.FRESH) is None, "a score of last week says nothing of today"
    mixed = score.among([*days, Day("o1", 99, 50.0, {})], 100)
    assert mixed is not None
    assert mixed.days == [(100, 30.0)]


def test_retention_counts_days_and_names_the_empty_ones(opened: Services) -> None:
    found = retention.kept(seat(opened, EDU), opened, EDU)
    mine = next(item for item in found.systems if item.system == SYSTEM)
    assert (mine.days, mine.empty) == (((NOW - (mine.oldest or 0)) // clock.DAY), [TODAY - 3])
    assert mine.share == pytest.approx(5 / retention.REQUIRED)
    assert all(item.oldest is None and item.share == 0 for item in found.systems if item.system != SYSTEM)
    with pytest.raises(NotFound):
        retention.kept(seat(opened, "cs-police"), opened, EDU)


def test_a_score_is_measured_kept_and_compared(opened: Services) -> None:
    day = NOW // clock.DAY
    like = sorted(score.like(opened, EDU))
    with opened.database.begin() as session:
        scores.keep(session, [Day(name, day, 40.0 + n, {}) for n, name in enumerate(like[:6])])
        gaps.begin(session, [Gap("s", REAL, NOW - clock.HOUR, None, EDU, SYSTEM)])
    made = score.score(seat(opened, EDU), opened, EDU)
    by_name = {part.name: part for part in made.parts}
    assert by_name["exposure"].value is None, "never scanned"
    assert by_name["response"].value == 1.0
    assert by_name["coverage"].have >= 0
    assert made.peers is not None
    assert made.peers.count == 6
    assert made.score == score.total(made.parts)
    exposure.take(PLATFORM, opened, b"system,account,weakness\ncampus_safety,a,weak\ncampus_safety,b,orphan\n")
    parts = {part.name: part for part in score.measure(opened, EDU, NOW)}
    systems = len(opened.inventory.systems_of(EDU))
    assert parts["exposure"].have == 7.0
    assert parts["exposure"].value == pytest.approx(1 / (1 + 7 / (5 * systems)))
    owners = {item.owner for item in opened.inventory.systems.values()}
    before = len(owners - set(like[:6]))
    assert score.record(opened, NOW, 2) == 2
    with opened.database.read() as session:
        assert len(owners - scores.done(session, day)) == before - 2
    with pytest.raises(NotFound):
        score.score(seat(opened, "cs-police"), opened, EDU)


def test_a_card_says_how_the_limit_came_about(opened: Services) -> None:
    with opened.database.begin() as session:
        session.add(SourceRow(source="own", realm=REAL, silent_after=clock.HOUR, organisation=EDU, last_ingest=NOW))
        session.add(SourceRow(source="habit", realm=REAL, organisation=EDU, last_ingest=NOW))
        session.add(SourceRow(source="new", realm=REAL, organisation=EDU, last_ingest=NOW))
        rhythms.save(session, [Rhythm("habit", REAL, b"", 9 * clock.MINUTE, 0.75, 0.4, 120)], NOW)
    actor = seat(opened, EDU)
    habit = sources.card(actor, opened, "habit")
    assert (habit.by, habit.source.silent_after, habit.active, habit.spread, habit.gaps, habit.learned) == (
        "habit", 9 * clock.MINUTE, 0.75, 0.4, 120, NOW)
    assert sources.card(actor, opened, "own").by == "set"
    assert sources.card(actor, opened, "new").by == "learning"
    with pytest.raises(NotFound):
        sources.card(seat(opened, "cs-police"), opened, "habit")


def test_doors_are_the_citys(opened: Services) -> None:
    minute, now = clock.MINUTE, clock.now()
    with opened.database.begin() as session:
        canaries.note(session, [
            Canary("1", "c", "tcp", now, 5 * minute), Canary("2", "c", "udp", now, 5 * minute, "no"),
            Canary("3", "c", "http", now, 5 * minute), Canary("4", "c", "http", now - 60 * minute, 5 * minute)])
        canaries.came(session, ["1", "4"], now)
    found = {door.door: door.state for door in doors.listing(PLATFORM, opened)}
    assert found == {"tcp": "proved", "udp": "refused", "http": "lost"}
    with pytest.raises(Refused):
        doors.listing(seat(opened, EDU), opened)
    assert doors.state(Canary("5", "c", "x", now, minute), None, now + minute) == "waiting"
