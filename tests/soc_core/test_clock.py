"""Times at the ends of the calendar: shown in every zone, never an error but for what is no time."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from soc_core import clock


@pytest.mark.parametrize("at", [clock.EARLIEST, clock.LATEST])
@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Pacific/Kiritimati", "Etc/GMT+12"])
def test_the_first_and_last_moment_can_be_shown_everywhere(at: int, zone: str) -> None:
    assert clock.to_datetime(at).astimezone(ZoneInfo(zone)).year in range(1, 10_000)
    assert clock.from_text(clock.to_text(at)) == at


def test_text_has_four_digits_of_the_year() -> None:
    assert clock.to_text(clock.EARLIEST) == "0002-01-01T00:00:00.000000Z"


@pytest.mark.parametrize(("text", "at"), [
    ("99999999999999999999d", clock.EARLIEST),
    ("0001-01-01T00:00:00+14:00", clock.EARLIEST),
    ("9999-12-31T23:59:59-14:00", clock.LATEST),
])
def test_beyond_the_calendar_is_its_end(text: str, at: int) -> None:
    assert clock.from_text(text) == at


@pytest.mark.parametrize("text", ["", "²d", "2026-02-30", "yesterday", "d"])
def test_what_is_no_time_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="not a time"):
        clock.from_text(text)
