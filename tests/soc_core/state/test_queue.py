from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from sqlalchemy import select

from soc_core.access import EVERYTHING
from soc_core.clock import DAY, HOUR, MINUTE
from soc_core.models import LEVELS, Alert, Level
from soc_core.state import alerts
from soc_core.state.database import Database
from soc_core.state.queue import FRESH, LIMITS, place, tick
from soc_core.state.tables import AlertRow
from tests.soc_core.state.test_alerts import episode

T = 1_000 * DAY


def listed(database: Database) -> Sequence[Alert]:
    with database.read() as session:
        return alerts.find(session, EVERYTHING, alerts.Filter(status="waiting"), order="queue")[0]


@pytest.mark.parametrize("level", LEVELS)
def test_the_clock_raises_what_nobody_took_up_and_nothing_else(level: Level) -> None:
    limit = LIMITS[level]
    seen = [place(50, level, T, "new", T + limit * share // 100) for share in (0, 49, 50, 79, 80, 99, 100, 900)]
    assert [each.priority for each in seen] == [200, 200, 250, 250, 300, 300, 400, 400]
    assert [each.step for each in seen[-2:]] == [None, None]
    for before, after in pairwise(seen):
        assert before.step is None or after.step is None or before.step <= after.step
    assert {each.due for each in seen} == {T + limit}
    for status in ("open", "closed"):
        assert place(50, level, T, status, T + 9 * limit) == (50 * FRESH, T + limit, None)


def test_a_higher_level_is_due_no_later() -> None:
    dues = [place(50, level, T, "new", T).due for level in LEVELS]
    assert dues == sorted(dues, reverse=True)


def test_the_queue_goes_by_risk_and_clock(database: Database) -> None:
    made = [episode(n) for n in range(4)]
    for each, severity, risk, age in zip(made, (4, 3, 3, 1), (70, 60, 50, 40), (0, 0, 40, 0), strict=True):
        each.level, each.severity, each.risk = LEVELS[severity], severity, risk
        each.raised = each.last_seen = T - age * MINUTE
    with database.begin() as session:
        alerts.save(session, made, [], T)
    assert [each.risk for each in listed(database)] == [50, 70, 60, 40]  # 50 has waited past its half hour
    with database.begin() as session:
        assert tick(session, T) == 0
        assert tick(session, T + 9 * MINUTE) == 1  # four fifths of the critical one's ten minutes
    assert [each.risk for each in listed(database)] == [70, 50, 60, 40]
    with database.begin() as session:
        assert tick(session, T + 2 * DAY) == 3
        assert tick(session, T + 3 * DAY) == 0
        assert session.scalars(select(AlertRow.step)).all() == [None] * 4
    assert [each.risk for each in listed(database)] == [70, 60, 50, 40]
    with database.begin() as session:
        alerts.assign(session, made[0].id, 1, "li", "li")  # whoever has it needs no reminder
    assert [each.risk for each in listed(database)] == [60, 50, 40, 70]


def test_what_findings_add_keeps_its_place_by_the_clock(database: Database) -> None:
    made = episode(1)
    made.raised = T
    with database.begin() as session:
        alerts.save(session, [made], [], T)
        made.risk = 80
        alerts.save(session, [], [made], T + 30 * HOUR)
    assert listed(database)[0].priority == place(80, made.level, T, "new", T + 30 * HOUR).priority


def test_counting_stops_where_told(database: Database) -> None:
    with database.begin() as session:
        alerts.save(session, [episode(n) for n in range(12)], [])
        assert alerts.count(session, EVERYTHING, alerts.Filter()) == 12
        assert alerts.count(session, EVERYTHING, alerts.Filter(), 5) == 5
        assert alerts.count(session, EVERYTHING, alerts.Filter(), 50) == 12
