"""Day, week and holiday: how busy each sort of source is at a moment, relative to its average of 1."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import numpy.typing as npt

from soc_core.clock import HOUR, MINUTE, SECOND, Micros
from soc_core.inventory import City

LOCAL = timezone(timedelta(hours=8))
Floats = npt.NDArray[np.float64]
# 24 hourly levels of a working day; of a day off by the factor beside
PROFILES: dict[str, tuple[str, float]] = {
    "always": ("9 9 9 9 9 9 9 10 10 11 11 11 11 11 11 11 11 11 10 10 10 10 9 9", 1.0),
    "office": ("1 1 1 1 1 1 2 6 22 30 30 26 12 16 28 30 28 20 8 5 4 3 2 1", 0.18),
    "school": ("1 1 1 1 1 1 6 26 30 28 26 22 14 18 26 26 20 12 8 14 12 6 2 1", 0.12),
    "public": ("3 2 1 1 1 2 5 10 18 24 26 24 18 19 24 25 23 20 17 18 20 18 12 6", 0.8),
    "peak": ("1 1 1 1 1 4 14 34 32 18 12 12 14 12 12 14 22 34 32 18 10 6 4 2", 0.7),
    "night": ("30 40 44 40 24 10 2 1 1 1 1 1 1 1 1 1 1 1 1 1 2 4 10 22", 1.0),
}
NAMES = tuple(PROFILES)
TABLE: Floats = np.array([[float(level) for level in text.split()] for text, _ in PROFILES.values()])
TABLE = TABLE / TABLE.mean(axis=1, keepdims=True)
OFF: Floats = np.array([factor for _, factor in PROFILES.values()])


class Rhythm:
    """The city's calendar. Levels are for NAMES, in that order."""

    def __init__(self, city: City) -> None:
        self._off = frozenset(city.holidays.days_off)
        self._worked = frozenset(city.holidays.days_worked)

    def works(self, day: date) -> bool:
        """Whether offices work: weekdays but holidays, and the weekend days that make up for them."""
        return day in self._worked or (day.weekday() < 5 and day not in self._off)

    def levels(self, at: Micros) -> Floats:
        """Level of each profile at a moment, between the hours' middles in a straight line."""
        local = datetime.fromtimestamp(at // SECOND, UTC).astimezone(LOCAL)
        hour = (at + 8 * HOUR) % (24 * HOUR) / HOUR - 0.5
        before = int(np.floor(hour)) % 24
        share = hour - np.floor(hour)
        level: Floats = TABLE[:, before] * (1 - share) + TABLE[:, (before + 1) % 24] * share
        return level if self.works(local.date()) else level * OFF


def noise(seed: int, minute: int, streams: int) -> Floats:
    """Burstiness: a factor a stream and ten minutes around 1, now and then far above it."""
    rng = np.random.default_rng([seed, 3, minute // 10])
    calm = rng.gamma(4.0, 0.25, streams)
    burst = rng.random(streams) < 0.004
    return np.where(burst, calm * rng.uniform(8.0, 40.0, streams), calm)


def silence(seed: int, at: Micros, streams: int) -> npt.NDArray[np.bool_]:
    """Outages: which streams are down in this hour; most last an hour, some go on for several."""
    down = np.zeros(streams, dtype=bool)
    for back, share in ((0, 0.002), (1, 0.001), (2, 0.0006), (3, 0.0004)):
        rng = np.random.default_rng([seed, 4, at // HOUR - back])
        down |= rng.random(streams) < share
    return down


def minute_of(at: Micros) -> int:
    return at // MINUTE
