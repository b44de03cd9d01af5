"""Which texts may hold one of some literals: first by a few pairs of bytes, of which each of them has one.

The pairs are those that are rare in what comes; where they turn out not to be, others are chosen. Texts that have one
are looked at by the spotter (multi.py). Never too few are found, whatever the pairs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
SAMPLE = 256 << 10  # bytes from which pairs are chosen
MOST = 10  # pairs that are quicker than the spotter
COST = 5e-4  # what a pair costs beside the texts that it lets through, as a share of places
ROWS, SHARE = 4096, 0.25  # after so many texts, of which more than this came through, other pairs are chosen
NO_PAIRS = np.empty((0, 4), np.uint8)
LATIN = np.array([[0, one[-2], 0, one[-1]] for one in (text.encode() for text in multi.LATIN)], np.uint8)
HIDING = np.array([[0, 92, 0, 117], [0, 92, 0, 47]], np.uint8)  # \\u and \\/: ways in which JSON may write anything


class Finder:
    """Finds the rows of a text column that may hold one of these ASCII literals, in small letters."""

    def __init__(self, literals: Sequence[str], spotter: Spotter) -> None:
        self.literals, self.spotter = [literal.encode() for literal in literals], spotter
        self.pairs = self.escaped = NO_PAIRS
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
            self.seen += loops.count_pairs(data, starts, ends, self.counts)
            if self.seen >= SAMPLE:
                self._choose()
        if not len(self.pairs):
            return self.spotter.rows(column)
        met = np.zeros(column.height, np.uint8)
        loops.meet(data, starts, ends, self.pairs if keep is not None else self.escaped, met)
        beyond = np.flatnonzero(met == loops.BEYOND)
        if len(beyond):  # letters there that fold to such within ASCII hide a literal from the pairs
            more = np.zeros(len(beyond), np.uint8)
            loops.meet(data, starts[beyond], ends[beyond], LATIN, more)
            met[beyond] = more
        places = np.flatnonzero(met & loops.PAIR)
        odd: list[int] = []
        if column.raw is not None:  # what is no UTF-8 reads otherwise than it is written
            odd = [row for row in np.flatnonzero(met & loops.BEYOND).tolist() if multi.utf8(column.raw[row]) is None]
        self._met(column.height, len(places))
        if not len(places):
            return odd
        if keep is None:
            texts = [(text or "").encode("utf-8", "replace") for text in column.at(places.tolist())]
        else:
            texts = [data[start:end].tobytes() for start, end in
                     zip(starts[places].tolist(), ends[places].tolist(), strict=True)]
        return {*odd, *places[np.array(list(self.spotter.among(texts)), np.int64)].tolist()}

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
        self.escaped = np.concatenate([self.pairs, HIDING])


def chosen(literals: Sequence[bytes], counts: npt.NDArray[np.int64], seen: int) -> list[Pair]:
    """Few and rare pairs of which each literal has one: greedily, the cheapest for each literal that it serves."""
    left = set(literals)
    found: list[Pair] = []
    while left:
        serving: dict[Pair, set[bytes]] = {}
        for literal in left:
            for pair in pairwise(literal):
                serving.setdefault(pair, set()).add(literal)
        best = min(sorted(serving), key=lambda pair: (
            (counts[pair[0] << 8 | pair[1]] / max(seen, 1) + COST) / len(serving[pair])))
        found.append(best)
        left -= serving[best]
    return found


def _masked(pair: Pair) -> tuple[int, int, int, int]:
    first, second = ((32 if 97 <= byte <= 122 else 0, byte) for byte in pair)
    return (*first, *second)


def finder(literals: Sequence[str], engine: EngineName, folder: Any) -> Finder:
    """For ASCII literals in small letters."""
    return Finder(literals, multi.spotter(literals, engine, folder))
