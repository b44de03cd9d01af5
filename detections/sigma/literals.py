"""Which plain literals of many patterns hold of many texts at once: as Patterns.find, without an object for a text.

Texts are ASCII in small letters, as bytes; so no literal with another letter stands in them. Only with kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from detections.sigma.patterns import Patterns, Shape
from soc_core.lexicon import Bytes, Ints
from soc_core.native import kernels

KERNELS = "detections.sigma.literal_kernels"
Some = npt.NDArray[np.int32]
FACTOR = 0x9E3779B97F4A7C15  # of the hashes; what falls together is told apart by its bytes
ROOM = 4  # literals a text, as there is room for at first


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
    """Literals anywhere in a text, by four of their bytes, or by their first one."""

    data: Bytes
    bounds: Ints
    places: Ints
    following: Some
    slots: Some
    singles: Some
    factor: Any
    shift: Any
    short: bool


class Literals:
    """The literals of patterns over folded texts. `hold` gives their numbers; `tests` and `shapes` are by number."""

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
        self.shapes: list[Sequence[tuple[int, Shape]]] = [()] * (first + 1)
        texts += patterns.texts
        self.tests += [tests for tests, _ in patterns.inside]
        self.shapes += [shapes for _, shapes in patterns.inside]
        held = [text.encode() for text in texts]  # those with other letters than ASCII's are never met
        bounds = np.cumsum([0, *map(len, held)]).astype(np.int64)
        data = np.frombuffer(b"".join(held) + bytes(8), np.uint8)
        self._loops = loops
        self._ends = _hashed(loops, data, bounds, kinds)
        self._grams = _gathered(loops, data, bounds, first)
        self._told = np.zeros(len(texts), np.int64)
        self._counts = np.zeros(2, np.int64)

    def hold(self, data: Bytes, starts: Ints, stops: Ints) -> tuple[Some, Some]:
        """Numbers of texts, rising, and of the literals that hold of them."""
        rows, hits = (np.empty(ROOM * len(starts) + 2 * len(self._told), np.int32) for _ in range(2))
        done, out = 0, []
        while True:
            self._counts[0] = 0
            done = self._loops.find(
                data, starts, stops, self._ends, self._grams, self._told, done, self._counts, rows, hits)
            many = int(self._counts[0])
            out.append((rows[:many].copy(), hits[:many].copy()))
            if done == len(starts):
                return np.concatenate([one for one, _ in out]), np.concatenate([one for _, one in out])


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
    following, places = np.zeros(many, np.int32), np.zeros(many, np.int64)
    slots, singles = np.zeros(1 << bits, np.int32), np.zeros(256, np.int32)
    factor, shift = np.uint64(FACTOR), np.uint64(64 - bits)
    served = np.zeros(1 << bits, np.int32)
    short = loops.lay_grams(data, bounds, first, factor, shift, served, places, following, slots, singles)
    return Grams(data, bounds, places, following, slots, singles, factor, shift, bool(short))
