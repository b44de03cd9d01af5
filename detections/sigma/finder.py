"""Which texts may hold one of some literals: first by a few pairs of bytes, of which each of them has one.

The pairs are those that are rare in what comes; where they turn out not to be, others are chosen. Texts that have one
are looked at by the spotter (multi.py). Never too few are found, whatever the pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from detections.sigma import multi
from detections.sigma.books import KERNELS
from detections.sigma.multi import EngineName, Spotter
from soc_core import arrow
from soc_core.lexicon import Ints
from soc_core.native import kernels
from soc_core.table import Column

Pair = tuple[int, int]
SAMPLE = 1 << 20  # bytes from which pairs are chosen
MOST = 10  # pairs that are quicker than the spotter
COSTS = (1e-5, 1e-4, 1e-3, 1e-2)  # what a pair costs beside the texts that it lets through, as a share of places
ROWS, SHARE = 4096, 0.1  # after so many texts, of which more than this came through, other pairs are chosen
MOST_ROWS = 1 << 21  # ever more of them: to choose costs time, too
NO_PAIRS = np.empty((0, 4), np.uint8)
LATIN = np.array([[0, one[-2], 0, one[-1]] for one in (text.encode() for text in multi.LATIN)], np.uint8)
HIDING = np.array([[0, 92, 0, 117], [0, 92, 0, 47]], np.uint8)  # \\u and \\/: ways in which JSON may write anything


class Text(NamedTuple):
    """Where the texts of a column lie in memory, and the strings of JSON in which something may hide."""

    part: int
    column: Column | None
    starts: Ints
    ends: Ints
    insides: Ints
    tails: Ints
    inner: Column | None  # what these are of
    held: Any  # what keeps the texts where they are
    raw: bool


class Finder:
    """Finds the rows of a text column that may hold one of these ASCII literals, in small letters."""

    def __init__(self, literals: Sequence[str], spotter: Spotter) -> None:
        self.literals, self.spotter = [literal.encode() for literal in literals], spotter
        self.pairs = NO_PAIRS
        self.printable = all(literal.isprintable() for literal in literals)  # JSON may write others in other ways
        self.patience = ROWS
        self._sample()

    def _sample(self) -> None:
        """Choose pairs from what comes now."""
        self.counts = np.zeros(1 << 16, np.int64)
        self.seen = 0
        self.rows_seen = self.rows_met = 0
        self.choosing = all(len(literal) > 1 for literal in self.literals)

    def rows(self, parts: Sequence[Sequence[Column]]) -> list[set[int]]:
        """Of each part, columns of one height, the rows of which any column may hold one. Never too few."""
        out: list[set[int]] = [set() for _ in parts]
        loops = kernels(KERNELS)
        texts: list[Text] = []
        for number, columns in enumerate(parts):
            laid = self._laid(number, columns) if loops is not None else [None] * len(columns)
            for column, text in zip(columns, laid, strict=True):
                if text is None:
                    out[number].update(self.spotter.rows(column))
                elif text.column is not None:
                    texts.append(text)
        if texts:
            self._find(loops, texts, out)
        return out

    def _find(self, loops: Any, texts: Sequence[Text], out: list[set[int]]) -> None:
        heights = [len(text.starts) for text in texts]
        bounds = np.cumsum([0, *heights])
        starts, ends, insides, tails = (
            np.concatenate([text[place] for text in texts]).astype(np.int64, copy=False) for place in range(2, 6))
        if self.choosing:
            some = slice(None, None, max(int((ends - starts).sum()) // SAMPLE, 1))
            self.seen += loops.count_pairs(arrow.MEMORY, starts[some].copy(), ends[some].copy(), self.counts)
            if 2 * self.seen >= SAMPLE:
                self._choose()
        if not len(self.pairs):
            for text in texts:
                for column in (text.column, text.inner):
                    out[text.part].update(self.spotter.rows(column) if column is not None else ())
            return
        met = np.zeros(len(starts), np.uint8)
        loops.meet(arrow.MEMORY, starts, ends, self.pairs, insides, tails, HIDING, met)
        places = np.flatnonzero(met & loops.PAIR)
        self._met(len(starts), len(places))
        found = np.zeros(len(places), np.uint8)
        loops.confirm(arrow.MEMORY, starts, ends, places, self.pairs, *self.index, found)
        for text, rows in _shared(texts, bounds, places[found > 0]):
            out[text.part].update(rows)
        self._beyond(loops, texts, bounds, (starts, ends, met), out)
        hidden = np.flatnonzero(met & loops.HIDDEN)
        how = np.zeros(len(hidden), np.uint8)
        loops.hides(arrow.MEMORY, insides, tails, hidden, how)
        for text, rows in _shared(texts, bounds, hidden[how > 0]):
            self._spotted(text.inner, rows, out[text.part])

    def _beyond(self, loops: Any, texts: Sequence[Text], bounds: Ints, held: tuple[Ints, Ints, Any], out: list[set[int]]
                ) -> None:
        """Rows that may hold a literal in letters beyond ASCII, or in another encoding."""
        starts, ends, met = held
        beyond = np.flatnonzero(met & loops.BEYOND)
        if not len(beyond):
            return
        near, nowhere = np.zeros(len(beyond), np.uint8), np.full(len(beyond), -1)
        loops.broken(arrow.MEMORY, starts, ends, beyond, near)
        for text, rows in _shared(texts, bounds, beyond[near > 0]):
            out[text.part].update(rows if text.raw else ())  # what is no UTF-8 reads otherwise than it is written
        near[:] = 0
        loops.meet(arrow.MEMORY, starts[beyond], ends[beyond], LATIN, nowhere, nowhere, HIDING, near)
        for text, rows in _shared(texts, bounds, beyond[(near & loops.PAIR) > 0]):  # they fold to letters of ASCII
            self._spotted(text.column, rows, out[text.part])

    def _spotted(self, column: Column | None, rows: Sequence[int], out: set[int]) -> None:
        if column is not None:
            read = [(text or "").encode("utf-8", "replace") for text in column.at(rows)]
            out.update(rows[place] for place in self.spotter.among(read))

    def _met(self, seen: int, met: int) -> None:
        self.rows_seen, self.rows_met = self.rows_seen + seen, self.rows_met + met
        if self.rows_seen >= self.patience:
            if self.rows_met > SHARE * self.rows_seen:
                self.patience = min(2 * self.patience, MOST_ROWS)  # perhaps there are no better ones
                self._sample()
            self.rows_seen = self.rows_met = 0

    def _choose(self) -> None:
        self.choosing = False
        found = chosen(self.literals, self.counts, self.seen)
        self.pairs = np.array([_masked(pair) for pair in found], np.uint8) if len(found) <= MOST else NO_PAIRS
        self.index = indexed(self.literals, found)

    def _laid(self, part: int, columns: Sequence[Column]) -> list[Text | None]:
        """Where the texts of each column lie, if they do. A string of JSON within a line that is looked at anyhow is
        looked at for what it may hide alone: its text then has no column, or only the rows that lie elsewhere."""
        found = [self._text(part, column) for column in columns]
        at = next((at for at, text in enumerate(found) if text is not None and text.inner is None and text.raw), None)
        lines = found[at] if at is not None else None
        for number, text in enumerate(found):
            if at is not None and lines is not None and text is not None and text.inner is not None:
                apart = (text.starts >= 0) & ((text.starts < lines.starts) | (text.ends > lines.ends))
                found[at] = lines._replace(inner=text.inner, insides=text.starts, tails=text.ends)
                starts, ends = (np.where(apart, each, -1) for each in (text.starts, text.ends))
                found[number] = text._replace(column=text.column if apart.any() else None, starts=starts, ends=ends)
                break
        return found

    def _text(self, part: int, column: Column) -> Text | None:
        nothing = np.full(column.height, -1)
        lines = column.spans
        if lines is not None:
            return Text(part, column, lines.starts, lines.ends, nothing, nothing, None, lines.held, True)
        if column.raw is not None:
            return None
        if self.printable and (written := column.written) is not None:
            data, starts, ends = written
            if data is not arrow.MEMORY:
                shift = data.ctypes.data - arrow.BASE
                starts, ends = np.where(starts < 0, starts, starts + shift), ends + shift
            return Text(part, column, starts, ends, starts, ends, column, data, False)
        if not column.serial or column.dtype != pl.String or not column.height:
            return None
        spans = arrow.spans([column.series])
        if spans is None:
            return None
        starts, ends, held = spans[0]
        return Text(part, column, starts, ends, nothing, nothing, None, held, False)


def chosen(literals: Sequence[bytes], counts: npt.NDArray[np.int64], seen: int) -> list[Pair]:
    """Few and rare pairs of which each literal has one: greedily, the cheapest for each literal that it serves."""
    pairs = sorted({pair for literal in literals for pair in pairwise(literal)})
    place = {pair: number for number, pair in enumerate(pairs)}
    serving = np.zeros((len(pairs), len(literals)), np.float32)
    for number, literal in enumerate(literals):
        serving[[place[pair] for pair in pairwise(literal)], number] = 1
    shares = counts[[pair[0] << 8 | pair[1] for pair in pairs]] / max(seen, 1)
    found: list[int] = []
    for cost in COSTS:
        found = _chosen(serving, shares + cost)
        if len(found) <= MOST:
            break
    return [pairs[number] for number in found]


def _chosen(serving: npt.NDArray[np.float32], price: npt.NDArray[np.float64]) -> list[int]:
    """`serving`: by pair and literal 1 where it has it."""
    found: list[int] = []
    left = np.ones(serving.shape[1], np.float32)
    while left.any():
        found.append(int(np.argmin(price / np.maximum(serving @ left, 1e-9))))
        left[serving[found[-1]] > 0] = 0
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


def _shared(texts: Sequence[Text], bounds: Ints, places: Ints) -> Iterator[tuple[Text, list[int]]]:
    """Places among all texts as rows of each."""
    cuts = np.searchsorted(places, bounds).tolist()
    for number, (low, high) in enumerate(pairwise(cuts)):
        if low < high:
            yield texts[number], (places[low:high] - bounds[number]).tolist()


def _masked(pair: Pair) -> tuple[int, int, int, int]:
    first, second = ((32 if 97 <= byte <= 122 else 0, byte) for byte in pair)
    return (*first, *second)


def finder(literals: Sequence[str], engine: EngineName, folder: Any) -> Finder:
    """For ASCII literals in small letters."""
    return Finder(literals, multi.spotter(literals, engine, folder))
