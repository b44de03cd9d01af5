"""The signatures of one plan that were met, under numbers, and the rules that fire on each.

A signature is which sets of tests are true of an event, field by field: (place of a field, number of a set) for each
field of which any is. So events of other columns share it. Only where there are kernels.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from detections.sigma.books import KERNELS, TUPLE, Memory
from soc_core.lexicon import Codes, Ints
from soc_core.native import kernels

Ids = npt.NDArray[np.int32]
Pair = tuple[int, int]
UNDECIDED, SILENT, FIRES = 0, 1, 2  # SILENT as the kernel knows it
SHIFT = 32  # a pair in one number: the place above, the set below


class Ledger:
    """Signatures and their rules."""

    def __init__(self, width: int, memory: Memory) -> None:
        self.memory = memory
        self.rules: dict[int, tuple[int, ...]] = {}
        self.states = np.zeros(64, np.uint8)
        self._kernels = kernels(KERNELS)
        self._seed = np.uint64(secrets.randbits(64) | 1)
        self._slots = np.zeros(128, np.int32)
        self._hashes = np.zeros(64, np.uint64)
        self._bounds = np.zeros(65, np.int64)  # of the pairs of each
        self._pairs = np.zeros(256, np.int64)
        self._counts = np.array([1, 0], np.int64)  # one more than the highest number, rows told
        self._scratch = np.zeros(width + 1, np.int64)

    def sign(self, ids: Ids, offsets: Ints, looked: Ids, table: Ids, begins: Ints, height: int, always: bool, rows: Ids,
             codes: Codes) -> int:
        """Write rows whose signature is not known to be silent, and its number, to the beginning; how many."""
        done, before = 0, int(self._counts[0])
        self._counts[1] = 0
        while True:
            done = self._kernels.sign(
                ids, offsets, looked, table, begins, done, height, always, self._seed, self._slots, self._hashes,
                self._bounds, self._pairs, self.states, self._counts, self._scratch, rows, codes)
            if done == height:
                break
            self._room()
        if self._counts[0] > before:
            self.memory.used += int(self._counts[0] - before) * TUPLE + 8 * int(
                self._bounds[self._counts[0]] - self._bounds[before])
        return int(self._counts[1])

    def undecided(self, codes: Codes) -> list[int]:
        """Those of the signatures that are new."""
        odd = codes[self.states[codes] == UNDECIDED]
        return np.unique(odd).tolist() if len(odd) else []

    def pairs(self, code: int) -> list[Pair]:
        """The signature."""
        held = self._pairs[self._bounds[code] : self._bounds[code + 1]].tolist()
        return [(pair >> SHIFT, pair & ((1 << SHIFT) - 1)) for pair in held]

    def decide(self, code: int, rules: tuple[int, ...]) -> None:
        self.states[code] = FIRES if rules else SILENT
        if rules:
            self.rules[code] = rules

    def firing(self, rows: Ids, codes: Codes) -> list[tuple[int, tuple[int, ...]]]:
        """Of rows and their signatures those that fire."""
        some = np.flatnonzero(self.states[codes] == FIRES)
        return [(row, self.rules[code]) for row, code in zip(rows[some].tolist(), codes[some].tolist(), strict=True)]

    def _room(self) -> None:
        count = int(self._counts[0])
        self._pairs = doubled(self._pairs, int(self._bounds[count]) + len(self._scratch))
        if count + 1 >= len(self._hashes):
            self._hashes, self.states = doubled(self._hashes, count + 2), doubled(self.states, count + 2)
            self._bounds = doubled(self._bounds, len(self._hashes) + 1)
        if 2 * count > len(self._slots):
            self._slots = np.zeros(2 * len(self._slots), np.int32)
            self._kernels.rehash(self._slots, self._hashes, count)


def doubled(held: npt.NDArray, least: int) -> npt.NDArray:  # type: ignore[type-arg]  # of any type
    """With twice the room where there is less than that."""
    if len(held) >= least:
        return held
    made = np.zeros(max(2 * len(held), least), held.dtype)
    made[: len(held)] = held
    return made


def packed(tables: Sequence[Sequence[int]]) -> tuple[Ids, Ints]:
    """Tables that grow, one after another with room for more, and where each begins."""
    rooms = np.array([2 * len(table) + 8 for table in tables], np.int64)
    begins = np.cumsum(rooms) - rooms
    flat = np.zeros(int(rooms.sum()), np.int32)
    for begin, table in zip(begins.tolist(), tables, strict=True):
        flat[begin : begin + len(table)] = table
    return flat, begins
