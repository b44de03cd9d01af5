"""What gives a value, or several values together, a number by which its outcome is remembered; and how much of that.

A batch that comes from the parser brings codes of its own; columns of a store are coded here, out of their own memory.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from weakref import ref

import numpy as np
import numpy.typing as npt
import polars as pl

from soc_core import arrow
from soc_core.lexicon import Codes, Ints, Lexicon
from soc_core.native import kernels
from soc_core.table import Coded, Column

KERNELS = "detections.sigma.kernels"
TUPLE = 80  # bytes that a tuple costs beside its numbers


class Memory:
    """Bytes held by all caches together, estimated, and the bound."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0

    @property
    def full(self) -> bool:
        return self.used > self.limit


class Books:
    """The lexicon of the columns that bring no codes."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.forget()

    def forget(self) -> None:
        """Start with nothing known."""
        self._lexicon: Lexicon | None = None

    @property
    def lexicon(self) -> Lexicon:
        """Made when the first column needs it: kernels are not loaded before there is work."""
        if self._lexicon is None:
            self._lexicon = Lexicon(READERS, self.memory.limit)
        return self._lexicon

    def codes(self, columns: Sequence[Column]) -> list[Coded | None]:
        """Columns by codes, all of them at once; None for those whose values are better read one by one."""
        found: list[Coded | None] = [None] * len(columns)
        laid: list[tuple[int, pl.Series]] = []
        for number, column in enumerate(columns):
            coded = found[number] = column.coded
            if coded is not None or not column.height:
                continue
            kind = type(column.dtype)
            text = kind is pl.String
            if column.serial if text else arrow.known(column.dtype):
                laid.append((number, column.series))
            elif kind is pl.Boolean:
                laid.append((number, column.series.cast(pl.String)))
        held = arrow.spans([series for _, series in laid]) if laid else None
        if held is None:
            return found
        (starts, ends, _), kinds = held
        lexicon = self.lexicon
        before = lexicon.size
        codes = lexicon.encode(arrow.MEMORY, starts, ends, kinds)
        self.memory.used += lexicon.size - before
        at = 0
        for number, series in laid:
            found[number] = Coded(lexicon, codes[at : at + len(series)])
            at += len(series)
        return found


def _number(data: bytes) -> str:
    return str(int.from_bytes(data, "little"))


def _signed(data: bytes) -> str:
    return str(int.from_bytes(data, "little", signed=True))


READERS = (bytes.decode, _signed, _number)  # arrow.TEXT, SIGNED, UNSIGNED


class Tuples:
    """Tuples of so many numbers and their codes. Only where there are kernels."""

    def __init__(self, width: int, memory: Memory) -> None:
        self.width, self.memory = width, memory
        self._seed = np.uint64(secrets.randbits(64) | 1)
        self._kernels = kernels(KERNELS)
        self._slots = np.zeros(64, np.int32)
        self._hashes = np.zeros(16, np.uint64)
        self._counts = np.array([1], np.int64)
        self.held: npt.NDArray[np.int32] = np.zeros((16, width), np.int32)  # by code

    def __len__(self) -> int:
        """One more than the highest code."""
        return int(self._counts[0])

    def encode(self, columns: npt.NDArray[np.int32], rows: Ints) -> Codes:
        """Codes of these rows of the columns, which lie one after another."""
        codes = np.empty(len(rows), np.int32)
        done, before = 0, len(self)
        while True:
            done = self._kernels.tuples(
                columns, rows, done, self._seed, self._slots, self._hashes, self.held, self._counts, codes)
            if done == len(rows):
                break
            self._room()
        if len(self) > before:
            self.memory.used += (len(self) - before) * (TUPLE + 4 * self.width)
        return codes

    def _room(self) -> None:
        count = len(self)
        if count >= len(self.held):
            self.held = np.concatenate([self.held, np.zeros_like(self.held)])
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
        if 2 * count > len(self._slots):
            self._slots = np.zeros(2 * len(self._slots), np.int32)
            self._kernels.rehash(self._slots, self._hashes, count)


class Joint:
    """Values of several columns together, as a book: their tuples, and the lexicons that the numbers are of.

    It keeps no lexicon alive: whoever has a column of one does.
    """

    def __init__(self, lexicons: Sequence[Lexicon | None], memory: Memory) -> None:
        self.lexicons = [None if lexicon is None else ref(lexicon) for lexicon in lexicons]
        self.tuples = Tuples(len(lexicons), memory)

    def __len__(self) -> int:
        return len(self.tuples)

    def of(self, lexicons: Sequence[Lexicon | None]) -> bool:
        """Whether these are its lexicons."""
        return all(
            other is None if mine is None else mine() is other and other is not None
            for mine, other in zip(self.lexicons, lexicons, strict=True)
        )

    @property
    def alive(self) -> bool:
        """Whether all of its lexicons are still there."""
        return all(mine is None or mine() is not None for mine in self.lexicons)

    def texts(self, codes: Sequence[int]) -> list[tuple[str | None, ...]]:
        """The texts of each tuple."""
        held = [None if mine is None else mine() for mine in self.lexicons]
        numbers = self.tuples.held[list(codes)].T.tolist()
        return list(zip(*(
            [None] * len(own) if lexicon is None else lexicon.some(own)
            for lexicon, own in zip(held, numbers, strict=True)), strict=True))
