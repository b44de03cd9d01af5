"""Texts that a kernel wrote side by side as a Series, without a Python object or another copy of any.

By the Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html): the Series reads the memory
that it is given here, and says when it is done with it.
"""

from __future__ import annotations

import ctypes
import itertools
from typing import Any

import numpy as np
import polars as pl

from soc_core.lexicon import Bytes, Ints

RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
LARGE_TEXT = b"U"  # 64-bit offsets
NULLABLE = 2


class _Schema(ctypes.Structure):
    _fields_ = (
        ("format", ctypes.c_char_p), ("name", ctypes.c_char_p), ("metadata", ctypes.c_void_p),
        ("flags", ctypes.c_int64), ("n_children", ctypes.c_int64), ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p), ("release", ctypes.c_void_p), ("private_data", ctypes.c_void_p),
    )


class _Array(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_int64), ("null_count", ctypes.c_int64), ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64), ("n_children", ctypes.c_int64), ("buffers", ctypes.c_void_p),
        ("children", ctypes.c_void_p), ("dictionary", ctypes.c_void_p), ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


_lent: dict[int, Any] = {}  # what Series read, by the number that they hand back
_numbers = itertools.count(1)


def _returned(place: int, lent: dict[int, Any] = _lent, array: type[_Array] = _Array) -> None:
    held = array.from_address(place)
    lent.pop(held.private_data or 0, None)
    held.release = None


def _forgotten(place: int, schema: type[_Schema] = _Schema) -> None:
    schema.from_address(place).release = None


_callbacks = RELEASE(_returned), RELEASE(_forgotten)
ctypes.pythonapi.Py_IncRef(ctypes.py_object(_callbacks))  # a Series may outlive this module at the very end
_returning, _forgetting = (ctypes.cast(one, ctypes.c_void_p).value for one in _callbacks)
_capsule = ctypes.pythonapi.PyCapsule_New
_capsule.restype, _capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class _Texts:
    """What polars asks for an array."""

    def __init__(self, data: Bytes, bounds: Ints, known: Bytes | None) -> None:
        self._kept = (data, bounds, known)

    def __arrow_c_array__(self, _wanted: object = None) -> tuple[Any, Any]:
        data, bounds, known = self._kept
        buffers = (ctypes.c_void_p * 3)(
            None if known is None else known.ctypes.data, bounds.ctypes.data, data.ctypes.data)
        number = next(_numbers)
        schema = _Schema(format=LARGE_TEXT, name=b"", flags=NULLABLE, release=_forgetting)
        array = _Array(
            length=len(bounds) - 1, null_count=0 if known is None else -1, n_buffers=3,
            buffers=ctypes.cast(buffers, ctypes.c_void_p), release=_returning, private_data=number)
        _lent[number] = (self._kept, buffers)
        self._structs = schema, array  # until they are taken over
        return (_capsule(ctypes.addressof(schema), b"arrow_schema", None),
                _capsule(ctypes.addressof(array), b"arrow_array", None))


def texts(data: Bytes, bounds: Ints, nothing: Any = None) -> pl.Series:
    """The texts data[bounds[n] : bounds[n + 1]], in UTF-8; null where `nothing` is true. Do not write to them again."""
    known = None if nothing is None or not nothing.any() else np.packbits(~nothing, bitorder="little")
    return pl.Series(_Texts(data, bounds, known), dtype=pl.String)
