"""The loops that read JSON byte by byte, or 32 at once: where a text, a number, an object ends.

Grammar: RFC 8259, and of what it leaves open only what every reader takes alike. Whatever else there is (an unpaired
surrogate, a number beyond 64 bits, …) is not judged here but doubtful: the reader of single lines decides. A place is
the number of a byte; DOUBT instead of one says that there is none.
"""

from __future__ import annotations

from typing import Any

from collectors.formats._scan_bits import ABREAST, BACKSLASH, ESCAPES, QUOTE, digits, low, stops
from soc_core.native import inner, kernel

NULL, PLAIN, ESCAPED, WHOLE, TRUE, FALSE, FLOAT, OBJECT, ARRAY = range(9)  # kinds of values
DOUBT = -1
DEPTH = 64  # levels; more of them are doubtful
COMMA, COLON, MINUS, DOT = 44, 58, 45, 46
OPEN, CLOSE, BEGIN, END = 123, 125, 91, 93  # {} and []
LEAST = tuple(b"9223372036854775808")  # digits of what is least of 64 bits, below 0


@inner
def space(data: Any, at: int, end: int) -> int:
    """The place of the first byte that is no white space."""
    while data[at] <= 32 and at < end and (data[at] == 32 or data[at] == 9 or data[at] == 10 or data[at] == 13):
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
    return at + 2 if sign in ESCAPES else DOUBT


@inner
def string(data: Any, at: int) -> Any:
    """(where the text that begins here ends, its kind)."""
    kind = PLAIN
    base, bits = at, stops(data, at)
    while True:
        while bits == 0:
            base += ABREAST
            bits = stops(data, base)
        at = base + low(bits)
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
            bits &= -1 << (at - base)
        else:
            base, bits = at, stops(data, at)


@inner
def word(data: Any, at: int) -> Any:
    """(where true, false or null ends, its kind)."""
    sign = data[at]
    if sign == 116:
        good = data[at + 1] == 114 and data[at + 2] == 117 and data[at + 3] == 101
        return (at + 4 if good else DOUBT), TRUE
    if sign == 102:
        good = data[at + 1] == 97 and data[at + 2] == 108 and data[at + 3] == 115 and data[at + 4] == 101
        return (at + 5 if good else DOUBT), FALSE
    good = sign == 110 and data[at + 1] == 117 and data[at + 2] == 108 and data[at + 3] == 108
    return (at + 4 if good else DOUBT), NULL


@inner
def beneath(data: Any, at: int) -> bool:
    """Whether minus this number of 19 digits has 64 bits."""
    for place, digit in enumerate(LEAST):
        if data[at + place] != digit:
            return bool(data[at + place] < digit)
    return True


@inner
def scalar(data: Any, at: int) -> Any:
    """(where the number or word ends, its kind)."""
    first = at + 1 if data[at] == MINUS else at
    size = low(~digits(data, first))
    if size == 0:
        return word(data, at)
    stop = first + size
    if size > 19 or (data[first] == 48 and size > 1):
        return DOUBT, WHOLE
    if data[stop] == DOT:
        part = low(~digits(data, stop + 1))
        at = stop + 1 + part
        return (at if 0 < part < 19 and data[at] | 32 != 101 and size < 16 else DOUBT), FLOAT
    if data[stop] | 32 == 101:
        return DOUBT, FLOAT
    if first > at and (data[first] == 48 or (size == 19 and not beneath(data, first))):
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
