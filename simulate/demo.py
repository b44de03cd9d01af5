"""Demo traffic for `./soc up`: some of the city's systems at a gentle rate, with an attack every few minutes.

Everything it sends is of the realm `demo`, which has its own event store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from simulate import templates
from simulate.attacks import Attacks, Strike
from simulate.traffic import Lines, Traffic
from soc_core import clock
from soc_core.clock import MINUTE, SECOND, Micros
from soc_core.inventory import Inventory
from soc_core.models import DEMO
from soc_core.protocols import Origin, Raws

RATE = 25.0  # lines a second
SYSTEMS = 28
AHEAD = 10 * SECOND
FIRST_ATTACK = (6 * SECOND, 14 * SECOND)
NEXT_ATTACK = (2 * MINUTE, 5 * MINUTE)


class DemoSource:
    """Source (soc_core/protocols.py). `tail` is Journal.tail, so that positions go on after a restart.

    `now` gives the time in microseconds. The order of attacks follows from the seed alone.
    """

    def __init__(self, seed: int, inventory: Inventory, tail: Callable[[str], int] = lambda source: -1,
                 rate: float = RATE, now: Callable[[], Micros] = clock.now) -> None:
        self._now = now
        self._traffic = Traffic(inventory, seed, rate, chosen(inventory), faults=False, even=True)
        self._attacks = Attacks(self._traffic, seed)
        self._rng = np.random.default_rng([seed, 9])
        self._begun = self._last = now()
        self._due = self._begun + self._between(FIRST_ATTACK)
        self._number = 0
        self._order: list[str] = []
        self._running: list[Strike] = []
        self._ahead: list[Lines] = []
        self._made_until = self._begun
        self._tail = tail
        self._next: dict[str, int] = {}

    def next_batch(self) -> tuple[Sequence[Raws], Any]:
        """The lines due since the last call, by source."""
        now = self._now()
        if now - self._last < SECOND:
            return [], None
        since, self._last = max(self._last, now - MINUTE), now
        return self._raws([*self._ordinary(since, now), *self._strikes(since, now)], now), None

    def ack(self, position: Any) -> None:
        """Nothing to remember: positions go on from the journal's tail."""

    def close(self) -> None:
        """Nothing is open."""

    def _between(self, span: tuple[Micros, Micros]) -> Micros:
        return span[0] + int(self._rng.random() * (span[1] - span[0]))

    def _ordinary(self, since: Micros, until: Micros) -> list[Lines]:
        """Lines of [since, until), made some seconds ahead: many at once cost little more than a few."""
        self._made_until = max(self._made_until, since)
        while self._made_until < until:
            self._ahead.append(self._traffic.lines(self._made_until, self._made_until + AHEAD))
            self._made_until += AHEAD
        due = [within(lines, since, until) for lines in self._ahead]
        self._ahead = [lines for lines in self._ahead if lines.height and lines.time[-1] >= until]
        return due

    def _strikes(self, since: Micros, until: Micros) -> list[Lines]:
        """Lines of [since, until) of the attacks that are under way."""
        if until >= self._due:
            if not self._order:
                names = [item.id for item in self._attacks.possible() if item.demo]
                self._order = [names[n] for n in self._rng.permutation(len(names))]
            if self._order:
                self._running.append(self._attacks.strike(self._order.pop(), max(self._due, since), self._number))
            self._number += 1
            self._due = until + self._between(NEXT_ATTACK)
        found = [within(strike.lines, since, until) for strike in self._running]
        self._running = [strike for strike in self._running if strike.truth.until >= until]
        return found

    def _raws(self, pieces: Sequence[Lines], now: Micros) -> list[Raws]:
        by_stream: dict[tuple[str, str, str, str], list[bytes]] = {}
        for lines in pieces:
            for text, code in zip(lines.text.to_list(), lines.stream.tolist(), strict=True):
                stream = self._traffic.listed[code]
                form = templates.kind(stream.kind).document.format  # as a collector knows it
                by_stream.setdefault((stream.source, stream.zone, stream.peer, form), []).append(text.encode())
        found = []
        for (source, zone, peer, form), texts in by_stream.items():
            name = f"demo/{source}"
            first = self._next.get(name)
            if first is None:
                first = self._tail(name) + 1
            self._next[name] = first + len(texts)
            positions = np.arange(first, first + len(texts), dtype=np.int64)
            origin = Origin(source=name, format=form, zone=zone, peer=peer, realm=DEMO)
            found.append(Raws(origin, texts, now, positions))
        return found


def within(lines: Lines, since: Micros, until: Micros) -> Lines:
    """Those of [since, until)."""
    low, high = np.searchsorted(lines.time, [since, until]).tolist()
    return Lines(lines.text[low:high], lines.time[low:high], lines.stream[low:high])


def chosen(inventory: Inventory) -> frozenset[str]:
    """Named systems first, and one with Windows servers; of another city's pack, whatever it has."""
    named = [system.id for system in inventory.named] or list(inventory.systems)
    windows = [system.id for system in inventory.systems.values()
               if ".net" in system.stack and any(s.code == "HOST" and s.connected for s in system.sources)]
    hosts = [system.id for system in inventory.systems.values()
             if any(s.code == "HOST" and s.connected for s in system.sources) and system.id not in windows]
    return frozenset([*named[:SYSTEMS - 6], *[i for i in ("my_changsha", "city_portal") if i in inventory.systems],
                      *windows[:3], *hosts[:6]])
