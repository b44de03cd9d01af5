"""The loop over a line's bytes, 32 at once: where its quotation marks stand, and whether its texts are well written.

After simdjson's first stage (https://arxiv.org/abs/1902.08318): backslashes and the marks behind them are told apart by
sums of bits, not one by one. Bits are those of 32 bytes, the first byte's the lowest.
"""

from __future__ import annotations

from typing import Any

from collectors.formats._scan import DOUBT, beyond, escape
from collectors.formats._scan_bits import (
    ABREAST,
    backslashes,
    beyond_ascii,
    escapable,
    letters_u,
    low,
    many,
    odd_ones,
    quotations,
)
from soc_core.native import inner, kernel

FIRSTS = 0x155555555  # every second bit, of 32 bytes and the one behind
EVERY = (1 << ABREAST) - 1
AT_ONCE = 4  # places that are written whether there are as many or not


@inner
def behind(slashes: int, carry: int) -> int:
    """Bytes that are meant otherwise, as a backslash that is not so itself stands before them; bit 32: the next byte.

    A run of backslashes that begins at an odd place runs over, by its sum, to the bit behind it.
    """
    slashes &= ~carry
    follows = slashes << 1 | carry
    begun = slashes & ~FIRSTS & ~follows
    return (FIRSTS ^ (begun + slashes) << 1) & follows


@inner
def inside(quotes: int, count: int) -> int:
    """Bytes within texts, of which so many marks stand before these bytes."""
    bits = quotes ^ quotes << 1
    bits ^= bits << 2
    bits ^= bits << 4
    bits ^= bits << 8
    bits ^= bits << 16
    return ~bits if count & 1 else bits


@kernel
def numbered(data: Any, base: int, bits: int) -> bool:
    """Whether each of these letters stands in an escape that gives a character's number."""
    while bits:
        if escape(data, base + low(bits) - 1) < 0:
            return False
        bits &= bits - 1
    return True


@kernel
def judged(data: Any, base: int, bits: int, sure: int) -> int:
    """Where the last of the characters beyond ASCII ends that begin at these bytes; those before `sure` are known."""
    while True:
        if sure > base:
            bits = bits & -1 << (sure - base) if sure - base < ABREAST else 0
        if bits == 0:
            return sure
        sure = beyond(data, base + low(bits))
        if sure < 0:
            return DOUBT


@kernel
def quoted(data: Any, at: int, end: int, places: Any, marks: Any) -> int:
    """How many quotation marks begin and end texts, all of them well written; DOUBT.

    `places`: where they stand, counted from `at`; `marks`: the backslashes, for each 32 bytes.
    """
    if end - at > ABREAST * len(marks):
        return DOUBT
    count, carry, sure = 0, 0, at
    room = len(places) - ABREAST - AT_ONCE
    for base in range(at, end, ABREAST):
        quotes, slashes, odd = quotations(data, base), backslashes(data, base), odd_ones(data, base)
        if end - base < ABREAST:
            here = (1 << (end - base)) - 1
            quotes, slashes, odd = quotes & here, slashes & here, odd & here
        marks[(base - at) // ABREAST] = slashes
        if slashes | carry:
            escaped = behind(slashes, carry)
            carry = escaped >> ABREAST
            escaped &= EVERY
            if escaped & ~escapable(data, base):
                return DOUBT
            numbers = escaped & letters_u(data, base)
            if numbers and not numbered(data, base, numbers):
                return DOUBT
            quotes &= ~escaped
        if odd:
            high = odd & beyond_ascii(data, base)
            if odd ^ high and (odd ^ high) & inside(quotes, count):
                return DOUBT
            sure = judged(data, base, high, sure)
            if sure < 0:
                return DOUBT
        if count > room:
            return DOUBT
        written, total = 0, many(quotes)
        while True:
            for turn in range(AT_ONCE):
                places[count + written + turn] = base - at + low(quotes)
                quotes &= quotes - 1
            written += AT_ONCE
            if written >= total:
                break
        count += total
    return count


@inner
def marked(marks: Any, start: int, stop: int) -> bool:
    """Whether there is a backslash from start to stop, places as counted in `quoted`."""
    if stop <= start:
        return False
    first, last = start >> 5, (stop - 1) >> 5
    bits = marks[first] >> (start & 31)
    if first == last:
        return bool(bits & ((1 << (stop - start)) - 1))
    if bits:
        return True
    for block in range(first + 1, last):
        if marks[block]:
            return True
    return bool(marks[last] & ((2 << (stop - 1 & 31)) - 1))
