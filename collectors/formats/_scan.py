"""The loops that read JSON byte by byte, or 32 at once: where a text, a number, an object ends.

Grammar: RFC 8259, and of what it leaves open only what every reader takes alike. Whatever else there is (an unpaired
surrogate, a number beyond 64 bits, …) is not judged here but doubtful: the reader of single lines decides. A place is
the number of a byte; DOUBT instead of one says that there is none.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from soc_core.native import inner, kernel

NULL, PLAIN, ESCAPED, WHOLE, TRUE, FALSE, FLOAT, OBJECT, ARRAY = range(9)  # kinds of values
DOUBT = -1
DEPTH = 64  # levels; more of them are doubtful
QUOTE, BACKSLASH, COMMA, COLON, MINUS, DOT = 34, 92, 44, 58, 45, 46
OPEN, CLOSE, BEGIN, END = 123, 125, 91, 93  # {} and []
ABREAST = 32
PLAIN_ESCAPES = (QUOTE, BACKSLASH, 47, 98, 102, 110, 114, 116)  # " \\ / b f n r t


def _stops(_context: Any, array: Any, at: Any) -> Any:
    """A bit for each of 32 bytes that is a quotation mark, a backslash, a control or beyond ASCII."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        held = context.make_array(signature.args[0])(context, builder, given[0])
        wide = ir.VectorType(ir.IntType(8), ABREAST)
        read = builder.load(builder.bitcast(builder.gep(held.data, [given[1]]), wide.as_pointer()))
        read.align = 1
        found = builder.icmp_signed("<", read, ir.Constant(wide, [32] * ABREAST))  # those beyond ASCII are below 0
        for mark in (QUOTE, BACKSLASH):
            found = builder.or_(found, builder.icmp_signed("==", read, ir.Constant(wide, [mark] * ABREAST)))
        return builder.bitcast(found, ir.IntType(32))

    return types.uint32(array, types.int64), code


def _lowest(_context: Any, _bits: Any) -> Any:
    """The number of the lowest bit; there must be one."""

    def code(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        return builder.zext(builder.cttz(given[0], ir.Constant(ir.IntType(1), 1)), ir.IntType(64))

    return types.int64(types.uint32), code


stops: Any = intrinsic(_stops)  # (bytes, at)
lowest: Any = intrinsic(_lowest)  # (bits)


@inner
def space(data: Any, at: int, end: int) -> int:
    """The place of the first byte that is no white space."""
    while at < end and (data[at] == 32 or data[at] == 9 or data[at] == 10 or data[at] == 13):
        at += 1
    return at


@inner
def beyond(data: Any, at: int) -> int:
    """Where a character of several bytes ends (RFC 3629); DOUBT where it is none."""
    lead, second = data[at], data[at + 1]
    if lead < 0xC2 or lead > 0xF4 or second & 0xC0 != 0x80:
        return DOUBT
    if lead < 0xE0:
        return at + 2
    if data[at + 2] & 0xC0 != 0x80:
        return DOUBT
    if lead < 0xF0:
        short = lead == 0xE0 and second < 0xA0
        surrogate = lead == 0xED and second > 0x9F
        return DOUBT if short or surrogate else at + 3
    short = lead == 0xF0 and second < 0x90
    above = lead == 0xF4 and second > 0x8F
    return DOUBT if short or above or data[at + 3] & 0xC0 != 0x80 else at + 4


@inner
def escape(data: Any, at: int) -> int:
    """Where an escape ends; DOUBT for half of a pair of surrogates, as for what is none."""
    sign = data[at + 1]
    if sign == 117:  # u
        for place in range(at + 2, at + 6):
            low = data[place] | 32
            if not (48 <= data[place] <= 57 or 97 <= low <= 102):
                return DOUBT
        surrogate = data[at + 2] | 32 == 100 and data[at + 3] > 55  # \ud800 to \udfff
        return DOUBT if surrogate else at + 6
    return at + 2 if sign in PLAIN_ESCAPES else DOUBT


@inner
def string(data: Any, at: int) -> Any:
    """(where the text that begins here ends, its kind)."""
    kind = PLAIN
    base, bits = at, stops(data, at)
    while True:
        while bits == 0:
            base += ABREAST
            bits = stops(data, base)
        at = base + lowest(bits)
        sign = data[at]
        if sign == QUOTE:
            return at, kind
        if sign == BACKSLASH:
            kind = ESCAPED
            at = escape(data, at)
        else:
            at = beyond(data, at) if sign >= 0x80 else DOUBT
        if at < 0:
            return DOUBT, kind
        if at - base < ABREAST:
            bits &= types.uint32(0xFFFFFFFF) << types.uint32(at - base)
        else:
            base, bits = at, stops(data, at)


@inner
def scalar(data: Any, at: int) -> Any:
    """(where the number or word ends, its kind)."""
    sign = data[at]
    if sign == 116:
        good = data[at + 1] == 114 and data[at + 2] == 117 and data[at + 3] == 101
        return (at + 4 if good else DOUBT), TRUE
    if sign == 102:
        good = data[at + 1] == 97 and data[at + 2] == 108 and data[at + 3] == 115 and data[at + 4] == 101
        return (at + 5 if good else DOUBT), FALSE
    if sign == 110:
        good = data[at + 1] == 117 and data[at + 2] == 108 and data[at + 3] == 108
        return (at + 4 if good else DOUBT), NULL
    first = at + 1 if sign == MINUS else at
    total = types.uint64(0)
    stop = first
    while 48 <= data[stop] <= 57 and stop - first < 20:
        total = total * types.uint64(10) + types.uint64(data[stop] - 48)
        stop += 1
    digits = stop - first
    if digits == 0 or digits > 19 or (data[first] == 48 and digits > 1):
        return DOUBT, WHOLE
    if data[stop] == DOT:
        at = stop + 1
        while 48 <= data[at] <= 57:
            at += 1
        good = 1 < at - stop < 20 and data[at] | 32 != 101 and digits < 16
        return (at if good else DOUBT), FLOAT
    if data[stop] | 32 == 101 or (sign == MINUS and (total == 0 or total > types.uint64(1 << 63))):
        return DOUBT, FLOAT
    return stop, WHOLE


@kernel
def nested(data: Any, at: int, end: int, held: Any) -> int:
    """Where an object or array ends that is not taken apart, every value in it read; `held` is room for DEPTH marks."""
    depth = 0
    while True:
        sign = data[at]
        if sign in (OPEN, BEGIN):
            if depth == DEPTH:
                return DOUBT
            held[depth] = sign
            depth += 1
            at = space(data, at + 1, end)
            if data[at] != sign + 2:
                if sign == OPEN:
                    at = after_name(data, at, end)
                    if at < 0:
                        return DOUBT
                continue
        elif sign == QUOTE:
            at, _ = string(data, at + 1)
        else:
            at, _ = scalar(data, at)
            at -= 1
        if at < 0:
            return DOUBT
        at += 1
        if sign in (OPEN, BEGIN):
            depth -= 1
            if depth == 0:
                return at
        while True:
            at = space(data, at, end)
            if data[at] == held[depth - 1] + 2:
                at += 1
                depth -= 1
                if depth == 0:
                    return at
            elif data[at] == COMMA:
                at = space(data, at + 1, end)
                break
            else:
                return DOUBT
        if held[depth - 1] == OPEN:
            at = after_name(data, at, end)
            if at < 0:
                return DOUBT


@kernel
def after_name(data: Any, at: int, end: int) -> int:
    """Where the value begins whose name begins here."""
    if data[at] != QUOTE:
        return DOUBT
    at, _ = string(data, at + 1)
    return value(data, at, end)


@inner
def value(data: Any, at: int, end: int) -> int:
    """Where the value begins whose name ends here."""
    if at < 0:
        return DOUBT
    at = space(data, at + 1, end)
    return space(data, at + 1, end) if data[at] == COLON else DOUBT
