"""What kernels read bytes by: eight at a time, and the hash of a span of them.

The hash is wyhash's way (https://github.com/wangyi-fudan/wyhash): whole products folded, under a secret of this
process, so that nobody can prepare texts that fall together. Texts are told apart by their bytes, never by it alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from soc_core.native import kernel

U64 = ir.IntType(64)


def _loader(bits: int) -> Any:
    """What reads so many bits of an array of bytes, from wherever they begin, lowest byte first."""
    kind = ir.IntType(bits)

    def load(_context: Any, array: Any, at: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            held = context.make_array(signature.args[0])(context, builder, given[0])
            place = builder.gep(held.data, [given[1]])
            read = builder.load(builder.bitcast(place, kind.as_pointer()))
            read.align = 1
            return builder.zext(read, U64) if bits < 64 else read

        return types.uint64(array, types.int64), code

    return intrinsic(load)


load8: Any = _loader(64)  # (bytes, at) → eight of them
load4: Any = _loader(32)


def _fetch(_context: Any, array: Any, at: Any) -> Any:
    """Have the memory at hand that will be read soon; wherever that is, nothing can go wrong."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        held = context.make_array(signature.args[0])(context, builder, given[0])
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        fetching = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        place = builder.bitcast(builder.gep(held.data, [given[1]]), byte)
        builder.call(fetching, [place, *(ir.Constant(number, one) for one in (0, 3, 1))])  # to read, to keep, as data
        return context.get_dummy_value()

    return types.void(array, types.int64), code


fetch: Any = intrinsic(_fetch)  # (array, at)
AHEAD = 12  # turns of a loop, as long as memory takes to answer


def _folded(_context: Any, _left: Any, _right: Any) -> Any:
    """The two halves of the whole product of two numbers, one laid over the other."""

    def code(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(given[0], wide), builder.zext(given[1], wide))
        high = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), U64)
        return builder.xor(high, builder.trunc(product, U64))

    return types.uint64(types.uint64, types.uint64), code


folded: Any = intrinsic(_folded)


@kernel
def hashed(data: Any, start: int, end: int, seed: Any, secret: Any) -> Any:
    """64 bits for the bytes from start to end; `seed` and `secret` are numbers of 64 bits, the secret odd."""
    size = end - start
    at = start
    total = seed ^ folded(seed ^ secret, secret)
    if size >= 8:
        while end - at > 16:
            total = folded(load8(data, at) ^ secret, load8(data, at + 8) ^ total)
            at += 16
        if size >= 16:
            left, right = load8(data, end - 16), load8(data, end - 8)
        else:
            left, right = load8(data, start), load8(data, end - 8)
    elif size >= 4:
        left, right = load4(data, start), load4(data, end - 4)
    else:
        left = right = np.uint64(0)
        for place in range(start, end):
            left = left << np.uint64(8) | np.uint64(data[place])
    return folded(secret ^ np.uint64(size), folded(left ^ secret, right ^ total))


@kernel
def alike(left: Any, at: int, right: Any, start: int, size: int) -> bool:
    """Whether two spans of a size hold the same bytes."""
    if size < 8:
        same = True
        for place in range(size):
            same &= left[at + place] == right[start + place]
        return same
    for place in range(0, size - 8, 8):
        if load8(left, at + place) != load8(right, start + place):
            return False
    return bool(load8(left, at + size - 8) == load8(right, start + size - 8))
