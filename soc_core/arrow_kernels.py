"""The loops of arrow.py: taking arrays from streams, and where the values of a column begin and end.

`memory` is arrow.MEMORY: addresses count from BASE in it. Offsets of fields are those of the structs of the Arrow C
interfaces, in bytes or in words of eight.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from soc_core.native import kernel
from soc_core.words import AHEAD, alike, fetch, load4, load8

BASE = 4096
NEXT = 8  # get_next in struct ArrowArrayStream
LENGTH, OFFSET, BUFFERS, CHILDREN, RELEASE = 0, 2, 5, 6, 8  # words of struct ArrowArray
VALID, FIRST = 0, 8  # pointers among the buffers: which are not null; the first of the values'
TYPE, SIZE = 8, 16  # in struct PyVarObject
INLINE = 12  # bytes of a text that lie in the view itself
VIEW = 16


def _invoke(_context: Any, _function: Any, _first: Any, _second: Any) -> Any:
    """Call a C function of two pointers, or of one that does not look at the second, by its address."""

    def code(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        word = ir.IntType(64)
        kind = ir.FunctionType(ir.IntType(32), [word, word])
        return builder.call(builder.inttoptr(given[0], kind.as_pointer()), given[1:])

    return types.int32(types.int64, types.int64, types.int64), code


invoke: Any = intrinsic(_invoke)


@kernel
def word(memory: Any, address: int) -> int:
    """Eight bytes at an address."""
    return int(load8(memory, address - BASE))


@kernel
def measure(memory: Any, starts: Any, ends: Any, kind: int, inside: int) -> None:
    """Where the bytes of objects lie, of which `starts` has the places; -1 for objects of another kind."""
    for row in range(len(starts)):
        if row + AHEAD < len(starts):
            fetch(memory, starts[row + AHEAD])
        at = starts[row]
        good = int(load8(memory, at + TYPE)) == kind
        starts[row] = at + inside if good else -1
        ends[row] = at + inside + int(load8(memory, at + SIZE)) if good else -1


@kernel
def take(memory: Any, streams: Any, arrays: Any, ends: Any) -> None:
    """Fill `arrays` from the streams, all of one and then those of the next; `ends` say up to where."""
    used = 0
    for number in range(len(streams)):
        stream = streams[number]
        while used < len(arrays):
            if invoke(word(memory, stream + NEXT), stream, arrays.ctypes.data + used * 80) != 0:
                break
            if arrays[used, RELEASE] == 0:
                break
            used += 1
        ends[number] = used


@kernel
def give(arrays: Any) -> None:
    """Give all arrays back."""
    for number in range(len(arrays)):
        if arrays[number, RELEASE] != 0:
            invoke(arrays[number, RELEASE], arrays.ctypes.data + number * 80, 0)


@kernel
def valid(memory: Any, bits: int, number: int) -> bool:
    """Whether a value is not null."""
    return bits == 0 or memory[bits - BASE + (number >> 3)] >> (number & 7) & 1 != 0


@kernel
def viewed(memory: Any, buffers: int, number: int) -> Any:
    """(start, end) of the text of a view."""
    view = word(memory, buffers + FIRST) - BASE + VIEW * number
    size = int(load4(memory, view))
    start = view + 4
    if size > INLINE:
        data = word(memory, buffers + FIRST + 8 + 8 * int(load4(memory, view + 8)))
        start = data - BASE + int(load4(memory, view + 12))
    return start, start + size


@kernel
def lay(memory: Any, arrays: Any, taken: Any, told: Any, bounds: Any, starts: Any, ends: Any, kinds: Any) -> None:
    """Where the values of columns lie, one column after another. `told`: of each its kind and width (0: views)."""
    number = 0
    for column in range(len(taken)):
        kind, width = told[column, 0], told[column, 1]
        row = bounds[column]
        while number < taken[column]:
            offset, buffers = arrays[number, OFFSET], arrays[number, BUFFERS]
            bits, first = word(memory, buffers + VALID), word(memory, buffers + FIRST)
            for place in range(offset, offset + arrays[number, LENGTH]):
                kinds[row] = kind
                if not valid(memory, bits, place):
                    starts[row] = ends[row] = -1
                elif width:
                    starts[row] = first - BASE + width * place
                    ends[row] = starts[row] + width
                else:
                    starts[row], ends[row] = viewed(memory, buffers, place)
                row += 1
            number += 1


@kernel
def uniform(memory: Any, arrays: Any) -> bool:
    """Whether all lists of texts hold the same."""
    offset, buffers = arrays[0, OFFSET], arrays[0, BUFFERS]
    bits, first = word(memory, buffers + VALID), word(memory, buffers + FIRST) + 8 * offset
    child = word(memory, arrays[0, CHILDREN])
    shift, texts = word(memory, child + 8 * OFFSET), word(memory, child + 8 * BUFFERS)
    inner = word(memory, texts + VALID)
    least = word(memory, first)
    size = word(memory, first + 8) - least
    for row in range(arrays[0, LENGTH]):
        start = word(memory, first + 8 * row)
        if not valid(memory, bits, offset + row) or word(memory, first + 8 * row + 8) - start != size:
            return False
        for place in range(size):
            if not valid(memory, inner, shift + start + place):
                return False
            left, right = viewed(memory, texts, shift + least + place), viewed(memory, texts, shift + start + place)
            if left[1] - left[0] != right[1] - right[0]:
                return False
            if not alike(memory, left[0], memory, right[0], left[1] - left[0]):
                return False
    return True
