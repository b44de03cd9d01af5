"""The bytes of a text column where they lie, without a copy and without a Python object for any of them.

A Series hands out its memory by the Arrow C stream and data interfaces
(https://arrow.apache.org/docs/format/CDataInterface.html); texts lie there as views
(https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout).
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from soc_core.lexicon import Bytes, Ints
from soc_core.native import kernels

KERNELS = "soc_core.arrow_kernels"
POINTER = ctypes.c_void_p
TAKE = ctypes.CFUNCTYPE(ctypes.c_int, POINTER, POINTER)
NAME = b"arrow_array_stream"
VIEW, WORD = 16, 8  # bytes of a view, and of what is said of each buffer
WIDTHS: dict[Any, int] = {
    pl.Int8: 1, pl.UInt8: 1, pl.Int16: 2, pl.UInt16: 2, pl.Int32: 4, pl.UInt32: 4, pl.Int64: 8, pl.UInt64: 8,
}


class Array(ctypes.Structure):
    """struct ArrowArray."""

    _fields_ = (
        ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64), ("buffers", ctypes.POINTER(POINTER)),
        ("children", POINTER), ("dictionary", POINTER), ("release", ctypes.CFUNCTYPE(None, POINTER)),
        ("private_data", POINTER),
    )


class Stream(ctypes.Structure):
    """struct ArrowArrayStream."""

    _fields_ = (
        ("get_schema", TAKE), ("get_next", TAKE), ("get_last_error", POINTER), ("release", POINTER),
        ("private_data", POINTER),
    )


opened = ctypes.pythonapi.PyCapsule_GetPointer
opened.restype, opened.argtypes = POINTER, [ctypes.py_object, ctypes.c_char_p]


class Spans(NamedTuple):
    """Where the values of a column lie in memory: `data` from `starts` to `ends`; a start below 0 is null.

    `data` is the stretch from the first of the column's buffers to the last: nothing of it but the spans may be read,
    and only while `held` is.
    """

    data: Bytes
    starts: Ints
    ends: Ints
    held: Any


class Stretch:
    """Memory from an address on, as numpy asks for it."""

    def __init__(self, at: int, size: int, held: Any) -> None:
        self.held = held
        self.__array_interface__ = {"shape": (size,), "typestr": "|u1", "data": (at, True), "version": 3}


class Held:
    """One array taken from a stream; given back in the end."""

    def __init__(self, series: pl.Series) -> None:
        capsule = series.__arrow_c_stream__()
        stream = Stream.from_address(opened(capsule, NAME))
        self.array = Array()
        if stream.get_next(ctypes.addressof(stream), ctypes.addressof(self.array)) or not self.array.release:
            raise ValueError("a column without an array")

    def __del__(self) -> None:
        if self.array.release:
            self.array.release(ctypes.addressof(self.array))


def spans(series: pl.Series) -> Spans | None:
    """The spans of a column of texts or whole numbers; None for any other, and where there are no kernels."""
    known = kernels(KERNELS)
    width = WIDTHS.get(type(series.dtype), 0)
    if known is None or not len(series) or not (width or series.dtype == pl.String):
        return None
    held = Held(series if series.n_chunks() == 1 else series.rechunk())
    array = held.array
    height, offset, nulls = array.length, array.offset, array.buffers[0] or 0
    valid = memory(nulls, (offset + height + 7) // 8, held) if nulls else NONE
    starts, ends = np.empty(height, np.int64), np.empty(height, np.int64)
    first = array.buffers[1]
    if width:
        data = memory(first + width * offset, width * height, held)
        known.fixed(valid, offset, width, starts, ends)
        return Spans(data, starts, ends, held)
    own = VIEW * (offset + height)
    places, sizes = [first], [own]
    count = array.n_buffers - 3
    if count:
        told = (ctypes.c_int64 * count).from_address(array.buffers[array.n_buffers - 1])
        for number in range(count):
            if told[number]:
                places.append(array.buffers[2 + number])
                sizes.append(told[number])
            else:
                places.append(first)
                sizes.append(0)
    low = min(places)
    high = max(place + size for place, size in zip(places, sizes, strict=True))
    data = memory(low, high - low, held)
    known.views(data, first - low, valid, offset, np.array(places, np.int64) - low, starts, ends)
    return Spans(data, starts, ends, held)


def memory(at: int, size: int, held: Any) -> Bytes:
    """Bytes from an address on, which `held` keeps there."""
    return np.asarray(Stretch(at, size, held))


NONE = np.empty(0, np.uint8)
NONE.flags.writeable = False
