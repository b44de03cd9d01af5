"""Habits of sources: limits that fit how each one sends, by day and night, steady or in bursts."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from bench.silence import START, watched
from detections.rhythm import DAY, HOURS, LEARNING, LONGEST, SHORTEST, Calendar, Rhythms
from soc_core.clock import MINUTE
from soc_core.pack import Holidays

CALENDAR = Calendar(Holidays(days_off=[date(2026, 6, 19)], days_worked=[date(2026, 7, 26)]))
RATES = np.array([1.0, 0.2, 0.01, 0.2])  # the last one only by day


def learned(days: int = 21, seed: int = 7) -> Rhythms:
    rng = np.random.default_rng(seed)
    rhythms = Rhythms(CALENDAR)
    rhythms.grow(len(RATES))
    for minute in range(START, START + days * DAY):
        heard = rng.random(len(RATES)) < RATES
        heard[3] &= 8 <= CALENDAR.slot(minute) % HOURS < 20
        rhythms.minute(minute, heard)
    return rhythms


@pytest.fixture(scope="module")
def rhythms() -> Rhythms:
    return learned()


def test_slots_know_weekends_and_holidays() -> None:
    assert [CALENDAR.slot(START + day * DAY) // HOURS for day in range(14)].count(1) == 5  # two weekends and a feast
    assert START % DAY == 16 * 60  # midnight in the city
    assert CALENDAR.slot(START) % HOURS == 0
    for day, off in ((date(2026, 6, 19), True), (date(2026, 7, 26), False), (date(2026, 7, 25), True)):
        minute = (day - date(1970, 1, 1)).days * DAY
        assert (CALENDAR.slot(minute) >= HOURS) == off


def test_the_rarer_a_source_sends_the_longer_its_limit(rhythms: Rhythms) -> None:
    noon = START + 21 * DAY + 12 * 60
    limits = [rhythms.limit(row, noon) for row in range(4)]
    minutes = [limit.limit // MINUTE for limit in limits if limit is not None]
    assert len(minutes) == 4
    assert SHORTEST <= minutes[0] <= 6
    assert 40 < minutes[1] < 160  # 0.8 ** 60 is about one in a million
    assert 700 < minutes[2] < 4000
    night = rhythms.limit(3, START + 21 * DAY + 19 * 60 + 55)
    assert night is not None
    assert night.limit // MINUTE > 12 * 60 > 160 > minutes[3]  # a gap that begins in the evening lasts the night


def test_limits_of_all_sources_at_once_are_those_of_each(rhythms: Rhythms) -> None:
    for began in (START + 21 * DAY + 12 * 60 + 30, START + 21 * DAY + 3 * 60 + 30):
        whole = rhythms.limits(began)
        for row in range(len(RATES)):
            one = rhythms.limit(row, began)
            assert one is not None
            assert whole[row] == pytest.approx(one.limit / MINUTE, rel=0.35, abs=35)
    assert whole.max() <= LONGEST


def test_too_little_known_is_no_limit_and_what_was_kept_is_known_again(rhythms: Rhythms) -> None:
    young = learned(days=LEARNING // DAY - 1)
    assert young.limit(1, START) is None
    assert np.isnan(young.limits(START)).all()
    again = Rhythms(CALENDAR)
    again.grow(2)
    again.know(1, rhythms.row(2))
    again.know(0, b"of another version")
    began = START + 21 * DAY
    assert again.limit(0, began) is None
    mine, theirs = again.limit(1, began), rhythms.limit(2, began)
    assert mine is not None
    assert theirs is not None
    assert mine.limit == pytest.approx(theirs.limit, rel=0.01)


def test_a_silence_is_heard_once_and_time_without_a_look_is_none() -> None:
    rhythms = learned(days=14)
    minute = START + 14 * DAY + 10 * 60
    while not (silent := rhythms.minute(minute, np.array([False, True, True, True])))[0]:
        minute += 1
    assert minute - (START + 14 * DAY + 10 * 60) <= 2 * SHORTEST
    assert silent.tolist() == [True, False, False, False]
    rhythms.lost()
    assert not rhythms.minute(minute + 500, np.zeros(4, dtype=bool)).any()


def test_a_small_city_is_heard() -> None:
    found = watched(3, 60, 20, learn=21, watch=5)
    assert found["found"] >= 0.85
    assert found["false"] <= 0.4
