"""Which plain literals of many patterns hold of many texts at once: as Patterns.find, without an object for a text.

Texts are ASCII in small letters, as bytes; so no literal with another letter stands in them. Only with kernels.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from detections.sigma.ledger import doubled
from detections.sigma.patterns import Patterns, Shape
from soc_core.lexicon import Bytes, Ints
from soc_core.native import kernels

KERNELS = "detections.sigma.literal_kernels"
Some = npt.NDArray[np.int32]
FACTOR = 0x9E3779B97F4A7C15  # of the hashes; what falls together is told apart by its bytes
ROOM = 64  # sets that there is room for at first


class Ends(NamedTuple):
    """Literals at an end of a text, or all of it, by the hash of their bytes from that end."""

    data: Bytes
    bounds: Ints
    kinds: Bytes
    keys: npt.NDArray[np.uint64]
    following: Some
    slots: Some
    lengths: Bytes  # which kinds have literals of a size
    factor: Any
    shift: Any
    tails: bool


class Grams(NamedTuple):
    """Literals anywhere in a text, by four of their bytes; shorter ones by their first one. Where there is no bit in
    `sieve` for four bytes, or in `pairs` for two, there is no literal."""

    data: Bytes
    bounds: Ints
    places: Ints
    following: Some
    slots: Some
    singles: Some
    sieve: Bytes
    pairs: Bytes
    factor: Any
    shift: Any
    fine: Any
    longest: int
    short: bool = False


class Shapes(NamedTuple):
    """Patterns of literals in order, by the literal that is looked for: those of it from its `begins` on."""

    begins: Ints
    firsts: Ints  # of the pieces of each
    ends: Bytes  # HEAD and TAIL: whether the first and the last piece stand at the ends
    data: Bytes
    bounds: Ints


class Sets(NamedTuple):
    """Sets of literals and shapes that were met, under numbers from 1 on."""

    slots: Some
    hashes: npt.NDArray[np.uint64]
    bounds: Ints
    items: Some
    counts: Ints  # one more than the highest number
    seed: npt.NDArray[np.uint64]


class Literals:
    """The literals of patterns over folded texts. `hold` gives numbers of sets of them; `met` says what is in a set.

    `tests` and `shapes`, the latter those with expressions, are by literal; after the literals come other shapes.
    """

    def __init__(self, patterns: Patterns) -> None:
        loops = kernels(KERNELS)
        texts, kinds = [""], [0]
        self.tests: list[Sequence[int]] = [()]
        for kind, held in ((loops.WHOLE, patterns.whole.items()), (loops.HEAD, _ends(patterns.head)),
                           (loops.TAIL, _ends(patterns.tail))):
            for text, tests in held:
                texts.append(text)
                self.tests.append(tests)
                kinds.append(kind)
        first = len(texts) - 1
        texts += patterns.texts
        self.tests += [tests for tests, _ in patterns.inside]
        shapes: list[Sequence[tuple[int, Shape]]] = [*([()] * (first + 1)), *(some for _, some in patterns.inside)]
        self.shapes = [[pair for pair in some if pair[1].expression is not None] for some in shapes]
        plain = [[pair for pair in some if pair[1].expression is None] for some in shapes]
        self.tests += [(test,) for some in plain for test, _ in some]
        self.shapes += [[] for some in plain for _ in some]
        data, bounds = _joined(texts)
        self._loops = loops
        self._ends = _hashed(loops, data, bounds, kinds)
        self._grams = _gathered(loops, data, bounds, first)
        self._shapes = _shaped(loops, [[shape for _, shape in some] for some in plain])
        self._told, self._counts = np.zeros(len(texts), np.int64), np.zeros(3, np.int64)
        self._seen = np.zeros((2, len(texts)), np.int64)
        self._met = np.zeros(len(self.tests), np.int32)
        self.forget()

    def forget(self) -> None:
        """Start with no set known."""
        self._sets = Sets(
            np.zeros(4 * ROOM, np.int32), np.zeros(ROOM + 1, np.uint64), np.zeros(ROOM + 2, np.int64),
            np.zeros(4 * ROOM, np.int32), np.array([1], np.int64), np.array([secrets.randbits(64) | 1], np.uint64))

    @property
    def known(self) -> int:
        """One more than the highest number of a set."""
        return int(self._sets.counts[0])

    def met(self, first: int) -> list[tuple[int, ...]]:
        """What is in the sets from a number on."""
        bounds = self._sets.bounds[first : self.known + 1].tolist()
        return [tuple(self._sets.items[low:high].tolist()) for low, high in pairwise(bounds)]

    def hold(self, data: Bytes, starts: Ints, stops: Ints) -> Some:
        """Of each text the number of the set of literals and shapes that hold of it."""
        out = np.empty(len(starts), np.int32)
        done = 0
        while True:
            done = self._loops.find(
                data, starts, stops, self._ends, self._grams, self._shapes, self._told, self._seen, self._met,
                self._counts, self._sets, done, out)
            if done == len(starts):
                return out
            self._room()

    def _room(self) -> None:
        slots, hashes, bounds, items, counts, seed = self._sets
        hashes = doubled(hashes, int(counts[0]) + 2)
        bounds = doubled(bounds, len(hashes) + 1)
        items = doubled(items, int(bounds[counts[0]]) + len(self._met))
        again = 2 * int(counts[0]) > len(slots)
        self._sets = Sets(np.zeros(2 * len(slots), np.int32) if again else slots, hashes, bounds, items, counts, seed)
        if again:
            self._loops.rehash(self._sets)


def _joined(texts: Sequence[str]) -> tuple[Bytes, Ints]:
    """Texts one after another, and where each begins; those with other letters than ASCII's are never met."""
    held = [text.encode() for text in texts]
    return np.frombuffer(b"".join(held) + bytes(8), np.uint8), np.cumsum([0, *map(len, held)]).astype(np.int64)


def _shaped(loops: Any, shapes: Sequence[Sequence[Shape]]) -> Shapes:
    """By literal."""
    every = [shape for some in shapes for shape in some]
    data, bounds = _joined([piece for shape in every for piece in shape.pieces])
    ends = [loops.HEAD * shape.whole_head | loops.TAIL * shape.whole_tail for shape in every]
    return Shapes(
        np.cumsum([0, *map(len, shapes)]), np.cumsum([0, *(len(shape.pieces) for shape in every)]),
        np.array(ends, np.uint8), data, bounds)


def _ends(held: Any) -> Any:
    return chain.from_iterable(literals.items() for literals in held.by_length.values())


def suits(patterns: Patterns) -> bool:
    """Whether they can be put so: no literal that must stand at an end is empty."""
    return not patterns.head.by_length.get(0) and not patterns.tail.by_length.get(0) and "" not in patterns.texts


def _bits(many: int) -> int:
    return max(many * 8, 64).bit_length()


def _hashed(loops: Any, data: Bytes, bounds: Ints, kinds: Sequence[int]) -> Ends:
    bits, many = _bits(len(kinds)), len(kinds)
    keys, following, slots = np.zeros(many, np.uint64), np.zeros(many, np.int32), np.zeros(1 << bits, np.int32)
    lengths = np.zeros(int(np.diff(bounds[: many + 1]).max()) + 1, np.uint8)
    held, factor, shift = np.array(kinds, np.uint8), np.uint64(FACTOR), np.uint64(64 - bits)
    loops.lay_ends(data, bounds, held, factor, shift, keys, following, slots, lengths)
    return Ends(data, bounds, held, keys, following, slots, lengths, factor, shift, bool((lengths & loops.TAIL).any()))


def _gathered(loops: Any, data: Bytes, bounds: Ints, first: int) -> Grams:
    many = len(bounds) - 1
    bits = _bits(many - first)
    grams = Grams(
        data, bounds, np.zeros(many, np.int64), np.zeros(many, np.int32), np.zeros(1 << bits, np.int32),
        np.zeros(256, np.int32), np.zeros(1 << bits, np.uint8), np.zeros(1 << 13, np.uint8), np.uint64(FACTOR),
        np.uint64(64 - bits), np.uint64(64 - bits - 3), int(np.diff(bounds[first + 1 :]).max(initial=0)))
    return grams._replace(short=bool(loops.lay_grams(data, first, grams, np.zeros(1 << bits, np.int32))))
