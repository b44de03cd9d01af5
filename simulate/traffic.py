"""The city's lines for a span of time: a function of the seed and the span, so the same seed gives the same bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from simulate import rhythm, templates
from simulate.block import Array, Block
from simulate.population import Population
from simulate.streams import Stream, Streams
from soc_core.clock import SECOND, Micros
from soc_core.inventory import Inventory

SESSIONS = 0.3  # share of lines that belong to sessions across systems
DIRTY = 0.0006  # share of lines that arrive damaged
CHAIN = ("SSO", "WEB", "MOB", "GW", "APP", "DBA")  # the way of one request; the first line only at its start
REQUESTS = 7  # of an average session
CHAIN_ODDS = np.array([0.0, 0.9, 0.25, 0.7, 0.8, 0.6])


@dataclass(frozen=True)
class Lines:
    """Lines in order of time, and for each its moment and stream (a code into Streams.listed): the truth of it."""

    text: pl.Series
    time: Array
    stream: Array

    @property
    def height(self) -> int:
        return len(self.time)

    def head(self, count: int) -> Lines:
        return Lines(self.text.head(count), self.time[:count], self.stream[:count])


@dataclass(frozen=True)
class _Rows:
    time: Array
    stream: Array
    user: Array
    client: Array
    trace: Array


class Traffic:
    """Ordinary life of a city, or of some of its systems. `rate` is the average of lines a second.

    `faults`: wrong clocks, damaged lines and outages; `even`: every system equally loud; `gaps`: sources that
    are not connected stay unheard, as they would.
    """

    def __init__(self, inventory: Inventory, seed: int, rate: float, systems: frozenset[str] | None = None,
                 faults: bool = True, even: bool = False, gaps: bool = True) -> None:
        self.inventory, self.seed, self.rate, self.faults = inventory, seed, rate, faults
        self.population = Population(inventory, seed, faults)
        self.streams = Streams(inventory, seed, systems, even, gaps)
        self._rhythm = rhythm.Rhythm(inventory.city)
        self._hours = np.array([rhythm.NAMES.index(stream.hours) if stream.hours in rhythm.NAMES else 0
                                for stream in self.streams.listed])
        self._chains = self._plan_chains()
        self._left: list[_Rows] = []

    @property
    def listed(self) -> list[Stream]:
        return self.streams.listed

    def level(self, at: Micros) -> float:
        """How busy the city is, against its average of 1."""
        return float((self.streams.weight * self._rhythm.levels(at)[self._hours]).sum())

    def lines(self, since: Micros, until: Micros) -> Lines:
        """All lines of [since, until). Call with spans that follow each other: sessions go on over their edges."""
        rng = np.random.default_rng([self.seed, 5, since])
        middle = (since + until) // 2
        weights = self._weights(middle)
        count = rng.poisson(self.rate * self.level(middle) * (until - since) / SECOND)
        in_sessions = int(count * SESSIONS) if len(self._chains) else 0
        rows = self._merge([self._machine(rng, weights, since, until, count - in_sessions),
                            *self._left, self._sessions(rng, since, until, in_sessions)])
        now = rows.time < until
        self._left = [_pick(rows, np.flatnonzero(~now))]
        return self.render(_pick(rows, np.flatnonzero(now)), rng)

    def render(self, rows: _Rows, rng: np.random.Generator) -> Lines:
        order = np.argsort(rows.time, kind="stable")
        rows = _pick(rows, order)
        block = Block(self.population.cast, rng, rows.time, self.streams.host[rows.stream], rows.user, rows.client,
                      rows.trace)
        kinds = self.streams.kind[rows.stream]
        text = templates.grouped(kinds, block, lambda code, part: templates.kind(self.streams.kinds[code]).render(part))
        return Lines(self._dirty(text, rng) if self.faults else text, rows.time, rows.stream)

    def _weights(self, at: Micros) -> npt.NDArray[np.float64]:
        weights = self.streams.weight * self._rhythm.levels(at)[self._hours]
        weights = weights * rhythm.noise(self.seed, rhythm.minute_of(at), len(weights))
        if self.faults:
            weights[rhythm.silence(self.seed, at, len(weights))] = 0.0
        return np.asarray(weights, dtype=np.float64)

    def _machine(self, rng: np.random.Generator, weights: npt.NDArray[np.float64], since: Micros, until: Micros,
                 count: int) -> _Rows:
        """Lines outside sessions: some one by one, the rest in bursts of one host, one process and some seconds."""
        edges = np.cumsum(weights)
        single = int(count * 0.15)
        sizes = rng.geometric(1 / 16, (count - single) // 10 + 1)  # more than enough to fill the rest
        events = single + len(sizes)
        stream = np.minimum(np.searchsorted(edges, rng.random(events) * edges[-1], side="right"), len(weights) - 1)
        start = since + (rng.random(events) * (until - since)).astype(np.int64)
        users, clients = self.population.draw(rng, rng.random(events) < 0.4)
        trace = rng.integers(1, 1 << 62, events)
        event = np.repeat(np.arange(events), np.concatenate([np.ones(single, dtype=np.int64), sizes]))[:count]
        later = np.where(event < single, 0.0, rng.exponential(1.5, len(event)) * SECOND).astype(np.int64)
        time = np.minimum(start[event] + later, until - 1)
        return _Rows(time, stream[event].astype(np.int64), users[event], clients[event], trace[event])

    def _plan_chains(self) -> Array:
        """For each system with people at it: a stream of each step of CHAIN, -1 where it has none."""
        shared = self.streams.of("sso", "SSO")[:1] or [-1]
        plans = []
        for system in self.streams.by_system:
            steps = [(self.streams.of(system, code) or [-1])[0] for code in CHAIN]
            if sum(step >= 0 for step in steps) >= 2:
                plans.append([steps[0] if steps[0] >= 0 else shared[0], *steps[1:]])
        return np.array(plans, dtype=np.int64).reshape(-1, len(CHAIN))

    def _sessions(self, rng: np.random.Generator, since: Micros, until: Micros, lines: int) -> _Rows:
        """A login, then requests, each leaving its line in web server, gateway, application and database."""
        weight = (self.streams.weight[self._chains] * (self._chains >= 0)).sum(axis=1)
        weight = weight / weight.sum() if len(weight) else np.ones(1)
        present = (self._chains >= 0) if len(self._chains) else np.zeros((1, len(CHAIN)), dtype=bool)
        expected = float((weight * (present[:, 0] + REQUESTS * (present * CHAIN_ODDS).sum(axis=1))).sum())
        count = int(lines / expected) if expected else 0
        chain = np.minimum(np.searchsorted(np.cumsum(weight), rng.random(count)), len(weight) - 1)
        start = since + (rng.random(count) * (until - since)).astype(np.int64)
        requests = rng.geometric(1 / REQUESTS, count)
        hours = self._hours[self._chains[:, 1:].max(axis=1)] if len(self._chains) else np.zeros(1, dtype=np.int64)
        users, clients = self.population.draw(rng, hours[chain] == rhythm.NAMES.index("public"))
        trace = rng.integers(1, 1 << 62, count)
        owner = np.repeat(np.arange(count), requests)
        gap = rng.exponential(6.0, len(owner))
        first = np.cumsum(requests) - requests
        total = np.cumsum(gap)
        at = start[owner] + ((total - (total - gap)[first][owner] + 0.2) * SECOND).astype(np.int64)
        pieces = [self._step(start, chain, 0, users, clients, trace, np.ones(count, dtype=bool))]
        for step in range(1, len(CHAIN)):
            chosen = rng.random(len(owner)) < CHAIN_ODDS[step]
            later = at + step * rng.integers(500, 9000, len(owner))
            pieces.append(self._step(later, chain[owner], step, users[owner], clients[owner], trace[owner], chosen))
        return self._merge(pieces)

    def _step(self, time: Array, chain: Array, step: int, users: Array, clients: Array, trace: Array,
              chosen: npt.NDArray[np.bool_]) -> _Rows:
        stream = self._chains[chain, step] if len(chain) else chain
        return _pick(_Rows(time, stream, users, clients, trace), np.flatnonzero(chosen & (stream >= 0)))

    @staticmethod
    def _merge(parts: list[_Rows]) -> _Rows:
        return _Rows(*(np.concatenate([getattr(part, name) for part in parts])
                       for name in ("time", "stream", "user", "client", "trace")))

    @staticmethod
    def _dirty(text: pl.Series, rng: np.random.Generator) -> pl.Series:
        """Some lines are cut short, some carry a carriage return, some have bytes put in by a broken relay."""
        rows = np.flatnonzero(rng.random(len(text)) < DIRTY)
        if not len(rows):
            return text
        spoiled = []
        for whole, sort in zip(text.gather(rows).to_list(), rng.integers(0, 4, len(rows)), strict=True):
            cut = int(len(whole) * (0.5 + 0.5 * rng.random()))
            spoiled.append((whole[:cut], whole + "\r", whole[:cut] + "\ufffd" + whole[cut:], whole + "\t ")[sort])
        return text.scatter(rows, pl.Series(spoiled))


def _pick(rows: _Rows, at: Array) -> _Rows:
    return _Rows(rows.time[at], rows.stream[at], rows.user[at], rows.client[at], rows.trace[at])
