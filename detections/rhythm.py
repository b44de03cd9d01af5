"""How sources keep time: each source's habit by hour and kind of day, and the gap that it exceeds once in ten years.

A minute of a source is active or empty. In a slot (hour, working day or day off) it is active with a probability that
is learned and slowly forgotten; a gap is measured in *habit time*, which runs by the hazard -ln(1 - p) of the minutes
passed, so that a night's gap and a noon's gap are of one kind. In habit time the gaps of a source without memory are
exponential; `spread` is how much wider (bursts) or narrower (heartbeats) they are. The limit is the longest of three:
the tail of the gamma distribution of that spread, the tail that the longest gaps seen suggest (peaks over a threshold,
https://en.wikipedia.org/wiki/Pickands–Balkema–De_Haan_theorem), and, for who beats steadily, some missed beats.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from soc_core.clock import MINUTE, Micros
from soc_core.pack import Holidays

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LOCAL = timezone(timedelta(hours=8))
HOURS = 24
SLOTS = 2 * HOURS  # of working days, then of days off
DAY = 24 * 60  # minutes
FORGET = 0.5 ** (1 / 28)  # a day's worth of memory: what was four weeks ago counts half
YEARS = 10 * 365 * DAY  # minutes in which the limit is exceeded once by chance
SHORTEST = 5  # minutes; no silence is shorter
LONGEST = 31 * DAY  # and none is awaited longer
HIGHEST = 3.0  # hazard of a minute that is nearly always active
LEARNING = 7 * DAY  # minutes of watching before a gap teaches or a limit stands
FEWEST = 8.0  # gaps that a limit needs
DOUBT = 1.65  # standard errors by which a slot's activity may be lower than seen


class Calendar:
    """Which slot a minute is in: the hour, local time, of a working day or a day off."""

    def __init__(self, holidays: Holidays) -> None:
        self._off, self._worked = frozenset(holidays.days_off), frozenset(holidays.days_worked)
        self._days: dict[int, bool] = {}

    def works(self, day: date) -> bool:
        return day in self._worked or (day.weekday() < 5 and day not in self._off)

    def slot(self, minute: int) -> int:
        """0 … 23 on working days, 24 … 47 on days off; `minute` counts from the epoch."""
        local = minute + 8 * 60
        day = local // DAY
        if day not in self._days:
            if len(self._days) > 1000:
                self._days.clear()
            self._days[day] = self.works(datetime.fromtimestamp(minute * 60, UTC).astimezone(LOCAL).date())
        return local % DAY // 60 + (0 if self._days[day] else HOURS)


class Limit(NamedTuple):
    """How long a gap may last, in microseconds, and what it was computed from, for the source's card."""

    limit: Micros
    active: float  # share of minutes with data, over all
    spread: float  # of gaps: 1 without memory, above it bursts, below it a steady beat
    gaps: int  # learned from


SHAPES = {"watched": (SLOTS,), "active": (SLOTS,), "age": (), "empty": (), "since": (), "quiet": (), "base": (2,),
          "gaps": (9,), "wanted": ()}
HIGH = (3.0, 6.0)  # gaps above these, in habit time, tell of the tail
MANY = 10.0  # gaps above one of them that are worth listening to
MISSED = 0.03  # share of its beats that a steady source may well miss


class Rhythms:
    """The habits of many sources, as arrays; row i is source i. Tell `minute` once a minute, in order.

    watched, active: minutes seen and of them with data, by slot. age: minutes since first heard. empty, since, quiet:
    the gap that is open, in minutes, in habit time, and in habit time by the lowest activity that is likely. base: what
    a source without memory would show for it. gaps: n, Σx, Σx², the same Σ without memory, and for both HIGH how many
    were above and by how much in all. wanted: the gap, in habit time, that is a silence; not a number where too little
    is known.
    """

    watched: Floats
    active: Floats
    age: Floats
    empty: Floats
    since: Floats
    quiet: Floats
    base: Floats
    gaps: Floats
    wanted: Floats

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        for name, shape in SHAPES.items():
            setattr(self, name, np.zeros((0, *shape)))

    def grow(self, count: int) -> None:
        """Room for `count` sources in all."""
        more = count - len(self.age)
        if more > 0:
            for name, shape in SHAPES.items():
                fresh = np.full((more, *shape), np.nan if name == "wanted" else 0.0)
                setattr(self, name, np.concatenate([getattr(self, name), fresh]))

    def row(self, number: int) -> bytes:
        """What is known of one source, to keep."""
        return np.concatenate([np.ravel(getattr(self, name)[number]) for name in SHAPES]).astype("<f4").tobytes()

    def know(self, number: int, kept: bytes) -> None:
        """Put back what `row` gave; what another version kept is not understood, and is learned anew."""
        if len(kept) != 4 * sum(math.prod(shape) for shape in SHAPES.values()):
            return
        values = np.frombuffer(kept, "<f4").astype(np.float64)
        at = 0
        for name, shape in SHAPES.items():
            size = math.prod(shape)
            getattr(self, name)[number] = values[at : at + size].reshape(shape)
            at += size

    def minute(self, minute: int, heard: Bools) -> Bools:
        """One minute has passed: which sources sent something in it. Returns who is silent beyond its limit.

        A minute that nobody watched is simply not told; after several, call `lost`.
        """
        slot = self.calendar.slot(minute)
        known = (self.age > 0) | heard
        self.age[known] += 1
        self.watched[known, slot] += 1
        self.active[heard, slot] += 1
        hazard = _hazard(self.active[:, slot], self.watched[:, slot])
        self.since += np.where(known, hazard, 0.0)
        self._learn(heard, slot, hazard)
        self.empty = np.where(heard, 0.0, self.empty + known)
        self.quiet = np.where(heard, 0.0, self.quiet + _between(self._doubted, self.calendar, minute))
        if minute % DAY == 0:
            for held in (self.watched, self.active, self.gaps):
                held *= FORGET
            self._settle()
        silent: Bools = (self.quiet > self.wanted) & (self.empty >= SHORTEST)
        return silent

    def _learn(self, heard: Bools, slot: int, hazard: Floats) -> None:
        taught = heard & (self.age > LEARNING) & (self.base[:, 0] > 0)
        x, expected = self.since[taught], self.base[taught]
        self.gaps[taught] += np.column_stack((np.ones_like(x), x, x * x, expected, *_above(x)))
        share = np.clip(self.active[heard, slot] / np.maximum(self.watched[heard, slot], 1), 1e-6, 1.0)
        mean = hazard[heard] / share  # of a geometric gap of so many minutes, each of this hazard
        self.base[heard] = np.column_stack((mean, mean * mean * (2.0 - share)))
        self.since[heard] = 0.0

    def lost(self) -> None:
        """We did not watch for a while: gaps that are open teach nothing, and begin anew."""
        for held in (self.since, self.base, self.quiet, self.empty):
            held[:] = 0.0

    def _settle(self) -> None:
        """What a silence is, from all that was learned: once a day."""
        self.wanted = np.full(len(self.age), np.nan)
        enough = (self.age > LEARNING) & (self.gaps[:, 0] >= FEWEST)
        if enough.any():
            share = self.active[enough].sum(axis=1) / np.maximum(self.watched[enough].sum(axis=1), 1.0)
            self.wanted[enough] = _tail(self.gaps[enough], np.maximum(share * YEARS, 10.0))

    def _doubted(self, slot: int, rows: Any = slice(None)) -> Floats:
        """Hazard of a minute in a slot by the lowest activity that is likely."""
        seen, watched = self.active[rows, slot], self.watched[rows, slot]
        share = seen / np.maximum(watched, 1.0)
        return _hazard(np.maximum(seen - DOUBT * np.sqrt(seen * (1 - np.minimum(share, 1.0))), 0.0), watched)

    def limit(self, row: int, began: int) -> Limit | None:
        """How long a gap of a source may last that began at that minute; None where too little is known."""
        if math.isnan(self.wanted[row]):
            return None
        by_slot = np.array([self._doubted(slot, slice(row, row + 1))[0] for slot in range(SLOTS)])
        passed, minute = 0.0, began
        while passed < self.wanted[row] and minute - began < LONGEST:
            passed += float(_between(by_slot.__getitem__, self.calendar, minute))
            minute += 1
        share = float(self.active[row].sum() / max(self.watched[row].sum(), 1.0))
        lasted = max(SHORTEST, minute - began) * MINUTE
        return Limit(lasted, share, float(_spread(self.gaps[row : row + 1])[0]), int(self.gaps[row, 0]))


    def limits(self, began: int) -> Floats:
        """Minutes that a gap of each source may last that began at this minute, to the hour's middle; not a number
        where too little is known."""
        hours = np.arange(LONGEST // 60 + 1)
        by_slot = np.array([self._doubted(slot) for slot in range(SLOTS)])
        passed = np.cumsum([60.0 * by_slot[self.calendar.slot(began + 60 * int(hour))] for hour in hours], axis=0)
        places = (passed < self.wanted).sum(axis=0)
        before = np.where(places > 0, passed[np.maximum(places - 1, 0), np.arange(len(places))], 0.0)
        last = np.minimum(places, len(hours) - 1)
        step = np.maximum(passed[last, np.arange(len(places))] - before, 1e-9)
        minutes = 60.0 * (places + np.clip((self.wanted - before) / step, 0.0, 1.0))
        found: Floats = np.where(np.isnan(self.wanted), np.nan, np.clip(np.ceil(minutes), SHORTEST, LONGEST))
        return found

    def basis(self) -> tuple[Floats, Floats, Floats]:
        """What the limits are computed from, by source: (share of minutes with data, spread of gaps, gaps learned)."""
        share = self.active.sum(axis=1) / np.maximum(self.watched.sum(axis=1), 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = np.nan_to_num(_spread(self.gaps), nan=1.0)
        return share, spread, self.gaps[:, 0]


def _spread(gaps: Floats) -> Floats:
    """Variance of the gaps in habit time over that of a source without memory."""
    count, total, squares, mean, second = gaps.T[:5]
    seen = squares / count - (total / count) ** 2
    plain = second / count - (mean / count) ** 2
    spread: Floats = np.where(plain < 1e-3, 1.0, np.clip(seen / np.maximum(plain, 1e-3), 0.05, 20.0))
    return spread


def _hazard(active: Floats, watched: Floats) -> Floats:
    share = np.clip(active / np.maximum(watched, 1.0), 0.0, 1.0)
    return np.minimum(-np.log1p(-np.minimum(share, 1 - 1e-9)), HIGHEST)


def _between(by_slot: Callable[[int], Any], calendar: Calendar, minute: int) -> Any:
    """Hazard of a minute: in a straight line between the middles of its hour and of the nearer neighbour's."""
    part = (minute % 60) / 60 - 0.5
    there = calendar.slot(minute + (60 if part > 0 else -60))
    return by_slot(calendar.slot(minute)) * (1 - abs(part)) + by_slot(there) * abs(part)


def _above(x: Floats) -> list[Floats]:
    return [part for high in HIGH for part in ((x > high).astype(np.float64), np.maximum(x - high, 0.0))]


def _tail(gaps: Floats, chances: Floats) -> Floats:
    """The gap in habit time that one of so many gaps exceeds."""
    from scipy.stats import gamma

    spread, count = _spread(gaps), gaps[:, 0]
    found: Floats = gamma.isf(1.0 / chances, 1.0 / spread, scale=spread)
    for high, above, excess in zip(HIGH, gaps.T[5::2], gaps.T[6::2], strict=True):
        few = np.maximum(above, 1.0)
        scale = np.maximum(excess / few, 1.0) * (1.0 + 1.0 / np.sqrt(few))
        tail = high + scale * np.log(np.maximum(chances * above / count, 1.0))
        found = np.where(above >= MANY, np.maximum(found, tail), found)
    beats = 1.0 + np.ceil(np.log(chances) / -math.log(MISSED))
    return np.where(spread < 0.5, np.maximum(found, gaps[:, 1] / count * beats), found)


def minute_of(at: Micros) -> int:
    """The minute, from the epoch, of a moment in microseconds."""
    return int(at // MINUTE)
