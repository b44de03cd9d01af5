"""The loops of the Sigma engine over codes: outcomes of a field, tuples of numbers, bytes that a keyword must have."""

from __future__ import annotations

from typing import Any

import numpy as np

from soc_core.native import kernel
from soc_core.words import folded

UNKNOWN, ELSEWHERE = 1, 2  # what `look` met
PAIR, BEYOND = 1, 2  # what `meet` met


@kernel
def look(table: Any, narrow: Any, stirs: Any, codes: Any, out: Any, live: Any) -> int:
    """Set numbers of a plan, by code. `table`: by code, one more than the field's set number, 0 where not known yet.

    `live` is set where the set stirs a rule. Gives UNKNOWN and ELSEWHERE for what could not be looked up.
    """
    met = 0
    for row in range(len(codes)):
        code = codes[row]
        if code < 0:
            met |= ELSEWHERE
            out[row] = 0
            continue
        known = table[code]
        if known == 0:
            met |= UNKNOWN
            continue
        number = narrow[known - 1]
        out[row] = number
        live[row] |= stirs[number]
    return met


@kernel
def tuples(columns: Any, rows: Any, done: int, seed: Any, slots: Any, hashes: Any, held: Any, counts: Any,
           codes: Any) -> int:
    """Codes of the tuples that these rows of the columns make, from `done` on; how many are made: all, or until there
    is no room. Nothing but zeros is 0; a number below 0 in it makes it -1. counts: tuples held."""
    width = len(columns)
    wrap = np.uint64(len(slots) - 1)
    for place in range(done, len(rows)):
        row = rows[place]
        key, least, most = seed, 0, 0
        for column in range(width):
            number = columns[column, row]
            least, most = min(least, number), max(most, number)
            key = folded(key ^ np.uint64(number), seed + np.uint64(column))
        if least < 0 or most == 0:
            codes[place] = -1 if least < 0 else 0
            continue
        slot = key & wrap
        while True:
            code = slots[slot]
            if code == 0:
                break
            if hashes[code] == key:
                same = True
                for column in range(width):
                    same &= held[code, column] == columns[column, row]
                if same:
                    break
            slot = (slot + np.uint64(1)) & wrap
        if code == 0:
            code = counts[0]
            if code >= len(held) or 2 * code > len(slots):
                return place
            slots[slot], hashes[code] = code, key
            for column in range(width):
                held[code, column] = columns[column, row]
            counts[0] = code + 1
        codes[place] = code
    return len(rows)


@kernel
def rehash(slots: Any, hashes: Any, count: int) -> None:
    """Lay all tuples out in a new table of slots."""
    wrap = np.uint64(len(slots) - 1)
    for code in range(1, count):
        slot = hashes[code] & wrap
        while slots[slot] != 0:
            slot = (slot + np.uint64(1)) & wrap
        slots[slot] = code


@kernel
def meet(data: Any, starts: Any, ends: Any, pairs: Any, met: Any) -> None:
    """Which spans hold one of the pairs of bytes, letters without case (PAIR), or a byte beyond ASCII (BEYOND).

    A pair: mask and byte, mask and byte.
    """
    for row in range(len(starts)):
        if starts[row] < 0 or ends[row] == starts[row]:
            continue
        left, right = data[starts[row] : ends[row] - 1], data[starts[row] + 1 : ends[row]]
        every = np.uint8(data[starts[row]])
        for at in range(len(right)):
            every |= right[at]
        if every > 127:
            met[row] |= BEYOND
        for pair in range(len(pairs)):
            first, one, second, other = pairs[pair, 0], pairs[pair, 1], pairs[pair, 2], pairs[pair, 3]
            least = np.uint8(255)
            for at in range(len(left)):  # the least of all differences: a loop that the processor does abreast
                least = min(least, np.uint8(((left[at] | first) ^ one) | ((right[at] | second) ^ other)))
            if least == 0:
                met[row] |= PAIR
                break


@kernel
def count_pairs(data: Any, starts: Any, ends: Any, counts: Any) -> int:
    """Add up how often each pair of bytes stands in the spans, capital letters as small ones; bytes looked at."""
    total = 0
    for row in range(len(starts)):
        if starts[row] < 0:
            continue
        before = np.int64(0)
        for at in range(starts[row], ends[row]):
            byte = np.int64(data[at])
            if 65 <= byte <= 90:
                byte += 32
            counts[before << 8 | byte] += 1
            before = byte
        total += ends[row] - starts[row]
    return total
