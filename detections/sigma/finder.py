"""Which texts may hold one of some literals: first by a few pairs of bytes, of which each of them has one.

The pairs are those that are rare in what comes; where they turn out not to be, others are chosen. Texts that have one
are looked at by the spotter (multi.py). Never too few are found, whatever the pairs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from detections.sigma import multi
from detections.sigma.books import KERNELS
from detections.sigma.multi import EngineName, Spotter
from soc_core import arrow
from soc_core.lexicon import Bytes, Ints, view
from soc_core.native import kernels
from soc_core.table import Column

Pair = tuple[int, int]
SAMPLE, EACH = 3 << 20, 12  # bytes from which pairs are chosen, and texts a time: of many kinds
MOST = 10  # pairs that are quicker than the spotter
COSTS = (1e-5, 1e-4, 1e-3, 1e-2)  # what a pair costs beside the texts that it lets through, as a share of places
ROWS, SHARE = 4096, 0.1  # after so many texts, of which more than this came through, other pairs are chosen
NO_PAIRS = np.empty((0, 4), np.uint8)
LATIN = np.array([[0, one[-2], 0, one[-1]] for one in (text.encode() for text in multi.LATIN)], np.uint8)
HIDING = np.array([[0, 92, 0, 117], [0, 92, 0, 47]], np.uint8)  # \\u and \\/: ways in which JSON may write anything


class Finder:
    """Finds the rows of a text column that may hold one of these ASCII literals, in small letters."""

    def __init__(self, literals: Sequence[str], spotter: Spotter) -> None:
        self.literals, self.spotter = [literal.encode() for literal in literals], spotter
        self.pairs = NO_PAIRS
        self.printable = all(literal.isprintable() for literal in literals)  # JSON may write others in other ways
        self._sample()

    def _sample(self) -> None:
        """Choose pairs from what comes now."""
        self.counts = np.zeros(1 << 16, np.int64)
        self.seen = 0
        self.rows_seen = self.rows_met = 0
        self.choosing = all(len(literal) > 1 for literal in self.literals)

    def rows(self, column: Column) -> Collection[int]:
        """Never too few."""
        loops = kernels(KERNELS)
        held = None if loops is None else self._laid(column)
        if held is None:
            return self.spotter.rows(column)
        data, starts, ends, keep = held
        if self.choosing:
            some = slice(None, None, max(len(starts) // EACH, 1))
            self.seen += loops.count_pairs(data, starts[some].copy(), ends[some].copy(), self.counts)
            if self.seen >= SAMPLE:
                self._choose()
        if not len(self.pairs):
            return self.spotter.rows(column)
        met = np.zeros(column.height, np.uint8)
        loops.meet(data, starts, ends, self.pairs, met)
        places = np.flatnonzero(met & loops.PAIR)
        self._met(column.height, len(places))
        found = np.zeros(len(places), np.uint8)
        loops.confirm(data, starts, ends, places, self.pairs, *self.index, found)
        return {*places[found > 0].tolist(), *self._hidden(loops, column, data, starts, ends, met, keep is None)}

    def _hidden(self, loops: Any, column: Column, data: Bytes, starts: Ints, ends: Ints, met: Any, json: bool
                ) -> set[int]:
        """Rows that may hold a literal though its bytes are not there as they are."""
        beyond = np.flatnonzero(met & loops.BEYOND)
        out: set[int] = set()
        if column.raw is not None:  # what is no UTF-8 reads otherwise than it is written
            out = {row for row in beyond.tolist() if multi.utf8(column.raw[row]) is None}
        odd: list[int] = []
        if len(beyond):  # letters that fold to such within ASCII
            odd = beyond[self._having(loops, data, starts[beyond], ends[beyond], LATIN)].tolist()
        if json:
            escaping = np.flatnonzero(self._having(loops, data, starts, ends, HIDING))
            how = np.zeros(len(escaping), np.uint8)
            loops.hides(data, starts, ends, escaping, how)
            odd = sorted({*odd, *escaping[how > 0].tolist()})
        if odd:
            texts = [(text or "").encode("utf-8", "replace") for text in column.at(odd)]
            out.update(odd[place] for place in self.spotter.among(texts))
        return out

    @staticmethod
    def _having(loops: Any, data: Bytes, starts: Ints, ends: Ints, pairs: Any) -> npt.NDArray[np.bool_]:
        met = np.zeros(len(starts), np.uint8)
        loops.meet(data, starts, ends, pairs, met)
        found: npt.NDArray[np.bool_] = (met & np.uint8(loops.PAIR)) > 0
        return found

    def _met(self, seen: int, met: int) -> None:
        self.rows_seen, self.rows_met = self.rows_seen + seen, self.rows_met + met
        if self.rows_seen >= ROWS:
            if self.rows_met > SHARE * self.rows_seen:
                self._sample()
            self.rows_seen = self.rows_met = 0

    def _choose(self) -> None:
        self.choosing = False
        found = chosen(self.literals, self.counts, self.seen)
        self.pairs = np.array([_masked(pair) for pair in found], np.uint8) if len(found) <= MOST else NO_PAIRS
        self.index = indexed(self.literals, found)

    def _laid(self, column: Column) -> tuple[Bytes, Ints, Ints, Any] | None:
        """Where the texts lie and what holds them there, if they do; as strings of JSON, that is None."""
        if column.raw is not None:
            found = arrow.lines(column.raw) if set(map(type, column.raw)) == {bytes} else None
        elif self.printable and (written := column.written) is not None:
            data, starts, ends = written
            return view(data), np.ascontiguousarray(starts), np.ascontiguousarray(ends), None
        elif not column.serial or column.dtype != pl.String or not column.height:
            return None
        else:
            held = arrow.spans([column.series])
            found = held[0] if held is not None else None
        return None if found is None else (arrow.MEMORY, *found)


def chosen(literals: Sequence[bytes], counts: npt.NDArray[np.int64], seen: int) -> list[Pair]:
    """Few and rare pairs of which each literal has one: greedily, the cheapest for each literal that it serves."""
    serving: dict[Pair, set[bytes]] = {}
    for literal in literals:
        for pair in pairwise(literal):
            serving.setdefault(pair, set()).add(literal)
    found: list[Pair] = []
    for cost in COSTS:
        price = {pair: counts[pair[0] << 8 | pair[1]] / max(seen, 1) + cost for pair in serving}
        found = _chosen(set(literals), serving, price)
        if len(found) <= MOST:
            break
    return found


def _chosen(left: set[bytes], serving: Mapping[Pair, set[bytes]], price: Mapping[Pair, float]) -> list[Pair]:
    found: list[Pair] = []
    while left:
        useful = sorted(pair for pair in serving if serving[pair] & left)
        found.append(min(useful, key=lambda pair: price[pair] / len(serving[pair] & left)))
        left = left - serving[found[-1]]
    return found


def indexed(literals: Sequence[bytes], pairs: Sequence[Pair]) -> tuple[Any, Any, Any, Any]:
    """The literals as `confirm` takes them."""
    first = np.zeros(1 << 16, np.int32)
    following = np.zeros(len(literals), np.int32)
    places = np.zeros((len(literals), 3), np.int64)
    at = 0
    for number, literal in enumerate(literals):
        held = list(pairwise(literal))
        pair = next(pair for pair in pairs if pair in held)
        key = pair[0] << 8 | pair[1]
        following[number], first[key] = first[key], number + 1
        places[number] = held.index(pair), at, at + len(literal)
        at += len(literal)
    return first, following, places, np.frombuffer(b"".join(literals), np.uint8)


def _masked(pair: Pair) -> tuple[int, int, int, int]:
    first, second = ((32 if 97 <= byte <= 122 else 0, byte) for byte in pair)
    return (*first, *second)


def finder(literals: Sequence[str], engine: EngineName, folder: Any) -> Finder:
    """For ASCII literals in small letters."""
    return Finder(literals, multi.spotter(literals, engine, folder))
