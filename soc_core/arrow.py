"""The bytes of columns and of records where they lie, without a copy and without a Python object for any value.

A Series hands out its memory by the Arrow C stream and data interfaces
(https://arrow.apache.org/docs/format/CDataInterface.html); texts lie there as views
(https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout). Only where there are kernels.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from soc_core.lexicon import Bytes, Ints
from soc_core.native import kernels

KERNELS = "soc_core.arrow_kernels"
NAME = b"arrow_array_stream"
BASE = 4096  # the first page is nobody's
ARRAY = 10  # words of struct ArrowArray
INSIDE = sys.getsizeof(b"") - 1  # where the bytes of a bytes object begin in it
TEXT, SIGNED, UNSIGNED = 0, 1, 2
KINDS: dict[Any, tuple[int, int]] = {  # what a value is, and how wide
    pl.String: (TEXT, 0), pl.Int8: (SIGNED, 1), pl.Int16: (SIGNED, 2), pl.Int32: (SIGNED, 4), pl.Int64: (SIGNED, 8),
    pl.UInt8: (UNSIGNED, 1), pl.UInt16: (UNSIGNED, 2), pl.UInt32: (UNSIGNED, 4), pl.UInt64: (UNSIGNED, 8),
}

opened = ctypes.pythonapi.PyCapsule_GetPointer
opened.restype, opened.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


class _Memory:
    """All memory of the process from BASE on, as numpy asks for it."""

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {"shape": (1 << 47,), "typestr": "|u1", "data": (BASE, True), "version": 3}


MEMORY: Bytes = np.asarray(_Memory())  # nothing of it may be read but spans that somebody holds


class Spans(NamedTuple):
    """Where values lie: MEMORY from `starts` to `ends`; a start below 0 is null. Only while `held` is."""

    starts: Ints
    ends: Ints
    held: Any


class Held:
    """Arrays taken from streams; given back in the end."""

    def __init__(self, loops: Any, columns: Sequence[pl.Series]) -> None:
        self.loops, self.columns = loops, columns
        capsules = [column.__arrow_c_stream__() for column in columns]
        self.streams = np.array([opened(capsule, NAME) for capsule in capsules], np.int64)
        self.arrays = np.zeros((sum(column.n_chunks() for column in columns) + 1, ARRAY), np.int64)
        self.taken = np.empty(len(columns), np.int64)
        loops.take(MEMORY, self.streams, self.arrays, self.taken)

    def __del__(self) -> None:
        self.loops.give(self.arrays)


def known(dtype: pl.DataType) -> bool:
    """Whether columns of this type have spans."""
    return type(dtype) in KINDS


def spans(columns: Sequence[pl.Series]) -> tuple[Spans, npt.NDArray[np.uint8]] | None:
    """Spans of columns, one column after another, and what each value is: TEXT, SIGNED or UNSIGNED."""
    loops = kernels(KERNELS)
    if loops is None:
        return None
    held = Held(loops, columns)
    told = np.array([KINDS[type(column.dtype)] for column in columns], np.int64)
    bounds = np.cumsum([0, *map(len, columns)])
    if (np.cumsum(held.arrays[:, 0])[held.taken - 1] != bounds[1:]).any():
        raise ValueError("columns of less or more than they say have no spans")
    size = int(bounds[-1])
    starts, ends, kinds = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.uint8)
    loops.lay(MEMORY, held.arrays, held.taken, told, bounds, starts, ends, kinds)
    return Spans(starts, ends, held), kinds


def lines(values: Sequence[bytes]) -> Spans:
    """Spans of bytes objects; of others a start is below 0."""
    held = tuple(values)  # whoever gave them may change his list
    starts, ends = np.fromiter(map(id, held), np.int64, len(held)) - BASE, np.empty(len(held), np.int64)
    loops = kernels(KERNELS)
    if loops is None:
        starts += INSIDE
        return Spans(starts, starts + np.fromiter(map(len, held), np.int64, len(held)), held)
    loops.measure(MEMORY, starts, ends, id(bytes), INSIDE)
    return Spans(starts, ends, held)


def uniform(column: pl.Series) -> bool:
    """Whether all rows of a column of lists of texts are known to hold the same, and not null."""
    loops = kernels(KERNELS)
    if loops is None or column.dtype != pl.List(pl.String) or column.n_chunks() != 1:
        return False
    return bool(loops.uniform(MEMORY, Held(loops, [column]).arrays))
