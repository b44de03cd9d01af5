"""A run of the simulated city: ordinary traffic with attacks laid over it, block by block, in order of time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from simulate.attacks import AttackPath, Attacks, Strike
from simulate.block import Array
from simulate.traffic import Lines, Traffic
from soc_core.clock import DAY, HOUR, SECOND, Micros
from soc_core.inventory import Inventory

BLOCK = 300_000  # lines
ATTACKS_A_DAY = 60


@dataclass(frozen=True)
class Marked:
    """Lines, and for each the index of the strike that it belongs to, -1 for ordinary ones."""

    lines: Lines
    strike: Array

    def parts(self, size: int) -> Iterator[Marked]:
        """The same in pieces of at most `size` lines."""
        for at in range(0, self.lines.height, size):
            lines = self.lines
            piece = Lines(lines.text[at : at + size], lines.time[at : at + size], lines.stream[at : at + size])
            yield Marked(piece, self.strike[at : at + size])


class Simulation:
    """`count` lines from `start` on, at `average` lines a simulated second, with `attacks` attacks (None: 60 a day)."""

    def __init__(self, inventory: Inventory, seed: int, start: Micros, count: int, average: float,
                 paths: Sequence[AttackPath] = (), attacks: int | None = None,
                 systems: frozenset[str] | None = None, gaps: bool = True) -> None:
        self.traffic = Traffic(inventory, seed, average, systems, gaps=gaps)
        self.start, self.count = start, count
        until = start + int(count / average * SECOND)
        wanted = round(ATTACKS_A_DAY * (until - start) / DAY) if attacks is None else attacks
        plan = Attacks(self.traffic, seed)
        self.strikes: list[Strike] = plan.campaign(paths, wanted, start, until) if wanted else []
        self._attack = _merged([strike.lines for strike in self.strikes])
        self._owner = np.repeat(np.arange(len(self.strikes)), [strike.lines.height for strike in self.strikes])
        if self._attack.height > count:
            raise ValueError(f"{wanted} attacks need {self._attack.height} lines, more than the {count} asked for")

    def blocks(self) -> Iterator[Marked]:
        """Exactly `count` lines, the attacks' among them, every block in order of time."""
        order = np.argsort(self._attack.time, kind="stable")
        attack, owner = _take(self._attack, order), self._owner[order]
        ordinary = self.count - attack.height
        at, used = self.start, 0
        while ordinary:
            width = BLOCK / (self.traffic.rate * max(self.traffic.level(at), 0.05))
            until = at + max(int(min(width, HOUR / SECOND) * SECOND), SECOND // 100)
            lines = self.traffic.lines(at, until)
            if lines.height >= ordinary:
                lines = lines.head(ordinary)
            ordinary -= lines.height
            now = attack.height if not ordinary else int(np.searchsorted(attack.time, until))
            yield _laid(lines, _take(attack, np.arange(used, now)), owner[used:now])
            at, used = until, now
        if used < attack.height:
            yield _laid(_take(attack, np.arange(0)), _take(attack, np.arange(used, attack.height)), owner[used:])


def _laid(ordinary: Lines, attack: Lines, owner: Array) -> Marked:
    """Two runs of lines as one in order of time."""
    if not attack.height:
        return Marked(ordinary, np.full(ordinary.height, -1, dtype=np.int64))
    both = _merged([ordinary, attack])
    order = np.argsort(both.time, kind="stable")
    marks = np.concatenate([np.full(ordinary.height, -1, dtype=np.int64), owner])
    return Marked(_take(both, order), marks[order])


def _merged(pieces: Sequence[Lines]) -> Lines:
    if not pieces:
        return Lines(pl.Series([], dtype=pl.String), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    return Lines(pl.concat([piece.text for piece in pieces]), np.concatenate([piece.time for piece in pieces]),
                 np.concatenate([piece.stream for piece in pieces]))


def _take(lines: Lines, rows: Array) -> Lines:
    return Lines(lines.text.gather(rows), lines.time[rows], lines.stream[rows])


class Pace:
    """Holds a run back to `rate` lines a second of wall clock; 0 lets it go as fast as it can."""

    def __init__(self, rate: float) -> None:
        self._rate, self._begun, self._sent = rate, time.monotonic(), 0

    def wait(self, lines: int) -> None:
        """Sleep until these lines may be sent."""
        self._sent += lines
        if self._rate > 0:
            early = self._sent / self._rate - (time.monotonic() - self._begun)
            if early > 0:
                time.sleep(early)
