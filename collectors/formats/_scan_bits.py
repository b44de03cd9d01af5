"""What kernels that read text look at 32 bytes at once by: a bit for each of them, the first byte's the lowest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

ABREAST = 32
QUOTE, BACKSLASH, LETTER_U = 34, 92, 117
ESCAPES = (QUOTE, BACKSLASH, 47, 98, 102, 110, 114, 116)  # " \\ / b f n r t
WIDE = ir.VectorType(ir.IntType(8), ABREAST)
Test = Callable[[Any, Any], Any]


def _all(number: int) -> Any:
    return ir.Constant(WIDE, [number] * ABREAST)


def _read(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """32 bytes of an array."""
    held = context.make_array(kind)(context, builder, array)
    read = builder.load(builder.bitcast(builder.gep(held.data, [at]), WIDE.as_pointer()))
    read.align = 1
    return read


def _bits(builder: Any, found: Any) -> Any:
    return builder.zext(builder.bitcast(found, ir.IntType(ABREAST)), ir.IntType(64))


def _where(test: Test) -> Any:
    """What gives the bits of the bytes that a test is true of."""

    def found(_context: Any, array: Any, at: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            return _bits(builder, test(builder, _read(context, builder, signature.args[0], *given)))

        return types.int64(array, types.int64), code

    return intrinsic(found)


def _one_of(*signs: int) -> Test:
    def test(builder: Any, read: Any) -> Any:
        found = builder.icmp_signed("==", read, _all(signs[0]))
        for sign in signs[1:]:
            found = builder.or_(found, builder.icmp_signed("==", read, _all(sign)))
        return found

    return test


def _below(bound: int) -> Test:
    """As signed numbers: bytes beyond ASCII are below 0."""
    return lambda builder, read: builder.icmp_signed("<", read, _all(bound))


def _digit(builder: Any, read: Any) -> Any:
    return builder.icmp_unsigned("<", builder.sub(read, _all(48)), _all(10))


def _stop(builder: Any, read: Any) -> Any:
    return builder.or_(_below(32)(builder, read), _one_of(QUOTE, BACKSLASH)(builder, read))


def _alike(_context: Any, left: Any, at: Any, right: Any, start: Any) -> Any:
    """The bits of the bytes that two arrays have in common."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        both = [_read(context, builder, signature.args[side], *given[side : side + 2]) for side in (0, 2)]
        return _bits(builder, builder.icmp_signed("==", *both))

    return types.int64(left, types.int64, right, types.int64), code


def _low(_context: Any, _number: Any) -> Any:
    """The number of the lowest bit; 64 where there is none."""

    def code(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        return builder.cttz(given[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), code


def _many(_context: Any, _number: Any) -> Any:
    """How many bits there are."""

    def code(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        return builder.ctpop(given[0])

    return types.int64(types.int64), code


# (bytes, at) → bits
stops: Any = _where(_stop)  # a quotation mark, a backslash, a control or beyond ASCII
quotations: Any = _where(_one_of(QUOTE))
backslashes: Any = _where(_one_of(BACKSLASH))
letters_u: Any = _where(_one_of(LETTER_U))
escapable: Any = _where(_one_of(*ESCAPES, LETTER_U))
odd_ones: Any = _where(_below(32))  # controls, and those beyond ASCII
beyond_ascii: Any = _where(_below(0))
digits: Any = _where(_digit)
in_common: Any = intrinsic(_alike)  # (bytes, at, bytes, at)
low: Any = intrinsic(_low)  # (bits)
many: Any = intrinsic(_many)  # (bits)
