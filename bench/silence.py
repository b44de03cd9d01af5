"""Silence of 3,520 organisations with their rhythms: 200 fall silent for good; are they found by their own limits?

Organisations send by the city's daily rhythms, with bursts, at rates from some a second to one in some hours; a fifth
beat steadily (heartbeats, hourly and nightly jobs). Six weeks are learned, then ten days watched; the 200 stop at a
random minute of the first five. SOC_BENCH_SEED draws another city.
"""

from __future__ import annotations

import os
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from detections.rhythm import DAY, SLOTS, Calendar, Rhythms
from simulate.rhythm import OFF, TABLE
from soc_core.clock import MINUTE
from soc_core.pack import Holidays

ORGANISATIONS, SILENT = 3_520, 200
LEARN, WATCH = 42, 10  # days
START = 29_688_000  # a minute in June 2026, at midnight local time
FEAST = Holidays(days_off=[date(2026, 6, 19)], days_worked=[date(2026, 7, 26)])
Bools = npt.NDArray[np.bool_]


class City(NamedTuple):
    """What is drawn once: a rate a minute, a rhythm, and for steady senders a period and a phase in minutes."""

    rate: npt.NDArray[np.float64]
    profile: npt.NDArray[np.int64]
    period: npt.NDArray[np.int64]
    phase: npt.NDArray[np.int64]


def city(rng: np.random.Generator, count: int) -> City:
    rate = np.exp(rng.uniform(np.log(1 / 240), np.log(60 * 30), count))
    steady = rng.random(count) < 0.2
    period = np.where(steady, rng.choice([1, 5, 10, 60, 24 * 60], count), 0)
    return City(rate, rng.integers(0, len(TABLE), count), period, rng.integers(0, 24 * 60, count))


def heard(rng: np.random.Generator, drawn: City, calendar: Calendar, minute: int, calm: Any) -> Bools:
    """Which organisations send something in this minute."""
    slot = calendar.slot(minute)
    hour = (minute + 8 * 60) % DAY / 60 - 0.5
    before, share = int(np.floor(hour)) % 24, hour - np.floor(hour)
    level = TABLE[:, before] * (1 - share) + TABLE[:, (before + 1) % 24] * share
    if slot >= SLOTS // 2:
        level = level * OFF
    found: Bools = rng.random(len(drawn.rate)) < -np.expm1(-drawn.rate * level[drawn.profile] * calm)
    beat = (minute + drawn.phase) % np.maximum(drawn.period, 1) == 0
    late = rng.random(len(drawn.rate)) < 0.01  # a job that misses its turn now and then
    return np.where(drawn.period > 0, beat & ~late, found)


def bursts(rng: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    calm = rng.gamma(4.0, 0.25, count)
    return np.where(rng.random(count) < 0.004, calm * rng.uniform(8.0, 40.0, count), calm)


def watched(seed: int, count: int = ORGANISATIONS, silent_count: int = SILENT, learn: int = LEARN,
            watch: int = WATCH) -> dict[str, float]:
    """Shares and counts of one city: found within twice the limit, false alarms a day, the median limit."""
    rng = np.random.default_rng(seed)
    drawn, calendar = city(rng, count), Calendar(FEAST)
    rhythms = Rhythms(calendar)
    rhythms.grow(count)
    stop = np.full(count, np.iinfo(np.int64).max)
    gone = rng.choice(count, silent_count, replace=False)
    stop[gone] = START + learn * DAY + rng.integers(0, watch // 2 * DAY, silent_count)
    last = np.full(count, START)
    told = np.zeros(count, dtype=bool)
    alarms: list[tuple[int, int, int, int]] = []  # row, minute, when the gap began, the limit
    for minute in range(START, START + (learn + watch) * DAY):
        if minute % 10 == 0:
            calm = bursts(rng, count)
        now = heard(rng, drawn, calendar, minute, calm) & (minute < stop)
        silent = rhythms.minute(minute, now)
        last[now], told[now] = minute, False
        if minute >= START + learn * DAY:
            for row in np.flatnonzero(silent & ~told).tolist():
                limit = rhythms.limit(row, int(last[row]))
                alarms.append((row, minute, int(last[row]), 0 if limit is None else limit.limit // MINUTE))
            told |= silent
    really = set(gone.tolist())
    quick = {row for row, at, began, limit in alarms if row in really and at > stop[row] and at - began <= 2 * limit}
    false = [row for row, at, _, _ in alarms if row not in really or at <= stop[row]]
    limits = [limit for row, _, _, limit in alarms if row in quick] or [0]
    return {"found": len(quick) / silent_count, "false": len(false) / watch, "limit": float(np.median(limits))}


def figures() -> list[dict[str, Any]]:
    """One city; the shares count all 200, whether a limit stands for them or not."""
    found = watched(int(os.environ.get("SOC_BENCH_SEED") or 1))
    rows: list[tuple[str, float, str, float | None]] = [
        ("silent organisations found within twice their own limit", found["found"], "share", 0.95),
        ("false alarms of silence over the city", found["false"], "a day", 1.0),
        ("median limit of the silent", found["limit"], "minutes", None),
    ]
    return [{"name": name, "value": round(value, 4), "unit": unit, "target": target, "met":
             None if target is None else (value >= target if unit == "share" else value <= target)}
            for name, value, unit, target in rows]
