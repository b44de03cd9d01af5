"""Memory of accounts and sources, and the forest that knows how far a logon usually strays from it.

Everything is a function of the logons in their order alone: the forest is grown anew at fixed counts from a fixed
sample with a fixed seed, and a restored memory grows the same one again. All of it is bounded.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from detections.models._forest import Forest
from detections.models._logons import Logon
from soc_core.clock import DAY, HOUR, Micros

FEATURES = (
    "hour", "source", "network", "host", "source_failures", "account_failures", "accounts_tried", "success_after",
)
ACCOUNTS = SOURCES = 10_000
PLACES = 8  # addresses and hosts kept of an account, the latest
TRIED = 32
SAMPLE = 2_048
FIRST = 1_024  # logons before the first forest
AGAIN = 32_768  # grown anew at 1,024, 2,048, … and then each time this many more were seen
KNOWN = 20  # logons after which half of what is new about an account counts
TREES = 64
SEED = 7
WEEKEND_SHIFT = 8 * HOUR  # the city's clock; whole hours are enough to tell day from night
HOURS = 48  # 24 of working days, 24 of days off


class Judged(NamedTuple):
    """How unusual a logon is (0 … 1), from where on the forest of that moment calls it so, and what then stands out."""

    unusual: float
    least: float
    why: list[str]


NOT_YET = Judged(0.0, 1.0, [])


class World:
    """What is usual in one realm. `sample` may come from a trained model; else the first logons make it."""

    def __init__(self, sample: Sequence[Sequence[float]] = ()) -> None:
        self.accounts: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self.sources: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self.sample: list[list[float]] = [list(row) for row in sample][-SAMPLE:]
        self.seen = 0
        self.next_fit = FIRST
        self._grow(self.sample if len(self.sample) >= FIRST else [])

    # ---------------------------------------------------------------- learning

    def observe(self, logon: Logon) -> list[float]:
        """Features of one logon against the memory before it; then it becomes part of the memory."""
        account = _touch(self.accounts, logon.user, ACCOUNTS, _new_account)
        source = _touch(self.sources, logon.source, SOURCES, _new_source)
        slot = _slot(logon.at)
        _fade(account, logon.at)
        _fade(source, logon.at)
        n = account["n"]
        novelty = n / (n + KNOWN)  # 0 … 1
        net = logon.source.rpartition(".")[0] or logon.source.rpartition(":")[0]
        tried: dict[str, int] = source["tried"]
        recent = sum(map((logon.at - HOUR).__lt__, tried.values()))
        hours = account["hours"]
        # What is new says little of an account that is itself new; all features stay within bounds as it grows old.
        near = hours[slot] + (hours[slot // 24 * 24 + (slot - 1) % 24] + hours[slot // 24 * 24 + (slot + 1) % 24]) / 2
        failures = math.log1p(source["failures"])
        features = [
            novelty * (1 - min(1.0, HOURS * near / (n + 1))),
            novelty if logon.source and logon.source not in account["sources"] else 0.0,
            novelty if net and net not in account["nets"] else 0.0,
            novelty if logon.host and logon.host not in account["hosts"] else 0.0,
            failures,
            math.log1p(account["failures"]),
            math.log1p(max(0, recent - 1)),
            failures if logon.success and source["failures"] >= 3 else 0.0,
        ]
        self._remember(logon, account, source, slot, net)
        self._keep(features)
        return features

    def _remember(self, logon: Logon, account: dict[str, Any], source: dict[str, Any], slot: int, net: str) -> None:
        source["tried"].pop(logon.user, None)
        source["tried"][logon.user] = logon.at
        if len(source["tried"]) > TRIED:
            del source["tried"][next(iter(source["tried"]))]
        if not logon.success:  # a guess teaches nothing about where and when the account's owner works
            account["failures"] += 1
            source["failures"] += 1
            return
        account["n"] += 1
        account["hours"][slot] += 1
        for name, value in (("sources", logon.source), ("nets", net), ("hosts", logon.host)):
            if value:
                known: list[str] = account[name]
                if value in known:
                    known.remove(value)
                known.append(value)
                del known[:-PLACES]

    def _keep(self, features: list[float]) -> None:
        self.seen += 1
        # Dense while the sample fills, then one of eight: the sample reaches back further than a busy hour.
        if len(self.sample) < SAMPLE or self.seen % 8 == 0:
            self.sample.append(features)
            del self.sample[:-SAMPLE]

    def _grow(self, sample: Sequence[Sequence[float]]) -> None:
        """A new forest from a sample; none from nothing."""
        self.basis = [list(row) for row in sample]
        self.least, self._forest = 1.0, None  # type: float, Forest | None
        if not self.basis:
            return
        table = np.array(self.basis)
        self._forest = Forest(table, TREES, SEED)
        self._usual = np.quantile(table, 0.95, axis=0)
        self._spread = table.std(axis=0) + 0.25
        scores = self._forest.unusual(table)
        self.least = float(max(np.quantile(scores, 0.99), 0.55))

    # ---------------------------------------------------------------- judging

    def judge(self, logons: Sequence[Logon]) -> list[Judged]:
        """Each logon against what was usual until then; NOT_YET before the first forest."""
        judged: list[Judged] = []
        waiting: list[list[float]] = []
        for logon in logons:
            waiting.append(self.observe(logon))
            if self.seen >= self.next_fit:
                judged += self._score(waiting)
                waiting = []
                self._grow(self.sample)
                self.next_fit += min(self.next_fit, AGAIN)
        return judged + self._score(waiting)

    def _score(self, rows: list[list[float]]) -> list[Judged]:
        if not rows or self._forest is None:
            return [NOT_YET] * len(rows)
        table = np.array(rows)
        # A logon that is nowhere above the usual range is not unusual, however rare its combination.
        above = np.maximum(0.0, (table - self._usual) / self._spread)
        judged = [NOT_YET] * len(rows)
        odd = np.flatnonzero(above.any(axis=1))
        if len(odd):
            scores = self._forest.unusual(table[odd]).tolist()
            for row, score in zip(odd.tolist(), scores, strict=True):
                judged[row] = Judged(score, self.least, _strongest(above[row]) if score >= self.least else [])
        return judged

    # ---------------------------------------------------------------- state

    def dump(self) -> dict[str, Any]:
        """Plain data that `load` makes the same memory from."""
        return {"accounts": list(self.accounts.items()), "sources": list(self.sources.items()), "sample": self.sample,
                "basis": self.basis, "seen": self.seen, "next_fit": self.next_fit}

    @classmethod
    def load(cls, state: dict[str, Any]) -> World:
        world = cls()
        world.accounts, world.sources = OrderedDict(state["accounts"]), OrderedDict(state["sources"])
        world.sample, world.seen, world.next_fit = state["sample"], state["seen"], state["next_fit"]
        world._grow(state["basis"])
        return world


def _strongest(far: npt.NDArray[np.float64]) -> list[str]:
    """Names of the three features furthest above their usual range."""
    return [FEATURES[at] for at in np.argsort(-far, kind="stable")[:3] if far[at] > 0]


def _touch(held: OrderedDict[str, dict[str, Any]], key: str, size: int, make: Any) -> dict[str, Any]:
    """The entry of a key, made when missing; the one untouched for longest goes when there are too many."""
    entry = held.get(key)
    if entry is not None:
        held.move_to_end(key)
        return entry
    fresh: dict[str, Any] = make()
    held[key] = fresh
    if len(held) > size:
        held.popitem(last=False)
    return fresh


def _new_account() -> dict[str, Any]:
    return {"n": 0, "hours": [0] * HOURS, "sources": [], "nets": [], "hosts": [], "failures": 0.0, "last": 0}


def _new_source() -> dict[str, Any]:
    return {"tried": {}, "failures": 0.0, "last": 0}


def _fade(entry: dict[str, Any], at: Micros) -> None:
    """Halve the failures for every quarter of an hour that passed."""
    if at > entry["last"]:
        if entry["failures"]:
            faded = entry["failures"] * 0.5 ** ((at - entry["last"]) / (HOUR / 4))
            entry["failures"] = faded if faded > 0.01 else 0.0
        entry["last"] = at


def _slot(at: Micros) -> int:
    """0 … 23 the hour of a working day, 24 … 47 of a Saturday or Sunday."""
    local = at + WEEKEND_SHIFT
    weekday = (local // DAY + 3) % 7  # the epoch began on a Thursday
    return int(local % DAY // HOUR) + (24 if weekday >= 5 else 0)
